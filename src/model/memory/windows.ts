/**
 * Windows: VMAs, what they map, and how. A window is linked while its process has the VMA.
 */
import { column } from '../columns.ts';
import { OF_VMA, entryAt } from './entries.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

/** What a window maps. */
export const Backing = {
  /** Nothing: there is no VMA. */
  None: 0,
  /** MAP_PRIVATE | MAP_ANONYMOUS: zeros until it is written. */
  Anonymous: 1,
  /** MAP_PRIVATE of the file. */
  FilePrivate: 2,
  /** MAP_SHARED of the file. */
  FileShared: 3,
} as const;

/** Bits of `windowFlags` that both families know; a family adds its own from `Own` on. */
export const WindowFlag = {
  /** VM_UFFD_WP: a userfaultfd is armed. */
  UffdWp: 1 << 0,
  /** Huge folios where they fit (MADV_HUGEPAGE). */
  Huge: 1 << 1,
  /** hugetlb: one folio, one entry, a rule of its own for copies. */
  Hugetlb: 1 << 2,
  Own: 1 << 3,
} as const;

const windows = ({ windows: count }: MemoryShape): number => count;

export const memoryWindowColumns = {
  windowBacking: column('u8', 'window', windows, () => Backing.FileShared),
  windowFlags: column('u8', 'window', windows, () => 0xff),
} as const;

/** A VMA over the whole window, with no entries. */
export function openWindow(world: MemoryWorld, window: number, backing: number, flags = 0): void {
  world.windowBacking[window] = backing;
  world.windowFlags[window] = flags;
  const base = entryAt(world, window, 0);
  world.entry.fill(0, base, base + world.shape.pages);
}

/** A VMA of the child like that of the parent, with no entries. */
export function copyWindow(world: MemoryWorld, from: number, to: number): void {
  world.windowBacking[to] = world.windowBacking[from];
  world.windowFlags[to] = world.windowFlags[from];
  const { pages } = world.shape;
  for (let page = 0; page < pages; page++) world.entry[entryAt(world, to, page)] = world.entry[entryAt(world, from, page)] & OF_VMA;
}

/** is_cow_mapping: MAP_PRIVATE. */
export const isPrivateMapping = ({ windowBacking }: MemoryWorld, window: number): boolean =>
  windowBacking[window] === Backing.Anonymous || windowBacking[window] === Backing.FilePrivate;
