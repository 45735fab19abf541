/**
 * The guest_memfd file: what is known of each page index, in one 16-bit word, so that a hit reads one element.
 *
 * Shareability is a difference to the file's default (`initShared`), so that a fresh world is all zeros. Bits that speak
 * of a folio (present, up to date, locked) stand at its head page.
 *
 * Source: virt/kvm/guest_memfd.c; attributes per inode as in the in-place conversion series.
 * Differs from Linux: one word a page in place of a maple tree; the price of the tree is charged (`state.prealloc`).
 */
import { column } from './columns.ts';
import type { Keeps } from './shape.ts';
import type { World } from './world.ts';

export const PageBit = {
  /** The folio is in the page cache (at the head). */
  Present: 1 << 0,
  /** Shareability differs from the file's default. */
  Flipped: 1 << 1,
  /** A 4 KiB stage-2 leaf maps it. */
  Leaf: 1 << 2,
  /** The content was cleared or written (at the head). */
  UpToDate: 1 << 3,
  /** The folio lock (at the head). */
  Locked: 1 << 4,
  /** The guest asked to share it (what a lazy donation must respect). */
  Asked: 1 << 5,
  /** A request for it was given up: the guest uses it in a state that it did not want. */
  Degraded: 1 << 6,
  /** Ghost: an exposure was counted in this private interval. */
  Exposed: 1 << 7,
  /** A secondary MMU that only the mmu_notifier reaches holds an entry. */
  Secondary: 1 << 8,
  /** Ghost: its host entry was last zapped as a neighbour's. */
  NeighbourZapped: 1 << 9,
  /** A conversion under way has taken its exclusive pin (`Shape.keeps`); once the page is private that says so. */
  ExclusivePin: 1 << 10,
  /** A conversion has locked the folio to move it in place, with a reference of its own (at the head; `Shape.keeps`). A part of the lock. */
  Migrating: 1 << 11,
  /** Shared, and the host may only read it (`Shape.keeps`). */
  ReadOnly: 1 << 12,
  /** The memory for private pages has one at this index; what is in the page cache is another (`Shape.keeps`). */
  PrivatePresent: 1 << 13,
  /** Neither side may use it until the last reference of the host goes (`Shape.keeps`). */
  Draining: 1 << 14,
} as const;

const OF_EVERY_PAGE = 0x3ff;
/** Bits that only a world has which keeps something more of a page. */
const KEPT: Readonly<Record<Keeps, number>> = {
  'exclusive-pins': PageBit.ExclusivePin,
  'migrations': PageBit.Migrating,
  'read-only': PageBit.ReadOnly,
  'separate-memory': PageBit.PrivatePresent,
  'put-callbacks': PageBit.Draining,
};

export const fileColumns = {
  pageState: column('u16', 'page', ({ pages }) => pages, ({ keeps }) => OF_EVERY_PAGE | (keeps === undefined ? 0 : KEPT[keeps])),
  /** Pages whose shareability differs from the file's default. */
  flippedPages: column('u32', 'world', () => 1, ({ pages }) => pages),
  /** A conversion has begun its stage-2 invalidation and not ended it. */
  invalidating: column('u8', 'world', () => 1, ({ cpus }) => cpus),
  /** Entries of secondary MMUs, and tasks that are about to install one: where it is 0, no notifier has to look for any. */
  secondaries: column('u32', 'world', () => 1, ({ pages, cpus }) => pages + cpus),
} as const;

export function isPrivate(world: World, page: number): boolean {
  return ((world.pageState[page] & PageBit.Flipped) !== 0) === world.shape.initShared;
}

/** Whether the guest has the page in the memory for private pages, and not in this file. */
export const isApart = (world: World, page: number): boolean => world.shape.keeps === 'separate-memory' && isPrivate(world, page);

/** Whether the large folio of this frame is in pieces, each a folio of order 0 (`Shape.splits`). */
export const isSplit = (world: World, frame: number): boolean => world.sizes.splits && world.folioSplit[frame >> world.shape.folioOrder] !== 0;

/** The head of the folio that the frame belongs to. */
export const headOf = (world: World, frame: number): number => (isSplit(world, frame) ? frame : frame & ~(world.sizes.folioPages - 1));

/** Pages of the folio that the frame belongs to. */
export const folioPagesAt = (world: World, frame: number): number => (isSplit(world, frame) ? 1 : world.sizes.folioPages);

/** The first frame behind the folio that the frame belongs to. */
export const folioEnd = (world: World, frame: number): number => headOf(world, frame) + folioPagesAt(world, frame);

/** Whether pins and mappings of the folio of this frame are counted beside its references: it is large and in one piece. */
export const isLarge = (world: World, frame: number): boolean => world.shape.folioOrder > 0 && !isSplit(world, frame);

/** The shareability of a page came to differ from the file's default (1), or to be it again (-1). */
export function noteFlip(world: World, page: number, sign: 1 | -1): void {
  const { regionOrder, giganticOrder } = world.shape;
  world.regionFlipped[page >> regionOrder] += sign;
  if (giganticOrder !== undefined) world.giganticFlipped[page >> giganticOrder] += sign;
}

/** Pages from this one on came into the page cache, or left it (negative). They are of one gigantic region. */
export function notePresent(world: World, page: number, pages: number): void {
  const { giganticOrder } = world.shape;
  if (giganticOrder !== undefined) world.giganticPresent[page >> giganticOrder] += pages;
}

/** Whether the page waits for the last reference of the host, and neither side may use it (`Shape.keeps`). */
export const isDraining = ({ pageState }: World, page: number): boolean => (pageState[page] & PageBit.Draining) !== 0;

/** Whether all pages of the range are in the wanted state already. */
export function rangeIs(world: World, start: number, end: number, wantPrivate: boolean): boolean {
  const { pageState } = world;
  const wanted = wantPrivate === world.shape.initShared ? PageBit.Flipped : 0;
  for (let page = start; page < end; page++) if ((pageState[page] & PageBit.Flipped) !== wanted) return false;
  return true;
}

/** Private pages of the file. */
export function privatePages(world: World): number {
  const flipped = world.flippedPages[0];
  return world.shape.initShared ? flipped : world.shape.pages - flipped;
}
