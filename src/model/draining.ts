/**
 * Draining: the third state of a page in which neither side may use it, until the last reference of the host goes; whoever waits for that.
 *
 * Source: "KVM: Restricted mapping of guest_memfd at the host" (KVM_GMEM_NONE_MAPPABLE). How a page comes into it and out of it is
 * in putCallback.ts. A host fault on such a page is refused as on a private one.
 * Differs from Linux: the series leaves open how a vCPU and the VMM are told; here both wait for the state of the page.
 */
import { Errno } from './errno.ts';
import { readUnlockInvalidate } from './fault.ts';
import { PageBit, isDraining, rangeIs } from './file.ts';
import { FolioType } from './folioType.ts';
import { lockId, waitFor } from './locks.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { Flow, free, goTo, guarded, steady, waitsUpTo } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** How long the VMM waits to be told, and a vCPU to be run again, in virtual nanoseconds. */
export const PATIENCE_NS = 100_000_000;

/** The page leaves the third state, and whoever waits for that may look again. */
export function endDraining(world: World, page: number): void {
  if (!isDraining(world, page)) return;
  world.pageState[page] &= ~PageBit.Draining;
  world.meter.release(lockId(Waiting.Draining, page));
}

/** The first page of the range that is in the third state, or -1. */
export function firstDraining(world: World, task: number): number {
  const last = Math.min(world.rangeEnd[task], world.shape.pages);
  for (let page = world.rangeStart[task]; page < last; page++) if (isDraining(world, page)) return page;
  return -1;
}

/* ---- the guest ---- */

/** Otherwise the guest has to wait. */
const ifUsable: Run = (world, task) => (isDraining(world, world.page[task]) ? Flow.Otherwise : Flow.Next);

export const usableStep = (otherwise: string): Step => guarded('state.usable', ifUsable, otherwise);

/** The vCPU leaves its fault and the guest. */
const unlockToWait: Run = (world, task) => {
  world.flags[task] &= ~TaskFlag.InGuestFault;
  world.meter.charge(Op['user.exit']);
  return readUnlockInvalidate(world, task);
};

const waitUsable: Run = (world, task) => {
  const page = world.page[task];
  return isDraining(world, page) ? waitFor(world, lockId(Waiting.Draining, page)) : Flow.Next;
};

/** KVM_RUN's answer where the VMM cannot let the guest go on (KVM_EXIT_MEMORY_FAULT): a real VMM would end here. */
const failGuest: Run = (world, task) => {
  world.meter.raise(Event.GuestFaultEnd);
  world.outcome[task] = Errno.EFAULT;
  world.meter.note(Op['access.failed']);
  return Flow.Done;
};

/** A vCPU that found its page in the third state is run again when that ends. They begin at `invalidate.readUnlockToWait` and go on at `retry`. */
export function guestWaitSteps(retry: string): readonly Step[] {
  return [
    steady('invalidate.readUnlockToWait', unlockToWait),
    waitsUpTo('drained.wait', waitUsable, PATIENCE_NS, 'access.efault'),
    goTo(retry),
    free('access.efault', failGuest),
  ];
}

/* ---- the VMM ---- */

/** Otherwise a page of the range is in the third state without a callback: it was mapped, and only another attempt helps. */
const registeredIn: Run = (world, task) => {
  const last = Math.min(world.rangeEnd[task], world.shape.pages);
  for (let page = world.rangeStart[task]; page < last; page++) if (isDraining(world, page) && world.folioType[page] === FolioType.None) return Flow.Otherwise;
  return Flow.Next;
};

const waitDrained: Run = (world, task) => {
  const first = firstDraining(world, task);
  return first < 0 ? Flow.Next : waitFor(world, lockId(Waiting.Draining, first));
};

/** Otherwise it was told that the page is shared again: somebody else has asked for that. */
const isAllPrivate: Run = (world, task) => {
  if (!rangeIs(world, world.rangeStart[task], world.rangeEnd[task], true)) return Flow.Otherwise;
  world.outcome[task] = Errno.OK;
  return Flow.Next;
};

/** What a VMM does with EAGAIN that is told of the end: it waits. They begin at `registered`; `granted`: it has what it asked for. */
export function awaitCallbackSteps({ granted, retry, timedOut }: { readonly granted: string; readonly retry: string; readonly timedOut: string }): readonly Step[] {
  return [
    steady('registered', registeredIn, retry),
    waitsUpTo('drained.wait', waitDrained, PATIENCE_NS, timedOut),
    steady('told', isAllPrivate, retry),
    goTo(granted),
  ];
}

/* ---- fallocate ---- */

/** fallocate has nothing to do for pages in the third state; otherwise there is nothing behind them. */
const skipDraining: Run = (world, task) => {
  const last = world.rangeEnd[task];
  while (world.page[task] < last && isDraining(world, world.page[task])) world.page[task]++;
  return world.page[task] < last ? Flow.Next : Flow.Otherwise;
};

export const skipDrainingStep = (otherwise: string): Step => guarded('state.read', skipDraining, otherwise);
