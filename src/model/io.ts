/**
 * I/O: the accesses that take, use and drop references, and the devices that hold them in between.
 *
 * A device is a task of its own, so that what it does is a step like any other.
 */
import { complete, fail } from './access.ts';
import { deliverContent } from './content.ts';
import { takeReferenceSteps, PIN, LONG_TERM, GET } from './gup.ts';
import type { GupRules, Reference } from './gup.ts';
import { lockId, waitFor } from './locks.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { firstDevice } from './shape.ts';
import { SlotKind, clearSlot } from './slots.ts';
import { DEPTH_MAX, Flow, free, freeWhen, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import type { World } from './world.ts';
import { releasePins, releaseReferences, touchSlot, touchSlotLast } from './holding.ts';

/** The same as an access of the workload: I/O on a buffer that was registered before. */
const useSlot: Run = (world, task) => {
  const slot = world.slot[task];
  world.meter.noteMany(Op['work.done'], world.slotCount[slot]);
  if (world.slotCount[slot] > 0) deliverContent(world, world.slotFrame[slot * world.shape.slotPages] - 1);
  return touchSlot(world, task);
};

/** The request for the I/O: waiting for a device is a part of it. */
const submitIo: Run = (world) => {
  world.meter.raise(Event.IoBegin);
  return Flow.Next;
};

const ioReady: Run = (world, task) => {
  world.meter.raise(Event.IoReady);
  world.meter.noteMany(Op['work.done'], world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
};

/** Takes the lowest free device for an I/O; waits where all are busy. */
const claimDevice: Run = (world, task) => {
  const { slots, tasks } = world.shape;
  for (let device = firstDevice(world.shape); device < tasks; device++) {
    const slot = slots - (tasks - device);
    if (world.slotKind[slot] !== SlotKind.Empty || world.pc[device * DEPTH_MAX] !== 0) continue;
    world.slot[task] = slot;
    // Claimed with the look, or two submitters would take the same device.
    world.slotKind[slot] = SlotKind.Pin;
    return Flow.Next;
  }
  return waitFor(world, lockId(Waiting.Slot, 0));
};

const startDevice = (entry: () => number): Run => (world, task) => {
  const { slots, tasks } = world.shape;
  const slot = world.slot[task];
  const device = tasks - (slots - slot);
  world.slot[device] = slot;
  world.pc[device * DEPTH_MAX] = entry();
  world.meter.start(device);
  return Flow.Next;
};

function holdSteps(reference: Reference, rules: GupRules): readonly Step[] {
  return [free('io.submit', submitIo), ...takeReferenceSteps(reference, rules), free('ready', ioReady), free('done', complete), free('refused', fail)];
}

/** Routines of all accesses that take, use and drop references. @param deviceEntry position of the routine `device` */
export function gupRoutines(rules: GupRules, deviceEntry: () => number) {
  return {
    pinShort: { steps: holdSteps(PIN, rules) },
    pinLong: { steps: holdSteps(LONG_TERM, rules) },
    splice: { steps: holdSteps(GET, rules) },
    io: {
      steps: [
        free('io.submit', submitIo),
        waits('device.claim', claimDevice),
        ...takeReferenceSteps(PIN, rules),
        free('ready', ioReady),
        steady('device.start', startDevice(deviceEntry)),
        free('done', complete),
        // Both leave a device to others, who look for a free one.
        steady('refused', (world: World, task: number) => {
          clearSlot(world, world.slot[task]);
          world.meter.release(lockId(Waiting.Slot, 0));
          return fail(world, task);
        }),
      ],
    },
    device: { steps: [freeWhen('data')('device.access', touchSlot), freeWhen('pincounts')('unpin.pins', releasePins), steady('unpin', releaseReferences), steady('device.done', () => Flow.Done)] },
    unpin: {
      steps: [freeWhen('data')('device.access', touchSlotLast), freeWhen('pincounts')('unpin.pins', releasePins), steady('unpin', releaseReferences), free('done', complete)],
    },
    deviceAccess: { steps: [freeWhen('data')('device.access', useSlot), free('done', complete)] },
  };
}
