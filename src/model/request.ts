/**
 * The request: one conversion as the guest and the VMM see it, from the guest's exit to its resume, with the VMM's dance
 * and its retries around the kernel's side.
 *
 * EAGAIN may be tried again until the VMM's patience ends; any other errno only where a policy's VMM can do something about it.
 * How it is tried again is the VMM's strategy, a list of steps behind the refusal.
 */
import { outcomeOk } from './access.ts';
import { awaitCallbackSteps } from './draining.ts';
import { Errno } from './errno.ts';
import { PageBit } from './file.ts';
import { Event } from './meter.ts';
import { Op } from './operations.ts';
import { DEFAULT_PLATFORM, acceptSteps, rescindSteps } from './platform.ts';
import type { PlatformName } from './platform.ts';
import { Flow, callRoutine, free, freeWhen, goTo, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { ATTEMPTS_MAX } from './taskWorld.ts';
import type { World } from './world.ts';

/** What the engine's access kinds are called here; the values are those of the workloads' `Access`. */
export const RequestKind = { ToShared: 5, ToPrivate: 6, ToReadOnly: 22 } as const;

/** A donation by a guest's fault is a request for privacy. */
export const wantsPrivate = (world: World, task: number): boolean => world.kind[task] !== RequestKind.ToShared && world.kind[task] !== RequestKind.ToReadOnly;

/** Whether the task is at a request to convert, its own or the donation of its fault: what it loses is in that request's latency. */
export function isConverting({ kind, flags }: World, task: number): boolean {
  const asked = kind[task];
  return asked === RequestKind.ToPrivate || asked === RequestKind.ToShared || asked === RequestKind.ToReadOnly || (flags[task] & TaskFlag.Donation) !== 0;
}

const ifReadOnly: Run = (world, task) => (world.kind[task] === RequestKind.ToReadOnly ? Flow.Next : Flow.Otherwise);

const beginRequest: Run = (world, task) => {
  const { meter, pageState } = world;
  const donation = (world.flags[task] & TaskFlag.Donation) !== 0;
  meter.raise(Event.RequestBegin);
  world.attempts[task] = 0;
  if (world.accepting.length > 0) world.accepting[task] = 0;
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
  world.walkCursor[task] = 0;
  if (world.rangeEnd[task] <= world.shape.pages) return Flow.Next;
  world.outcome[task] = Errno.EINVAL;
  return Flow.Otherwise;
};

/**
 * A refusal says where: at the folio that the reference check found in use (left in `walkCursor`), at the start of the range
 * where a VMA stood in the way. An argument that is no good has no place.
 *
 * Source: error_offset in Documentation/virt/kvm/api.rst of the in-place conversion series.
 */
const leaveIoctl: Run = (world, task) => {
  const { meter } = world;
  meter.raise(Event.KernelEnd);
  const errno = world.outcome[task];
  if (errno === Errno.OK) return Flow.Next;
  meter.convertErrors[errno]++;
  meter.convertErrno = errno;
  meter.errorPage = errno === Errno.EINVAL ? -1 : Math.max(world.rangeStart[task], world.walkCursor[task]);
  world.walkCursor[task] = 0;
  return Flow.Otherwise;
};

/** EAGAIN asks to try again, and so may what the VMM can undo itself; anything else will not change by waiting. */
const isRetryable = (errnos: readonly number[]): Run => (world, task) => (errnos.includes(world.outcome[task]) ? Flow.Next : Flow.Otherwise);

/** munmap had no room for another VMA (vm.max_map_count): no attempt can succeed. */
const couldUnmap: Run = (world, task) => {
  if (world.outcome[task] !== Errno.ENOMEM) return Flow.Next;
  world.meter.convertErrno = Errno.ENOMEM;
  world.meter.errorPage = -1;
  return Flow.Otherwise;
};

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

/** What a VMM can do with a refusal that another attempt may change. */
export const VMM_STRATEGIES = ['retry-at-once', 'back-off', 'release-pins-first', 'bounce-copy', 'give-up'] as const;
export type VmmStrategy = (typeof VMM_STRATEGIES)[number];

export interface RequestRules {
  /** The VMM's routines before an attempt to-private, and after a request however it ended, by name. */
  readonly beforeToPrivate?: string;
  readonly afterRequest?: string;
  /** Errnos that the VMM answers with another attempt. */
  readonly retriesOn?: readonly number[];
  /** No exit to the VMM and no system call: `lower-bound`. */
  readonly bare?: boolean;
  /** Default: `back-off`. `release-pins-first` calls the routine `releasePins`. */
  readonly strategy?: VmmStrategy;
  /** The VMM is told when a conversion that was put off has ended, and waits for that. */
  readonly awaitsCallback?: boolean;
  /** There is a routine `toReadOnly`. */
  readonly readOnly?: boolean;
  /** Default: `sw-protected`. */
  readonly platform?: PlatformName;
}

type Again = (retriesOn: readonly number[]) => readonly Step[];

/** Otherwise the errno is one that no attempt will change. */
const ifRetryable = (retriesOn: readonly number[]): Step => free('retryable', isRetryable(retriesOn), 'request.giveUp');
/** The engine knows how long a rest is, and when the VMM's patience has ended. */
const rest = waits('backoff', backOff, 'request.timeOut');
const tryAgain = free('retry', countAttempt, 'attempt');
const backOffSteps: Again = (retriesOn) => [ifRetryable(retriesOn), rest, tryAgain];

/** Steps from a refusal to the next attempt, or on to `request.timeOut` or `request.giveUp`. */
const AGAIN: Readonly<Record<VmmStrategy, Again>> = {
  // The same steps as backing off: an engine gives it rests of no length.
  'retry-at-once': backOffSteps,
  'back-off': backOffSteps,
  // With nothing left to release the pins are those of others, and only time helps.
  'release-pins-first': (retriesOn) => [
    ifRetryable(retriesOn),
    callRoutine('vmm.releasePins', 'releasePins'),
    free('vmm.released', outcomeOk, 'backoff'),
    goTo('attempt'),
    rest,
    tryAgain,
  ],
  // Its difference is in the I/O, of which nothing is pinned that it could wait for.
  'bounce-copy': backOffSteps,
  'give-up': () => [free('retryable', () => Flow.Otherwise, 'request.giveUp')],
};

/**
 * Routine `convertRequest`: one request of the guest for [rangeStart, rangeEnd), from its exit to its resume.
 * Calls `toPrivate` or `toShared`, the kernel's side; tries again as the strategy has it, until the engine's time limit.
 */
export function convertRequestSteps(rules: RequestRules): readonly Step[] {
  const { beforeToPrivate, afterRequest, retriesOn = [Errno.EAGAIN], bare = false, strategy = 'back-off', platform = DEFAULT_PLATFORM, readOnly = false, awaitsCallback = false } = rules;
  const danceAfter = (name: string): readonly Step[] => (afterRequest === undefined ? [] : [callRoutine(name, afterRequest)]);
  return [
    freeWhen('wishes')('request.begin', beginRequest),
    ...rescindSteps(platform, wantsPrivate),
    ...(bare ? [] : [free('user.exit', exitToVmm)]),
    free('attempt', ifPrivate, 'ioctl.enterShared'),
    ...(beforeToPrivate === undefined ? [] : [callRoutine('vmm.before', beforeToPrivate), free('vmm.unmapped', couldUnmap, 'request.giveUp')]),
    free('ioctl.enter', bare ? enterBare : enterIoctl, 'ioctl.leave'),
    callRoutine('kernel.toPrivate', 'toPrivate'),
    goTo('ioctl.leave'),
    free('ioctl.enterShared', bare ? enterBare : enterIoctl, 'ioctl.leave'),
    ...(readOnly ? [free('readOnly', ifReadOnly, 'kernel.toShared'), callRoutine('kernel.toReadOnly', 'toReadOnly'), goTo('ioctl.leave')] : []),
    callRoutine('kernel.toShared', 'toShared'),
    free('ioctl.leave', leaveIoctl, awaitsCallback ? 'registered' : 'retryable'),
    ...(awaitsCallback ? [free('request.granted', () => Flow.Next)] : []),
    ...danceAfter('vmm.after'),
    ...acceptSteps(platform),
    freeWhen('wishes')('request.end', succeed),
    ...(awaitsCallback ? awaitCallbackSteps({ granted: 'request.granted', retry: 'retryable', timedOut: 'request.timeOut' }) : []),
    ...AGAIN[strategy](retriesOn),
    free('request.timeOut', () => Flow.Next),
    ...danceAfter('vmm.afterTimeOut'),
    freeWhen('wishes')('request.timedOut', giveUp(Event.RequestTimedOut)),
    free('request.giveUp', () => Flow.Next),
    ...danceAfter('vmm.afterRefusal'),
    freeWhen('wishes')('request.gaveUp', giveUp(Event.RequestGaveUp)),
  ];
}

const enterBare: Run = (world, task) => {
  world.meter.raise(Event.KernelBegin);
  world.walkCursor[task] = 0;
  if (world.rangeEnd[task] <= world.shape.pages) return Flow.Next;
  world.outcome[task] = Errno.EINVAL;
  return Flow.Otherwise;
};
