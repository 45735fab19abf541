/** What every step promises, and what a burst promises: that its chunk equals its single steps. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PageBit } from '../src/model/file.ts';
import { brokenInvariant } from '../src/model/invariants.ts';
import { OPERATIONS, Op } from '../src/model/operations.ts';
import type { OperationName } from '../src/model/operations.ts';
import type { Shape } from '../src/model/shape.ts';
import { TaskFlag } from '../src/model/tasks.ts';
import { inIMmap, inMm } from '../src/model/windows.ts';
import { explore } from './tools/explorer.ts';
import type { ExploreOptions } from './tools/explorer.ts';
import { Machine } from './tools/litmusMachine.ts';
import { races } from './tools/races.ts';
import { policyNamed } from './tools/runScript.ts';
import { a } from './tools/scripted.ts';
import type { ScriptedAccess } from './tools/scripted.ts';

describe('a step', () => {
  const names = ['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap'];

  test.each(names)('of %s changes nothing where it waits, and does the same to the same world', (name) => {
    const policy = policyNamed(name);
    for (const race of [races.pinAndUnpin, races.fault, races.munmapAloneDirty, races.mmap, races.thereAndBack, races.guestFault, races.fork, races.io, races.copy]) {
      expect(explore({ policy, ...race, twice: true }).counterexample).toBeUndefined();
    }
    for (const race of [races.pin, races.donation, races.twoConversions]) {
      expect(explore({ policy, ...race, shape: { lazy: true, lruBatch: 1, broadcastFlush: true }, twice: true }).counterexample).toBeUndefined();
    }
  });

  test('of a host is taken in some race, so that the promise above is about all of them', () => {
    const policy = policyNamed('refuse-mmap');
    const taken = new Set<string>();
    const litmuses: readonly Partial<ExploreOptions>[] = [
      ...Object.values(races).filter((race) => race.threads.length === 2),
      { ...races.donation, shape: { lazy: true, folioOrder: 1 }, retries: 1 },
      { ...races.pin, shape: { lruBatch: 1, broadcastFlush: true }, retries: 1 },
      races.punchFaulted,
      { threads: races.twoFaults.threads.slice(1) },
      ...[a.pinShort(0, 0), a.pinLong(0, 0), a.splice(0, 0), a.io(0)].map((access) => ({ threads: [{ accesses: [{ ...access, flags: TaskFlag.FastOnly }] }] })),
      { before: [[1, a.hostRead(0)], [1, a.hostRead(1)]], threads: [{ accesses: [a.toPrivate(0)] }, { role: 'vmm', accesses: [{ ...a.pinLong(0, 0, 2), flags: TaskFlag.ReadOnly }] }] },
      { threads: [{ accesses: [a.toPrivate(0)] }, { role: 'vmm', accesses: [a.secondaryMap(0), a.secondaryAccess(0)] }] },
      { threads: [{ accesses: [a.unmap(1), a.secondaryMap(1)] }] },
      { before: [[0, a.hostRead(0)]], threads: [{ accesses: [a.unmap(0, 2), a.close(), a.close()] }] },
      { before: [[0, a.hostRead(0)]], threads: [{ accesses: [a.toPrivate(1), a.close()] }, { role: 'vmm', accesses: [a.hostWrite(0)] }] },
      { threads: [{ accesses: [a.allocate(0, 2), a.allocate(0), a.allocate(2), { ...a.punch(0), flags: TaskFlag.Unaligned }] }] },
    ];
    for (const race of litmuses) for (const step of explore({ policy, threads: [], ...race }).steps) taken.add(step);
    const { names, routineNames } = new Machine({ policy, threads: [{ accesses: [] }] }).host.program;
    const all = new Set(names.map((step, at) => `${routineNames[at]}.${step}`));
    // A munmap fails at 65 530 VMAs only.
    const unreachable = /^(idle\.|ignored\.|unmap\.failed)/;
    expect([...all].filter((step) => !taken.has(step) && !unreachable.test(step))).toEqual([]);
  });
});

/* ---- bursts ---- */

const PAGES = 2048;

interface Run {
  readonly bytes: string;
  /** Operations that were charged, by name. */
  readonly counts: Readonly<Partial<Record<OperationName, number>>>;
}

/** Runs a script, one access after the other, in bursts of `chunk` pages. */
function runInChunks(script: readonly ScriptedAccess[], chunk: number, shape: Partial<Shape>): Run {
  const machine = new Machine({
    policy: policyNamed('sigbus-on-fault'),
    threads: [{ accesses: script }],
    shape: { pages: PAGES, regionOrder: 9, slotPages: PAGES, spareFolios: PAGES, chunk, ...shape },
  });
  const total = new Float64Array(OPERATIONS.length);
  for (const access of script) {
    machine.runAlone(0, access);
    for (const [operation, count] of machine.world.meter.count.entries()) total[operation] += count;
  }
  const charged = OPERATIONS.map(({ name }, operation) => [name, total[operation]] as const).filter(([, count]) => count > 0);
  expect(brokenInvariant(machine.world, machine.host.program)).toBeUndefined();
  return { bytes: machine.save(), counts: Object.fromEntries(charged) };
}

/** GUP-fast switches interrupts off and on again for each chunk: all that a chunk's length may change. */
const perChunk: ReadonlySet<string> = new Set(['irq.toggle']);

function perPage({ counts }: Run): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([name]) => !perChunk.has(name)));
}

const touchHost = (write: boolean, count: number): readonly ScriptedAccess[] => Array.from({ length: count }, (_, page) => (write ? a.hostWrite(page) : a.hostRead(page)));
const touchGuest = (count: number): readonly ScriptedAccess[] => Array.from({ length: count }, (_, page) => a.guestWrite(page));

describe('a chunk of a burst equals its single steps', () => {
  const scripts: Readonly<Record<string, (count: number) => readonly ScriptedAccess[]>> = {
    'to-private of clean entries': (count) => [...touchHost(false, count), a.toPrivate(0, count)],
    'to-private of dirty entries': (count) => [...touchHost(true, count), a.toPrivate(0, count)],
    'to-private of stage-2 leaves, and back': (count) => [...touchGuest(count), a.toPrivate(0, count), ...touchGuest(count), a.toShared(0, count)],
    'to-private of pages that nobody touched': (count) => [a.toPrivate(0, count)],
    'to-private that a pin refuses': (count) => [...touchHost(true, count), a.pinLong(0, count - 1), a.toPrivate(0, count)],
    'munmap of clean entries': (count) => [...touchHost(false, count), a.unmap(0, count)],
    'munmap of dirty entries': (count) => [...touchHost(true, count), a.unmap(0, count)],
    'GUP-fast, and its release': (count) => [...touchHost(true, count), a.pinShort(0, 0, count), a.unpin(0)],
    'slow GUP': (count) => [a.pinLong(0, 0, count)],
    'a pin that meets a private page': (count) => [...touchHost(true, count), a.toPrivate(count - 1), a.pinShort(0, 0, count)],
    'vmsplice of what is not mapped': (count) => [a.splice(0, 0, count)],
    'punch': (count) => [...touchHost(true, count), ...touchGuest(count), a.punch(0, count)],
    'punch under a pin': (count) => [...touchHost(false, count), a.pinShort(0, 0, count), a.punch(0, count), a.unpin(0)],
  };
  const worlds: readonly (readonly [string, Partial<Shape>])[] = [
    ['order 0', {}],
    ['order 9', { folioOrder: 9, largeBacking: true, spareFolios: 4 }],
  ];

  describe.each(worlds)('at %s', (_, shape) => {
    test.each(Object.keys(scripts))('%s', (name) => {
      for (const count of [1, 3, 513]) {
        const script = scripts[name](count);
        const chunked = runInChunks(script, 512, shape);
        const single = runInChunks(script, 1, shape);
        expect(single.bytes === chunked.bytes, `${count} pages: the same bytes`).toBe(true);
        expect(perPage(single), `${count} pages`).toEqual(perPage(chunked));
      }
    });
  });

  test('and the charges are those of all pages: 513 dirty entries lie in two page tables', () => {
    const { counts } = runInChunks([...touchHost(true, 513), a.toPrivate(0, 513)], 512, {});
    expect(counts).toMatchObject({ 'pte.set': 513, 'pte.zap': 513, 'pte.check': 513, 'tlb.flush': 2, 'folio.readRef': 513, 'rmap.walk': 1, 'vma.visit': 1, 'state.store': 1 });
  });
});

describe('mappings', () => {
  test('after any sequence of mmap, munmap and fork cover what a set of pages would hold', () => {
    const pages = [0, 1, 2, 3];
    const range = fc.record({ page: fc.nat(3), count: fc.integer({ min: 1, max: 4 }) }).map(({ page, count }) => ({ page, count: Math.min(count, 4 - page) }));
    const calls = fc.array(fc.record({ range, call: fc.constantFrom('map', 'unmap', 'fork') }), { maxLength: 8 });
    const policy = policyNamed('sigbus-on-fault');
    fc.assert(
      fc.property(calls, (sequence) => {
        const machine = new Machine({ policy, threads: [{ role: 'vmm', accesses: [a.fork(0)] }], shape: { pages: pages.length } });
        const { world, host } = machine;
        const covered = new Set(pages);
        for (const { range: { page, count }, call } of sequence) {
          const access = call === 'fork' ? a.fork(page) : call === 'map' ? a.map(page, count) : a.unmap(page, count);
          expect(machine.runAlone(0, access)).toBe('OK');
          // The child of a fork touches the page through its copies of the mappings, where there are any.
          const signals = call === 'fork' && covered.size > 0 && !covered.has(page) ? 1 : 0;
          expect(world.meter.count[Op['signal.SIGSEGV']]).toBe(signals);
          for (let at = page; at < page + count; at++) {
            if (call === 'map') covered.add(at);
            if (call === 'unmap') covered.delete(at);
          }
          expect(pages.filter((at) => inMm(world, 0, at))).toEqual([...covered].sort());
          expect(pages.filter((at) => inIMmap(world, 0, at))).toEqual([...covered].sort());
          expect(pages.filter((at) => inMm(world, 1, at) || inIMmap(world, 1, at))).toEqual([]);
          expect(brokenInvariant(world, host.program)).toBeUndefined();
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('a guest whose donation is refused', () => {
  test('goes on with its own page, not with the head of the folio', () => {
    const { outcomes } = explore({
      policy: policyNamed('sigbus-on-fault'),
      ...races.donation,
      shape: { lazy: true, folioOrder: 1 },
      observe: ({ pageState }) => `degraded pages: ${[...pageState.entries()].filter(([, state]) => state & PageBit.Degraded).map(([page]) => page).join(' ')}`,
    });
    expect(outcomes).toEqual(['OK | OK | degraded pages: ', 'OK | OK | degraded pages: 1']);
  });
});
