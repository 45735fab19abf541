/**
 * Zap: clearing the host's entries of a range, with the mmu_gather that remembers what still has to be flushed and put.
 *
 * Source: mm/memory.c (zap_pte_range, unmap_mapping_pages, zap_page_range_single), mm/mmu_gather.c.
 * A clean entry's mapping count drops as it is cleared; its reference drops after the flush. A dirty entry forces a flush
 * for its page table, under the page-table lock, before its mapping count drops.
 * Differs from Linux: a gather never overflows (Linux flushes early after about 10 000 pages); where a munmap's gather and
 * a zap under invalidate_lock have both cleared an entry, each keeps its own mark and reference.
 */
import { sendFlush, waitCalls } from './crossCalls.ts';
import { EntryBit, TableBit, tableOf } from './entries.ts';
import type { StaleBit } from './entries.ts';
import { addToEach, changeEntries, endOfEntries, nextEntry, nextEntryWith } from './entryRuns.ts';
import { PageBit, folioEnd, headOf } from './file.ts';
import { dropReference, removeMapping } from './folios.ts';
import { LockClass, acquireRead, checkOrder, lockId, noteHeld, noteReleased, releaseRead, waitFor } from './locks.ts';
import { beginNotifier, endNotifier } from './notifier.ts';
import { Op } from './operations.ts';
import { clearPmd, isClearedPmd, isPmd, putClearedPmd, removeClearedPmd, removePmdMapping, wasPmd } from './pmd.ts';
import { Flow, acquire, acquireUnless, free, freeWhen, goTo, release, releaseUnless, steady, waits } from './step.ts';
import type { FlowKind, Run, Step } from './step.ts';
import { Gather, TaskFlag, addToGather } from './tasks.ts';
import { staleBitOf } from './inFlight.ts';
import { endInIMmap, firstInIMmap, treeLevels, vmaCount } from './windows.ts';
import type { World } from './world.ts';

/** Takes the page-table lock of the entry of (window, page). */
export function lockPageTable(world: World, task: number, window: number, page: number): FlowKind {
  checkOrder(world, task, LockClass.PageTable);
  const table = tableOf(world, window, page);
  if (world.table[table] & TableBit.Locked) return waitFor(world, lockId(LockClass.PageTable, table));
  world.table[table] |= TableBit.Locked;
  noteHeld(world, task, LockClass.PageTable);
  world.meter.charge(Op['lock.pageTable']);
  return Flow.Next;
}

export function unlockPageTable(world: World, task: number, window: number, page: number): void {
  const table = tableOf(world, window, page);
  world.table[table] &= ~TableBit.Locked;
  noteReleased(world, task, LockClass.PageTable, table);
}

/** The last page of the table that the walk has just been through. */
const tablePage = (world: World, task: number): number => world.walkCursor[task] - 1;

/** A table, or a PMD in its place. */
const WALKED = TableBit.Allocated | TableBit.Pmd;

/** Moves the cursor to the next page table of the window that exists. */
export const nextTable: Run = (world, task) => {
  const window = world.walkWindow[task];
  const end = world.walkEnd[task];
  const { regionOrder } = world.shape;
  const { regionPages, regions } = world.sizes;
  let page = world.walkCursor[task];
  while (page < end) {
    if (world.table[window * regions + (page >> regionOrder)] & WALKED) {
      world.walkCursor[task] = page;
      return Flow.Next;
    }
    page = (page | (regionPages - 1)) + 1;
  }
  world.walkCursor[task] = end;
  return Flow.Otherwise;
};

export const lockTable: Run = (world, task) => {
  const flow = lockPageTable(world, task, world.walkWindow[task], world.walkCursor[task]);
  if (flow === Flow.Next) world.flags[task] &= ~TaskFlag.DirtyTable;
  return flow;
};

/** End of the chunk that the walk is at: one step, one page table, one range. A PMD is one entry, and so is one that the task has just cleared. */
export function chunkEnd(world: World, task: number): number {
  const cursor = world.walkCursor[task];
  const tableEnd = (cursor | (world.sizes.regionPages - 1)) + 1;
  const chunk = world.shape.pmdMappings && isOneEntry(world, task, cursor) ? world.sizes.regionPages : world.shape.chunk;
  return Math.min(cursor + chunk, tableEnd, world.walkEnd[task]);
}

function isOneEntry(world: World, task: number, page: number): boolean {
  const window = world.walkWindow[task];
  return isPmd(world, window, page) || isClearedPmd(world, window, page, staleBitOf(world, task));
}

const clearEntries = (stale: StaleBit): Run => (world, task) => {
  const { entry, pageState, meter } = world;
  const window = world.walkWindow[task];
  const base = window * world.shape.pages;
  const first = world.walkCursor[task];
  if (world.shape.pmdMappings && isPmd(world, window, first)) {
    clearPmd(world, task, stale, false);
    return Flow.Next;
  }
  const last = chunkEnd(world, task);
  const rangeStart = world.rangeStart[task];
  const rangeEnd = world.rangeEnd[task];
  let zapped = 0;
  let neighbours = 0;
  for (let page = first; page < last; page++) {
    const bits = entry[base + page];
    if ((bits & EntryBit.Present) === 0) {
      // Nothing is counted for a migration entry.
      if (bits & EntryBit.Migration) entry[base + page] = bits & ~(EntryBit.Migration | EntryBit.Dirty);
      else page = nextEntryWith(world, base + page + 1, base + last, EntryBit.Present | EntryBit.Migration) - base - 1;
      continue;
    }
    let left = (bits & ~(EntryBit.Present | EntryBit.Dirty | EntryBit.WriteProtected)) | stale;
    if (bits & EntryBit.Dirty) {
      left |= EntryBit.RmapDelayed;
      world.flags[task] |= TaskFlag.DirtyTable;
    }
    entry[base + page] = left;
    zapped++;
    if (stale === EntryBit.StaleZap && (page < rangeStart || page >= rangeEnd)) {
      neighbours++;
      pageState[page] |= PageBit.NeighbourZapped;
    }
    addToGather(world, task, page, page + 1);
  }
  meter.chargeMany(Op['pte.check'], last - first);
  if (zapped > 0) meter.chargeMany(Op['pte.zap'], zapped);
  if (neighbours > 0) meter.chargeMany(Op['pte.zapNeighbour'], neighbours);
  return Flow.Next;
};

/** Drops the mapping counts of the clean entries of the chunk, or of its PMD, and goes on with the next chunk of the table. */
const removeCleanMappings = (stale: StaleBit): Run => (world, task) => {
  const { entry } = world;
  const window = world.walkWindow[task];
  const base = window * world.shape.pages;
  const first = world.walkCursor[task];
  const last = chunkEnd(world, task);
  if (world.shape.pmdMappings && isClearedPmd(world, window, first, stale)) {
    if ((entry[base + first] & EntryBit.RmapDelayed) === 0) removePmdMapping(world, first);
  } else {
    // What is stale lies in the gather.
    const end = Math.min(last, world.gatherEnd[task]);
    const mask = stale | EntryBit.RmapDelayed;
    let run = base + Math.max(first, world.gatherStart[task]);
    for (let at = nextEntry(world, run, base + end, mask, stale); at < base + end; at = nextEntry(world, run, base + end, mask, stale)) {
      run = endOfEntries(world, at, base + end, mask, stale);
      for (; at < run; at++) removeMapping(world, at - base);
    }
  }
  world.walkCursor[task] = last;
  return last < world.walkEnd[task] && (last & (world.sizes.regionPages - 1)) !== 0 ? Flow.Otherwise : Flow.Next;
};

/** Of a walk that leaves nothing in a gather. */
export const unlockWalkedTable: Run = (world, task) => {
  unlockPageTable(world, task, world.walkWindow[task], tablePage(world, task));
  return Flow.Next;
};

/** Whether the pages lie in one large folio: what is counted by folio is counted in one go then. */
const isOneLargeFolio = (world: World, first: number, last: number): boolean => last - first > 1 && headOf(world, first) === headOf(world, last - 1);

const nextPage = (world: World, base: number, first: number, end: number, wanted: number): number => nextEntry(world, base + first, base + end, wanted, wanted) - base;

/** The end of the run of wanted entries from this page on, in one region: all of it or nothing is a PMD. */
function endOfRun(world: World, base: number, page: number, last: number, wanted: number): number {
  const end = world.shape.pmdMappings ? Math.min(last, (page | (world.sizes.regionPages - 1)) + 1) : last;
  return endOfEntries(world, base + page, base + end, wanted, wanted) - base;
}

const ifDirty: Run = (world, task) => (world.flags[task] & TaskFlag.DirtyTable ? Flow.Next : Flow.Otherwise);

/** Entries between the first and the last that the gather cleared: where these are PMDs alone they are flushed PMD by PMD (tlb_get_unmap_shift), else page by page. */
function gatheredEntries(world: World, task: number): number {
  const first = world.gatherStart[task];
  const last = world.gatherEnd[task];
  if (!world.shape.pmdMappings) return last - first;
  const window = world.walkWindow[task];
  const { regionPages } = world.sizes;
  let regions = 0;
  for (let page = first; page < last; page += regionPages, regions++) {
    if (!wasPmd(world, window, page) && hasStale(world, window, page, Math.min(page + regionPages, last))) return last - first;
  }
  return regions;
}

function hasStale({ entry, shape: { pages } }: World, window: number, first: number, end: number): boolean {
  for (let at = window * pages + first; at < window * pages + end; at++) if (entry[at] & (EntryBit.StaleZap | EntryBit.StaleMunmap)) return true;
  return false;
}

/** Asks for the flush of what the gather cleared; nothing to do where it cleared nothing. */
const sendGatherFlush: Run = (world, task) => {
  if (world.gather[task] !== Gather.Pending) return Flow.Otherwise;
  world.gather[task] = Gather.Sent;
  const mm = world.windowMm[world.walkWindow[task]];
  sendFlush(world, task, mm, gatheredEntries(world, task), world.askedMm[task] === mm + 1);
  return Flow.Next;
};

const waitGatherFlush = (stale: StaleBit): Run => (world, task) => {
  if (world.gather[task] !== Gather.Sent) throw new Error(`task ${task} waits for a flush that it has not sent`);
  const flow = waitCalls(world, task);
  if (flow !== Flow.Next) return flow;
  const base = world.walkWindow[task] * world.shape.pages;
  const last = world.gatherEnd[task];
  let end = world.gatherStart[task];
  for (let page = nextPage(world, base, end, last, stale); page < last; page = nextPage(world, base, end, last, stale)) {
    end = endOfRun(world, base, page, last, stale);
    addToEach(world.dataRefs, page, end, -1);
  }
  world.gather[task] = Gather.Flushed;
  return Flow.Next;
};

const removeDelayedMappings = (stale: StaleBit): Run => (world, task) => {
  const { shape: { pages, pmdMappings } } = world;
  const window = world.walkWindow[task];
  const base = window * pages;
  const first = world.gatherStart[task];
  const last = world.gatherEnd[task];
  const one = isOneLargeFolio(world, first, last);
  const wanted = stale | EntryBit.RmapDelayed;
  let removed = 0;
  let end = first;
  for (let page = nextPage(world, base, end, last, wanted); page < last; page = nextPage(world, base, end, last, wanted)) {
    end = endOfRun(world, base, page, last, wanted);
    changeEntries(world, base + page, base + end, EntryBit.RmapDelayed, 0);
    if (pmdMappings && isClearedPmd(world, window, page, stale)) {
      removeClearedPmd(world, page);
      continue;
    }
    if (one) addToEach(world.mapcount, page, end, -1);
    else for (let at = page; at < end; at++) removeMapping(world, at);
    removed += end - page;
  }
  if (one) world.largeMapcount[first >> world.shape.folioOrder] -= removed;
  return Flow.Next;
};

const unlockTable: Run = (world, task) => {
  unlockPageTable(world, task, world.walkWindow[task], tablePage(world, task));
  return world.gather[task] === Gather.Flushed ? Flow.Next : Flow.Otherwise;
};

const putGather = (stale: StaleBit): Run => (world, task) => {
  const { shape: { pages, pmdMappings } } = world;
  const window = world.walkWindow[task];
  const base = window * pages;
  const first = world.gatherStart[task];
  const last = world.gatherEnd[task];
  const one = isOneLargeFolio(world, first, last);
  let put = 0;
  let end = first;
  for (let page = nextPage(world, base, end, last, stale); page < last; page = nextPage(world, base, end, last, stale)) {
    end = endOfRun(world, base, page, last, stale);
    if (pmdMappings && isClearedPmd(world, window, page, stale)) {
      // One reference for all of the region, with its last page.
      while (page < end - 1) putClearedPmd(world, window, page++, stale);
      if (!putClearedPmd(world, window, page, stale)) continue;
    } else {
      changeEntries(world, base + page, base + end, stale, 0);
    }
    put += end - page;
    if (!one) for (; page < end; page++) dropReference(world, headOf(world, page), 1);
  }
  if (one && put > 0) dropReference(world, headOf(world, first), put);
  world.meter.chargeMany(Op['folio.put'], put);
  world.gather[task] = Gather.None;
  world.gatherStart[task] = 0;
  world.gatherEnd[task] = 0;
  return Flow.Next;
};

/** Steps that zap [walkStart, walkEnd) in `walkWindow`, all but the last flush. @param clear clears the entries of a chunk */
export function zapWindowSteps(stale: StaleBit, clear: Run = clearEntries(stale)): readonly Step[] {
  return [
    freeWhen('secondaries')('notifier.begin', beginNotifier),
    steady('zap.table', nextTable, 'notifier.end'),
    acquire('ptl.lock', lockTable),
    steady('pte.clear', clear),
    freeWhen('mapcounts')('rmap.remove', removeCleanMappings(stale), 'pte.clear'),
    free('dirty', ifDirty, 'ptl.unlock'),
    steady('dirty.send', sendGatherFlush, 'ptl.unlock'),
    waits('dirty.wait', waitGatherFlush(stale)),
    freeWhen('mapcounts')('rmap.removeDelayed', removeDelayedMappings(stale)),
    release('ptl.unlock', unlockTable, 'zap.table'),
    steady('dirty.put', putGather(stale)),
    goTo('zap.table'),
    freeWhen('secondaries')('notifier.end', endNotifier),
  ];
}

/** Steps that flush and put what a zap left in the gather. Goes on behind them. */
export function flushGatherSteps(stale: StaleBit): readonly Step[] {
  return [
    steady('tlb.send', sendGatherFlush, 'gather.done'),
    waits('tlb.wait', waitGatherFlush(stale)),
    steady('gather.put', putGather(stale)),
    free('gather.done', () => Flow.Next),
  ];
}

export const readLockIMmap: Run = (world, task) => {
  const flow = acquireRead(world, task, world.iMmapLock, 0, LockClass.IMmap);
  if (flow === Flow.Next) world.meter.charge(Op['lock.iMmap']);
  return flow;
};

export const readUnlockIMmap: Run = (world, task) => {
  releaseRead(world, task, world.iMmapLock, 0, LockClass.IMmap);
  return Flow.Next;
};

export const beginWalk: Run = (world, task) => {
  const flow = readLockIMmap(world, task);
  if (flow !== Flow.Next) return flow;
  world.meter.charge(Op['rmap.walk']);
  world.meter.chargeMany(Op['vma.lookup'], treeLevels(vmaCount(world)));
  world.walkWindow[task] = 0;
  world.cursor[task] = world.walkStart[task];
  world.cursorEnd[task] = world.walkEnd[task];
  world.walkEnd[task] = world.walkStart[task];
  return Flow.Next;
};

/** Finds the next VMA in i_mmap behind [walkStart, walkEnd) of `walkWindow` and makes its part of [cursor, cursorEnd) the walk. */
export const nextVma: Run = (world, task) => {
  const end = world.cursorEnd[task];
  let from = world.walkEnd[task];
  for (let window = world.walkWindow[task]; window < world.shape.windows; window++) {
    const start = firstInIMmap(world, window, from, end);
    from = world.cursor[task];
    if (start < 0) continue;
    world.walkWindow[task] = window;
    world.walkStart[task] = start;
    world.walkEnd[task] = endInIMmap(world, window, start, end);
    world.meter.charge(Op['vma.visit']);
    return Flow.Next;
  }
  return Flow.Otherwise;
};

export const endWalk: Run = (world, task) => {
  world.walkStart[task] = world.cursor[task];
  world.walkEnd[task] = world.cursorEnd[task];
  world.cursor[task] = 0;
  world.cursorEnd[task] = 0;
  world.walkWindow[task] = 0;
  world.walkCursor[task] = 0;
  return readUnlockIMmap(world, task);
};

/**
 * Steps of unmap_mapping_pages: zap [walkStart, walkEnd) in every VMA of the file, one flush a VMA, under i_mmap_rwsem.
 * To be called with invalidate_lock held exclusively. @param clear see `zapWindowSteps`
 */
export function unmapEverywhereSteps(clear?: Run): readonly Step[] {
  return [
    acquireUnless('vmas')('iMmap.readLock', beginWalk),
    freeWhen('vmas')('rmap.nextVma', nextVma, 'iMmap.readUnlock'),
    ...zapWindowSteps(EntryBit.StaleZap, clear),
    ...flushGatherSteps(EntryBit.StaleZap),
    goTo('rmap.nextVma'),
    releaseUnless('vmas')('iMmap.readUnlock', endWalk),
  ];
}

/** Sets the walk to the folios that overlap the range, as far as the file goes. */
export const walkWholeFolios: Run = (world, task) => {
  world.walkStart[task] = headOf(world, world.rangeStart[task]);
  world.walkEnd[task] = Math.min(folioEnd(world, world.rangeEnd[task] - 1), world.shape.pages);
  return Flow.Next;
};

