/**
 * PMDs: one entry of a host page table for a whole region (2 MiB) of a large folio.
 *
 * Each page of the region has its byte as if it had an entry of its own, so that a hit, GUP and whoever else asks about one page
 * read one byte as ever; a bit of `table` says that they are one entry. Reference and mapping count are those of one mapping, the ways to
 * the data (ghost) those of each page.
 *
 * Source: mm/memory.c (do_set_pmd), mm/huge_memory.c (zap_huge_pmd, __split_huge_pmd_locked), mm/gup.c (gup_fast_pmd_leaf).
 * guest_memfd allows one only while all of its pages are shared: core-mm would map the private ones too.
 * A zap of the region clears one entry. Its mapping count drops as it is cleared, dirty or not (only PTEs wait for their flush with it),
 * its reference after the flush. A file has no PTEs to put in the place of a PMD, so a zap of a part drops all of it: it is flushed
 * under the page-table lock before its mapping count drops, and the pages around the part fault again.
 * Differs from Linux: one lock stands for that of the PMD and that of its table; a folio that is larger than a region has PMDs too, which
 * do_set_pmd gives up; slow GUP takes its pages one by one; mappings lie in the address space as the file's regions do; a munmap of a
 * part drops the PMD when it comes to it, and not when it splits the VMA, and its notifier is about the part; nothing makes a PMD of PTEs
 * later (khugepaged).
 */
import { EntryBit, TableBit, tableOf } from './entries.ts';
import type { StaleBit } from './entries.ts';
import { noteExposure } from './exposure.ts';
import { PageBit, headOf, isLarge } from './file.ts';
import { addMapping } from './folios.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import { TaskFlag, addToGather } from './tasks.ts';
import { inMm } from './windows.ts';
import type { World } from './world.ts';

const regionStart = ({ sizes: { regionPages } }: World, page: number): number => page & ~(regionPages - 1);

const isFirstOfRegion = ({ sizes: { regionPages } }: World, page: number): boolean => (page & (regionPages - 1)) === 0;
const isLastOfRegion = ({ sizes: { regionPages } }: World, page: number): boolean => ((page + 1) & (regionPages - 1)) === 0;

/** Whether a PMD maps the page. */
export const isPmd = (world: World, window: number, page: number): boolean => (world.table[tableOf(world, window, page)] & TableBit.Pmd) !== 0;

const clearedBit = (stale: StaleBit): number => (stale === EntryBit.StaleZap ? TableBit.PmdOfZap : TableBit.PmdOfMunmap);

/** Whether the stale mark of the page is that of a PMD. */
export const isClearedPmd = (world: World, window: number, page: number, stale: StaleBit): boolean =>
  (world.table[tableOf(world, window, page)] & clearedBit(stale)) !== 0;

/** The same of either mark. */
export const wasPmd = (world: World, window: number, page: number): boolean =>
  (world.table[tableOf(world, window, page)] & (TableBit.PmdOfMunmap | TableBit.PmdOfZap)) !== 0;

/** Page-table entries that [first, end) of a window has: of a PMD's pages one. */
export function entriesIn(world: World, window: number, first: number, end: number): number {
  if (!world.shape.pmdMappings) return end - first;
  let count = 0;
  for (let page = first; page < end; ) {
    const regionEnd = Math.min(regionStart(world, page) + world.sizes.regionPages, end);
    count += isPmd(world, window, page) ? 1 : regionEnd - page;
    page = regionEnd;
  }
  return count;
}

/* ---- setting one ---- */

/** Whether the fault may map all of the region, as far as file and VMA go. Asked under invalidate_lock and mmap_lock. */
export function mayMapRegion(world: World, window: number, page: number, mapsPrivate: boolean): boolean {
  const { regionPages } = world.sizes;
  const first = regionStart(world, page);
  const shared = world.regionFlipped[page >> world.shape.regionOrder] === (world.shape.initShared ? 0 : regionPages);
  if (!shared && !mapsPrivate) return false;
  const last = first + regionPages - 1;
  if (world.windowVmas[window] === 1) {
    if (!inMm(world, window, first) || !inMm(world, window, last)) return false;
  } else {
    for (let at = first; at <= last; at++) if (!inMm(world, window, at)) return false;
  }
  if (world.shape.keeps === 'put-callbacks') for (let at = first; at <= last; at++) if (world.pageState[at] & PageBit.Draining) return false;
  return true;
}

/**
 * Whether there is neither a table nor an entry for the region (pmd_none), and a large folio to map. Asked under the page-table lock, with a
 * reference on the folio, which keeps it in one piece.
 */
export const fitsPmd = (world: World, window: number, page: number): boolean =>
  isLarge(world, page) && (world.table[tableOf(world, window, page)] & (TableBit.Allocated | TableBit.Pmd)) === 0;

export function addPmdMapping(world: World, page: number): void {
  world.largeMapcount[page >> world.shape.folioOrder]++;
}

export function removePmdMapping(world: World, page: number): void {
  world.largeMapcount[page >> world.shape.folioOrder]--;
}

/** Installs the PMD of the region of `page`; mapping count and reference are the caller's to account. */
export function setPmd(world: World, window: number, page: number): void {
  const base = window * world.shape.pages;
  const first = regionStart(world, page);
  world.table[tableOf(world, window, page)] |= TableBit.Pmd;
  for (let at = first; at < first + world.sizes.regionPages; at++) {
    world.entry[base + at] = (world.entry[base + at] & ~EntryBit.Dirty) | EntryBit.Present;
    world.pageState[at] &= ~PageBit.NeighbourZapped;
    world.dataRefs[at]++;
    noteExposure(world, at);
  }
}

/* ---- clearing one ---- */

/** The dirty bit of the PMD whose region begins at `first`: that of any page. */
function dirtyOf({ entry, shape: { pages }, sizes: { regionPages } }: World, window: number, first: number): number {
  let dirty = 0;
  for (let at = window * pages + first; at < window * pages + first + regionPages; at++) dirty |= entry[at] & EntryBit.Dirty;
  return dirty;
}

/**
 * Clears the PMD at the task's walk, all of it, into the task's gather. A walk that reaches only a part of the region leaves its flush
 * and its mapping count to the steps that dirty PTEs need. @param split the same for a walk of the whole region
 */
export function clearPmd(world: World, task: number, stale: StaleBit, split: boolean): void {
  const { entry, pageState, meter, sizes: { regionPages } } = world;
  const window = world.walkWindow[task];
  const base = window * world.shape.pages;
  const first = regionStart(world, world.walkCursor[task]);
  const last = first + regionPages;
  const rangeStart = world.rangeStart[task];
  const rangeEnd = world.rangeEnd[task];
  const delayed = split || first < world.walkStart[task] || last > world.walkEnd[task];
  const dirty = dirtyOf(world, window, first);
  // Whichever page made it dirty, a TLB that has it may write them all: the cleared entry remembers that.
  const left = stale | dirty | (delayed ? EntryBit.RmapDelayed : 0);
  for (let page = first; page < last; page++) {
    entry[base + page] = (entry[base + page] & ~(EntryBit.Present | EntryBit.Dirty)) | left;
    if (stale === EntryBit.StaleZap && (page < rangeStart || page >= rangeEnd)) pageState[page] |= PageBit.NeighbourZapped;
  }
  const table = tableOf(world, window, first);
  world.table[table] = (world.table[table] & ~TableBit.Pmd) | clearedBit(stale);
  if (delayed) world.flags[task] |= TaskFlag.DirtyTable;
  addToGather(world, task, first, last);
  meter.charge(Op['pte.check']);
  meter.charge(Op['pte.zap']);
  if (stale === EntryBit.StaleZap && (last <= rangeStart || first >= rangeEnd)) meter.charge(Op['pte.zapNeighbour']);
}

/** Drops the mapping count of a cleared PMD, once for all of its pages: at the first one. */
export function removeClearedPmd(world: World, page: number): void {
  if (isFirstOfRegion(world, page)) removePmdMapping(world, page);
}

/** Takes the stale mark off a page of a cleared PMD. @returns whether it was the last one, and the reference is to be dropped */
export function putClearedPmd(world: World, window: number, page: number, stale: StaleBit): boolean {
  const at = window * world.shape.pages + page;
  // An entry that came in the meantime has a dirty bit of its own.
  world.entry[at] &= world.entry[at] & EntryBit.Present ? ~stale : ~(stale | EntryBit.Dirty);
  if (!isLastOfRegion(world, page)) return false;
  world.table[tableOf(world, window, page)] &= ~clearedBit(stale);
  return true;
}

/** Puts PTEs in the place of the PMD of a page, as no kernel can: for a measure of what nothing can beat. */
export function splitForFree(world: World, window: number, page: number): void {
  const { regionPages } = world.sizes;
  const first = regionStart(world, page);
  const table = tableOf(world, window, page);
  const dirty = dirtyOf(world, window, first);
  world.table[table] = (world.table[table] & ~TableBit.Pmd) | TableBit.Allocated;
  world.meter.move(Gauge.tables, 1);
  removePmdMapping(world, page);
  for (let at = first; at < first + regionPages; at++) {
    world.entry[window * world.shape.pages + at] |= dirty;
    addMapping(world, at);
  }
  world.refcount[headOf(world, page)] += regionPages - 1;
}
