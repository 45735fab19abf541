/**
 * Windows and VMAs: one window is one mmap call of the whole file by one process.
 *
 * A VMA is a maximal run of pages of a window that are covered; split and merge come for free and canonical, and 65 530
 * VMAs cost no more than one. A page has two marks, because munmap takes a VMA out of the mm's tree before it takes it
 * out of the file's i_mmap: covered in the mm (a fault finds a VMA) and covered in i_mmap (a walk finds one).
 * In an *inverted* window the marks mean "covered", else "hole", so that a full window and a sparse one both have few marks.
 * A window without VMAs has no flags and no marks: how it became so leaves no trace.
 *
 * Source: mm/vma.c, mm/memory.c (unmap_mapping_range).
 * Differs from Linux: what a window covers beyond the end of the file is one bit and in no tree. It goes with a munmap that
 * reaches beyond the end, or that empties the window.
 */
import { column } from './columns.ts';
import { EntryBit } from './entries.ts';
import { changeEntries, endOfEntries, nextEntryWith } from './entryRuns.ts';
import type { World } from './world.ts';

export const WindowFlag = {
  /** In the mm's tree. */
  Linked: 1,
  /** The marks mean "covered" and not "hole". */
  Inverted: 2,
  /** In the file's i_mmap. */
  InIMmap: 4,
  /** Its mmap reached beyond the end of the file: an access there finds a VMA and no page, which is SIGBUS and not SIGSEGV. */
  BeyondEnd: 8,
} as const;

/** vm.max_map_count: VMAs that one mm may have. */
export const MAX_MAP_COUNT = 65530;

export const windowColumns = {
  windowMm: column('u8', 'window', ({ windows }) => windows, ({ mms }) => mms - 1, 'mm'),
  windowFlags: column('u8', 'window', ({ windows }) => windows, () => 15),
  /** VMAs in the mm's tree. */
  windowVmas: column('u32', 'window', ({ windows }) => windows, ({ pages }) => pages),
  /** The process has closed its descriptor of the file. */
  descriptorClosed: column('u8', 'mm', ({ mms }) => mms, () => 1),
  /** The one forked child that a world can have is alive. */
  childAlive: column('u8', 'world', () => 1, () => 1),
} as const;

/** Makes a window of a process that covers the whole file. */
export function openWindow(world: World, window: number, mm: number): void {
  world.windowMm[window] = mm;
  world.windowFlags[window] = WindowFlag.Linked | WindowFlag.InIMmap;
  world.windowVmas[window] = 1;
}

/** Whether any page of the window has a mark. */
export function hasMarks(world: World, window: number): boolean {
  const vmas = world.windowVmas[window];
  if (world.windowFlags[window] & WindowFlag.Inverted) return vmas !== 0;
  if (vmas !== 1) return true;
  // One VMA has holes only before it and behind it.
  const first = window * world.shape.pages;
  const marks = EntryBit.MmMark | EntryBit.IMmapMark;
  return ((world.entry[first] | world.entry[first + world.shape.pages - 1]) & marks) !== 0;
}

/** The last VMA of the window left i_mmap: nothing is left of it. */
export function closeWindow(world: World, window: number): void {
  if (hasMarks(world, window)) {
    const { pages } = world.shape;
    const marks = EntryBit.MmMark | EntryBit.IMmapMark;
    for (let at = window * pages; at < (window + 1) * pages; at++) if (world.entry[at] & marks) world.entry[at] &= ~marks;
  }
  world.windowFlags[window] = 0;
  world.windowVmas[window] = 0;
}

function covered(world: World, window: number, page: number, mark: number, tree: number): boolean {
  const flags = world.windowFlags[window];
  if ((flags & tree) === 0) return false;
  return ((world.entry[window * world.shape.pages + page] & mark) !== 0) === ((flags & WindowFlag.Inverted) !== 0);
}

/** Whether a VMA of the mm covers the page: a fault there reaches the file. */
export const inMm = (world: World, window: number, page: number): boolean => covered(world, window, page, EntryBit.MmMark, WindowFlag.Linked);

/** Whether a VMA in i_mmap covers the page: a walk over the file's mappings visits it. */
export const inIMmap = (world: World, window: number, page: number): boolean => covered(world, window, page, EntryBit.IMmapMark, WindowFlag.InIMmap);

/** Whether a VMA of the mm covers pages beyond the end of the file. */
export const reachesBeyondEnd = (world: World, window: number): boolean => (world.windowFlags[window] & WindowFlag.BeyondEnd) !== 0;

/** Whether any VMA of the window in i_mmap overlaps [start, end). */
export function overlaps(world: World, window: number, start: number, end: number): boolean {
  const flags = world.windowFlags[window];
  if ((flags & WindowFlag.InIMmap) === 0) return false;
  if (world.windowVmas[window] === 1 && (flags & WindowFlag.Inverted) === 0 && inIMmap(world, window, start)) return true;
  return nextInIMmap(world, window, start, end, true) < end;
}

/** First page of [start, end) that a VMA of the window in i_mmap covers, or -1. */
export function firstInIMmap(world: World, window: number, start: number, end: number): number {
  if ((world.windowFlags[window] & WindowFlag.InIMmap) === 0) return -1;
  const page = nextInIMmap(world, window, start, end, true);
  return page < end ? page : -1;
}

/** First page of [start, end) that a VMA of a window in i_mmap covers, or covers not; else `end`. A folio of 1 GiB has 262144 pages. */
function nextInIMmap(world: World, window: number, start: number, end: number, isCovered: boolean): number {
  const base = window * world.shape.pages;
  const isMarked = isCovered === ((world.windowFlags[window] & WindowFlag.Inverted) !== 0);
  const at = isMarked
    ? nextEntryWith(world, base + start, base + end, EntryBit.IMmapMark)
    : endOfEntries(world, base + start, base + end, EntryBit.IMmapMark, EntryBit.IMmapMark);
  return at - base;
}

/** Where the VMA in i_mmap that covers `start` ends, or `end`. */
export function endInIMmap(world: World, window: number, start: number, end: number): number {
  if (world.windowVmas[window] === 1 && inIMmap(world, window, end - 1)) return end;
  return nextInIMmap(world, window, start + 1, end, false);
}

/** VMAs of the mm's tree that touch [start, end). */
export function vmasIn(world: World, window: number, start: number, end: number): number {
  const flags = world.windowFlags[window];
  if ((flags & WindowFlag.Linked) === 0) return 0;
  const base = window * world.shape.pages;
  const last = base + end;
  const marksCover = (flags & WindowFlag.Inverted) !== 0;
  let count = 0;
  // A munmap of 1 GiB looks at 262144 pages.
  for (let at = base + start; at < last; count++) {
    at = marksCover ? nextEntryWith(world, at, last, EntryBit.MmMark) : endOfEntries(world, at, last, EntryBit.MmMark, EntryBit.MmMark);
    if (at === last) break;
    at = marksCover ? endOfEntries(world, at, last, EntryBit.MmMark, EntryBit.MmMark) : nextEntryWith(world, at, last, EntryBit.MmMark);
  }
  return count;
}

/** Sets coverage of [start, end) in one of the two trees. */
export function setCoverage(world: World, window: number, start: number, end: number, mark: number, cover: boolean): void {
  const base = window * world.shape.pages;
  const set = cover === ((world.windowFlags[window] & WindowFlag.Inverted) !== 0);
  changeEntries(world, base + start, base + end, set ? 0 : mark, set ? mark : 0);
}

/** VMAs of one mm, which vm.max_map_count limits. */
export function vmasOfMm(world: World, mm: number): number {
  let count = 0;
  for (let window = 0; window < world.shape.windows; window++) if (world.windowMm[window] === mm) count += world.windowVmas[window];
  return count;
}

/** VMAs of all linked windows: the size of the i_mmap tree. */
export function vmaCount(world: World): number {
  let count = 0;
  for (let window = 0; window < world.shape.windows; window++) if (world.windowFlags[window] & WindowFlag.Linked) count += world.windowVmas[window];
  return count;
}

/** Levels of a balanced tree of so many VMAs: what one search in i_mmap costs. At least 1. */
export const treeLevels = (vmas: number): number => Math.max(1, 32 - Math.clz32(vmas));
