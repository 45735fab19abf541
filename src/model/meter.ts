/**
 * The meter: what the model did in a step, told to the engine. It is no state of the machine and lives outside the world.
 *
 * The model charges operations and raises signals; the engine reads them after each step. The explorer gives a meter
 * whose prices are all zero. No policy touches it.
 */
import { ERRNOS } from './errno.ts';
import { GAUGES } from './gauges.ts';
import { OPERATIONS, PHASES } from './operations.ts';

/** Something that happened in a step and that only an engine with clocks cares about. */
export const Event = {
  None: 0,
  RequestBegin: 1,
  RequestSucceeded: 2,
  RequestTimedOut: 3,
  RequestGaveUp: 4,
  KernelBegin: 5,
  KernelEnd: 6,
  HostFaultBegin: 7,
  HostFaultEnd: 8,
  GuestFaultBegin: 9,
  GuestFaultEnd: 10,
  IoBegin: 11,
  IoReady: 12,
  /** A large page was taken to pieces, or put together: `meter.largePage` says which. */
  LargeSplit: 13,
  LargeMerged: 14,
  /** Something that the family times begins, or has ended well: `meter.span` says what. */
  SpanBegin: 15,
  SpanEnd: 16,
} as const;
export type EventKind = (typeof Event)[keyof typeof Event];

/** Why a task waits when it does not wait for a lock. Lock waits are `index * WAIT_KINDS + class`; these come after the lock classes. */
export const WAIT_KINDS = 16;
export const Waiting = { CrossCall: 8, Slot: 9, Child: 10, Folio: 11, Migration: 12, Draining: 13, Userfault: 14 } as const;

const PHASE_STRIDE = 16;

const normalPhases = Uint8Array.from(OPERATIONS, ({ phase }) => PHASES.indexOf(phase));
const vmmPhases = new Uint8Array(OPERATIONS.length).fill(PHASES.indexOf('vmm'));

/**
 * What vCPUs remember of stage-2: it costs time and changes nothing, so that it is no state of the world, and an engine with a
 * clock keeps it.
 */
export interface GuestTlb {
  /** The CPU translates a page that a leaf of this kind (`Leaf`) maps. @returns whether it has to walk the tables for that */
  misses(cpu: number, page: number, leaf: number): boolean;
  /** A CPU that leaves the guest for a flush comes back with nothing. */
  flush(cpu: number): void;
}

export class Meter {
  /** How often each operation was charged. */
  readonly count = new Float64Array(OPERATIONS.length);
  /** Refusals by kind (mmap, gup, convert) and errno. */
  readonly mmapErrors = new Float64Array(ERRNOS.length);
  readonly gupErrors = new Float64Array(ERRNOS.length);
  readonly convertErrors = new Float64Array(ERRNOS.length);
  /** How much there is now, by index in GAUGES. */
  readonly gauge = new Float64Array(GAUGES.length);
  /** Gauges that have moved since the engine looked, one bit each. */
  gaugesMoved = 0;
  /** Charged time by task and phase; the row behind the last task belongs to nobody. */
  readonly phaseNs: Float64Array;
  /** Default: nobody has a clock, and every translation is there. */
  guestTlb: GuestTlb | undefined = undefined;
  /** What the current step cost so far. */
  ns = 0;
  /**
   * One of the signals below is set: the engine looks at them only then, once a step, and clears it.
   * A step raises at most one event.
   */
  attention = false;
  event: EventKind = Event.None;
  waitOn = 0;
  /** A lock (as in `waitOn`) plus one that was released in this step; 0 = none. Told only where somebody may wait for it (`watching`). */
  released = 0;
  /** Classes of locks and waits that tasks of the engine wait for, one bit each. */
  watching = 0;
  /** This task (plus one) has cross calls that are not acknowledged. */
  crossCaller = 0;
  /** A device task (plus one) that was started. */
  started = 0;
  /** The worker's task (plus one), where work was queued and it was idle. */
  woken = 0;
  /** The content that the step read, where the world keeps contents: of the first page where it read several; -1 = none. The engine clears it. */
  readValue = -1;
  /** The errno of a conversion that the kernel refused (the VMM's dance overwrites `outcome`); 0 = none. The engine clears it. */
  convertErrno = 0;
  /** Where it was refused, as a page (the ioctl's error_offset); -1 = the kernel does not say. The engine clears it. */
  errorPage = -1;
  /** The first page of the large page that the event is about. */
  largePage = 0;
  /** What the event times: an index in the latencies of the family. */
  span = 0;

  private readonly price: Float64Array;
  private phaseOf: Uint8Array = normalPhases;
  private phaseBase = 0;

  constructor(price: Float64Array = new Float64Array(OPERATIONS.length), tasks = 1) {
    this.price = price;
    this.phaseNs = new Float64Array((tasks + 1) * PHASE_STRIDE);
  }

  priceOf(operation: number): number {
    return this.price[operation];
  }

  /** The task whose phases the next charges belong to, and whether it is inside the VMM's own dance. */
  attribute(task: number, inVmm: boolean): void {
    this.phaseBase = task * PHASE_STRIDE;
    this.phaseOf = inVmm ? vmmPhases : normalPhases;
  }

  raise(event: EventKind): void {
    this.event = event;
    this.attention = true;
  }

  /** An event about a large page. */
  raiseOf(event: EventKind, largePage: number): void {
    this.largePage = largePage;
    this.raise(event);
  }

  /** What the family times as its latency of this index begins before this step, or ends after it. What ends badly is not ended: it has no latency. */
  beginSpan(span: number): void {
    this.span = span;
    this.raise(Event.SpanBegin);
  }

  endSpan(span: number): void {
    this.span = span;
    this.raise(Event.SpanEnd);
  }

  release(lock: number): void {
    if (this.watching === 0 || (this.watching & (1 << lock % WAIT_KINDS)) === 0) return;
    this.released = lock + 1;
    this.attention = true;
  }

  callCross(task: number): void {
    this.crossCaller = task + 1;
    this.attention = true;
  }

  start(device: number): void {
    this.started = device + 1;
    this.attention = true;
  }

  wake(worker: number): void {
    this.woken = worker + 1;
    this.attention = true;
  }

  /** Counts an event: it has no price. */
  note(operation: number): void {
    this.count[operation]++;
  }

  noteMany(operation: number, times: number): void {
    this.count[operation] += times;
  }

  /** There is more of something, or less. @param by how many, negative where they went */
  move(gauge: number, by: number): void {
    if (by === 0) return;
    this.gauge[gauge] += by;
    this.gaugesMoved |= 1 << gauge;
    this.attention = true;
  }

  charge(operation: number): void {
    this.count[operation]++;
    const ns = this.price[operation];
    this.ns += ns;
    this.phaseNs[this.phaseBase + this.phaseOf[operation]] += ns;
  }

  chargeMany(operation: number, times: number): void {
    this.count[operation] += times;
    const ns = this.price[operation] * times;
    this.ns += ns;
    this.phaseNs[this.phaseBase + this.phaseOf[operation]] += ns;
  }

  /** Time that was not charged by an operation (waiting, an interrupt), in a phase of a task. */
  addPhase(task: number, phase: number, ns: number): void {
    this.phaseNs[task * PHASE_STRIDE + phase] += ns;
  }

  phaseOfTask(task: number, phase: number): number {
    return this.phaseNs[task * PHASE_STRIDE + phase];
  }

  /** Adds what a task has in each phase to `into`, and starts again. */
  takePhases(task: number, into: Float64Array): void {
    const { phaseNs } = this;
    const first = task * PHASE_STRIDE;
    for (let phase = 0; phase < into.length; phase++) {
      into[phase] += phaseNs[first + phase];
      phaseNs[first + phase] = 0;
    }
  }

  clearPhases(task: number): void {
    const { phaseNs } = this;
    for (let at = task * PHASE_STRIDE; at < task * PHASE_STRIDE + PHASES.length; at++) phaseNs[at] = 0;
  }
}
