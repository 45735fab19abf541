/**
 * Waits: tasks that cannot go on now, and when they do: in the order of waiting for a lock, again and again for what has no
 * queue, after a rest, or at a limit.
 *
 * Nothing here is state of the world: an engine without clocks lets any waiter go first.
 */
import { LockClass, lockClassOf } from '../model/locks.ts';
import { Waiting } from '../model/meter.ts';
import type { Meter } from '../model/meter.ts';
import { PHASES } from '../model/operations.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { EngineFamily } from './engineFamily.ts';
import type { TaskQueue } from './queue.ts';
import { LOCKS } from './tally.ts';
import { Waiters } from './waiters.ts';

/** Back-off of the default VMM strategy: doubles from the first to the last, and is given up at the limit. */
const BACKOFF_FIRST_NS = 10_000;
const BACKOFF_LAST_NS = 1_000_000;
const REQUEST_LIMIT_NS = 100_000_000;
/** How long a task spins before it looks again for something that has no queue. */
export const SPIN_NS = 1_000;
/** An access that has spun so often waits for what will never end. */
const SPIN_LIMIT = 100_000;

const PHASE_LOCK_WAIT = PHASES.indexOf('lockWait');
const PHASE_TLB = PHASES.indexOf('tlb');
const PHASE_REFERENCE_WAIT = PHASES.indexOf('referenceWait');
const PHASE_BACKOFF = PHASES.indexOf('backoff');

export interface WaitOptions<W extends TaskWorld> {
  readonly world: W;
  readonly family: EngineFamily<W>;
  readonly queue: TaskQueue;
  /** The VMM tries a refused conversion again without a rest. */
  readonly retriesAtOnce: boolean;
}

export class Waits<W extends TaskWorld> {
  readonly lockBlockedNs = new Float64Array(LOCKS.length);
  /** Time that tasks which were at no request of their own waited for locks, or for the end of a migration or of a draining. */
  othersNs = 0;
  /** When a task that rests goes on by itself: its next access is due, its back-off over, or its wait. */
  readonly restUntilNs: Float64Array;
  /** Tasks that were woken, or that wait with a limit, must be looked after at every step. */
  busy = false;
  /** The last back-off was cut short by the limit of the request. */
  patienceEnded = false;
  private readonly world: W;
  private readonly family: EngineFamily<W>;
  private readonly meter: Meter;
  private readonly queue: TaskQueue;
  private readonly retriesAtOnce: boolean;
  private readonly waiters: Waiters;
  private readonly waitStartNs: Float64Array;
  /** How often the access that a task is at has spun: a punch for the references of others, a to-shared before it splits. */
  private readonly spins: Uint32Array;
  /** How long a task has been in a wait with a limit; 0 where it is in none. */
  private readonly polledNs: Float64Array;
  /** When the wait with a limit is over that a task is in, where it is woken and does not look by itself; 0 where it is in none. */
  private readonly deadlineNs: Float64Array;
  /** Tasks that were woken and have not yet got what they waited for. */
  private woken = 0;
  /** Tasks in a wait with a limit. */
  private polling = 0;

  constructor({ world, family, queue, retriesAtOnce }: WaitOptions<W>) {
    const { tasks } = world.shape;
    this.world = world;
    this.family = family;
    this.meter = world.meter;
    this.queue = queue;
    this.retriesAtOnce = retriesAtOnce;
    this.waiters = new Waiters(tasks);
    this.waitStartNs = new Float64Array(tasks);
    this.spins = new Uint32Array(tasks);
    this.polledNs = new Float64Array(tasks);
    this.deadlineNs = new Float64Array(tasks);
    this.restUntilNs = new Float64Array(tasks);
  }

  /** A task begins an access, of whose spins none was yet. */
  begin(task: number): void {
    this.spins[task] = 0;
  }

  /** The task rests until then, and others come first. */
  rest(task: number, untilNs: number): void {
    this.restUntilNs[task] = untilNs;
    this.queue.push(task, untilNs);
  }

  /** Whether the task waits for something that has no queue; it looks again after a moment, but not for ever. */
  canSpin(task: number): boolean {
    if (lockClassOf(this.meter.waitOn) !== Waiting.Folio || ++this.spins[task] > SPIN_LIMIT) return false;
    if (this.family.awaitsReferences(this.world, task)) {
      this.meter.addPhase(task, PHASE_REFERENCE_WAIT, SPIN_NS);
      return true;
    }
    this.meter.addPhase(task, PHASE_LOCK_WAIT, SPIN_NS);
    this.lockBlockedNs[LockClass.Folio] += SPIN_NS;
    if (!this.family.isAtRequest(this.world, task)) this.othersNs += SPIN_NS;
    return true;
  }

  /** A task waits for what `meter.waitOn` says until somebody wakes it. */
  wait(task: number, now: number): void {
    const { waitOn } = this.meter;
    if (this.waiters.wasWaiting(task)) this.woken--;
    this.waitStartNs[task] = now;
    this.queue.timeNs[task] = now;
    this.waiters.wait(waitOn, task);
    this.watch();
  }

  /** The first who waits for this goes on, if anybody does. */
  wake(waitOn: number, now: number): void {
    const task = this.waiters.wake(waitOn);
    if (task < 0) return;
    this.woken++;
    const untilNs = Math.max(now, this.waitStartNs[task]);
    this.noteWaited(task, waitOn, untilNs - this.waitStartNs[task]);
    if (this.deadlineNs[task] > 0) this.queue.hasten(task, untilNs);
    else this.queue.push(task, untilNs);
  }

  /** A task took a step that is no wait: whatever it waited for, it has. */
  goesOn(task: number, now: number): void {
    if (this.deadlineNs[task] > 0) this.endDeadline(task, now);
    if (this.waiters.wasWaiting(task)) this.served(task, now);
    if (this.polledNs[task] > 0) this.endPoll(task);
  }

  /** A task that waited has what it waited for; where others can have it too (a read lock, the end of a migration), the next one is woken. */
  private served(task: number, now: number): void {
    this.waiters.served(task);
    this.woken--;
    const waitOn = this.waiters.waitedOn(task);
    const lockClass = lockClassOf(waitOn);
    const shared = lockClass === LockClass.Mmap || lockClass === LockClass.Invalidate || lockClass === LockClass.IMmap || lockClass === Waiting.Migration || lockClass === Waiting.Draining;
    if (shared && this.waiters.count > 0) this.wake(waitOn, now);
  }

  /**
   * A task in a wait with a limit looks again every moment. Looks that come before anybody else takes a step would find what this one
   * found, so they are left out; the one that is taken comes when it would have come.
   * @param quietNs until the next step of another task; Infinity where there is none
   * @returns how long it rests, 0 where the limit has passed
   */
  poll(task: number, limitNs: number, quietNs: number): number {
    const leftNs = limitNs - this.polledNs[task];
    const looks = Math.max(1, Math.ceil(Math.min(quietNs, leftNs) / SPIN_NS));
    const restNs = Math.min(looks * SPIN_NS, leftNs);
    if (restNs <= 0) {
      this.endPoll(task);
      return 0;
    }
    if (this.polledNs[task] === 0) this.polling++;
    this.polledNs[task] += restNs;
    this.noteWaited(task, this.meter.waitOn, restNs);
    this.watch();
    return restNs;
  }

  private endPoll(task: number): void {
    this.polledNs[task] = 0;
    this.polling--;
    this.watch();
  }

  /** A task waits until it is woken, or until its limit has passed. @returns whether that has passed */
  waitUntil(task: number, now: number, limitNs: number): boolean {
    if (this.deadlineNs[task] === 0) {
      this.deadlineNs[task] = now + limitNs;
      this.polling++;
    }
    const deadline = this.deadlineNs[task];
    if (now >= deadline) {
      this.endDeadline(task, now);
      if (this.waiters.wasWaiting(task)) {
        this.woken--;
        this.waiters.served(task);
      }
      return true;
    }
    this.wait(task, now);
    this.rest(task, deadline);
    return false;
  }

  /** The wait is over: the task was woken, or its limit has passed while nobody woke it. */
  private endDeadline(task: number, now: number): void {
    this.deadlineNs[task] = 0;
    this.polling--;
    if (this.waiters.leave(task)) {
      this.waiters.served(task);
      this.noteWaited(task, this.waiters.waitedOn(task), now - this.waitStartNs[task]);
    }
    this.watch();
  }

  /** How long the VMM rests before it tries again, or until its patience ends (`patienceEnded`). @param requestNs when its request began */
  backOff(task: number, now: number, requestNs: number): number {
    const limitNs = requestNs + REQUEST_LIMIT_NS;
    const restNs = this.retriesAtOnce ? 0 : Math.min(BACKOFF_LAST_NS, BACKOFF_FIRST_NS * (1 << this.world.attempts[task]));
    // Where an attempt takes no time either (prices of zero) the limit would never come.
    const standsStill = restNs === 0 && this.restUntilNs[task] === now;
    this.patienceEnded = standsStill || now + restNs >= limitNs;
    const sleptNs = this.patienceEnded ? Math.max(0, limitNs - now) : restNs;
    this.meter.addPhase(task, PHASE_BACKOFF, sleptNs);
    this.restUntilNs[task] = now + sleptNs;
    return sleptNs;
  }

  private noteWaited(task: number, waitOn: number, waitedNs: number): void {
    const lockClass = lockClassOf(waitOn);
    const isBlocked = lockClass < LOCKS.length || lockClass === Waiting.Migration || lockClass === Waiting.Draining;
    if (isBlocked && !this.family.isAtRequest(this.world, task)) this.othersNs += waitedNs;
    if (lockClass < LOCKS.length) {
      this.lockBlockedNs[lockClass] += waitedNs;
      this.meter.addPhase(task, PHASE_LOCK_WAIT, waitedNs);
    } else if (lockClass === Waiting.CrossCall) {
      this.meter.addPhase(task, PHASE_TLB, waitedNs);
    } else {
      this.meter.addPhase(task, PHASE_REFERENCE_WAIT, waitedNs);
    }
  }

  /** Tasks that wait must hear of releases; tasks that were woken must be looked after. */
  watch(): void {
    this.meter.watching = this.waiters.classes;
    this.busy = this.woken > 0 || this.polling > 0;
  }
}
