/**
 * The start: a fresh world as it stands before anybody takes a step: the VMM's mappings, the launch image, the pages that
 * start otherwise than the rest. None of it is counted or priced. Both engines begin here.
 */
import { backInPieces, backPage, comesInPieces } from './backing.ts';
import { EntryBit } from './entries.ts';
import { PageBit, headOf, isApart, isPrivate, noteFlip } from './file.ts';
import { cacheReferences, noteFolio } from './folios.ts';
import type { HostRules, StartMapping } from './host.ts';
import { insertPrivatePage } from './privatePages.ts';
import { setLeaf } from './stage2.ts';
import { MAX_MAP_COUNT, WindowFlag, openWindow, setCoverage, vmasOfMm } from './windows.ts';
import type { World } from './world.ts';

export interface StartOptions {
  /** The process of each CPU; its index is the process's mm. */
  readonly processOfCpu: readonly number[];
  /** Mappings of the file in each process. */
  readonly windowsPerProcess: number;
}

/** Puts every CPU into its process, and opens the mappings that the policy's VMM has at the start. A file without the MMAP flag has none. */
export function startWorld(world: World, rules: HostRules, { processOfCpu, windowsPerProcess }: StartOptions): void {
  const { mms, initShared, mmapAllowed } = world.shape;
  const mapsAtStart = rules.vmm?.mapsAtStart ?? { private: 'full', shared: 'full' };
  const mapping: StartMapping = initShared ? mapsAtStart.shared : mapsAtStart.private;
  for (let mm = 0; mm < mms - 1; mm++) {
    for (let nth = 0; nth < windowsPerProcess; nth++) {
      const window = mm * windowsPerProcess + nth;
      if (mapping === 'none' || !mmapAllowed) world.windowMm[window] = mm;
      else openWindow(world, window, mm);
    }
  }
  for (const [cpu, process] of processOfCpu.entries()) world.mm[cpu] = process;
}

/**
 * Makes a page of a fresh world shared or private where the file's default is otherwise. What is mapped stays: a VMM whose
 * policy wants nothing mapped over private pages has not unmapped it.
 */
export function setShareability(world: World, page: number, shared: boolean): void {
  if (isPrivate(world, page) === !shared) return;
  world.pageState[page] ^= PageBit.Flipped;
  const change = world.pageState[page] & PageBit.Flipped ? 1 : -1;
  noteFlip(world, page, change);
  world.flippedPages[0] += change;
}

/**
 * Makes pages shared that the guest had shared before the start. A VMM that maps what is shared after each request has them mapped too,
 * as far as vm.max_map_count goes.
 * @param extents maximal, in order of pages
 */
export function shareAtStart(world: World, rules: HostRules, extents: readonly (readonly [page: number, count: number])[], processes: number, windowsPerProcess: number): void {
  for (const [page, count] of extents) for (let at = page; at < page + count; at++) setShareability(world, at, true);
  if (rules.vmm?.afterRequest === undefined || !world.shape.mmapAllowed) return;
  for (let window = 0; window < processes * windowsPerProcess; window++) {
    if (world.windowFlags[window] === 0) for (const extent of extents) mapAtStart(world, window, extent);
  }
}

/** One more VMA of a window that starts without any. */
function mapAtStart(world: World, window: number, [page, count]: readonly [page: number, count: number]): void {
  const mm = world.windowMm[window];
  if (count === world.shape.pages) openWindow(world, window, mm);
  else if (vmasOfMm(world, mm) < MAX_MAP_COUNT) {
    world.windowFlags[window] = WindowFlag.Linked | WindowFlag.Inverted | WindowFlag.InIMmap;
    setCoverage(world, window, page, page + count, EntryBit.MmMark | EntryBit.IMmapMark, true);
    world.windowVmas[window]++;
  }
}

/**
 * A page of the launch image: in the page cache, written, mapped in stage-2. Where the guest's first touch donates a page, no gigantic
 * leaf maps it: that would map all that the guest has not touched yet, and nothing would ever be donated.
 */
export function populate(world: World, page: number): void {
  if (isApart(world, page)) {
    if ((world.pageState[page] & PageBit.PrivatePresent) === 0) insertPrivatePage(world, page);
    return setLeaf(world, page);
  }
  if (world.shape.largeBacking) backPage(world, page);
  if ((world.pageState[headOf(world, page)] & PageBit.Present) === 0 && comesInPieces(world, page)) backInPieces(world, page);
  const head = headOf(world, page);
  if ((world.pageState[head] & PageBit.Present) === 0) {
    world.pageState[head] |= PageBit.Present | PageBit.UpToDate;
    world.refcount[head] = cacheReferences(world, head);
    noteFolio(world, head, 1);
  }
  setLeaf(world, page, !world.shape.lazy);
}
