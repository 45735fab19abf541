/**
 * What becomes of references: a device or the kernel reads or writes through them, and they are dropped.
 *
 * What is read is compared with what the process sees at the same moment. A pin has to agree with it; a FOLL_GET may not, and that is
 * told apart. The comparison is nobody's: no policy sees it.
 * Source: mm/gup.c (unpin_user_pages, sanity_check_pinned_pages).
 */
import { EntryBit, entryAt, isSwapEntry } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME } from '../memory/frames.ts';
import { lockId } from '../locks.ts';
import { SlotKind, clearSlot } from '../memory/slots.ts';
import { Waiting } from '../meter.ts';
import { Op } from '../operations.ts';
import { Flow, free, goTo, steady } from '../step.ts';
import { complete, writeContent } from './access.ts';
import { dropLast } from './gup.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

/** What the process sees at a page; -1 where nothing is there. */
export function seenThrough(world: AnonymousWorld, window: number, page: number): number {
  const at = entryAt(world, window, page);
  const bits = world.entry[at];
  const target = world.entryTarget[at] - 1;
  if (bits & EntryBit.Present) return world.frameContent[target];
  if (!isSwapEntry(bits)) return -1;
  const cached = world.swapFrame[target];
  return cached > 0 ? world.frameContent[cached - 1] : world.swapContent[target];
}

/** Whether the process sees something else at the place of a held page than the holder. A range that it gave up is nobody's to compare. */
export function isStale(world: AnonymousWorld, slot: number, place: number): boolean {
  const window = world.slotWindow[slot] - 1;
  if (window < 0) return false;
  const seen = seenThrough(world, window, world.slotPage[slot] + place);
  return seen >= 0 && seen !== world.frameContent[world.slotFrame[slot * world.shape.slotPages + place] - 1];
}

const beginDevice: Run = (world, task) => {
  world.cursor[task] = 0;
  return Flow.Next;
};

const isHeld = (world: AnonymousWorld, slot: number): boolean => world.slotKind[slot] !== SlotKind.Refused && world.slotKind[slot] !== SlotKind.Empty;

/** Reads the next page of the buffer; otherwise there is none. A buffer that was refused has none. */
const readPage: Run = (world, task) => {
  const slot = world.slot[task];
  const place = world.cursor[task];
  if (!isHeld(world, slot) || place >= world.slotCount[slot]) return Flow.Otherwise;
  const { meter } = world;
  if (isStale(world, slot, place)) meter.note(world.slotKind[slot] === SlotKind.Get ? Op['get.stale'] : Op['pin.stale']);
  if (place === 0) meter.readValue = world.frameContent[world.slotFrame[slot * world.shape.slotPages] - 1];
  meter.charge(Op['device.access']);
  meter.note(Op['work.done']);
  world.cursor[task]++;
  return Flow.Next;
};

const writePage: Run = (world, task) => {
  const slot = world.slot[task];
  const place = world.cursor[task];
  if (!isHeld(world, slot) || place >= world.slotCount[slot]) return Flow.Otherwise;
  const { meter } = world;
  const frame = world.slotFrame[slot * world.shape.slotPages + place] - 1;
  if (frame !== ZERO_FRAME) writeContent(world, task, frame);
  if (isStale(world, slot, place)) meter.note(Op['pin.lost']);
  meter.charge(Op['device.access']);
  meter.note(Op['work.done']);
  world.cursor[task]++;
  return Flow.Next;
};

/** Routines `deviceRead` and `deviceWrite`. */
export function deviceSteps(write: boolean): readonly Step[] {
  return [
    free('begin', beginDevice),
    steady('page', write ? writePage : readPage, 'done'),
    goTo('page'),
    free('done', complete),
  ];
}

/** Nobody compares what is being given back. */
const beginUnpin: Run = (world, task) => {
  const slot = world.slot[task];
  world.slotWindow[slot] = 0;
  world.meter.charge(Op.syscall);
  return Flow.Next;
};

/** Drops the references of the last page; otherwise the buffer is empty. */
const unpinPage: Run = (world, task) => {
  const slot = world.slot[task];
  const count = world.slotCount[slot];
  if (count === 0) return Flow.Otherwise;
  const frame = world.slotFrame[slot * world.shape.slotPages + count - 1] - 1;
  const flags = world.frameFlags[frame];
  if (world.slotKind[slot] !== SlotKind.Get && (flags & (FrameBit.Anon | FrameBit.Exclusive)) === FrameBit.Anon) world.meter.note(Op['unpin.notExclusive']);
  world.cursor[task] = 1;
  dropLast(world, task, slot);
  return Flow.Next;
};

const emptySlot: Run = (world, task) => {
  clearSlot(world, world.slot[task]);
  world.meter.release(lockId(Waiting.Slot, 0));
  return Flow.Next;
};

/** Routine `unpin`. */
export function unpinSteps(): readonly Step[] {
  return [
    steady('begin', beginUnpin),
    steady('page', unpinPage, 'slot.clear'),
    goTo('page'),
    steady('slot.clear', emptySlot),
    free('done', complete),
  ];
}
