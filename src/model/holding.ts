/**
 * Holding: what becomes of the references of a slot after they were taken: used by a device, dropped, or never had.
 *
 * Source: mm/gup.c (unpin_user_pages). A pin of a large folio is two counts, dropped one after the other.
 */
import { closeWay, noteReach, noteWrite } from './exposure.ts';
import { GUP_PIN_COUNTING_BIAS, dropReference, addPinPart } from './folios.ts';
import { Errno } from './errno.ts';
import { folioEnd, headOf, isLarge } from './file.ts';
import { lockId } from './locks.ts';
import { Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { firstDevice } from './shape.ts';
import { SlotKind, clearSlot } from './slots.ts';
import { DEPTH_MAX, Flow, end, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { Kind, wantsWrite } from './tasks.ts';
import type { World } from './world.ts';

/** Whether pins of the slot may be counted apart from its references; of each page that is so where its folio is large. */
const hasPinCounts = (world: World, slot: number): boolean => world.slotKind[slot] !== SlotKind.Get && world.shape.folioOrder > 0;

/** Drops the pin part of all references of the slot; a get has none. Who unpins has done with the data: a way never outlives its pin. */
export const releasePins: Run = (world, task) => {
  const slot = world.slot[task];
  if (!hasPinCounts(world, slot)) return Flow.Next;
  const base = slot * world.shape.slotPages;
  for (let place = base; place < base + world.slotCount[slot]; place++) {
    if (!isLarge(world, world.slotFrame[place] - 1)) continue;
    closeWay(world, world.slotFrame[place] - 1);
    addPinPart(world, world.slotFrame[place] - 1, -1);
  }
  return Flow.Next;
};

/** Drops the references of the slot, which is empty after it. */
export const releaseReferences: Run = (world, task) => {
  dropAll(world, world.slot[task]);
  clearSlot(world, world.slot[task]);
  world.meter.release(lockId(Waiting.Slot, 0));
  return Flow.Next;
};

/** Drops what a GUP took before it was refused. The slot stays the task's: a device that is free again belongs to whoever comes first. */
export const undoReferences: Run = (world, task) => {
  const slot = world.slot[task];
  const kind = world.slotKind[slot];
  dropAll(world, slot);
  const readOnly = world.slotReadOnly[slot];
  clearSlot(world, slot);
  world.slotKind[slot] = kind;
  if (world.slotReadOnly.length > 0) world.slotReadOnly[slot] = readOnly;
  return Flow.Next;
};

function dropAll(world: World, slot: number): void {
  const base = slot * world.shape.slotPages;
  const isPin = world.slotKind[slot] !== SlotKind.Get;
  for (let place = base; place < base + world.slotCount[slot]; place++) {
    const frame = world.slotFrame[place] - 1;
    const hadPinCount = isPin && isLarge(world, frame);
    if (!hadPinCount) closeWay(world, frame);
    dropReference(world, headOf(world, frame), isPin && !hadPinCount ? GUP_PIN_COUNTING_BIAS : 1);
  }
  world.meter.chargeMany(Op['gup.release'], world.slotCount[slot]);
}

/** Pages of the slot that were punched: what is written there the guest never sees, and what is read is not the guest's. */
function noteOrphans({ slotFrame, slotCount, meter, shape: { pages, slotPages } }: World, slot: number): void {
  const base = slot * slotPages;
  for (let place = base; place < base + slotCount[slot]; place++) if (slotFrame[place] > pages) meter.note(Op['access.orphan']);
}

function reachPages(world: World, task: number): void {
  const slot = world.slot[task];
  const base = slot * world.shape.slotPages;
  for (let place = base; place < base + world.slotCount[slot]; place++) noteReach(world, world.slotFrame[place] - 1);
  noteOrphans(world, slot);
  if (world.shape.keeps === 'read-only' && world.slotReadOnly[slot] === 0) {
    for (let place = base; place < base + world.slotCount[slot]; place++) noteWrite(world, world.slotFrame[place] - 1);
  }
}

/** The device or kernel user of the slot touches every page of it, through the direct map or by DMA. */
export const touchSlot: Run = (world, task) => {
  reachPages(world, task);
  world.meter.chargeMany(Op['device.access'], world.slotCount[world.slot[task]]);
  return Flow.Next;
};

/**
 * Up to now a holder could reach the pages. It takes none of the time of who drops them: DMA takes that of the device. Only the data of a
 * pipe is dropped by reading it.
 */
export const touchSlotLast: Run = (world, task) => {
  const slot = world.slot[task];
  reachPages(world, task);
  if (world.slotKind[slot] === SlotKind.Get) world.meter.chargeMany(Op['device.access'], world.slotCount[slot]);
  return Flow.Next;
};

export const fillSlot = (kind: number, flags: number): Run => (world, task) => {
  const slot = world.slot[task];
  world.slotKind[slot] = kind;
  world.flags[task] |= flags;
  if (world.slotReadOnly.length > 0) world.slotReadOnly[slot] = wantsWrite(world, task) ? 0 : 1;
  world.cursor[task] = world.rangeStart[task];
  world.meter.charge(Op.syscall);
  return Flow.Next;
};

export const refuseSlot: Run = (world, task) => {
  world.slotKind[world.slot[task]] = SlotKind.Refused;
  return Flow.Next;
};

export const bounceSlot: Run = (world, task) => {
  world.slotKind[world.slot[task]] = SlotKind.Bounced;
  return Flow.Next;
};

export const startCopy: Run = (world, task) => {
  world.page[task] = world.rangeStart[task];
  return Flow.Next;
};

/* ---- a VMM that makes way for a conversion ---- */

/** Whether a thread is in the middle of taking, using or dropping the buffer: it has the VMM's own lock on it. */
function isBusy(world: World, slot: number, self: number): boolean {
  const { cpus } = world.shape;
  for (let task = 0; task < cpus; task++) {
    const kind = world.kind[task];
    if (task !== self && world.slot[task] === slot && kind >= Kind.PinShort && kind <= Kind.Unpin && world.pc[task * DEPTH_MAX] !== 0) return true;
  }
  return false;
}

function holdsPageOf(world: World, slot: number, task: number): boolean {
  const { slotFrame, slotCount, rangeStart, rangeEnd, shape: { slotPages } } = world;
  const first = headOf(world, rangeStart[task]);
  const last = folioEnd(world, rangeEnd[task] - 1);
  for (let place = slot * slotPages; place < slot * slotPages + slotCount[slot]; place++) {
    if (slotFrame[place] > first && slotFrame[place] <= last) return true;
  }
  return false;
}

/**
 * Unregisters every registered buffer with a page in the folios of the range, whichever thread has registered it: these pins the
 * VMM knows of. An I/O in flight it cannot call back, nor what went into a pipe. They stay unregistered: whoever uses one later
 * finds it empty. `outcome`: OK where it released any, else EAGAIN.
 *
 * One step, since the VMM holds a lock over its buffers; the kernel would drop the references one by one.
 */
const unregisterBuffers: Run = (world, task) => {
  const { slots, tasks } = world.shape;
  const own = world.slot[task];
  world.outcome[task] = Errno.EAGAIN;
  for (let slot = 0; slot < slots - (tasks - firstDevice(world.shape)); slot++) {
    if (world.slotKind[slot] !== SlotKind.LongTerm || isBusy(world, slot, task) || !holdsPageOf(world, slot, task)) continue;
    world.slot[task] = slot;
    world.meter.charge(Op.syscall);
    releasePins(world, task);
    releaseReferences(world, task);
    world.outcome[task] = Errno.OK;
  }
  world.slot[task] = own;
  return Flow.Next;
};

/** Routine `releasePins` of the VMM's strategy `release-pins-first`. */
export const releaseBuffersSteps = (): readonly Step[] => [steady('buffers.unregister', unregisterBuffers), end];
