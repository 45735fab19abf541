/**
 * The world of shmem against an obvious model of plain objects: the same accesses one after the other, what each reads, and after each of
 * them what every page looks like. And many accesses at once, in any order of their steps, where only sentences are asked.
 */
import fc from 'fast-check';
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

/** What the world says of every page, and what the plain model does. */
function compare({ world, count, broken }: ShmemMachine, plain: Plain, keeps: boolean): void {
  expect(broken()).toBeUndefined();
  expect([count('wp.event'), count('wp.lost')]).toEqual([plain.events, plain.lost]);
  for (const [process, pages] of plain.processes.entries()) {
    for (let page = 0; page < PAGES; page++) {
      const at = process * PAGES + page;
      const bits = world.entry[at];
      const target = world.entryTarget[at];
      const is = { mapped: maps(bits, target), kept: isKept(bits, target) };
      const should = pages === undefined ? { mapped: false, kept: false } : { mapped: pages[page].mapped, kept: keeps && pages[page].protected && !pages[page].mapped };
      expect({ process, page, ...is }).toEqual({ process, page, ...should });
    }
  }
  expect([...world.cacheFrame].map((frame) => frame !== 0)).toEqual(plain.cached);
}

const pageOf = fc.nat({ max: PAGES - 1 });
const ranged = (kind: number) => fc.record({ kind: fc.constant(kind), page: pageOf, count: fc.integer({ min: 1, max: PAGES }) }).map(({ page, count, ...rest }) => ({ ...rest, page, count: Math.min(count, PAGES - page) }));
const paged = (kind: number) => fc.record({ kind: fc.constant(kind), page: pageOf });
const anyAccess: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 4, arbitrary: paged(WpAccess.Read) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant<number>(WpAccess.Write), page: pageOf, value: fc.integer({ min: 1, max: 255 }) }) },
  { weight: 3, arbitrary: ranged(WpAccess.Protect) },
  ...[WpAccess.Unprotect, WpAccess.Scan, WpAccess.ScanProtect, WpAccess.DontNeed, WpAccess.Reclaim, WpAccess.Punch, WpAccess.NumaScan].map(ranged),
  ...[WpAccess.ReadBit, WpAccess.Migrate].map(paged),
  fc.record({ kind: fc.constantFrom<number>(WpAccess.Pin, WpAccess.Unpin), page: pageOf, slot: fc.nat({ max: 1 }) }),
  fc.constantFrom<Asked>({ kind: WpAccess.Fork, slot: 1 }, { kind: WpAccess.ForkWithEvents, slot: 1 }),
  fc.constant<Asked>({ kind: WpAccess.Exit }),
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

describe.each(POLICIES)('accesses one after the other under %s', (_, rules) => {
  test('do what a model of plain objects does, page by page', () => {
    const keeps = rules.keeps !== 'nothing';
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 1 }), anyAccess), { minLength: 1, maxLength: 30 }), (accesses) => {
        const machine = createShmemMachine(rules, { pages: PAGES, processOfCpu: [0, 1] });
        const plain = createPlain();
        for (const [task, asked] of accesses) {
          if (!isPossible(plain, task, asked)) continue;
          const should = expected(plain, task, asked, keeps);
          const read = machine.run(task, asked);
          if (should >= 0) expect(read).toBe(should);
          compare(machine, plain, keeps);
        }
      }),
      { numRuns: 60, seed: 11 },
    );
  });
});

/** Kinds that tasks of one process may be at, all at once. */
const racing = fc.oneof(
  ...[WpAccess.Read, WpAccess.Write, WpAccess.Migrate, WpAccess.ReadBit].map(paged),
  ...[WpAccess.Protect, WpAccess.Unprotect, WpAccess.ScanProtect, WpAccess.DontNeed, WpAccess.Reclaim, WpAccess.Punch, WpAccess.NumaScan].map(ranged),
);

describe.each(POLICIES)('accesses at once under %s', (name, rules) => {
  test('break no sentence, come to their end, and lose no protection where it is kept', () => {
    fc.assert(
      fc.property(fc.array(fc.array(racing, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 3 }), fc.infiniteStream(fc.nat({ max: 4 })), (lists, turns) => {
        const machine = createShmemMachine(rules, { pages: PAGES, processOfCpu: [0, 0, 0], faultAroundPages: 2 });
        const { world } = machine;
        const left = lists.map((list) => [...list]);
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(50_000);
          const busy = [...Array(4).keys()].filter((task) => world.pc[task * DEPTH_MAX] !== 0 || (left[task] ?? []).length > 0);
          if (busy.length === 0) break;
          const turn = turns.next().value;
          if (turn === 4) {
            machine.acknowledge();
            continue;
          }
          if (!busy.includes(turn)) continue;
          if (world.pc[turn * DEPTH_MAX] === 0) machine.begin(turn, left[turn].shift() as Asked);
          machine.step(turn);
          expect(machine.broken()).toBeUndefined();
        }
        if (name !== 'drop') expect(machine.count('wp.lost')).toBe(0);
      }),
      { numRuns: 20, seed: 5 },
    );
  });
});
