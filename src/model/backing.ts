/**
 * Backing: where the memory behind the file comes from. A pool hands out large pages, of 2 MiB or 1 GiB, one at a time.
 *
 * Who wants small folios gets them by splitting a large page as it comes: always (`split-4k`, whose folios are of order 0), or only
 * where a page of it is shared (`Shape.splits`). A large page in pieces is in the file as a whole: pieces stand for all of it.
 * Source: mm/hugetlb.c, mm/hugetlb_vmemmap.c; the series "1G page support for guest_memfd" (kvm_gmem_get_folio, kvm_gmem_try_split_folio_in_filemap).
 */
import { PageBit, isPrivate, isSplit, notePresent } from './file.ts';
import { cacheReferences, noteDoubles } from './folios.ts';
import { Gauge } from './gauges.ts';
import { Event } from './meter.ts';
import { Op } from './operations.ts';
import { RegionBit } from './stage2.ts';
import type { World } from './world.ts';

const PAGE_BYTES = 4096;
const STRUCT_PAGE_BYTES = 64;

/** Pages of struct pages that HVO gives back of a folio: all but the first. 7 of 8 at 2 MiB, 4095 of 4096 at 1 GiB. */
export const vmemmapGivenBack = (order: number): number => Math.max(0, Math.floor((STRUCT_PAGE_BYTES << order) / PAGE_BYTES) - 1);

/** What HVO costs where a large page is split, or put together: a page of struct pages each, and one flush. */
export function chargeVmemmap({ meter, shape }: World, order: number, operation: 'vmemmap.restore' | 'vmemmap.optimise'): void {
  const pages = vmemmapGivenBack(order);
  if (shape.hvo !== true || pages === 0) return;
  meter.chargeMany(Op[operation], pages);
  meter.charge(Op['vmemmap.flush']);
}

/** log2 of the pages that come from the pool at a time. */
const backingOrderOf = (world: World): number => world.shape.backingOrder ?? world.shape.regionOrder;

/** Puts the pages [first, end) that are not in the page cache into it as small folios. @returns how many those were */
function insertPieces(world: World, first: number, end: number): number {
  const { pageState, refcount } = world;
  let inserted = 0;
  for (let page = first; page < end; page++) {
    if (pageState[page] & PageBit.Present) continue;
    pageState[page] |= PageBit.Present | PageBit.UpToDate;
    refcount[page] += cacheReferences(world, page);
    if (world.shape.keeps === 'separate-memory') noteDoubles(world, page, 1);
    inserted++;
  }
  world.meter.move(Gauge.pages, inserted);
  notePresent(world, first, inserted);
  return inserted;
}

/**
 * The backing of the page comes from the pool as one large page. Where core-mm is to see small folios, it is split, cleared
 * and put into the page cache as a whole: a large stage-2 leaf must not reach what is in no page cache.
 * @returns how many folios came into the page cache
 */
export function backPage(world: World, page: number): number {
  const { shape, regionState } = world;
  const { regionOrder } = shape;
  if (regionState[page >> regionOrder] & RegionBit.Backed) return 0;
  const unit = 1 << Math.max(regionOrder, backingOrderOf(world));
  const first = page & ~(unit - 1);
  const end = Math.min(first + unit, shape.pages);
  for (let region = first >> regionOrder; region << regionOrder < end; region++) regionState[region] |= RegionBit.Backed;
  return shape.folioOrder >= regionOrder ? 0 : insertPieces(world, first, end);
}

/** The first folio of a large page brings it. */
export function takeBacking(world: World, page: number): void {
  const inserted = backPage(world, page);
  if (inserted === 0) return;
  const order = backingOrderOf(world);
  chargeVmemmap(world, order, 'vmemmap.restore');
  world.meter.chargeMany(Op['folio.split'], 1 << order);
  world.meter.chargeMany(Op['page.clear'], inserted);
  world.meter.chargeMany(Op['pageCache.insert'], inserted);
}

/** The large pages of the file that are in pieces, by their first page, and their order. */
export function inPieces(world: World): { readonly firstPages: readonly number[]; readonly order: number } {
  const { shape, sizes, regionState, pageState } = world;
  const order = sizes.splits ? shape.folioOrder : backingOrderOf(world);
  const isBacked = (page: number): boolean => shape.largeBacking && shape.folioOrder === 0 && (regionState[page >> shape.regionOrder] & RegionBit.Backed) !== 0;
  const firstPages: number[] = [];
  for (let first = 0; first < shape.pages; first += 1 << order) {
    if (sizes.splits ? !isSplit(world, first) : !isBacked(first)) continue;
    const end = Math.min(first + (1 << order), shape.pages);
    let page = first;
    while (page < end && (pageState[page] & PageBit.Present) === 0) page++;
    if (page < end) firstPages.push(first);
  }
  return { firstPages, order };
}

/* ---- large folios that are in pieces only while a page of them is shared ---- */

/** The first page of the large folio that the page belongs to, in one piece or not. */
export const largeStart = (world: World, page: number): number => page & ~(world.sizes.folioPages - 1);

/** Whether a page of the large folio that begins at `first` is shared. */
export function hasShared(world: World, first: number): boolean {
  const { shape, regionFlipped } = world;
  const { folioPages, regionPages } = world.sizes;
  if (folioPages < regionPages) {
    for (let page = first; page < first + folioPages; page++) if (!isPrivate(world, page)) return true;
    return false;
  }
  const wanted = shape.initShared ? regionPages : 0;
  for (let region = first >> shape.regionOrder; region << shape.regionOrder < first + folioPages; region++) if (regionFlipped[region] !== wanted) return true;
  return false;
}

/** Whether a large page for this page, of which nothing is in the file, has to be split as it comes. */
export const comesInPieces = (world: World, page: number): boolean => world.sizes.splits && !isSplit(world, page) && hasShared(world, largeStart(world, page));

/** Brings all of a large page in pieces. @returns how many there are */
export function backInPieces(world: World, page: number): number {
  const first = largeStart(world, page);
  world.folioSplit[page >> world.shape.folioOrder] = 1;
  return insertPieces(world, first, first + world.sizes.folioPages);
}

/** The same in a running system: taken, split, cleared, and put into the page cache. */
export function takeInPieces(world: World, page: number): void {
  const { meter } = world;
  const pieces = backInPieces(world, page);
  chargeVmemmap(world, world.shape.folioOrder, 'vmemmap.restore');
  meter.chargeMany(Op['folio.split'], pieces);
  meter.chargeMany(Op['page.clear'], pieces);
  meter.chargeMany(Op['pageCache.insert'], pieces);
  meter.raiseOf(Event.LargeSplit, largeStart(world, page));
}
