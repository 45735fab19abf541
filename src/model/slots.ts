/**
 * Slots: buffers that somebody holds by reference after the call that took it: an O_DIRECT I/O in flight, an io_uring
 * fixed buffer, a VFIO mapping, the pages in a pipe.
 */
import { column } from './columns.ts';
import type { World } from './world.ts';

export const SlotKind = {
  Empty: 0,
  /** FOLL_PIN, for the length of an I/O. */
  Pin: 1,
  /** FOLL_PIN | FOLL_LONGTERM. */
  LongTerm: 2,
  /** FOLL_GET by a user that reads the data later. */
  Get: 3,
  /** The I/O goes through a bounce buffer of the VMM; no page is held. */
  Bounced: 4,
  /** The reference was refused. */
  Refused: 5,
} as const;

export const slotColumns = {
  slotKind: column('u8', 'slot', ({ slots }) => slots, () => 5),
  slotCount: column('u16', 'slot', ({ slots }) => slots, ({ slotPages }) => slotPages),
  /** Ghost: taken for reading only, where that makes a difference (`Shape.keeps`). */
  slotReadOnly: column('u8', 'slot', ({ slots, keeps }) => (keeps === 'read-only' ? slots : 0), () => 1),
  /** Frames held, as frame + 1: [slot x slotPages + place]. */
  slotFrame: column('u32', 'slot', ({ slots, slotPages }) => slots * slotPages, ({ pages, spareFolios, folioOrder }) => pages + (spareFolios << folioOrder), 'frame'),
} as const;

/** A folio moved from one frame to another: its holders follow. */
export function repointSlots({ slotFrame }: World, from: number, to: number, folioPages: number): void {
  for (let place = 0; place < slotFrame.length; place++) {
    const frame = slotFrame[place] - 1;
    if (frame >= from && frame < from + folioPages) slotFrame[place] = to + (frame - from) + 1;
  }
}

export function clearSlot(world: World, slot: number): void {
  const base = slot * world.shape.slotPages;
  world.slotFrame.fill(0, base, base + world.slotCount[slot]);
  world.slotCount[slot] = 0;
  world.slotKind[slot] = SlotKind.Empty;
  if (world.slotReadOnly.length > 0) world.slotReadOnly[slot] = 0;
}
