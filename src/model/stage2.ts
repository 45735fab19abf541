/**
 * Stage-2: what maps guest memory for the guest. 4 KiB leaves stand in the page's word, large and gigantic ones in a column each.
 *
 * Stage-2 entries hold no reference on folios. A large leaf needs large backing, natural alignment and one shareability over
 * all that it maps; a conversion of a part splits it, a gigantic one into large ones first. What was split comes back only by
 * a later fault, which needs that a zap has come before it.
 *
 * Invariants (src/model/invariants.ts):
 *   M1  only what is in the page cache is mapped
 *   S3  a large or gigantic leaf maps pages of one shareability, and lies over no smaller one
 *
 * Source: kvm_mmu_max_mapping_level and hugepage_has_attrs (arch/x86/kvm/mmu/mmu.c), tdp_mmu_split_huge_page and
 * kvm_tdp_mmu_map (arch/x86/kvm/mmu/tdp_mmu.c); for memory of 1 GiB, "1G page support for guest_memfd" by Ackerley Tng, May 2025.
 * Differs from Linux: guest frame and file index are congruent for every size, so that no slot forbids a leaf.
 */
import { column } from './columns.ts';
import { PageBit, headOf, isApart, isSplit } from './file.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import { sizesOf } from './shape.ts';
import type { Shape } from './shape.ts';
import type { World } from './world.ts';

const regions = (shape: Shape): number => sizesOf(shape).regions;
const gigantics = (shape: Shape): number => sizesOf(shape).gigantics;
const giganticPages = (shape: Shape): number => sizesOf(shape).giganticPages;

export const RegionBit = {
  /** One large stage-2 leaf maps the region. */
  Leaf: 1,
  /** The backing of the region was taken from the pool (and split to 4 KiB folios, where the policy does that). */
  Backed: 2,
} as const;

export const GiganticBit = {
  /** One gigantic stage-2 leaf maps all of it. */
  Leaf: 1,
} as const;

export const stage2Columns = {
  regionState: column('u8', 'region', regions, () => 3),
  /** Pages of the region whose shareability is not the file's default. */
  regionFlipped: column('u16', 'region', regions, ({ regionOrder }) => 1 << regionOrder),
  giganticState: column('u8', 'gigantic', gigantics, () => 1),
  /** The same of gigantic regions, and their pages that are in the page cache: a fault must not have to look at all of them. */
  giganticFlipped: column('u32', 'gigantic', gigantics, giganticPages),
  giganticPresent: column('u32', 'gigantic', gigantics, giganticPages),
} as const;

/** What maps a page for the guest. */
export const Leaf = { None: 0, Small: 1, Large: 2, Gigantic: 3 } as const;
export type LeafKind = (typeof Leaf)[keyof typeof Leaf];

/** The leaf of a page that no small one maps. */
export function largeLeafOf(world: World, page: number): LeafKind {
  const { shape } = world;
  if (world.regionState[page >> shape.regionOrder] & RegionBit.Leaf) return Leaf.Large;
  return shape.giganticOrder !== undefined && world.giganticState[page >> shape.giganticOrder] & GiganticBit.Leaf ? Leaf.Gigantic : Leaf.None;
}

/** Whether the guest reaches the page without a fault. */
export function stage2Maps(world: World, page: number): boolean {
  return (world.pageState[page] & PageBit.Leaf) !== 0 || largeLeafOf(world, page) !== Leaf.None;
}

/** Whether the region may have one large leaf now. */
export function mayMapLarge(world: World, region: number): boolean {
  const { shape, sizes } = world;
  // Private pages that have a memory of their own are folios of 4 KiB.
  if (!shape.largeBacking || isApart(world, region * sizes.regionPages) || (region + 1) * sizes.regionPages > shape.pages) return false;
  const flipped = world.regionFlipped[region];
  return (flipped === 0 || flipped === sizes.regionPages) && isPopulated(world, region);
}

/** Small folios over large backing may have been punched out one by one; what is in pieces is mapped page by page. */
function isPopulated(world: World, region: number): boolean {
  const { sizes, pageState } = world;
  const last = (region + 1) * sizes.regionPages;
  for (let page = region * sizes.regionPages; page < last; page += sizes.folioPages) {
    if (isSplit(world, page) || (pageState[headOf(world, page)] & PageBit.Present) === 0) return false;
  }
  return true;
}

/** Whether one gigantic leaf may map all of it now. */
function mayMapGigantic(world: World, gigantic: number): boolean {
  const { giganticPages: pages, folioPages } = world.sizes;
  if (isApart(world, gigantic * pages) || (gigantic + 1) * pages > world.shape.pages || world.giganticPresent[gigantic] !== pages) return false;
  if (world.sizes.splits) for (let page = gigantic * pages; page < (gigantic + 1) * pages; page += folioPages) if (isSplit(world, page)) return false;
  const flipped = world.giganticFlipped[gigantic];
  return flipped === 0 || flipped === pages;
}

/** One gigantic leaf takes the place of what is below it. */
function setGiganticLeaf(world: World, gigantic: number): void {
  const { giganticPages: pages, regionPages } = world.sizes;
  const { regionState, meter } = world;
  const first = (gigantic * pages) / regionPages;
  let large = 0;
  let small = 0;
  for (let region = first; region < first + pages / regionPages; region++) {
    if (regionState[region] & RegionBit.Leaf) {
      regionState[region] &= ~RegionBit.Leaf;
      large++;
    } else {
      small += takeSmallLeaves(world, region);
    }
  }
  world.giganticState[gigantic] |= GiganticBit.Leaf;
  meter.move(Gauge.leaves1G, 1);
  meter.move(Gauge.leaves2M, -large);
  meter.move(Gauge.leaves4K, -small);
}

/** One large leaf takes the place of the small ones that the region may have. */
function setLargeLeaf(world: World, region: number): void {
  const { meter } = world;
  world.regionState[region] |= RegionBit.Leaf;
  meter.move(Gauge.leaves2M, 1);
  meter.move(Gauge.leaves4K, -takeSmallLeaves(world, region));
}

/** @returns how many small leaves the region had */
function takeSmallLeaves(world: World, region: number): number {
  const { pageState } = world;
  const { regionPages } = world.sizes;
  let taken = 0;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) {
    if ((pageState[page] & PageBit.Leaf) === 0) continue;
    pageState[page] &= ~PageBit.Leaf;
    taken++;
  }
  return taken;
}

/** Maps the page with the largest leaf that its surroundings allow. @param maySetGigantic default: yes */
export function setLeaf(world: World, page: number, maySetGigantic = true): void {
  if (largeLeafOf(world, page) !== Leaf.None) return;
  const { regionOrder, giganticOrder } = world.shape;
  const region = page >> regionOrder;
  if (maySetGigantic && giganticOrder !== undefined && mayMapGigantic(world, page >> giganticOrder)) {
    setGiganticLeaf(world, page >> giganticOrder);
  } else if (mayMapLarge(world, region)) {
    setLargeLeaf(world, region);
  } else if ((world.pageState[page] & PageBit.Leaf) === 0) {
    world.pageState[page] |= PageBit.Leaf;
    world.meter.move(Gauge.leaves4K, 1);
  }
}

/** Leaves over [start, end), those that reach beyond it included. */
export function countLeaves(world: World, start: number, end: number): number {
  const { giganticPages: pages, regionPages } = world.sizes;
  let count = 0;
  for (let page = start; page < end; page++) {
    const large = largeLeafOf(world, page);
    if (large !== Leaf.None || world.pageState[page] & PageBit.Leaf) count++;
    // On to the last page that the leaf maps.
    if (large === Leaf.Large) page |= regionPages - 1;
    else if (large === Leaf.Gigantic) page |= pages - 1;
  }
  return count;
}

/**
 * Clears the leaves of [first, last). A large or gigantic one is cleared whole where the range [rangeStart, rangeEnd) covers it, else it
 * is split first, which is charged where `charges` says so. @returns leaves cleared
 */
export function clearLeaves(world: World, first: number, last: number, rangeStart: number, rangeEnd: number, charges: boolean): number {
  const { pageState, regionState, meter } = world;
  const { regionOrder } = world.shape;
  const { regionPages } = world.sizes;
  const gigantic = clearGigantic(world, first, last, rangeStart, rangeEnd, charges);
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
  return small + large + gigantic;
}

/** Clears or splits the gigantic leaves over [first, last). @returns how many were cleared whole */
function clearGigantic(world: World, first: number, last: number, rangeStart: number, rangeEnd: number, charges: boolean): number {
  const { giganticOrder } = world.shape;
  if (giganticOrder === undefined) return 0;
  const { giganticPages: pages } = world.sizes;
  const { giganticState, meter } = world;
  let cleared = 0;
  for (let gigantic = first >> giganticOrder; gigantic * pages < last; gigantic++) {
    if ((giganticState[gigantic] & GiganticBit.Leaf) === 0) continue;
    giganticState[gigantic] &= ~GiganticBit.Leaf;
    meter.move(Gauge.leaves1G, -1);
    if (rangeStart <= gigantic * pages && rangeEnd >= (gigantic + 1) * pages) {
      cleared++;
      continue;
    }
    if (charges) meter.charge(Op['stage2.splitGigantic']);
    splitGiganticLeaf(world, gigantic);
  }
  return cleared;
}

/** Large leaves take the place of a gigantic one, which is gone. */
function splitGiganticLeaf(world: World, gigantic: number): void {
  const { giganticPages: pages, regionPages } = world.sizes;
  const first = (gigantic * pages) / regionPages;
  for (let region = first; region < first + pages / regionPages; region++) world.regionState[region] |= RegionBit.Leaf;
  world.meter.move(Gauge.leaves2M, pages / regionPages);
}

/** Small leaves take the place of a large one. */
function splitLargeLeaf(world: World, region: number): void {
  const { regionPages } = world.sizes;
  world.regionState[region] &= ~RegionBit.Leaf;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) world.pageState[page] |= PageBit.Leaf;
  world.meter.move(Gauge.leaves2M, -1);
  world.meter.move(Gauge.leaves4K, regionPages);
}
