/**
 * Slots: buffers that somebody holds by reference: what GUP pinned, and the pages in a pipe.
 *
 * A slot remembers through which window its pages were taken, so that what is read through the references can be compared with what the
 * process sees: ghosts, which no policy looks at.
 */
import { column } from '../columns.ts';
import { SlotKind } from '../slots.ts';
import { framesOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

export { SlotKind } from '../slots.ts';

const slots = ({ slots: count }: MemoryShape): number => count;

export const memorySlotColumns = {
  slotKind: column('u8', 'slot', slots, () => 5),
  slotCount: column('u16', 'slot', slots, ({ slotPages }: MemoryShape) => slotPages),
  /** Frames held, as frame + 1: [slot x slotPages + place]. */
  slotFrame: column('u32', 'slot', ({ slots: count, slotPages }: MemoryShape) => count * slotPages, framesOf, 'frame'),
  /** Ghost: the window and the first page that it was taken through; the window as window + 1, 0 = the process has given the range up. */
  slotWindow: column('u16', 'slot', slots, ({ windows }: MemoryShape) => windows, 'window'),
  slotPage: column('u32', 'slot', slots, ({ pages }: MemoryShape) => pages, 'page'),
} as const;

export const isPinned = (kind: number): boolean => kind === SlotKind.Pin || kind === SlotKind.LongTerm;

/** Forgets the slot; its references are the caller's to drop. */
export function clearSlot(world: MemoryWorld, slot: number): void {
  const base = slot * world.shape.slotPages;
  world.slotFrame.fill(0, base, base + world.slotCount[slot]);
  world.slotCount[slot] = 0;
  world.slotKind[slot] = SlotKind.Empty;
  world.slotWindow[slot] = 0;
  world.slotPage[slot] = 0;
}

/** Whether GUP-fast has a reference in its hands that the slot does not count yet. */
function isBeingFilled({ shape: { tasks }, slot: slotOf, grabFrame }: MemoryWorld, slot: number): boolean {
  for (let task = 0; task < tasks; task++) if (slotOf[task] === slot && grabFrame[task] !== 0) return true;
  return false;
}

/**
 * The process gave [first, end) of a window up: what is held there is no longer what it sees, and need not be. What GUP-fast has grabbed
 * of it is as good as held: whether it keeps that page depends on its second look at the entry, which may have been before.
 */
export function detachSlots(world: MemoryWorld, window: number, first: number, end: number): void {
  for (let slot = 0; slot < world.slotKind.length; slot++) {
    if (world.slotWindow[slot] !== window + 1) continue;
    const page = world.slotPage[slot];
    const last = page + world.slotCount[slot];
    if ((page < end && last > first) || (last >= first && last < end && isBeingFilled(world, slot))) world.slotWindow[slot] = 0;
  }
}
