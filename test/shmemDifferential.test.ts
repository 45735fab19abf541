/**
 * The world of shmem against an obvious model of plain objects: the same accesses one after the other, what each reads, and after each of
 * them what every page looks like. And many accesses at once, in any order of their steps, where only sentences are asked.
 */
import { array, check, constant, constantFrom, infiniteStream, integer, nat, oneof, property, record, tuple } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKept, maps } from '../src/model/shmem/kept.ts';
import type { WpRules } from '../src/model/shmem/kept.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import { WpAccess } from '../src/workloads/wp-markers/access.ts';
import { DROP, MARKERS, PROTNONE, createShmemMachine } from './tools/shmem.ts';
import type { Asked, ShmemMachine } from './tools/shmem.ts';

const PAGES = 3;

/** A page of a process: whether an entry maps it, and whether it is protected; what was promised; whether it was written since. */
interface Page {
  mapped: boolean;
  protected: boolean;
  promised: boolean;
}

/** What a file and two processes are, without steps, locks or counts. */
interface Plain {
  readonly data: number[];
  readonly cached: boolean[];
  readonly processes: (Page[] | undefined)[];
  readonly armed: boolean[];
  /** Pages that buffers hold, and whether they still are the file's. */
  readonly pins: ({ readonly page: number; ofFile: boolean } | undefined)[];
  events: number;
  lost: number;
}

const emptyPages = (): Page[] => Array.from({ length: PAGES }, () => ({ mapped: false, protected: false, promised: false }));

const createPlain = (): Plain => ({
  data: Array.from({ length: PAGES }, () => 0),
  cached: Array.from({ length: PAGES }, () => true),
  processes: [emptyPages(), undefined],
  armed: [true, false],
  pins: [undefined, undefined],
  events: 0,
  lost: 0,
});

/** The access as it should end: what it reads, or -1. */
function expected(plain: Plain, process: number, { kind, page = 0, count = 1, slot = 0, value = 0 }: Asked, keeps: boolean): number {
  const pages = plain.processes[process];
  if (pages === undefined) throw new Error('nobody is there');
  const range = Array.from({ length: count }, (_, at) => page + at);
  const isPinned = (at: number): boolean => plain.pins.some((pin) => pin?.page === at && pin.ofFile);
  const zap = (one: Page): void => {
    one.mapped = false;
    if (!keeps) one.protected = false;
  };
  const touch = (at: number): void => {
    plain.cached[at] = true;
    pages[at].mapped = true;
  };
  switch (kind) {
    case WpAccess.Read:
      touch(page);
      return plain.data[page];
    case WpAccess.Write: {
      touch(page);
      const one = pages[page];
      if (one.protected) plain.events++;
      else if (one.promised) plain.lost++;
      one.protected = false;
      one.promised = false;
      plain.data[page] = value;
      return -1;
    }
    case WpAccess.Protect:
      for (const at of range) {
        pages[at].promised = true;
        if (keeps || pages[at].mapped) pages[at].protected = true;
      }
      return -1;
    case WpAccess.Unprotect:
      for (const at of range) Object.assign(pages[at], { protected: false, promised: false });
      return -1;
    case WpAccess.Scan:
      return range.filter((at) => pages[at].mapped && !pages[at].protected).length;
    case WpAccess.ScanProtect: {
      const written = range.filter((at) => pages[at].mapped && !pages[at].protected);
      for (const at of written) Object.assign(pages[at], { protected: true, promised: true });
      return written.length;
    }
    case WpAccess.ReadBit:
      return pages[page].protected ? 1 : 0;
    case WpAccess.DontNeed:
      for (const at of range) zap(pages[at]);
      return -1;
    case WpAccess.Reclaim:
      for (const at of range.filter((one) => plain.cached[one])) {
        for (const all of plain.processes) if (all !== undefined) zap(all[at]);
        plain.cached[at] = isPinned(at);
      }
      return -1;
    case WpAccess.Punch:
      for (const at of range) {
        for (const all of plain.processes) {
          if (all === undefined) continue;
          zap(all[at]);
          all[at].promised = false;
        }
        plain.cached[at] = false;
        plain.data[at] = 0;
        for (const pin of plain.pins) if (pin?.page === at) pin.ofFile = false;
      }
      return -1;
    case WpAccess.Fork:
    case WpAccess.ForkWithEvents: {
      const tracked = kind === WpAccess.ForkWithEvents;
      plain.armed[1] = tracked;
      plain.processes[1] = pages.map((one) => (tracked ? { ...one, ...(keeps ? {} : { mapped: false, protected: false }) } : { mapped: false, protected: false, promised: false }));
      return -1;
    }
    case WpAccess.Exit:
      plain.processes[process] = undefined;
      return -1;
    case WpAccess.Pin:
      touch(page);
      plain.pins[slot] = { page, ofFile: true };
      return -1;
    case WpAccess.Unpin:
      plain.pins[slot] = undefined;
      return -1;
    case WpAccess.Migrate:
      // A page that is in the way of nobody comes back where it was mapped.
      return -1;
    default:
      return -1;
  }
}

/** What the world and the plain model say of every page, of counts and of the page cache. */
function sides({ world, count, broken }: ShmemMachine, plain: Plain, keeps: boolean): { readonly is: unknown; readonly should: unknown } {
  const pagesOf = (process: number): readonly number[] => Array.from({ length: PAGES }, (_, page) => process * PAGES + page);
  return {
    is: {
      broken: broken(),
      counts: [count('wp.event'), count('wp.lost')],
      cached: [...world.cacheFrame].map((frame) => frame !== 0),
      pages: [0, 1].map((process) => pagesOf(process).map((at) => ({ mapped: maps(world.entry[at], world.entryTarget[at]), kept: isKept(world.entry[at], world.entryTarget[at]) }))),
    },
    should: {
      broken: undefined,
      counts: [plain.events, plain.lost],
      cached: plain.cached,
      pages: plain.processes.map((pages) => (pages ?? emptyPages()).map((one) => ({ mapped: one.mapped, kept: keeps && one.protected && !one.mapped }))),
    },
  };
}

const pageOf = nat({ max: PAGES - 1 });
const ranged = (kind: number) => record({ kind: constant(kind), page: pageOf, count: integer({ min: 1, max: PAGES }) }).map(({ page, count, ...rest }) => ({ ...rest, page, count: Math.min(count, PAGES - page) }));
const paged = (kind: number) => record({ kind: constant(kind), page: pageOf });
const anyAccess: Arbitrary<Asked> = oneof(
  { weight: 4, arbitrary: paged(WpAccess.Read) },
  { weight: 5, arbitrary: record({ kind: constant<number>(WpAccess.Write), page: pageOf, value: integer({ min: 1, max: 255 }) }) },
  { weight: 3, arbitrary: ranged(WpAccess.Protect) },
  ...[WpAccess.Unprotect, WpAccess.Scan, WpAccess.ScanProtect, WpAccess.DontNeed, WpAccess.Reclaim, WpAccess.Punch, WpAccess.NumaScan].map(ranged),
  ...[WpAccess.ReadBit, WpAccess.Migrate].map(paged),
  record({ kind: constantFrom<number>(WpAccess.Pin, WpAccess.Unpin), page: pageOf, slot: nat({ max: 1 }) }),
  constantFrom<Asked>({ kind: WpAccess.Fork, slot: 1 }, { kind: WpAccess.ForkWithEvents, slot: 1 }),
  constant<Asked>({ kind: WpAccess.Exit }),
);

const POLICIES: readonly (readonly [string, WpRules])[] = [['drop', DROP], ['pte-marker', MARKERS], ['protnone-zero-page', PROTNONE]];

/** What cannot be asked now is left out: of a child that is not there, of a buffer that is full or empty. */
const isPossible = ({ processes, pins }: Plain, process: number, { kind, slot = 0 }: Asked): boolean => {
  if (processes[process] === undefined) return false;
  if (kind === WpAccess.Fork || kind === WpAccess.ForkWithEvents) return process === 0 && processes[1] === undefined;
  if (kind === WpAccess.Exit) return process === 1;
  if (kind === WpAccess.Pin) return pins[slot] === undefined;
  return kind !== WpAccess.Unpin || pins[slot] !== undefined;
};

/** Does the accesses on both sides. @returns the first difference as two values that are not equal, else two that are */
function runBoth(rules: WpRules, accesses: readonly (readonly [number, Asked])[]): { readonly is: unknown; readonly should: unknown } {
  const keeps = rules.keeps !== 'nothing';
  const machine = createShmemMachine(rules, { pages: PAGES, processOfCpu: [0, 1] });
  const plain = createPlain();
  for (const [task, asked] of accesses) {
    if (!isPossible(plain, task, asked)) continue;
    const should = expected(plain, task, asked, keeps);
    const read = machine.run(task, asked);
    if (should >= 0 && read !== should) return { is: { asked, read }, should: { asked, read: should } };
    const both = sides(machine, plain, keeps);
    if (JSON.stringify(both.is) !== JSON.stringify(both.should)) return both;
  }
  return { is: undefined, should: undefined };
}

describe.each(POLICIES)('accesses one after the other under %s', (_, rules) => {
  test('do what a model of plain objects does, page by page', () => {
    const accesses = array(tuple(nat({ max: 1 }), anyAccess), { minLength: 1, maxLength: 30 });
    const agree = property(accesses, (asked) => {
      const { is, should } = runBoth(rules, asked);
      expect(is).toEqual(should);
    });
    expect(check(agree, { numRuns: 60, seed: 11 })).toMatchObject({ failed: false });
  });
});

/** Kinds that tasks of one process may be at, all at once. */
const racing = oneof(
  ...[WpAccess.Read, WpAccess.Write, WpAccess.Migrate, WpAccess.ReadBit].map(paged),
  ...[WpAccess.Protect, WpAccess.Unprotect, WpAccess.ScanProtect, WpAccess.DontNeed, WpAccess.Reclaim, WpAccess.Punch, WpAccess.NumaScan].map(ranged),
);

/** Takes steps in the order of the turns until nobody has anything left. @returns what is wrong */
function race(machine: ShmemMachine, lists: readonly (readonly Asked[])[], turns: Iterator<number>): string | undefined {
  const { world } = machine;
  const left = lists.map((list) => [...list]);
  const tasks = [...Array(world.shape.tasks).keys()];
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const busy = tasks.filter((task) => world.pc[task * DEPTH_MAX] !== 0 || (left[task] ?? []).length > 0);
    if (busy.length === 0) return undefined;
    const turn = Number(turns.next().value);
    if (turn === tasks.length) machine.acknowledge();
    if (!busy.includes(turn)) continue;
    const next = world.pc[turn * DEPTH_MAX] === 0 ? left[turn].shift() : undefined;
    if (next !== undefined) machine.begin(turn, next);
    machine.step(turn);
    const broken = machine.broken();
    if (broken !== undefined) return broken;
  }
  return 'nobody comes to an end';
}
const STEPS_MAX = 50_000;

describe.each(POLICIES)('accesses at once under %s', (name, rules) => {
  test('break no sentence, come to their end, and lose no protection where it is kept', () => {
    const lists = array(array(racing, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 3 });
    const holds = property(lists, infiniteStream(nat({ max: 4 })), (asked, turns) => {
      const machine = createShmemMachine(rules, { pages: PAGES, processOfCpu: [0, 0, 0], faultAroundPages: 2 });
      const wrong = race(machine, asked, turns);
      expect([wrong, name === 'drop' ? 0 : machine.count('wp.lost')]).toEqual([undefined, 0]);
    });
    expect(check(holds, { numRuns: 20, seed: 5 })).toMatchObject({ failed: false });
  });
});
