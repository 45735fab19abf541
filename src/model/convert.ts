/**
 * Conversion: the request of the guest with the VMM's retries around it, and the blocks that a policy's kernel side is
 * written in.
 *
 * Source: the in-place conversion series (DOMAIN 3.2), KVM's invalidation protocol (DOMAIN 3.3), the retry strategy of
 * DESIGN 13.7. The commit is the step that stores the attribute, alone (DESIGN 13.10).
 */
import { writeLockMmu, writeUnlockMmu } from './access.ts';
import { sendDrain, sendKick, waitCalls } from './crossCalls.ts';
import { Errno } from './errno.ts';
import { noteExposure } from './exposure.ts';
import { PageBit, rangeIs } from './file.ts';
import { cacheReferences, dropReference, folioMapcount, folioMaybeDmaPinned } from './folios.ts';
import { LockClass, acquireWrite, releaseWrite } from './locks.ts';
import { Event } from './meter.ts';
import { Op } from './operations.ts';
import { RegionBit } from './stage2.ts';
import { Flow, callRoutine, end, goTo, step } from './step.ts';
import type { Run, Step } from './step.ts';
import { ATTEMPTS_MAX, TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/* ---- the request, seen from the guest and the VMM ---- */

/** What the engine's access kinds are called here; the values are those of the workloads' `Access`. */
export const RequestKind = { ToShared: 5, ToPrivate: 6 } as const;

/** A donation by a guest's fault is a request for privacy. */
const wantsPrivate = (world: World, task: number): boolean => world.kind[task] !== RequestKind.ToShared;

const beginRequest: Run = (world, task) => {
  const { meter, pageState } = world;
  const donation = (world.flags[task] & TaskFlag.Donation) !== 0;
  meter.raise(Event.RequestBegin);
  world.attempts[task] = 0;
  if (donation) return Flow.Next;
  meter.charge(Op['vm.exit']);
  const last = Math.min(world.rangeEnd[task], world.shape.pages);
  if (wantsPrivate(world, task)) for (let page = world.rangeStart[task]; page < last; page++) pageState[page] &= ~PageBit.Asked;
  else for (let page = world.rangeStart[task]; page < last; page++) pageState[page] |= PageBit.Asked;
  return Flow.Next;
};

const exitToVmm: Run = (world) => {
  world.meter.charge(Op['user.exit']);
  return Flow.Next;
};

/** Routines of the VMM's dance are for requests that want privacy, or are done with it. */
const ifPrivate: Run = (world, task) => (wantsPrivate(world, task) ? Flow.Next : Flow.Otherwise);

/** kvm_gmem's argument check: the range lies in the file. */
const enterIoctl: Run = (world, task) => {
  world.meter.raise(Event.KernelBegin);
  world.meter.charge(Op.syscall);
  world.flags[task] &= ~(TaskFlag.Drained | TaskFlag.Refused | TaskFlag.Zapped);
  if (world.rangeEnd[task] <= world.shape.pages) return Flow.Next;
  world.outcome[task] = Errno.EINVAL;
  return Flow.Otherwise;
};

const leaveIoctl: Run = (world, task) => {
  world.meter.raise(Event.KernelEnd);
  const errno = world.outcome[task];
  if (errno === Errno.OK) return Flow.Next;
  world.meter.convertErrors[errno]++;
  return Flow.Otherwise;
};

/** EAGAIN asks to try again; anything else will not change by waiting. */
const isRetryable: Run = (world, task) => (world.outcome[task] === Errno.EAGAIN ? Flow.Next : Flow.Otherwise);

const backOff: Run = () => Flow.Sleep;

const countAttempt: Run = (world, task) => {
  if (world.attempts[task] < ATTEMPTS_MAX) world.attempts[task]++;
  return Flow.Otherwise;
};

/** The pages keep their state and the guest goes on with them. */
const giveUp = (event: typeof Event.RequestTimedOut | typeof Event.RequestGaveUp): Run => (world, task) => {
  const last = Math.min(world.rangeEnd[task], world.shape.pages);
  for (let page = world.rangeStart[task]; page < last; page++) world.pageState[page] |= PageBit.Degraded;
  return endRequest(world, task, event);
};

const succeed: Run = (world, task) => {
  const { pageState } = world;
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) pageState[page] &= ~PageBit.Degraded;
  return endRequest(world, task, Event.RequestSucceeded);
};

function endRequest(world: World, task: number, event: typeof Event.RequestSucceeded | typeof Event.RequestTimedOut | typeof Event.RequestGaveUp) {
  const { meter } = world;
  meter.raise(event);
  if (world.flags[task] & TaskFlag.Donation) world.flags[task] &= ~TaskFlag.Donation;
  else meter.note(event === Event.RequestSucceeded ? Op['access.done'] : Op['access.failed']);
  return Flow.Done;
}

export interface RequestRules {
  /** The VMM's routines before an attempt to-private, and after a request however it ended, by name. */
  readonly beforeToPrivate?: string;
  readonly afterRequest?: string;
  /** No exit to the VMM and no system call: `lower-bound`. */
  readonly bare?: boolean;
}

/**
 * Routine `convertRequest`: one request of the guest for [rangeStart, rangeEnd), from its exit to its resume.
 * Calls `toPrivate` or `toShared`, the kernel's side; retries with back-off until the engine's time limit.
 */
export function convertRequestSteps({ beforeToPrivate, afterRequest, bare = false }: RequestRules): readonly Step[] {
  const danceAfter = (name: string): readonly Step[] => (afterRequest === undefined ? [] : [callRoutine(name, afterRequest)]);
  return [
    step('request.begin', beginRequest),
    ...(bare ? [] : [step('user.exit', exitToVmm)]),
    step('attempt', ifPrivate, 'ioctl.enterShared'),
    ...(beforeToPrivate === undefined ? [] : [callRoutine('vmm.before', beforeToPrivate)]),
    step('ioctl.enter', bare ? enterBare : enterIoctl, 'ioctl.leave'),
    callRoutine('kernel.toPrivate', 'toPrivate'),
    goTo('ioctl.leave'),
    step('ioctl.enterShared', bare ? enterBare : enterIoctl, 'ioctl.leave'),
    callRoutine('kernel.toShared', 'toShared'),
    step('ioctl.leave', leaveIoctl, 'retryable'),
    ...danceAfter('vmm.after'),
    step('request.end', succeed),
    step('retryable', isRetryable, 'request.giveUp'),
    step('backoff', backOff, 'request.timeOut'),
    step('retry', countAttempt, 'attempt'),
    step('request.timeOut', () => Flow.Next),
    ...danceAfter('vmm.afterTimeOut'),
    step('request.timedOut', giveUp(Event.RequestTimedOut)),
    step('request.giveUp', () => Flow.Next),
    ...danceAfter('vmm.afterRefusal'),
    step('request.gaveUp', giveUp(Event.RequestGaveUp)),
  ];
}

const enterBare: Run = (world, task) => {
  world.meter.raise(Event.KernelBegin);
  if (world.rangeEnd[task] <= world.shape.pages) return Flow.Next;
  world.outcome[task] = Errno.EINVAL;
  return Flow.Otherwise;
};

/* ---- blocks of the kernel's side ---- */

export const writeLockInvalidate: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  if (flow === Flow.Next) world.meter.charge(Op['lock.invalidate']);
  return flow;
};

export const writeUnlockInvalidate: Run = (world, task) => {
  releaseWrite(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  return Flow.Next;
};

/** Otherwise the whole range is in the wanted state: success without any effect (DOMAIN 3.2, step 3). */
export const readRangeState = (toPrivate: boolean): Run => (world, task) => {
  world.meter.charge(Op['state.read']);
  world.outcome[task] = Errno.OK;
  return rangeIs(world, world.rangeStart[task], world.rangeEnd[task], toPrivate) ? Flow.Otherwise : Flow.Next;
};

export const preallocateState: Run = (world) => {
  world.meter.charge(Op['state.prealloc']);
  return Flow.Next;
};

/** Takes a lookup's reference on each folio of the chunk: [cursor, cursorEnd). */
const lookupFolios: Run = (world, task) => {
  const { folioPages } = world.sizes;
  const first = world.cursor[task];
  const last = Math.min(first + Math.max(world.shape.chunk, folioPages), world.walkEnd[task]);
  world.cursorEnd[task] = last;
  let found = 0;
  for (let head = first; head < last; head += folioPages) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    world.refcount[head]++;
    found++;
  }
  world.meter.chargeMany(Op['pageCache.lookup'], found);
  return Flow.Next;
};

const putFolios: Run = (world, task) => {
  const { folioPages } = world.sizes;
  let put = 0;
  for (let head = world.cursor[task]; head < world.cursorEnd[task]; head += folioPages) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    dropReference(world, head, 1);
    put++;
  }
  world.meter.chargeMany(Op['folio.put'], put);
  // A refusal ends the check here; it stands in two places of the routine, and the second has nothing to repeat.
  if (world.flags[task] & TaskFlag.Refused) return Flow.Next;
  world.cursor[task] = world.cursorEnd[task];
  return world.cursor[task] < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

type Test = (world: World, head: number) => boolean;

const isMapped: Test = (world, head) => folioMapcount(world, head) > 0;
const isPinned: Test = folioMaybeDmaPinned;
/** refcount = the owner's and this lookup's: the lookup's own reference must not be forgotten (DOMAIN 1.1). */
const isReferenced: Test = (world, head) => world.refcount[head] !== cacheReferences(world) + 1;

/** Asks one question of each folio of the chunk; otherwise one of them is in use. */
const testFolios = (test: Test): Run => (world, task) => {
  const { folioPages } = world.sizes;
  const first = world.cursor[task];
  const last = world.cursorEnd[task];
  let tested = 0;
  let bad = -1;
  for (let head = first; head < last && bad < 0; head += folioPages) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    tested++;
    if (test(world, head)) bad = head;
  }
  world.meter.chargeMany(Op['folio.readRef'], tested);
  if (bad < 0) return Flow.Next;
  // Not in `page`: where a guest's fault started the request, that is the page that it will go on with.
  world.walkCursor[task] = bad;
  return Flow.Otherwise;
};

/** Small folios may sit in an LRU batch: drained once a request, then everything is read again. */
const drainOnce = (enabled: boolean): Run => (world, task) => {
  if (!enabled || world.flags[task] & TaskFlag.Drained || world.shape.lruBatch === 0 || world.shape.folioOrder > 0) return Flow.Otherwise;
  world.flags[task] |= TaskFlag.Drained;
  world.walkCursor[task] = 0;
  sendDrain(world, task);
  return Flow.Next;
};

const refuse = (errno: number): Run => (world, task) => {
  world.flags[task] |= TaskFlag.Refused;
  world.outcome[task] = errno;
  blame(world, task, world.walkCursor[task]);
  world.walkCursor[task] = 0;
  return Flow.Next;
};

/** Ghost: tells who stood in the way, from what the world knows and the kernel does not. */
function blame(world: World, task: number, head: number): void {
  const { meter, sizes } = world;
  if (folioMapcount(world, head) > 0) {
    meter.note(Op['refused.mapping']);
    return;
  }
  let own = false;
  let neighbour = false;
  for (let page = head; page < head + sizes.folioPages; page++) {
    if (world.dataRefs[page] === 0) continue;
    if (page >= world.rangeStart[task] && page < world.rangeEnd[task]) own = true;
    else neighbour = true;
  }
  meter.note(own ? Op['refused.ownPin'] : neighbour ? Op['refused.neighbourPin'] : Op['refused.transient']);
}

export type CheckName = 'mapcount' | 'mapped-or-pinned' | 'refcount';

export interface ReferenceCheckOptions {
  readonly check: CheckName;
  /** lru_add_drain_all once where a count is unexpected. */
  readonly drain: boolean;
  /** Label of the step to go on at after a refusal; `outcome` is EAGAIN. */
  readonly refused: string;
}

/** Steps that ask of every folio of the walk whether anybody else uses it (DOMAIN 5.13). */
export function referenceCheckSteps({ check, drain, refused }: ReferenceCheckOptions): readonly Step[] {
  const tests: readonly Step[] =
    check === 'mapcount' ? [step('folio.readMapcount', testFolios(isMapped), 'refuse')]
    : check === 'mapped-or-pinned' ? [step('folio.readMapcount', testFolios(isMapped), 'refuse'), step('folio.readPins', testFolios(isPinned), 'refuse')]
    : [step('folio.readRef', testFolios(isReferenced), 'lru.drain')];
  return [
    step('check.begin', (world, task) => {
      world.cursor[task] = world.walkStart[task];
      return Flow.Next;
    }),
    step('folio.lookupGet', lookupFolios),
    ...tests,
    step('folio.put', putFolios, 'folio.lookupGet'),
    goTo('check.done'),
    ...(check === 'refcount'
      ? [step('lru.drain', drainOnce(drain), 'refuse'), step('lru.wait', waitCalls), goTo('folio.readRef')]
      : []),
    step('refuse', refuse(Errno.EAGAIN)),
    step('folio.putRefused', putFolios),
    goTo(refused),
    step('check.done', () => Flow.Next),
  ];
}

/* ---- stage-2 ---- */

/** Announces the invalidation: every stage-2 fault that is under way will start again. */
const beginInvalidation: Run = (world, task) => {
  world.invalidating[0]++;
  const { cpus } = world.shape;
  for (let other = 0; other < cpus; other++) {
    if (world.flags[other] & TaskFlag.InGuestFault) world.flags[other] |= TaskFlag.SawInvalidation;
  }
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Clears the stage-2 leaves of the chunk. A large leaf is cleared whole or split. */
const clearStage2: Run = (world, task) => {
  const { pageState, regionState, meter } = world;
  const { regionOrder, chunk } = world.shape;
  const first = world.cursor[task];
  const last = Math.min(first + chunk, world.rangeEnd[task]);
  let cleared = 0;
  for (let page = first; page < last; page++) {
    const region = page >> regionOrder;
    if (regionState[region] & RegionBit.Leaf) {
      regionState[region] &= ~RegionBit.Leaf;
      if (coversRegion(world, task, region)) {
        cleared++;
        continue;
      }
      meter.charge(Op['stage2.split']);
      splitLeaf(world, region);
    }
    if (pageState[page] & PageBit.Leaf) {
      pageState[page] &= ~PageBit.Leaf;
      cleared++;
    }
  }
  if (cleared > 0) {
    meter.chargeMany(Op['stage2.zap'], cleared);
    world.flags[task] |= TaskFlag.Zapped;
  }
  world.cursor[task] = last;
  return last < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next;
};

function coversRegion(world: World, task: number, region: number): boolean {
  const { regionPages } = world.sizes;
  return world.rangeStart[task] <= region * regionPages && world.rangeEnd[task] >= (region + 1) * regionPages;
}

function splitLeaf(world: World, region: number): void {
  const { regionPages } = world.sizes;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) world.pageState[page] |= PageBit.Leaf;
}

const kickVcpus: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Zapped) sendKick(world, task);
  return Flow.Next;
};

/** Steps that announce an invalidation and clear the stage-2 leaves of the range; `endInvalidation` comes after the store. */
export function stage2ZapSteps(): readonly Step[] {
  return [
    step('mmuLock.write', writeLockMmu),
    step('seq.begin', beginInvalidation),
    step('spte.clear', clearStage2, 'spte.clear'),
    step('kick.send', kickVcpus),
    step('kick.wait', waitCalls),
    step('mmuLock.unlock', writeUnlockMmu),
  ];
}

export const endInvalidation: Run = (world) => {
  world.invalidating[0]--;
  return Flow.Next;
};

/** The commit: stores the shareability of the whole range. */
export const storeState = (toPrivate: boolean): Run => (world, task) => {
  const { pageState, regionFlipped, meter } = world;
  const { regionOrder, initShared } = world.shape;
  const flip = toPrivate === initShared;
  let changed = 0;
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    const state = pageState[page];
    if (((state & PageBit.Flipped) !== 0) === flip) continue;
    pageState[page] = (state ^ PageBit.Flipped) & ~PageBit.Exposed;
    regionFlipped[page >> regionOrder] += flip ? 1 : -1;
    changed++;
    if (toPrivate) noteExposure(world, page);
  }
  world.flippedPages[0] += flip ? changed : -changed;
  world.outcome[task] = Errno.OK;
  meter.charge(Op['state.store']);
  return Flow.Next;
};

/** To-shared as every policy of the family does it: no reference is checked (DOMAIN 3.2). */
export function toSharedSteps(): readonly Step[] {
  return [
    step('invalidate.writeLock', writeLockInvalidate),
    step('state.readRange', readRangeState(false), 'invalidate.unlock'),
    step('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    step('state.store', storeState(false)),
    step('seq.end', endInvalidation),
    step('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}
