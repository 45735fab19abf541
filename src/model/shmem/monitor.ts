/**
 * The monitor: the thread that registered the memory. It reads write-protection faults, saves the page, takes the protection away, and
 * the kernel wakes who sleeps for it. It is a task of its own that sleeps while there is no event.
 *
 * Source: fs/userfaultfd.c (userfaultfd_ctx_read, userfaultfd_writeprotect, wake_userfault).
 */
import { lockId } from '../locks.ts';
import { mmOf } from '../memory/shape.ts';
import { Waiting } from '../meter.ts';
import { Op } from '../operations.ts';
import { DEPTH_MAX, Flow, callRoutine, free, goTo, steady } from '../step.ts';
import { Promised, Userfault, monitorOf } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';

/** The first position of a program, behind "idle": the host lists the monitor first. */
export const MONITOR_ENTRY = 1;

export function wakeMonitor(world: ShmemWorld): void {
  if (!world.shape.monitored) return;
  const monitor = monitorOf(world.shape);
  if (world.pc[monitor * DEPTH_MAX] !== 0) return;
  world.pc[monitor * DEPTH_MAX] = MONITOR_ENTRY;
  world.meter.wake(monitor);
}

/** Reads the event of the lowest task that has one; otherwise there is none. */
const readEvent: ShmemRun = (world, task) => {
  const { userfault, meter } = world;
  for (let faulting = 0; faulting < world.shape.cpus; faulting++) {
    if (userfault[faulting] !== Userfault.Pending) continue;
    userfault[faulting] = Userfault.Read;
    const window = world.window[faulting];
    const page = world.page[faulting];
    world.mm[task] = mmOf(world, window);
    world.window[task] = window;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + 1;
    meter.charge(Op['uffd.event']);
    meter.note(Op['wp.event']);
    if (world.promise[window * world.shape.pages + page] === Promised.Nothing) meter.note(Op['wp.spurious']);
    return Flow.Next;
  }
  return Flow.Otherwise;
};

const savePage: ShmemRun = (world) => {
  world.meter.charge(Op['uffd.save']);
  return Flow.Next;
};

const sleep: ShmemRun = (world, task) => {
  world.mm[task] = 0;
  return Flow.Done;
};

/** Wakes one task after the other that sleeps for a page of the range. */
export const wakeSleeper: ShmemRun = (world, task) => {
  const { userfault, window, page, rangeStart, rangeEnd } = world;
  for (let sleeper = 0; sleeper < world.shape.cpus; sleeper++) {
    if (userfault[sleeper] === Userfault.None || window[sleeper] !== window[task]) continue;
    if (page[sleeper] < rangeStart[task] || page[sleeper] >= rangeEnd[task]) continue;
    userfault[sleeper] = Userfault.None;
    world.meter.charge(Op['uffd.wake']);
    world.meter.release(lockId(Waiting.Userfault, sleeper));
    return Flow.Otherwise;
  }
  return Flow.Next;
};

export const monitorSteps: readonly ShmemStep[] = [
  steady('event.read', readEvent, 'sleep'),
  free('page.save', savePage),
  callRoutine('unprotect', 'unprotect'),
  goTo('event.read'),
  steady('sleep', sleep),
];
