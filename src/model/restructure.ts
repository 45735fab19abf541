/**
 * Restructuring: large folios are split as a page of them turns shared, and put together again as the last shared one turns private.
 *
 * Source: the series "1G page support for guest_memfd" (RFC v2, May 2025: kvm_gmem_split_folio_in_filemap,
 * kvm_gmem_merge_folio_in_filemap, kvm_gmem_restructure_folios_in_range); include/linux/page_ref.h (folio_ref_freeze).
 * A large folio is in the file only while all of its pages are private. To split one the kernel waits, under invalidate_lock, until only
 * the page cache has it: no host maps a private page, so what it waits for is a fault of the guest in flight, or somebody's short look. To
 * merge, it freezes all pieces; where one has a reference more, all are thawed and it stays in pieces until the next conversion in it.
 * While the counts are frozen at 0 a try-get fails, so nobody sees a folio that is half split.
 * Differs from Linux: the wait takes no reference of its own; the page cache changes in the step that ends a split or a merge, and
 * what it costs is charged page by page before it; a split never goes by way of 2 MiB; struct pages never run out.
 */
import { chargeVmemmap, hasShared, largeStart } from './backing.ts';
import { PageBit, isSplit } from './file.ts';
import { cacheReferences } from './folios.ts';
import { Gauge } from './gauges.ts';
import { lockId, waitFor } from './locks.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { Flow, free, goTo, guarded, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import type { World } from './world.ts';

/** Before the first large folio that overlaps the range. */
const beginLarge: Run = (world, task) => {
  world.walkStart[task] = largeStart(world, world.rangeStart[task]);
  world.walkEnd[task] = world.walkStart[task];
  return Flow.Next;
};

/** Makes the next large folio of the range that is so the walk; otherwise there is none. */
const nextLarge = (isSo: (world: World, first: number) => boolean): Run => (world, task) => {
  const { folioPages, splits } = world.sizes;
  const end = splits ? world.rangeEnd[task] : 0;
  for (let first = world.walkEnd[task]; first < end; first += folioPages) {
    if (!isSo(world, first)) continue;
    world.walkStart[task] = first;
    world.walkEnd[task] = first + folioPages;
    world.cursor[task] = first;
    return Flow.Next;
  }
  world.walkStart[task] = 0;
  world.walkEnd[task] = 0;
  world.cursor[task] = 0;
  return Flow.Otherwise;
};

/** Moves the cursor by a chunk, whose pages cost this. Others cannot see it: what they would see is frozen. */
const chargePages = (...operations: readonly number[]): Run => (world, task) => {
  const first = world.cursor[task];
  const last = Math.min(first + world.shape.chunk, world.walkEnd[task]);
  for (const operation of operations) world.meter.chargeMany(operation, last - first);
  world.cursor[task] = last;
  return last < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

/* ---- to pieces ---- */

const isInOnePiece = (world: World, first: number): boolean => !isSplit(world, first) && (world.pageState[first] & PageBit.Present) !== 0;

/** Waits until only the page cache has the folio, and freezes its count. */
const freezeLarge: Run = (world, task) => {
  const head = world.walkStart[task];
  if (world.refcount[head] !== cacheReferences(world, head)) return waitFor(world, lockId(Waiting.Folio, head));
  world.refcount[head] = 0;
  world.meter.charge(Op['pageCache.lookup']);
  world.meter.charge(Op['folio.freeze']);
  world.meter.charge(Op['pageCache.remove']);
  chargeVmemmap(world, world.shape.folioOrder, 'vmemmap.restore');
  return Flow.Next;
};

const splitPages = chargePages(Op['folio.split'], Op['pageCache.insert']);

/** The pieces are in the file, each with the page cache's reference. What was said of the head holds for each of them. */
const insertPieces: Run = (world, task) => {
  const { pageState, refcount } = world;
  const head = world.walkStart[task];
  const end = world.walkEnd[task];
  const state = pageState[head] & (PageBit.Present | PageBit.UpToDate);
  world.folioSplit[head >> world.shape.folioOrder] = 1;
  for (let page = head; page < end; page++) {
    pageState[page] |= state;
    refcount[page] = cacheReferences(world, page);
  }
  world.meter.move(Gauge.largeFolios, -1);
  world.meter.raiseOf(Event.LargeSplit, head);
  return Flow.Next;
};

/** Steps that split every large folio of which the range has a page: behind the store, before the end of the invalidation. */
export function splitSteps(): readonly Step[] {
  return [
    free('split.begin', beginLarge),
    guarded('split.next', nextLarge(isInOnePiece), 'split.done'),
    waits('split.freeze', freezeLarge),
    free('folio.split', splitPages, 'folio.split'),
    steady('pageCache.insertPieces', insertPieces),
    goTo('split.next'),
    free('split.done', () => Flow.Next),
  ];
}

/* ---- to one piece ---- */

/** In pieces, all of them private, and none of them punched out. */
function isToMerge(world: World, first: number): boolean {
  if (!isSplit(world, first) || hasShared(world, first)) return false;
  const { pageState } = world;
  for (let page = first; page < first + world.sizes.folioPages; page++) if ((pageState[page] & PageBit.Present) === 0) return false;
  return true;
}

/** folio_ref_freeze of each piece of the chunk. It stops at one that has more than the page cache's reference, with the cursor there. */
const freezePieces: Run = (world, task) => {
  const { refcount, meter } = world;
  const first = world.cursor[task];
  const last = Math.min(first + world.shape.chunk, world.walkEnd[task]);
  const expected = cacheReferences(world, first);
  let page = first;
  while (page < last && refcount[page] === expected) refcount[page++] = 0;
  meter.chargeMany(Op['folio.freeze'], page < last ? page - first + 1 : page - first);
  world.cursor[task] = page;
  return page === last && page < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

/** Whether all of them are; then the cursor goes back for the merge. */
const areFrozen: Run = (world, task) => {
  if (world.cursor[task] < world.walkEnd[task]) return Flow.Otherwise;
  world.cursor[task] = world.walkStart[task];
  return Flow.Next;
};

const mergePages = chargePages(Op['pageCache.remove'], Op['folio.merge']);

/** The large folio is in the file in place of its pieces. */
const insertLarge: Run = (world, task) => {
  const { pageState, refcount } = world;
  const head = world.walkStart[task];
  const end = world.walkEnd[task];
  world.folioSplit[head >> world.shape.folioOrder] = 0;
  for (let page = head + 1; page < end; page++) pageState[page] &= ~(PageBit.Present | PageBit.UpToDate);
  refcount[head] = cacheReferences(world, head);
  world.cursor[task] = head;
  chargeVmemmap(world, world.shape.folioOrder, 'vmemmap.optimise');
  world.meter.charge(Op['pageCache.insert']);
  world.meter.move(Gauge.largeFolios, 1);
  world.meter.raiseOf(Event.LargeMerged, head);
  return Flow.Next;
};

/** Gives the pieces before the cursor their count back, from behind. */
const thawPieces: Run = (world, task) => {
  const last = world.cursor[task];
  const first = Math.max(world.walkStart[task], last - world.shape.chunk);
  for (let page = first; page < last; page++) world.refcount[page] = cacheReferences(world, page);
  world.cursor[task] = first;
  return first > world.walkStart[task] ? Flow.Otherwise : Flow.Next;
};

/** Steps that put every large folio together of which the range has a page and no page is shared: behind the store, before the end of the invalidation. */
export function mergeSteps(): readonly Step[] {
  return [
    free('merge.begin', beginLarge),
    guarded('merge.next', nextLarge(isToMerge), 'merge.done'),
    steady('folio.freeze', freezePieces, 'folio.freeze'),
    free('frozen', areFrozen, 'folio.thaw'),
    free('folio.merge', mergePages, 'folio.merge'),
    steady('pageCache.insertLarge', insertLarge),
    goTo('merge.next'),
    steady('folio.thaw', thawPieces, 'folio.thaw'),
    goTo('merge.next'),
    free('merge.done', () => Flow.Next),
  ];
}

/* ---- holes ---- */

/** Large pages of the range of whose pieces none is left: what comes next is a new one. */
export const forgetEmpty: Run = (world, task) => {
  const { folioPages } = world.sizes;
  for (let first = largeStart(world, world.rangeStart[task]); first < world.rangeEnd[task]; first += folioPages) {
    if (isSplit(world, first) && isEmpty(world, first)) world.folioSplit[first >> world.shape.folioOrder] = 0;
  }
  return Flow.Next;
};

function isEmpty({ pageState, sizes: { folioPages } }: World, first: number): boolean {
  for (let page = first; page < first + folioPages; page++) if (pageState[page] & PageBit.Present) return false;
  return true;
}
