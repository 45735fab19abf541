/**
 * UFFDIO_WRITEPROTECT, a NUMA scan and PAGEMAP_SCAN: walks over the entries of one process that change bits and unmap nothing.
 *
 * Source: mm/mprotect.c (change_pte_range), mm/userfaultfd.c (mwriteprotect_range), fs/proc/task_mmu.c (pagemap_scan_pmd_entry,
 * pagemap_page_category, make_uffd_wp_pte), mm/mempolicy.c (change_prot_numa).
 * The flush comes behind the walk, with no page-table lock held and before the call is over; until then TLBs may write through what was
 * writable. A call flushes for others that are not done with it, too (mm_tlb_flush_nested).
 * Differs from Linux: the window is registered once and for all, and what is not populated can be protected (WP_UNPOPULATED; file-backed
 * memory always can).
 */
import { readLockMmap, readUnlockMmap, lockTable, unlockTable } from '../memory/locks.ts';
import { EntryBit, EntryType, typeOf } from '../memory/entries.ts';
import { ZERO_FRAME } from '../memory/frames.ts';
import { bornStep } from '../memory/processes.ts';
import { mmOf } from '../memory/shape.ts';
import { sendFlush, waitCalls } from '../crossCalls.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, release, steady, waits } from '../step.ts';
import { beginCall, done, endCall } from './calls.ts';
import { isAnonymous, isEmpty, isFake, isKept, keepProtection, maps, needTable, noteSpecial, noteWalked, setEntry } from './kept.ts';
import type { Kept, WpRules } from './kept.ts';
import { wakeSleeper } from './monitor.ts';
import { WpFlag } from './tasks.ts';
import { Promised } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';

/* ---- the walk ---- */

/** Otherwise the walk is through its range. */
const hasMore: ShmemRun = (world, task) => (world.cursor[task] < world.rangeEnd[task] ? Flow.Next : Flow.Otherwise);

/** End of the chunk at the cursor: one step, one page table, one range. */
function chunkEnd({ cursor, rangeEnd, shape: { chunk, regionOrder } }: ShmemWorld, task: number): number {
  const first = cursor[task];
  return Math.min(first + chunk, ((first >> regionOrder) + 1) << regionOrder, rangeEnd[task]);
}

const lockCursor: ShmemRun = (world, task) => lockTable(world, task, world.window[task], world.cursor[task]);

const unlockCursor: ShmemRun = (world, task) => {
  unlockTable(world, task, world.window[task], world.cursor[task]);
  world.cursor[task] = chunkEnd(world, task);
  return Flow.Otherwise;
};

/** Entries of a chunk, changed one by one. */
type Change = (world: ShmemWorld, task: number, window: number, page: number) => void;

const changeChunk = (operation: number, change: Change): ShmemRun => (world, task) => {
  const window = world.window[task];
  const first = world.cursor[task];
  const last = chunkEnd(world, task);
  for (let page = first; page < last; page++) change(world, task, window, page);
  world.meter.chargeMany(operation, last - first);
  return Flow.Next;
};

/* ---- changes of an entry ---- */

/** A page that is mapped, or on its way, loses the right to be written. */
function protectMapped(world: ShmemWorld, task: number, window: number, page: number): void {
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  const target = world.entryTarget[at];
  if (bits & EntryBit.Write) {
    world.stale[at] = target;
    world.flags[task] |= WpFlag.Changed;
  }
  setEntry(world, window, page, (bits & ~EntryBit.Write) | EntryBit.UffdWp, target);
}

function promise(world: ShmemWorld, at: number): void {
  if (world.promise[at] === Promised.Nothing) world.promise[at] = Promised.Soon;
}

const protectEntry = (keeps: Kept): Change => (world, task, window, page) => {
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  if (isKept(bits, world.entryTarget[at])) {
    noteWalked(world, keeps, 1);
  } else if (isEmpty(bits)) {
    // Anonymous memory that is not there has nothing to lose where nothing can be kept.
    if (keeps === 'nothing' && isAnonymous(world, window)) return;
    if (keeps !== 'nothing') {
      needTable(world, window, page);
      keepProtection(world, window, page, keeps);
      noteSpecial(world, 'none');
    }
  } else {
    protectMapped(world, task, window, page);
  }
  promise(world, at);
};

const unprotectEntry = (keeps: Kept): Change => (world, _task, window, page) => {
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  const target = world.entryTarget[at];
  world.promise[at] = Promised.Nothing;
  if (isKept(bits, target)) {
    noteWalked(world, keeps, 1);
    setEntry(world, window, page, 0, 0);
  } else if (bits & EntryBit.UffdWp) {
    const writable = maps(bits, target) && target !== ZERO_FRAME + 1 && (bits & EntryBit.ProtNone) === 0;
    setEntry(world, window, page, (bits & ~EntryBit.UffdWp) | (writable ? EntryBit.Write : 0), target);
  }
};

/** change_prot_numa: what maps a page becomes PROTNONE; a kept entry that is present is PROTNONE already, and no hint. */
const hintEntry = (keeps: Kept): Change => (world, task, window, page) => {
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  const target = world.entryTarget[at];
  if (isKept(bits, target)) {
    if (isFake(bits, target)) noteSpecial(world, 'numa');
    else noteWalked(world, keeps, 1);
    return;
  }
  if ((bits & EntryBit.Present) === 0 || bits & EntryBit.ProtNone || target === ZERO_FRAME + 1) return;
  if (bits & EntryBit.Write) world.stale[at] = target;
  world.flags[task] |= WpFlag.Changed;
  setEntry(world, window, page, (bits & ~EntryBit.Write) | EntryBit.ProtNone, target);
};

/** PAGE_IS_WRITTEN: what stands there has no bit; where nothing stands nothing is said. @param protects PM_SCAN_WP_MATCHING */
const scanEntry = (keeps: Kept, protects: boolean): Change => (world, task, window, page) => {
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  const kept = isKept(bits, world.entryTarget[at]);
  if (kept) noteSpecial(world, keeps === 'marker' ? 'pagemap' : 'present');
  const written = !isEmpty(bits) && (bits & EntryBit.UffdWp) === 0;
  if (written) {
    world.found[task]++;
    if (!protects) return;
    protectMapped(world, task, window, page);
    promise(world, at);
  } else if (world.touched[at] !== 0) {
    world.meter.note(Op['scan.missed']);
  }
};

/* ---- the flush behind the walk ---- */

/** Otherwise no TLB can hold what is no longer so. */
const sendWalkFlush: ShmemRun = (world, task) => {
  const base = world.window[task] * world.shape.pages;
  let needed = (world.flags[task] & WpFlag.Changed) !== 0;
  for (let page = world.rangeStart[task]; !needed && page < world.rangeEnd[task]; page++) needed = world.stale[base + page] !== 0;
  if (!needed) return Flow.Otherwise;
  sendFlush(world, task, mmOf(world, world.window[task]), world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
};

const waitWalkFlush: ShmemRun = (world, task) => {
  const flow = waitCalls(world, task);
  if (flow !== Flow.Next) return flow;
  const base = world.window[task] * world.shape.pages;
  world.stale.fill(0, base + world.rangeStart[task], base + world.rangeEnd[task]);
  return Flow.Next;
};

/** What the call has protected stays so from here on. */
const keepPromise: ShmemRun = (world, task) => {
  const base = world.window[task] * world.shape.pages;
  for (let at = base + world.rangeStart[task]; at < base + world.rangeEnd[task]; at++) {
    if (world.promise[at] !== Promised.Soon) continue;
    world.promise[at] = Promised.Now;
    world.touched[at] = 0;
  }
  return Flow.Next;
};

/** What the scan found, to who reads results. */
const tellFound: ShmemRun = (world, task) => {
  world.meter.readValue = world.found[task];
  world.meter.attention = true;
  return Flow.Next;
};

function walkSteps(change: ShmemRun, behind: readonly ShmemStep[]): readonly ShmemStep[] {
  return [
    bornStep,
    free('call.begin', beginCall),
    acquire('mmapLock.read', readLockMmap),
    free('walk', hasMore, 'tlb.send'),
    acquire('ptl.lock', lockCursor),
    steady('pte.change', change),
    release('ptl.unlock', unlockCursor, 'walk'),
    steady('tlb.send', sendWalkFlush, 'behind'),
    waits('tlb.wait', waitWalkFlush),
    free('behind', () => Flow.Next),
    ...behind,
    release('mmapLock.readUnlock', readUnlockMmap),
    free('call.end', endCall),
  ];
}

/** UFFDIO_WRITEPROTECT with UFFDIO_WRITEPROTECT_MODE_WP. */
export const protectSteps = ({ keeps }: WpRules): readonly ShmemStep[] => walkSteps(changeChunk(Op['pte.protect'], protectEntry(keeps)), [steady('promise', keepPromise)]);

/** And without: the protection goes, and who sleeps for it is woken. */
export const unprotectSteps = ({ keeps }: WpRules): readonly ShmemStep[] =>
  walkSteps(changeChunk(Op['pte.protect'], unprotectEntry(keeps)), [steady('userfault.wake', wakeSleeper, 'userfault.wake')]);

export const numaScanSteps = ({ keeps }: WpRules): readonly ShmemStep[] => walkSteps(changeChunk(Op['pte.protect'], hintEntry(keeps)), []);

export const scanSteps = ({ keeps }: WpRules, protects: boolean): readonly ShmemStep[] =>
  walkSteps(changeChunk(Op['pagemap.entry'], scanEntry(keeps, protects)), [...(protects ? [steady<ShmemWorld>('promise', keepPromise)] : []), free('found', tellFound)]);

/** What pagemap says of the bit of one page: 1 or 0. */
const readBit = (keeps: Kept): ShmemRun => (world, task) => {
  const at = world.window[task] * world.shape.pages + world.page[task];
  if (isKept(world.entry[at], world.entryTarget[at])) noteSpecial(world, keeps === 'marker' ? 'pagemap' : 'present');
  world.meter.charge(Op['pagemap.entry']);
  world.meter.readValue = world.entry[at] & EntryBit.UffdWp ? 1 : 0;
  world.meter.attention = true;
  return Flow.Next;
};

const lockOwn: ShmemRun = (world, task) => lockTable(world, task, world.window[task], world.page[task]);
const unlockOwn: ShmemRun = (world, task) => {
  unlockTable(world, task, world.window[task], world.page[task]);
  return Flow.Next;
};

export const readBitSteps = ({ keeps }: WpRules): readonly ShmemStep[] => [
  bornStep,
  acquire('mmapLock.read', readLockMmap),
  acquire('ptl.lock', lockOwn),
  steady('pagemap.read', readBit(keeps)),
  release('ptl.unlock', unlockOwn),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('done', done),
];

export const isMigrationEntry = (bits: number): boolean => (bits & EntryBit.Present) === 0 && typeOf(bits) === EntryType.Migration;
