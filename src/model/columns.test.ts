/** Maxima: what an explorer packs states by must be true of every state, and must fit the elements. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { Access } from '../workloads/workload.ts';
import { column, checkMaxima } from './columns.ts';
import type { Column } from './columns.ts';
import { acknowledge, canAcknowledge } from './crossCalls.ts';
import { GAUGES } from './gauges.ts';
import { brokenInvariant } from './invariants.ts';
import { recountGauges } from './recount.ts';
import { CONTENT_RULES, PAGES_BEYOND_END_MAX } from './shape.ts';
import type { Shape } from './shape.ts';
import { Flow } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { UserError } from './userError.ts';
import { createWorld, worldColumns } from './world.ts';
import type { World, WorldColumns } from './world.ts';

const PAGES = 4;
const columns = Object.entries(worldColumns as Readonly<Record<string, Column>>);

/** The first element above its column's maximum. */
function excess(world: World): string | undefined {
  for (const [name, { max }] of columns) {
    const most = max(world.shape);
    for (const [index, value] of world[name as keyof WorldColumns].entries()) if (value < 0 || value > most) return `${name}[${index}] is ${value}, at most ${most}`;
  }
  return undefined;
}

/* ---- random scripts ---- */

const kinds = Object.values(Access).filter((kind) => kind !== Access.DeviceAccess && kind !== Access.Unpin);
const pins: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice]);
const { FastOnly, SlowOnly, ReadOnly, Unaligned, CopyOnWrite } = TaskFlag;

const accessFrom = fc.record({
  kind: fc.constantFrom(...kinds),
  page: fc.oneof({ weight: 9, arbitrary: fc.nat(PAGES - 1) }, { weight: 1, arbitrary: fc.nat(PAGES + PAGES_BEYOND_END_MAX - 4) }),
  count: fc.integer({ min: 1, max: 4 }),
  value: fc.nat(0xff),
  flags: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(FastOnly, SlowOnly, ReadOnly, Unaligned, CopyOnWrite) }),
  keeps: fc.boolean(),
});

type RandomAccess = typeof accessFrom extends fc.Arbitrary<infer T> ? T : never;

/** Guests, forks and requests begin in the file: nothing maps guest memory beyond its end, and the others have no use for it. */
const beginsInFile: ReadonlySet<number> = new Set([Access.GuestRead, Access.GuestWrite, Access.Fork, Access.ToShared, Access.ToPrivate]);

/** Each reference has a slot of its own; its user touches the buffer and (mostly) lets it go right behind it. */
function scriptOf(accesses: readonly RandomAccess[], firstSlot: number): readonly ScriptedAccess[] {
  return accesses.flatMap(({ keeps, ...access }, nth): readonly ScriptedAccess[] => {
    const slot = firstSlot + nth;
    const isPlain = access.kind <= Access.HostWrite || access.kind === Access.Fork;
    const one = { ...access, ...(isPlain ? { count: 1 } : {}), ...(beginsInFile.has(access.kind) ? { page: access.page % PAGES } : {}), slot };
    return pins.has(access.kind) ? [one, a.device(slot), ...(keeps ? [] : [a.unpin(slot)])] : [one];
  });
}

const LENGTH_MAX = 6;
const scenario = fc.record({
  policy: fc.constantFrom('sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k'),
  scripts: fc.tuple(...Array.from({ length: 3 }, () => fc.array(accessFrom, { minLength: 1, maxLength: LENGTH_MAX }))),
  shape: fc.record({
    folioOrder: fc.nat(1),
    /** undefined: small memory; else the order of a gigantic leaf, where there is one. */
    backing: fc.constantFrom(undefined, 'large', 'gigantic'),
    lruBatch: fc.nat(2),
    lazy: fc.boolean(),
    broadcastFlush: fc.boolean(),
    initShared: fc.boolean(),
    chunk: fc.constantFrom(1, 512),
    content: fc.constantFrom(...CONTENT_RULES),
  }),
  turns: fc.array(fc.nat(0xffff), { minLength: 50, maxLength: 400 }),
});

/** The first gauge that says something else than the columns add up to. */
function wrongGauge(world: World): string | undefined {
  const counted = recountGauges(world);
  return GAUGES.find((_, at) => world.meter.gauge[at] !== counted[at]);
}

describe('a maximum', () => {
  test('holds in every state of random scripts in random order, and so does every invariant, and every gauge says what there is', () => {
    fc.assert(
      fc.property(scenario, ({ policy: name, scripts, shape: { backing, ...shape }, turns }) => {
        const policy = policyNamed(name);
        const folioOrder = policy.coreOrder?.(shape.folioOrder) ?? shape.folioOrder;
        const machine = new Machine({
          policy,
          threads: scripts.map((accesses, thread) => ({ role: thread === 0 ? 'vcpu' : 'vmm', process: thread === 2 ? 1 : 0, accesses: scriptOf(accesses, thread * LENGTH_MAX) })),
          shape: { pages: PAGES, slotPages: PAGES, spareFolios: 4, ...shape, folioOrder, largeBacking: backing !== undefined, ...(backing === 'gigantic' ? { giganticOrder: 2 } : {}) },
        });
        const { world, host } = machine;
        const { tasks, cpus } = world.shape;
        for (const turn of turns) {
          const task = turn % tasks;
          for (let steps = 0; steps < 1 + (turn >> 4) % 8 && machine.hasWork(task); steps++) {
            const step = machine.stepName(task);
            if (machine.step(task, (turn & 8) !== 0) === Flow.Wait) {
              for (let cpu = 0; cpu < cpus; cpu++) if (canAcknowledge(world, task, cpu)) acknowledge(world, task, cpu);
              break;
            }
            expect(excess(world), step).toBeUndefined();
            expect(brokenInvariant(world, host.program), step).toBeUndefined();
          }
          expect(wrongGauge(world)).toBeUndefined();
        }
      }),
      { numRuns: 400, seed: 1 },
    );
  }, 60_000);
});

const small: Shape = {
  pages: 4, folioOrder: 0, regionOrder: 1, largeBacking: false, spareFolios: 1, windows: 1, childWindows: 0, mms: 2, cpus: 2, vcpus: 1, tasks: 2, slots: 1, slotPages: 2,
  chunk: 1, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
};

describe('a world whose elements could overflow', () => {
  test('is refused with the column and the numbers', () => {
    expect(() => createWorld({ ...small, slots: 0x10000 })).toThrow(new UserError({
      what: 'this world is too large: its column "dataRefs" could come to 65540',
      why: 'an element holds at most 65535',
      fix: 'use fewer --vmas, --processes or --vcpus, fewer or shorter buffers, or a smaller --folio',
    }));
  });

  test('is one in which a gigantic folio is mapped by thousands', () => {
    const shape = { ...small, pages: 1 << 18, folioOrder: 18, windows: 8192 };
    expect(() => checkMaxima(worldColumns, shape)).toThrow(/"refcount" could come to 2148270087/);
    expect(() => checkMaxima(worldColumns, { ...shape, windows: 8000 })).not.toThrow();
  });

  test('may have a column that is not there', () => {
    expect(() => checkMaxima({ none: column('u8', 'world', () => 0, () => 256) }, small)).not.toThrow();
    expect(() => checkMaxima({ one: column('u8', 'world', () => 1, () => 256) }, small)).toThrow(/"one" could come to 256/);
  });
});
