/**
 * Invariants: sentences that hold in every reachable state of every world, each with a function that finds what breaks it.
 *
 * They compare what the model keeps as running totals with a recount (recount.ts). All are exact at every moment, in the
 * middle of a routine too. Invariants only read. For tests and the explorer; no simulation calls them.
 */
import { hasShared } from './backing.ts';
import { CrossCall } from './crossCalls.ts';
import { EntryBit, TableBit, isMigrationEntry, tableOf } from './entries.ts';
import { PageBit, headOf, isApart, isDraining, isLarge, isPrivate, isSplit } from './file.ts';
import { FolioType } from './folioType.ts';
import { staleBitOf } from './inFlight.ts';
import { wrongFolioLocks, wrongRwLocks, wrongTableLocks } from './lockInvariants.ts';
import { WRITER } from './locks.ts';
import { isMappingSecondary } from './notifier.ts';
import { recountWorld } from './recount.ts';
import type { Recount } from './recount.ts';
import { GiganticBit, RegionBit, stage2Maps } from './stage2.ts';
import { DEPTH_MAX } from './step.ts';
import type { Program } from './step.ts';
import { Gather, TaskFlag } from './tasks.ts';
import { WindowFlag, inMm } from './windows.ts';
import type { World } from './world.ts';

export interface Invariant {
  readonly name: string;
  readonly sentence: string;
  /** @returns what is violated, with numbers, or undefined */
  readonly broken: (world: World, recount: Recount) => string | undefined;
}

/* ---- the sentences ---- */

type Numbers = ArrayLike<number>;

/** The first index at which two columns differ, told as a sentence. @param stride elements to look at: every so many */
function firstDifference(what: string, found: Numbers, expected: Numbers, stride = 1): string | undefined {
  for (let index = 0; index < found.length; index += stride) {
    if (found[index] !== expected[index]) return `${what} ${index} is ${found[index]}, counted ${expected[index]}`;
  }
  return undefined;
}

function usedWithoutReference(world: World): string | undefined {
  const { folioOrder } = world.shape;
  for (let frame = 0; frame < world.sizes.frames; frame++) {
    const head = headOf(world, frame);
    if (world.refcount[head] !== 0) continue;
    const pins = isLarge(world, frame) ? world.pincount[head >> folioOrder] : 0;
    if (world.mapcount[frame] === 0 && pins === 0 && world.dataRefs[frame] === 0) continue;
    return `frame ${frame} has no reference, mapcount ${world.mapcount[frame]}, pincount ${pins}, data references ${world.dataRefs[frame]}`;
  }
  return undefined;
}

function countedTail(world: World): string | undefined {
  for (let frame = 0; frame < world.sizes.frames; frame++) {
    if (frame !== headOf(world, frame) && world.refcount[frame] !== 0) return `tail frame ${frame} has refcount ${world.refcount[frame]}`;
  }
  return undefined;
}

/** Only who holds invalidate_lock exclusively splits and merges; when he is done no large folio has a shared page, and no piece stands alone. */
function halfSplit(world: World): string | undefined {
  const { pages } = world.shape;
  const { folioPages, splits } = world.sizes;
  if (!splits || world.invalidateLock[0] === WRITER) return undefined;
  for (let page = 0; page < pages; page++) {
    if ((world.pageState[page] & PageBit.Present) === 0) continue;
    if (world.refcount[page] === 0) return `the folio of page ${page} is frozen, and nobody splits or merges`;
    if (!isSplit(world, page) && hasShared(world, page)) return `the large folio of page ${page} is in one piece, and has a shared page`;
  }
  for (let first = 0; first < pages; first += folioPages) {
    if (isSplit(world, first) && world.pageState.subarray(first, first + folioPages).every((state) => (state & PageBit.Present) === 0)) return `the large page at ${first} is in pieces, of which there are none`;
  }
  return undefined;
}

/** Entries and leaves over an index that has no folio. */
function mappedAbsence(world: World): string | undefined {
  const { windows, pages } = world.shape;
  for (let page = 0; page < pages; page++) {
    const apart = isApart(world, page);
    if (apart && (world.pageState[page] & PageBit.PrivatePresent) === 0 && stage2Maps(world, page)) return `stage-2 maps page ${page}, which is private and in no memory`;
    if (world.pageState[headOf(world, page)] & PageBit.Present) continue;
    for (let window = 0; window < windows; window++) {
      if (world.entry[window * pages + page] & EntryBit.Present) return `window ${window} maps page ${page}, which has no folio`;
    }
    if (!apart && stage2Maps(world, page)) return `stage-2 maps page ${page}, which has no folio`;
  }
  return undefined;
}

function miscountedVmas(world: World): string | undefined {
  for (let window = 0; window < world.shape.windows; window++) {
    if ((world.windowFlags[window] & WindowFlag.Linked) === 0) continue;
    let runs = 0;
    let before = false;
    for (let page = 0; page < world.shape.pages; page++) {
      const now = inMm(world, window, page);
      if (now && !before) runs++;
      before = now;
    }
    if (runs !== world.windowVmas[window]) return `window ${window} has ${world.windowVmas[window]} VMAs, counted ${runs}`;
  }
  return undefined;
}

function miscountedFlips(world: World): string | undefined {
  const { regionOrder } = world.shape;
  const byRegion = pagesIn(world, world.sizes.regions, regionOrder, isFlipped);
  const total = byRegion.reduce((sum, count) => sum + count, 0);
  if (world.flippedPages[0] !== total) return `flippedPages is ${world.flippedPages[0]}, counted ${total}`;
  const { giganticOrder = 0 } = world.shape;
  return (
    firstDifference('flipped pages of region', world.regionFlipped, byRegion) ??
    firstDifference('flipped pages of gigantic region', world.giganticFlipped, pagesIn(world, world.sizes.gigantics, giganticOrder, isFlipped))
  );
}

const isFlipped = (world: World, page: number): boolean => (world.pageState[page] & PageBit.Flipped) !== 0;
const isPresent = (world: World, page: number): boolean => (world.pageState[headOf(world, page)] & PageBit.Present) !== 0;

/** How many pages of each of the regions of an order there are for which this holds. */
function pagesIn(world: World, regions: number, order: number, holdsFor: (world: World, page: number) => boolean): Int32Array {
  const counts = new Int32Array(regions);
  if (regions === 0) return counts;
  for (let page = 0; page < world.shape.pages; page++) if (holdsFor(world, page)) counts[page >> order]++;
  return counts;
}

function miscountedPresent(world: World): string | undefined {
  const { gigantics } = world.sizes;
  return firstDifference('present pages of gigantic region', world.giganticPresent, pagesIn(world, gigantics, world.shape.giganticOrder ?? 0, isPresent));
}

/** A large leaf stands for all pages of its region, which are of one shareability; no small leaf stands beside it. */
function mixedLeaf(world: World): string | undefined {
  const { regions, regionPages } = world.sizes;
  for (let region = 0; region < regions; region++) {
    if ((world.regionState[region] & RegionBit.Leaf) === 0) continue;
    const flipped = world.regionFlipped[region];
    if (flipped !== 0 && flipped !== regionPages) return `one leaf maps region ${region}, of whose pages ${flipped} are flipped`;
    for (let page = region * regionPages; page < (region + 1) * regionPages; page++) {
      if (world.pageState[page] & PageBit.Leaf) return `page ${page} has a small leaf under the large one of region ${region}`;
    }
  }
  return mixedGigantic(world);
}

/** The same of a gigantic leaf: all of its pages, of one shareability, and no other leaf below it. */
function mixedGigantic(world: World): string | undefined {
  const { gigantics, giganticPages, regionPages } = world.sizes;
  for (let gigantic = 0; gigantic < gigantics; gigantic++) {
    if ((world.giganticState[gigantic] & GiganticBit.Leaf) === 0) continue;
    const flipped = world.giganticFlipped[gigantic];
    if (flipped !== 0 && flipped !== giganticPages) return `one leaf maps gigantic region ${gigantic}, of whose pages ${flipped} are flipped`;
    for (let page = gigantic * giganticPages; page < (gigantic + 1) * giganticPages; page++) {
      const region = Math.floor(page / regionPages);
      if (world.regionState[region] & RegionBit.Leaf) return `region ${region} has a large leaf under the gigantic one ${gigantic}`;
      if (world.pageState[page] & PageBit.Leaf) return `page ${page} has a small leaf under the gigantic one ${gigantic}`;
    }
  }
  return undefined;
}

function miscountedSecondaries(world: World): string | undefined {
  let counted = 0;
  for (const state of world.pageState) if (state & PageBit.Secondary) counted++;
  for (let task = 0; task < world.shape.tasks; task++) if (isMappingSecondary(world, task)) counted++;
  return world.secondaries[0] === counted ? undefined : `secondaries is ${world.secondaries[0]}, counted ${counted}`;
}

function busyIdler(world: World): string | undefined {
  for (let task = 0; task < world.shape.tasks; task++) {
    if (world.pc[task * DEPTH_MAX] !== 0) continue;
    if (world.held[task] !== 0) return `task ${task} is idle and holds locks ${world.held[task].toString(2)}`;
    if (world.gather[task] !== Gather.None) return `task ${task} is idle and has a gather in state ${world.gather[task]}`;
    if (world.notifying[task] !== 0) return `task ${task} is idle and has not ended its notifier`;
    if (world.callCount[task] !== 0) return `task ${task} is idle and waits for ${world.callCount[task]} acknowledgements`;
    if (world.flags[task] & (TaskFlag.IrqOff | TaskFlag.HoldsFolio | TaskFlag.InGuestFault)) return `task ${task} is idle with flags ${world.flags[task].toString(2)}`;
  }
  return undefined;
}

function miscountedCalls(world: World): string | undefined {
  const { cpus, tasks } = world.shape;
  for (let task = 0; task < tasks; task++) {
    let pending = 0;
    for (let cpu = 0; cpu < cpus; cpu++) pending += world.callPending[task * cpus + cpu];
    if (pending !== world.callCount[task]) return `task ${task} waits for ${world.callCount[task]} acknowledgements, ${pending} are pending`;
    if ((pending > 0) !== (world.callKind[task] !== CrossCall.None)) return `task ${task} has ${pending} pending calls of kind ${world.callKind[task]}`;
  }
  return undefined;
}

/** Only the exclusive holder of a word of invalidate_lock is between the begin and the end of an invalidation. */
function openInvalidation(world: World): string | undefined {
  const count = world.invalidating[0];
  let most = 0;
  for (const word of world.invalidateLock) if (word === WRITER) most++;
  return count <= most ? undefined : `${count} invalidations are open, with invalidate_lock ${most > 0 ? 'held by a writer' : 'not held by a writer'}`;
}

/** Every mark of a gather lies in the range of a gather that is under way. */
function lostGather(world: World): string | undefined {
  const { windows, pages, tasks } = world.shape;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const bits = world.entry[window * pages + page];
      const cleared = bits & (EntryBit.StaleMunmap | EntryBit.StaleZap);
      if (bits & EntryBit.RmapDelayed && cleared === 0) return `page ${page} in window ${window} has a delayed mapping count and no cleared entry`;
      for (const stale of [EntryBit.StaleMunmap, EntryBit.StaleZap]) {
        if ((cleared & stale) === 0) continue;
        let owners = 0;
        for (let task = 0; task < tasks; task++) {
          const inRange = page >= world.gatherStart[task] && page < world.gatherEnd[task];
          if (world.gather[task] !== Gather.None && world.walkWindow[task] === window && inRange && staleBitOf(world, task) === stale) owners++;
        }
        if (owners !== 1) return `the cleared entry of page ${page} in window ${window} belongs to ${owners} gathers`;
      }
    }
  }
  return undefined;
}

/** The bytes of a region that one entry maps, or mapped until it was cleared, say the same. */
function tornPmd(world: World): string | undefined {
  const { windows, pages } = world.shape;
  const { regionPages } = world.sizes;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const bits = world.entry[window * pages + page];
      const table = world.table[tableOf(world, window, page)];
      const place = `the PMD of page ${page - (page % regionPages)} in window ${window}`;
      if (table & TableBit.Pmd && table & TableBit.Allocated) return `${place} stands beside a page table`;
      if (table & TableBit.Pmd && (bits & EntryBit.Present) === 0) return `${place} does not map page ${page}`;
      if (table & TableBit.PmdOfMunmap && (bits & EntryBit.StaleMunmap) === 0) return `${place} was cleared by a munmap, and page ${page} is not stale`;
      if (table & TableBit.PmdOfZap && (bits & EntryBit.StaleZap) === 0) return `${place} was cleared by a zap, and page ${page} is not stale`;
    }
  }
  return undefined;
}

/** Whoever meets a migration entry waits for the lock of its folio. */
function strayMigrationEntry(world: World): string | undefined {
  const { windows, pages } = world.shape;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      if (!isMigrationEntry(world.entry[window * pages + page]) || world.pageState[headOf(world, page)] & PageBit.Migrating) continue;
      return `window ${window} has a migration entry for page ${page}, whose folio nobody moves`;
    }
  }
  return undefined;
}

/** What a conversion marks for its own length. */
function leftMark(world: World): string | undefined {
  const both = world.pageState.findIndex((state, page) => (state & PageBit.ReadOnly) !== 0 && isPrivate(world, page));
  if (both >= 0) return `page ${both} is private, and marked as what the host may read`;
  if (world.invalidateLock[0] === WRITER) return undefined;
  const page = world.pageState.findIndex((state) => (state & PageBit.ExclusivePin) !== 0);
  return page < 0 ? undefined : `page ${page} has the mark of an exclusive pin, and nobody converts`;
}

/** The folio's type, the queue of work, and the third state of the page say the same. */
function lostCallback(world: World): string | undefined {
  const { folioType, pageState, workCount, workFirst } = world;
  const half = pageState.findIndex((state, page) => (state & PageBit.Draining) !== 0 && isPrivate(world, page));
  if (half >= 0) return `page ${half} is private, and waits for its last put`;
  const stray = folioType.findIndex((type, page) => type !== FolioType.None && !isDraining(world, page));
  if (stray >= 0) return `the folio of page ${stray} has a type, and the page waits for no put`;
  // It takes the place of the mapping count.
  const mapped = folioType.findIndex((type, page) => type !== FolioType.None && world.mapcount[page] > 0);
  if (mapped >= 0) return `the folio of page ${mapped} has a type, and is mapped`;
  const queued = [...folioType.keys()].filter((page) => folioType[page] === FolioType.Queued);
  if (folioType.length === 0 || (workCount[0] === queued.length && workFirst[0] === (queued[0] ?? -1) + 1)) return undefined;
  return `${workCount[0]} folios have work queued, the lowest is ${workFirst[0] - 1}; counted ${queued.length}, the lowest is ${queued[0] ?? -1}`;
}

export const invariants: readonly Invariant[] = [
  {
    name: 'F1',
    sentence: 'a refcount is the sum of its holders: page cache, owner, entries, gathers, slots, batches, and tasks in the middle of a grab',
    broken: (world, { refcount }) => firstDifference('refcount of frame', world.refcount, refcount, world.sizes.splits ? 1 : world.sizes.folioPages),
  },
  { name: 'F2', sentence: 'a frame without references has no mapcount, no pincount and no way to its data', broken: usedWithoutReference },
  { name: 'F3', sentence: 'tail pages hold no refcount: the head speaks for the folio', broken: countedTail },
  {
    name: 'F4',
    sentence: 'a mapcount is the number of present entries, and of cleared ones whose mapping count has not been dropped yet',
    broken: (world, { mapcount }) => firstDifference('mapcount of frame', world.mapcount, mapcount),
  },
  {
    name: 'F5',
    sentence: 'the mapcount of a large folio is the sum over its pages, and one for each PMD',
    broken: (world, { largeMapcount }) => firstDifference('large mapcount of folio', world.largeMapcount, largeMapcount),
  },
  {
    name: 'F6',
    sentence: 'the pincount of a large folio is the number of pins on its pages',
    broken: (world, { pincount }) => firstDifference('pincount of folio', world.pincount, pincount),
  },
  {
    name: 'F7',
    sentence: 'the ghost of data references counts every entry that a TLB may hold and every reference that will be used',
    broken: (world, { dataRefs }) => firstDifference('data references of frame', world.dataRefs, dataRefs),
  },
  { name: 'F8', sentence: 'outside a conversion no count is frozen, and a large folio that may be split is in one piece only while no page of it is shared', broken: halfSplit },
  { name: 'M1', sentence: 'only an index with a folio is mapped, by the host or (with small backing) by stage-2', broken: mappedAbsence },
  { name: 'M2', sentence: 'the number of VMAs of a window is its number of runs of covered pages', broken: miscountedVmas },
  { name: 'M3', sentence: 'every cleared entry belongs to one gather', broken: lostGather },
  { name: 'M4', sentence: 'a migration entry stands only for a folio that a conversion has locked and moves', broken: strayMigrationEntry },
  { name: 'M5', sentence: 'a PMD maps all pages of its region, in the place of a page table, and is cleared as one', broken: tornPmd },
  { name: 'S1', sentence: 'the numbers of flipped pages, by region and of the file, are recounts of the pages', broken: miscountedFlips },
  { name: 'S2', sentence: 'an invalidation is open only under invalidate_lock held exclusively', broken: openInvalidation },
  { name: 'S3', sentence: 'a large or gigantic stage-2 leaf lies over pages of one shareability, and over no smaller leaf', broken: mixedLeaf },
  { name: 'S4', sentence: 'the entries of secondary MMUs, and those who install one, are as many as is said', broken: miscountedSecondaries },
  { name: 'S5', sentence: 'beside the shareability an exclusive pin is marked only while a conversion is under way, and only shared pages as read-only', broken: leftMark },
  { name: 'S6', sentence: 'the pages of a gigantic region that are in the page cache are as many as is said', broken: miscountedPresent },
  { name: 'W1', sentence: 'a folio has a type only while its page is between the sides, and never while it is mapped; work is queued for each that was called back', broken: lostCallback },
  { name: 'L1', sentence: 'a lock word says how many tasks hold the lock, and how', broken: (world) => wrongRwLocks(world) ?? wrongFolioLocks(world) ?? wrongTableLocks(world) },
  { name: 'L2', sentence: 'an idle task holds no lock, no reference, no gather, has no notifier under way, and waits for nobody', broken: busyIdler },
  { name: 'C1', sentence: 'the calls that a task waits for are those that CPUs have not acknowledged', broken: miscountedCalls },
];

/** The first broken invariant of a state as "name: what"; undefined where all hold. */
export function brokenInvariant(world: World, program: Program): string | undefined {
  const recount = recountWorld(world, program);
  for (const { name, broken } of invariants) {
    const what = broken(world, recount);
    if (what !== undefined) return `${name}: ${what}`;
  }
  return undefined;
}
