/**
 * Accesses of a thread: loads and stores through its window, and pins of pages for reading.
 *
 * A store through an entry that allows it is heard of by nobody. So is one through what a TLB still holds of an entry that a walk has just
 * write-protected: until the walk's flush is over.
 * Source: mm/gup.c (follow_page_pte, gup_can_follow_protnone).
 * Differs from Linux: GUP takes the slow path alone, for reading.
 */
import { lockEntry, readLockMmap, readUnlockMmap, unlockEntry } from '../memory/locks.ts';
import { FrameBit, addPinPart, dropReference, takeReference } from '../memory/frames.ts';
import { bornStep } from '../memory/processes.ts';
import { SlotKind, clearSlot } from '../memory/slots.ts';
import { lockId, waitFor } from '../locks.ts';
import { Waiting } from '../meter.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, callRoutine, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { WpSpan, done } from './calls.ts';
import { serves } from './fault.ts';
import { isFake, noteSpecial } from './kept.ts';
import { WpFlag, ownEntry, wantsWrite } from './tasks.ts';
import { Promised, Userfault } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';

/** The frame that the access reaches through the entry or a TLB; -1: it faults. */
function reached(world: ShmemWorld, task: number, at: number): number {
  if (serves(world, task, world.entry[at])) return world.entryTarget[at] - 1;
  return wantsWrite(world, task) ? world.stale[at] - 1 : -1;
}

function write(world: ShmemWorld, task: number, at: number, frame: number): void {
  world.frameFlags[frame] |= FrameBit.Dirty;
  if (world.shape.contents) world.frameContent[frame] = world.value[task];
  world.touched[at] = 1;
  if (world.promise[at] !== Promised.Now) return;
  world.promise[at] = Promised.Nothing;
  world.meter.note(Op['wp.lost']);
}

/** The access; otherwise it faults. */
const access: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  const frame = reached(world, task, at);
  if (frame < 0) return Flow.Otherwise;
  const { meter } = world;
  if (wantsWrite(world, task)) {
    write(world, task, at, frame);
  } else if (world.shape.contents) {
    meter.readValue = world.frameContent[frame];
    meter.attention = true;
  }
  meter.charge(Op['host.access']);
  meter.note(Op['access.done']);
  meter.note(Op['work.done']);
  return Flow.Done;
};

const beginFault: ShmemRun = (world) => {
  world.meter.charge(Op['host.fault']);
  world.meter.beginSpan(WpSpan.Fault);
  return Flow.Next;
};

const endFault: ShmemRun = (world) => {
  world.meter.endSpan(WpSpan.Fault);
  return Flow.Next;
};

/** Sleeps until the monitor has resolved the userfault of the task, where it has one. */
const sleep: ShmemRun = (world, task) => (world.userfault[task] === Userfault.None ? Flow.Next : waitFor(world, lockId(Waiting.Userfault, task)));

/** Otherwise it had none. */
const endUserfault: ShmemRun = (world, task) => {
  if ((world.flags[task] & WpFlag.InUserfault) === 0) return Flow.Otherwise;
  world.flags[task] &= ~WpFlag.InUserfault;
  world.meter.endSpan(WpSpan.Userfault);
  return Flow.Next;
};

export const accessSteps: readonly ShmemStep[] = [
  bornStep,
  steady('access', access, 'fault'),
  free('fault', beginFault),
  acquire('mmapLock.read', readLockMmap),
  callRoutine('fault.entry', 'fault'),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('fault.end', endFault),
  waits('userfault.sleep', sleep),
  free('userfault.end', endUserfault, 'access'),
  goTo('access'),
];

/* ---- pins ---- */

/** Otherwise GUP has to fault. */
const followPage: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  const bits = world.entry[at];
  world.meter.charge(Op['gup.slow']);
  if (isFake(bits, world.entryTarget[at])) noteSpecial(world, 'gup');
  return serves(world, task, bits) ? Flow.Next : Flow.Otherwise;
};

const grabPage: ShmemRun = (world, task) => {
  const frame = world.entryTarget[ownEntry(world, task)] - 1;
  const slot = world.slot[task];
  takeReference(world, frame);
  addPinPart(world, frame, 1);
  world.slotKind[slot] = SlotKind.LongTerm;
  world.slotCount[slot] = 1;
  world.slotFrame[slot * world.shape.slotPages] = frame + 1;
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

export const pinSteps: readonly ShmemStep[] = [
  bornStep,
  acquire('mmapLock.read', readLockMmap),
  acquire('ptl.lock', lockEntry),
  guarded('gup.follow', followPage, 'ptl.unlockMissed'),
  steady('gup.grab', grabPage),
  release('ptl.unlock', unlockEntry),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('done', done),
  release('ptl.unlockMissed', unlockEntry),
  callRoutine('gup.fault', 'fault'),
  goTo('ptl.lock'),
];

const unpinPage: ShmemRun = (world, task) => {
  const slot = world.slot[task];
  if (world.slotKind[slot] !== SlotKind.LongTerm) return Flow.Next;
  const frame = world.slotFrame[slot * world.shape.slotPages] - 1;
  addPinPart(world, frame, -1);
  dropReference(world, frame);
  clearSlot(world, slot);
  world.meter.charge(Op['gup.release']);
  return Flow.Next;
};

export const unpinSteps: readonly ShmemStep[] = [steady('unpin', unpinPage), free('done', done)];
