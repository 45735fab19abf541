/**
 * The family `unsharing` against a model of plain objects: processes as maps from pages to boxes, where copy-on-write is a copy at once.
 *
 * What a process reads never depends on who shares what; what a pin reads is what its process sees, under any policy that keeps its
 * promise; what a get reads is the box that it was taken of, or a later value of it. All sentences are asked behind every operation.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brokenAnonymous } from '../src/model/anonymous/invariants.ts';
import { WindowFlag, Backing } from '../src/model/memory/windows.ts';
import { acknowledgeFlush, canAcknowledge } from '../src/model/crossCalls.ts';
import { anonymousScene } from './tools/anonymousScene.ts';
import type { SceneOperation, SceneOptions } from './tools/anonymousScene.ts';

const PAGES = 4;
const PROCESSES = 3;
const SLOTS = 2;

interface Held {
  readonly process: number;
  readonly page: number;
  readonly count: number;
  /** The process has given the range up: values of that moment, and whatever is written through the pin. */
  detached: boolean;
}

/** Whom an operation concerns, and how it ends. */
type Step = readonly [process: number, operation: SceneOperation];

const page = fc.nat(PAGES - 1);
const process = fc.nat(PROCESSES - 1);
const slot = fc.nat(SLOTS - 1);
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(process, fc.record({ kind: fc.constant('Write' as const), page, value: fc.integer({ min: 1, max: 255 }) })) },
  { weight: 4, arbitrary: fc.tuple(process, fc.record({ kind: fc.constant('Read' as const), page })) },
  { weight: 3, arbitrary: fc.tuple(process, fc.record({ kind: fc.constant('Fork' as const), page: process })) },
  { weight: 1, arbitrary: fc.tuple(process, fc.record({ kind: fc.constant('Exit' as const) })) },
  { weight: 4, arbitrary: fc.tuple(process, fc.record({ kind: fc.constantFrom('PinRead', 'PinWrite', 'PinLongRead', 'PinLongWrite'), page, slot, flags: fc.constantFrom(0, 1 << 6) })) },
  { weight: 3, arbitrary: fc.tuple(process, fc.record({ kind: fc.constantFrom('DeviceRead', 'Unpin'), slot })) },
  { weight: 2, arbitrary: fc.tuple(process, fc.record({ kind: fc.constantFrom('ProtectRead', 'ProtectWrite', 'DontNeed', 'SwapOut', 'Collapse', 'SplitPmd'), page })) },
);

/** @throws Error where the two models differ */
function agree(what: SceneOperation | string, found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`${JSON.stringify(what)} gives ${String(found)}, and should give ${String(wanted)}`);
}

/** How a property fails; undefined where it holds. */
const failureOf = <T>(property: fc.IProperty<T>, numRuns: number): string | undefined => {
  const details = fc.check(property as fc.IProperty<[T]>, { numRuns, seed: 7 });
  return details.failed ? fc.defaultReportMessage(details) : undefined;
};

function check(options: Pick<SceneOptions, 'rules' | 'windows' | 'shape'>, operations: readonly Step[]): void {
  const scene = anonymousScene({ processes: [0, 1, 2], ...options, shape: { pages: PAGES, slots: SLOTS, slotPages: 1, frames: 64, ...options.shape } });
  const { rules = { onShared: 'unshare' }, windows = [] } = options;
  const isHugetlb = windows.some(({ flags = 0 }) => (flags & WindowFlag.Hugetlb) !== 0);
  const memories: (number[] | undefined)[] = [[0, 0, 0, 0], undefined, undefined];
  const readOnly: boolean[][] = [[], [], []];
  const held: (Held | undefined)[] = Array.from({ length: SLOTS });
  const detach = (of: number, at?: number): void => {
    for (const one of held) if (one !== undefined && one.process === of && (at === undefined || one.page === at)) one.detached = true;
  };
  for (const [who, operation] of operations) {
    const memory = memories[who];
    const { kind, page: at = 0, slot: buffer = 0, value = 0 } = operation;
    if (kind !== 'Unpin' && kind !== 'DeviceRead' && memory === undefined) continue;
    const protectedPage = readOnly[who][at] === true;
    if (kind === 'Write' && memory !== undefined) {
      agree(operation, scene.run(who, operation), protectedPage ? 'SIGSEGV' : 'OK');
      if (!protectedPage) memory[at] = value;
    } else if (kind === 'Read') {
      agree(operation, scene.run(who, operation), String(memory?.[at]));
    } else if (kind === 'Fork') {
      if (memories[at] !== undefined) continue;
      scene.run(who, operation);
      memories[at] = [...(memory ?? [])];
      readOnly[at] = [...readOnly[who]];
    } else if (kind === 'Exit') {
      if (who === 0) continue;
      scene.run(who, operation);
      memories[who] = undefined;
      readOnly[who] = [];
      detach(who);
    } else if (isHugetlb && kind === 'DontNeed') {
      // A page is half a folio: its second half cannot be given up, and its first is rounded down to nothing.
      agree(operation, scene.run(who, operation), at % 2 === 0 ? 'OK' : 'EINVAL');
    } else if (isHugetlb && kind.startsWith('Protect')) {
      agree(operation, scene.run(who, operation), 'EINVAL');
    } else if (kind === 'DontNeed') {
      scene.run(who, operation);
      if (memory !== undefined) memory[at] = 0;
      detach(who, at);
    } else if (kind === 'ProtectRead' || kind === 'ProtectWrite') {
      scene.run(who, operation);
      readOnly[who][at] = kind === 'ProtectRead';
    } else if (kind === 'Unpin') {
      if (held[buffer] === undefined) continue;
      scene.run(who, operation);
      held[buffer] = undefined;
    } else if (kind === 'DeviceRead') {
      const one = held[buffer];
      if (one === undefined) continue;
      const read = scene.run(who, operation);
      if (!one.detached) agree(operation, read, String(memories[one.process]?.[one.page]));
    } else if (kind.startsWith('Pin')) {
      if (held[buffer] !== undefined) continue;
      const write = kind.endsWith('Write');
      const result = scene.run(who, operation);
      if (write && protectedPage) agree(operation, result, 'EFAULT');
      else if (write || rules.onShared === 'unshare') agree(operation, result, 'OK');
      // A short pin of the zero page promises nothing.
      const isZeroPage = kind === 'PinRead' && scene.world.slotFrame[buffer] === 1;
      if (result === 'OK') held[buffer] = { process: who, page: at, count: 1, detached: isZeroPage };
      else scene.world.slotKind[buffer] = 0;
    } else {
      scene.run(who, operation);
    }
    agree(operation, brokenAnonymous(scene.world)?.how, undefined);
  }
}

const MODES: readonly (readonly [name: string, options: Pick<SceneOptions, 'windows' | 'shape'>])[] = [
  ['base pages', {}],
  ['base pages, swap', { shape: { swapSlots: 4 } }],
  ['huge pages, swap', { shape: { swapSlots: 4, hugeFolios: 12 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] }],
  ['hugetlb', { shape: { hugeFolios: 12 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Hugetlb }] }],
];

/** hugetlb has no swap and no collapse. */
const suits = (name: string) => ([, { kind }]: Step): boolean => !(name === 'hugetlb' && kind === 'Collapse') && !(kind === 'SwapOut' && !name.includes('swap'));

describe.each(MODES)('random operations on %s', (name, options) => {
  test.each(['unshare', 'fail'] as const)('give what a model of plain objects gives, where GUP does this with what is shared: %s', (onShared) => {
    const property = fc.property(fc.array(steps, { minLength: 5, maxLength: 60 }), (operations) => check({ ...options, rules: { onShared } }, operations.filter(suits(name))));
    expect(failureOf(property, 40)).toBeUndefined();
  });
});

describe('threads that take their steps in any order', () => {
  const race = (mode: Pick<SceneOptions, 'windows' | 'shape'>, lists: readonly (readonly SceneOperation[])[], order: readonly number[]): void => {
    const scene = anonymousScene({ processes: [0, 0, 1], ...mode, shape: { pages: PAGES, slots: 2, slotPages: 2, frames: 64, ...mode.shape } });
    for (let at = 0; at < PAGES; at++) scene.run(0, { kind: 'Write', page: at, value: 1 });
    const left = lists.map((list) => [...list]);
    const { world } = scene;
    let idle = 0;
    for (let turn = 0; idle < 3 && turn < 20_000; turn++) {
      const task = order[turn % order.length];
      for (let caller = 0; caller < 3; caller++) if (turn % 2 === 0 && canAcknowledge(world, caller, task)) acknowledgeFlush(world, caller, task);
      if (!scene.busy(task)) {
        const next = left[task].shift();
        if (next !== undefined) scene.begin(task, next);
      }
      const moved = scene.busy(task) && scene.step(task);
      agree('a step', brokenAnonymous(world)?.how, undefined);
      idle = moved ? 0 : left.every((list) => list.length === 0) && ![0, 1, 2].some((one) => scene.busy(one)) ? 3 : idle;
    }
    agree('who is left', [0, 1, 2].filter((task) => scene.busy(task)).join(), '');
    agree('what is stale', scene.count('pin.stale') + scene.count('unpin.notExclusive'), 0);
  };

  const lists: readonly (readonly SceneOperation[])[] = [
    [{ kind: 'Fork', page: 1 }, { kind: 'Write', page: 1 }, { kind: 'Write', page: 0 }, { kind: 'SwapOut', page: 1 }, { kind: 'Collapse', page: 0 }, { kind: 'DontNeed', page: 1, count: 2 }, { kind: 'Write', page: 2 }, { kind: 'Write', page: 1 }],
    [{ kind: 'PinRead', page: 0, count: 2 }, { kind: 'DeviceRead' }, { kind: 'SwapOut', page: 2 }, { kind: 'Unpin' }, { kind: 'PinLongRead', page: 1, count: 2 }, { kind: 'Write', page: 2 }, { kind: 'DeviceRead' }, { kind: 'Unpin' }],
    [{ kind: 'Write', page: 1 }, { kind: 'PinRead', page: 1, count: 2, slot: 1 }, { kind: 'Read', page: 0 }, { kind: 'DeviceRead', slot: 1 }, { kind: 'Unpin', slot: 1 }, { kind: 'Exit' }],
  ];

  test.each(MODES.slice(0, 3))('keep every sentence on %s', (name, mode) => {
    const suited = lists.map((list) => list.filter(({ kind }) => name.includes('swap') || kind !== 'SwapOut'));
    const orders = fc.array(fc.nat(2), { minLength: 30, maxLength: 120 }).filter((order) => new Set(order).size === 3);
    expect(failureOf(fc.property(orders, (order) => race(mode, suited, order)), 12)).toBeUndefined();
  });
});
