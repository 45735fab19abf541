/**
 * The meter: what the model did in a step, told to the engine. It is no state of the machine and lives outside the world.
 *
 * The model charges operations and raises signals; the engine reads them after each step. The explorer gives a meter
 * whose prices are all zero. No policy touches it.
 */
import { ERRNOS } from './errno.ts';
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
} as const;
export type EventKind = (typeof Event)[keyof typeof Event];

/** Why a task waits when it does not wait for a lock. Lock waits are `index * WAIT_KINDS + class`; these come after the lock classes. */
export const WAIT_KINDS = 16;
export const Waiting = { CrossCall: 8, Slot: 9, Child: 10, Folio: 11 } as const;

const PHASE_STRIDE = 16;

const normalPhases = Uint8Array.from(OPERATIONS, ({ phase }) => PHASES.indexOf(phase));
const vmmPhases = new Uint8Array(OPERATIONS.length).fill(PHASES.indexOf('vmm'));

export class Meter {
  /** How often each operation was charged. */
  readonly count = new Float64Array(OPERATIONS.length);
  /** Refusals by kind (mmap, gup, convert) and errno. */
  readonly mmapErrors = new Float64Array(ERRNOS.length);
  readonly gupErrors = new Float64Array(ERRNOS.length);
  readonly convertErrors = new Float64Array(ERRNOS.length);
  /** Charged time by task and phase; the row behind the last task belongs to nobody. */
  readonly phaseNs: Float64Array;
  /** What the current step cost so far. */
  ns = 0;
  /** Signals of the step to the engine. */
  event: EventKind = Event.None;
  waitOn = 0;
  /** A lock (as in `waitOn`) plus one that was released in this step; 0 = none. */
  released = 0;
  /** This task (plus one) has cross calls that are not acknowledged. */
  crossCaller = 0;
  /** A device task (plus one) that was started. */
  started = 0;

  private readonly price: Float64Array;
  private phaseOf: Uint8Array = normalPhases;
  private phaseBase = 0;

  constructor(price: Float64Array = new Float64Array(OPERATIONS.length), tasks = 1) {
    this.price = price;
    this.phaseNs = new Float64Array((tasks + 1) * PHASE_STRIDE);
  }

  /** The task whose phases the next charges belong to, and whether it is inside the VMM's own dance. */
  attribute(task: number, inVmm: boolean): void {
    this.phaseBase = task * PHASE_STRIDE;
    this.phaseOf = inVmm ? vmmPhases : normalPhases;
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

  clearPhases(task: number): void {
    this.phaseNs.fill(0, task * PHASE_STRIDE, (task + 1) * PHASE_STRIDE);
  }
}
