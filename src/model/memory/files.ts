/**
 * The file (memfd, shmem), page by page: the page cache has a frame, or a swap slot, or nothing. And the swap area.
 *
 * Source: mm/shmem.c, mm/swap_state.c, mm/swapfile.c (swap_map).
 */
import { column } from '../columns.ts';
import { framesOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

const filePages = ({ filePages: count }: MemoryShape): number => count;
const swapSlots = ({ swapSlots: count }: MemoryShape): number => count;

export const memoryFileColumns = {
  /** Frame + 1 in the page cache, which holds one reference. */
  cacheFrame: column('u32', 'page', filePages, framesOf, 'frame'),
  /** Swap slot + 1 that the page of the file went to. */
  cacheSwap: column('u16', 'page', (shape: MemoryShape) => (shape.swapSlots > 0 ? shape.filePages : 0), swapSlots),
  /** swap_map: entries (and pages of the file) that name the slot, and tasks that are about to. 0 and no cache: free. */
  swapCount: column('u8', 'world', swapSlots, ({ windows, tasks }: MemoryShape) => windows + tasks + 1),
  /** Frame + 1 in the swap cache, which holds one reference. */
  swapFrame: column('u32', 'world', swapSlots, framesOf, 'frame'),
  swapContent: column('u8', 'world', swapSlots, () => 0xff),
} as const;

/** The lowest free swap slot, with a count of 1; -1 where swap is full. */
export function allocateSwap(world: MemoryWorld): number {
  const { swapCount, swapFrame } = world;
  for (let slot = 0; slot < swapCount.length; slot++) {
    if (swapCount[slot] !== 0 || swapFrame[slot] !== 0) continue;
    swapCount[slot] = 1;
    return slot;
  }
  return -1;
}

/** One that named the slot does no longer. @throws Error below zero */
export function dropSwap(world: MemoryWorld, slot: number): void {
  if (world.swapCount[slot] === 0) throw new Error(`swap slot ${slot} is dropped once too often`);
  world.swapCount[slot]--;
  if (world.swapCount[slot] === 0 && world.swapFrame[slot] === 0) world.swapContent[slot] = 0;
}
