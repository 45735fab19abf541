/**
 * Page-table entries: what stands at each page of each window, in two columns: bits, and what they point at.
 *
 *     Present                 `entryTarget` is a frame + 1; with ProtNone the hardware faults all the same (NUMA hint)
 *     neither, type None      nothing there
 *     type Swap               a swap slot + 1; with Exclusive the page was its owner's alone
 *     type Migration          a frame + 1 that is on its way
 *     type Marker             no page at all: the bits are the message (pte_marker)
 *
 * Whether there is a VMA, and whether it may be written, are bits here too, so that a range of a window can be unmapped or protected.
 * Source: arch/x86/include/asm/pgtable_types.h, include/linux/swapops.h.
 * Differs from Linux: TLBs hold what the entry says: no CPU reads or writes through an entry that is gone; flushes are sent, waited for
 * and priced.
 */
import { column } from '../columns.ts';
import { regionsOf, framesOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';

export const EntryBit = {
  /** pte_present: the hardware's bit, or PROTNONE. */
  Present: 1 << 0,
  /** pte_write. */
  Write: 1 << 1,
  Dirty: 1 << 2,
  /** Write-protected for a userfaultfd: in a present entry, in a swap entry, and in a marker. */
  UffdWp: 1 << 3,
  /** With Present: no access until a fault. */
  ProtNone: 1 << 4,
  /** In a swap or migration entry: the page was PageAnonExclusive. */
  Exclusive: 1 << 5,
  /** Two bits for the type of what is not present: an `EntryType`. */
  Type: 3 << 6,
  /** No VMA here any more. */
  NoVma: 1 << 8,
  /** The VMA may not be written (mprotect). */
  ReadOnlyVma: 1 << 9,
} as const;

/** What an entry that is not present is. */
export const EntryType = { None: 0 << 6, Swap: 1 << 6, Migration: 2 << 6, Marker: 3 << 6 } as const;

/** What belongs to the VMA, and stays when an entry goes. */
export const OF_VMA = EntryBit.NoVma | EntryBit.ReadOnlyVma;
const ALL = 0x3ff;

/** Bits of a page table. */
export const TableBit = {
  Locked: 1 << 0,
  /** A PMD maps the region with one entry: all entries of it are present and stand for one. */
  Pmd: 1 << 1,
} as const;

const targets = (shape: MemoryShape): number => Math.max(framesOf(shape), shape.swapSlots);

export const memoryEntryColumns = {
  /** [window x pages + page]. */
  entry: column('u16', 'entry', ({ windows, pages }: MemoryShape) => windows * pages, () => ALL),
  /** A frame or a swap slot, plus one. */
  entryTarget: column('u32', 'entry', ({ windows, pages }: MemoryShape) => windows * pages, targets),
  /** Frame + 1 of an entry that a zap has cleared and whose reference it drops behind its flush. */
  gathered: column('u32', 'entry', ({ windows, pages }: MemoryShape) => windows * pages, framesOf),
  /** [window x regions + page >> regionOrder]. */
  table: column('u8', 'table', (shape: MemoryShape) => shape.windows * regionsOf(shape), () => TableBit.Locked | TableBit.Pmd),
} as const;

/** Where the entry of a page stands. */
export const entryAt = ({ shape }: { readonly shape: MemoryShape }, window: number, page: number): number => window * shape.pages + page;

export const tableAt = ({ shape }: { readonly shape: MemoryShape }, window: number, page: number): number => window * regionsOf(shape) + (page >> shape.regionOrder);

export const isPresent = (bits: number): boolean => (bits & EntryBit.Present) !== 0;

/** The type of an entry that is not present. */
export const typeOf = (bits: number): number => bits & EntryBit.Type;

export const isSwapEntry = (bits: number): boolean => (bits & (EntryBit.Present | EntryBit.Type)) === EntryType.Swap;
export const isMarker = (bits: number): boolean => (bits & (EntryBit.Present | EntryBit.Type)) === EntryType.Marker;
/** pte_none. */
export const isNone = (bits: number): boolean => (bits & (EntryBit.Present | EntryBit.Type)) === 0;
