/**
 * Host page tables and TLBs: one byte for each page of each window, and one for each page table (or for the PMD in its place; pmd.ts).
 *
 * The TLB has no entries of its own: TLBs fill speculatively, so any CPU that runs the mm may hold any present entry,
 * and a *stale* one between the clearing of the PTE and the end of the flush. Two gathers can have
 * cleared entries of one window at a time: one of a munmap (under mmap_lock) and one under invalidate_lock.
 */
import { column } from './columns.ts';
import type { Shape } from './shape.ts';
import type { World } from './world.ts';

export const EntryBit = {
  Present: 1 << 0,
  Dirty: 1 << 1,
  /** Cleared by a munmap's gather, which still holds the reference; TLBs may hold it until that flush. */
  StaleMunmap: 1 << 2,
  /** The same, of a zap under invalidate_lock. */
  StaleZap: 1 << 3,
  /** Cleared while dirty: the mapping count is dropped after the flush, under the same page-table lock. */
  RmapDelayed: 1 << 4,
  /** Coverage by a VMA of the mm; see windows.ts for its meaning. */
  MmMark: 1 << 5,
  /** Coverage by a VMA in i_mmap. */
  IMmapMark: 1 << 6,
  /** Without Present: a migration entry, at which a fault waits until the folio is unlocked (`Shape.keeps`). */
  Migration: 1 << 7,
  /** With Present: a write faults (`Shape.keeps`). The same bit, and another world. */
  WriteProtected: 1 << 7,
} as const;

/** Who cleared an entry: a munmap, or a zap under invalidate_lock. */
export type StaleBit = typeof EntryBit.StaleMunmap | typeof EntryBit.StaleZap;

export const isMigrationEntry = (bits: number): boolean => (bits & (EntryBit.Present | EntryBit.Migration)) === EntryBit.Migration;

const OF_EVERY_ENTRY = 0x7f;

const tables = ({ pages, windows, regionOrder }: { readonly pages: number; readonly windows: number; readonly regionOrder: number }): number =>
  windows * Math.ceil(pages / (1 << regionOrder));

/** What stands at the place of a page table: a table that is allocated, or one entry for all of the region; and its lock (PTL). */
export const TableBit = {
  Allocated: 1 << 0,
  Locked: 1 << 1,
  /** A PMD maps the region, and there is no table: all of its entries are Present, and stand for one (`Shape.pmdMappings`). */
  Pmd: 1 << 2,
  /** A PMD that the gather of a munmap, or of a zap under invalidate_lock, has cleared: the stale marks of the region stand for one entry. */
  PmdOfMunmap: 1 << 3,
  PmdOfZap: 1 << 4,
} as const;

const OF_EVERY_TABLE = TableBit.Allocated | TableBit.Locked;
const OF_PMDS = TableBit.Pmd | TableBit.PmdOfMunmap | TableBit.PmdOfZap;

export const entryColumns = {
  /** [window x pages + page]. */
  entry: column('u8', 'entry', ({ windows, pages }) => windows * pages, ({ keeps }) => (keeps === 'migrations' || keeps === 'read-only' ? OF_EVERY_ENTRY | EntryBit.Migration : OF_EVERY_ENTRY)),
  /** [window x regions + page >> regionOrder]. */
  table: column('u8', 'table', tables, ({ pmdMappings = false }: Shape) => (pmdMappings ? OF_EVERY_TABLE | OF_PMDS : OF_EVERY_TABLE)),
} as const;

export const tableOf = (world: World, window: number, page: number): number =>
  window * world.sizes.regions + (page >> world.shape.regionOrder);
