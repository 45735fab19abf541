/**
 * Stage-2: what maps guest memory for the guest. 4 KiB leaves stand in the page's word, large ones in a column a region.
 *
 * Stage-2 entries hold no reference on folios. A large leaf needs large backing, natural alignment and one
 * shareability over the whole region; a conversion of a part splits it.
 */
import { column } from './columns.ts';
import { PageBit } from './file.ts';
import { cacheReferences } from './folios.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import type { World } from './world.ts';

const regions = ({ pages, regionOrder }: { readonly pages: number; readonly regionOrder: number }): number => Math.ceil(pages / (1 << regionOrder));

export const RegionBit = {
  /** One large stage-2 leaf maps the region. */
  Leaf: 1,
  /** The backing of the region was taken from the pool (and split to 4 KiB folios, where the policy does that). */
  Backed: 2,
} as const;

export const stage2Columns = {
  regionState: column('u8', 'region', regions, () => 3),
  /** Pages of the region whose shareability is not the file's default. */
  regionFlipped: column('u16', 'region', regions, ({ regionOrder }) => 1 << regionOrder),
} as const;

/** Whether the guest reaches the page without a fault. */
export function stage2Maps(world: World, page: number): boolean {
  return (world.pageState[page] & PageBit.Leaf) !== 0 || (world.regionState[page >> world.shape.regionOrder] & RegionBit.Leaf) !== 0;
}

/** Whether the region may have one large leaf now. */
export function mayMapLarge(world: World, region: number): boolean {
  const { shape, sizes } = world;
  if (!shape.largeBacking || (region + 1) * sizes.regionPages > shape.pages) return false;
  const flipped = world.regionFlipped[region];
  return (flipped === 0 || flipped === sizes.regionPages) && isPopulated(world, region);
}

/** Small folios over large backing may have been punched out one by one. */
function isPopulated(world: World, region: number): boolean {
  const { shape, sizes, pageState } = world;
  if (shape.folioOrder === shape.regionOrder) return true;
  for (let page = region * sizes.regionPages; page < (region + 1) * sizes.regionPages; page++) if ((pageState[page] & PageBit.Present) === 0) return false;
  return true;
}

/**
 * The backing of a region comes from the pool as one large page. Where core-mm is to see small folios, it is split, cleared
 * and put into the page cache as a whole: a large stage-2 leaf must not reach what is in no page cache.
 * @returns how many folios came into the page cache
 */
export function backRegion(world: World, region: number): number {
  const { shape, sizes, pageState, refcount } = world;
  world.regionState[region] |= RegionBit.Backed;
  if (shape.folioOrder === shape.regionOrder) return 0;
  const last = Math.min((region + 1) * sizes.regionPages, shape.pages);
  let inserted = 0;
  for (let page = region * sizes.regionPages; page < last; page++) {
    if (pageState[page] & PageBit.Present) continue;
    pageState[page] |= PageBit.Present | PageBit.UpToDate;
    refcount[page] += cacheReferences(world);
    inserted++;
  }
  world.meter.move(Gauge.pages, inserted);
  return inserted;
}

/** One large leaf takes the place of the small ones that the region may have. */
export function setLargeLeaf(world: World, region: number): void {
  const { pageState, meter } = world;
  const { regionPages } = world.sizes;
  if ((world.regionState[region] & RegionBit.Leaf) === 0) meter.move(Gauge.leaves2M, 1);
  world.regionState[region] |= RegionBit.Leaf;
  let replaced = 0;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) {
    if ((pageState[page] & PageBit.Leaf) === 0) continue;
    pageState[page] &= ~PageBit.Leaf;
    replaced++;
  }
  meter.move(Gauge.leaves4K, -replaced);
}

/** A leaf of 4 KiB for a page that no large one maps. */
export function setSmallLeaf(world: World, page: number): void {
  if (world.pageState[page] & PageBit.Leaf) return;
  world.pageState[page] |= PageBit.Leaf;
  world.meter.move(Gauge.leaves4K, 1);
}

/** Maps the page with the largest leaf that its surroundings allow. */
export function setLeaf(world: World, page: number): void {
  const region = page >> world.shape.regionOrder;
  if (mayMapLarge(world, region)) setLargeLeaf(world, region);
  else setSmallLeaf(world, page);
}

/**
 * Clears the leaves of [first, last). A large one is cleared whole where the range [rangeStart, rangeEnd) covers it, else it is split
 * first, which is charged where `charges` says so. @returns leaves cleared
 */
export function clearLeaves(world: World, first: number, last: number, rangeStart: number, rangeEnd: number, charges: boolean): number {
  const { pageState, regionState, meter } = world;
  const { regionOrder } = world.shape;
  const { regionPages } = world.sizes;
  let small = 0;
  let large = 0;
  for (let page = first; page < last; page++) {
    const region = page >> regionOrder;
    if (regionState[region] & RegionBit.Leaf) {
      if (rangeStart <= region * regionPages && rangeEnd >= (region + 1) * regionPages) {
        regionState[region] &= ~RegionBit.Leaf;
        large++;
        continue;
      }
      if (charges) meter.charge(Op['stage2.split']);
      splitLargeLeaf(world, region);
    }
    if (pageState[page] & PageBit.Leaf) {
      pageState[page] &= ~PageBit.Leaf;
      small++;
    }
  }
  meter.move(Gauge.leaves4K, -small);
  meter.move(Gauge.leaves2M, -large);
  return small + large;
}

/** Small leaves take the place of a large one. */
function splitLargeLeaf(world: World, region: number): void {
  const { regionPages } = world.sizes;
  world.regionState[region] &= ~RegionBit.Leaf;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) world.pageState[page] |= PageBit.Leaf;
  world.meter.move(Gauge.leaves2M, -1);
  world.meter.move(Gauge.leaves4K, regionPages);
}
