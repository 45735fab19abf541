/**
 * Engine 1: virtual time.
 *
 * The task with the earliest virtual time takes the next step, ties to the lower task, and its clock advances by the
 * price of what the step did. Run-ahead: the running task goes on while it is still the earliest, which is exact.
 *
 * Differs from a machine: one task is one CPU and is never preempted; an interrupt is handled at the next step boundary;
 * those who wait for a lock get it in the order of waiting, and a new reader passes a writer that waits.
 */
import { WALK_OPS, chargeGuestHits, chargeHostHits, reachesGuest, reachesHost } from '../model/access.ts';
import type { Host } from '../model/host.ts';
import { LockClass, lockClassOf } from '../model/locks.ts';
import { Event, Waiting } from '../model/meter.ts';
import type { Meter } from '../model/meter.ts';
import { Op, PHASES } from '../model/operations.ts';
import { Leaf } from '../model/stage2.ts';
import { DEPTH_MAX, Flow } from '../model/step.ts';
import { TaskFlag, clearTask } from '../model/tasks.ts';
import type { World } from '../model/world.ts';
import { Access, createBatch } from '../workloads/workload.ts';
import type { Actor, Batch } from '../workloads/workload.ts';
import { Accounting } from './accounting.ts';
import { GuestTlbs } from './guestTlb.ts';
import { GaugeRecord } from './gaugeRecord.ts';
import { Interrupts } from './interrupts.ts';
import { TaskQueue } from './queue.ts';
import { LOCKS } from './tally.ts';
import { Waiters } from './waiters.ts';

/** Back-off of the default VMM strategy: doubles from the first to the last, and is given up at the limit. */
const BACKOFF_FIRST_NS = 10_000;
const BACKOFF_LAST_NS = 1_000_000;
const REQUEST_LIMIT_NS = 100_000_000;
/** How long a task spins before it looks again for something that has no queue. */
const SPIN_NS = 1_000;
/** An access that has spun so often waits for what will never end. */
const SPIN_LIMIT = 100_000;

const PHASE_LOCK_WAIT = PHASES.indexOf('lockWait');
const PHASE_TLB = PHASES.indexOf('tlb');
const PHASE_REFERENCE_WAIT = PHASES.indexOf('referenceWait');
const PHASE_BACKOFF = PHASES.indexOf('backoff');

export interface EngineOptions {
  readonly world: World;
  readonly host: Host;
  readonly actors: readonly Actor[];
  readonly windowsPerProcess: number;
  readonly runAhead: boolean;
  /** The VMM tries a refused conversion again without a rest. */
  readonly retriesAtOnce?: boolean;
  readonly onProgress?: (accesses: number) => void;
  /** For tests: after each step, with the task that took it. */
  readonly onStep?: (task: number) => void;
}

export class Engine {
  readonly accounting: Accounting;
  readonly interrupts: Interrupts;
  /** Accesses taken from the streams. */
  accesses = 0;
  virtualNs = 0;
  readonly lockBlockedNs = new Float64Array(LOCKS.length);
  readonly gauges: GaugeRecord;

  private readonly world: World;
  private readonly meter: Meter;
  private readonly options: EngineOptions;
  private readonly guestTlb: GuestTlbs;
  /** Walks of the tables in a burst of hits, by `Leaf`. */
  private readonly walks = new Float64Array(WALK_OPS.length);
  private readonly walkNs: Float64Array;
  private readonly queue: TaskQueue;
  private readonly waiters: Waiters;
  private readonly waitStartNs: Float64Array;
  private readonly holdNs: Float64Array;
  /** How often the access that a task is at has spun: a punch for the references of others, a to-shared before it splits. */
  private readonly spins: Uint32Array;
  /** How long a task has been in a wait with a limit; 0 where it is in none. */
  private readonly polledNs: Float64Array;
  /** When the wait with a limit is over that a task is in, where it is woken and does not look by itself; 0 where it is in none. */
  private readonly deadlineNs: Float64Array;
  /** When a task that rests goes on by itself: its next access is due, its back-off over, or its wait. */
  private readonly restUntilNs: Float64Array;
  private readonly batches: readonly Batch[];
  private readonly batchAt: Int32Array;
  private readonly batchEnd: Int32Array;
  /** Tasks that were woken and have not yet got what they waited for. */
  private woken = 0;
  /** Tasks in a wait with a limit. */
  private polling = 0;
  private progressAt = PROGRESS_STRIDE;
  private watchful = false;
  private filling: Promise<number> | undefined;
  private patienceEnded = false;

  constructor(options: EngineOptions) {
    const { world, actors } = options;
    const { tasks } = world.shape;
    this.options = options;
    this.world = world;
    this.meter = world.meter;
    this.guestTlb = new GuestTlbs(world.shape);
    this.walkNs = Float64Array.from(WALK_OPS, (operation) => this.meter.priceOf(operation));
    this.meter.guestTlb = this.guestTlb;
    this.accounting = new Accounting(world);
    this.queue = new TaskQueue(tasks);
    this.waiters = new Waiters(tasks);
    this.waitStartNs = new Float64Array(tasks);
    this.holdNs = new Float64Array(tasks);
    this.spins = new Uint32Array(tasks);
    this.polledNs = new Float64Array(tasks);
    this.deadlineNs = new Float64Array(tasks);
    this.restUntilNs = new Float64Array(tasks);
    this.interrupts = new Interrupts({ world, queue: this.queue, restUntilNs: this.restUntilNs, wake: (waitOn, nowNs) => this.wake(waitOn, nowNs) });
    this.batches = actors.map(() => createBatch());
    this.batchAt = new Int32Array(actors.length);
    this.batchEnd = new Int32Array(actors.length);
    this.gauges = new GaugeRecord(world.meter);
    for (let task = 0; task < actors.length; task++) this.queue.push(task, 0);
  }

  /** Runs until every actor is done. */
  async run(): Promise<void> {
    const { queue } = this;
    while (queue.size > 0) {
      const task = this.turn(queue.pop());
      if (task < 0) continue;
      const filling = this.filling;
      if (filling === undefined) throw new Error(`task ${task} stopped for no reason`);
      this.filling = undefined;
      this.filled(task, await filling);
    }
    this.starve();
  }

  /**
   * Steps a task, and those that come before it, until one of them leaves the queue.
   * @returns -1, or the task whose stream answers later (`filling`)
   */
  private turn(firstTask: number): number {
    const { world, meter, queue, waiters, batches, batchAt, batchEnd } = this;
    const { program, entries } = this.options.host;
    const { run, otherwise, callee, onTimeout, waitNsMax, vmm } = program;
    const { pc, depth } = world;
    const { cpus } = world.shape;
    const { runAhead, onStep } = this.options;
    const { timeNs } = queue;

    let task = firstTask;
    let now = timeNs[task];
    let level = depth[task];
    let at = pc[task * DEPTH_MAX + level];
    let limitNs = queue.firstNs;
    let limitTask = queue.first;
    meter.attribute(task, vmm[at] !== 0);
    for (;;) {
      if (at === 0) {
        if (task >= cpus) return -1; // A device task that is done sleeps until it is started again.
        if (batchAt[task] === batchEnd[task] && !this.refill(task, now)) return this.filling === undefined ? -1 : task;
        if (runAhead) {
          timeNs[task] = now;
          const next = this.skipHits(task);
          now = timeNs[next];
          limitNs = queue.firstNs;
          limitTask = queue.first;
          if (next !== task || batchAt[task] === batchEnd[task]) {
            task = next;
            level = depth[task];
            at = pc[task * DEPTH_MAX + level];
            meter.attribute(task, vmm[at] !== 0);
            continue;
          }
        }
        const atNs = batches[task].atNs[batchAt[task]];
        if (atNs > now) {
          // Paced: the actor rests until its next access is due, and others come first.
          this.restUntilNs[task] = atNs;
          queue.push(task, atNs);
          return -1;
        }
        at = this.begin(task, entries);
        level = 0;
      }

      const step = run[at];
      const flow = step(world, task);
      const before = now;
      now += meter.ns;
      meter.ns = 0;

      if (flow === Flow.Next) at++;
      else if (flow === Flow.Otherwise) {
        at = otherwise[at];
        if (at === 0) throw new Error(`a step of task ${task} has nowhere else to go; position ${pc[task * DEPTH_MAX + level]}`);
      } else if (flow === Flow.Done) {
        if (level === 0) {
          at = 0;
          pc[task * DEPTH_MAX] = 0;
          clearTask(world, task);
        } else {
          pc[task * DEPTH_MAX + level] = 0;
          depth[task] = --level;
          at = pc[task * DEPTH_MAX + level] + 1;
          meter.attribute(task, vmm[at] !== 0);
        }
      } else if (flow === Flow.Call) {
        pc[task * DEPTH_MAX + level] = at;
        depth[task] = ++level;
        at = callee[at];
        meter.attribute(task, vmm[at] !== 0);
      } else if (flow === Flow.Sleep) {
        now += this.backOff(task, now);
        this.restUntilNs[task] = now;
        at = this.patienceEnded ? otherwise[at] : at + 1;
      } else {
        pc[task * DEPTH_MAX + level] = at;
        if (onTimeout[at] !== 0 && lockClassOf(meter.waitOn) === Waiting.Draining) {
          if (!this.waitUntil(task, now, waitNsMax[at])) return -1;
          at = onTimeout[at];
        } else if (onTimeout[at] !== 0) {
          const restNs = this.poll(task, waitNsMax[at], queue.firstNs - now);
          if (restNs === 0) at = onTimeout[at];
          now += restNs;
        } else if (this.canSpin(task)) {
          now += SPIN_NS;
        } else {
          this.wait(task, now);
          return -1;
        }
      }

      if (meter.attention || this.watchful) {
        if (flow !== Flow.Wait) {
          if (this.deadlineNs[task] > 0) this.endDeadline(task, now);
          if (waiters.wasWaiting(task)) this.served(task, now);
          if (this.polledNs[task] > 0) this.endPoll(task);
        }
        now = this.answerSignals(task, before, now);
        meter.attribute(task, vmm[at] !== 0);
        limitNs = queue.firstNs;
        limitTask = queue.first;
      }
      if (onStep !== undefined) {
        pc[task * DEPTH_MAX + level] = at;
        onStep(task);
      }

      if (limitNs < now || (limitNs === now && limitTask < task) || (!runAhead && limitTask >= 0)) {
        pc[task * DEPTH_MAX + level] = at;
        task = queue.replaceFirst(task, now);
        now = timeNs[task];
        level = depth[task];
        at = pc[task * DEPTH_MAX + level];
        limitNs = queue.firstNs;
        limitTask = queue.first;
        meter.attribute(task, vmm[at] !== 0);
      }
    }
  }

  /**
   * Takes accesses that hit, of this task and of those that come before it, as long as the earliest task has one: what the
   * first steps of their routines would do, without a step's overhead. Every task's time is left in the queue's `timeNs`.
   * @returns the earliest task, which cannot go on in this way
   */
  private skipHits(firstTask: number): number {
    const { world, meter, queue, batches, batchAt, batchEnd, guestTlb, walks, walkNs } = this;
    const { windowsPerProcess, onStep } = this.options;
    if (onStep !== undefined) return firstTask;
    const { timeNs } = queue;
    const { pc } = world;
    const { cpus } = world.shape;
    const guestNs = meter.priceOf(Op['guest.access']);
    const hostNs = meter.priceOf(Op['host.access']);
    let task = firstTask;
    let guestHits = 0;
    let hostHits = 0;
    for (;;) {
      const { kind, page, window, atNs } = batches[task];
      const base = world.mm[task] * windowsPerProcess;
      const end = batchEnd[task];
      const limitNs = task < queue.first ? queue.firstNs : queue.firstNs - EIGHTH;
      let next = batchAt[task];
      let now = timeNs[task];
      for (; next < end && now <= limitNs && atNs[next] <= now; next++) {
        const access = kind[next];
        if (access <= Access.GuestWrite) {
          const leaf = reachesGuest(world, page[next]);
          if (leaf === Leaf.None) break;
          guestHits++;
          now += guestNs;
          if (guestTlb.misses(task, page[next], leaf)) {
            walks[leaf]++;
            now += walkNs[leaf];
          }
        } else if (access <= Access.HostWrite) {
          const nth = window[next];
          const through = base + (nth < windowsPerProcess ? nth : nth % windowsPerProcess);
          if (!reachesHost(world, through, page[next], access === Access.HostWrite)) break;
          hostHits++;
          now += hostNs;
        } else break;
      }
      batchAt[task] = next;
      timeNs[task] = now;
      if (now <= limitNs) break;
      task = queue.replaceFirst(task, now);
      if (task >= cpus || pc[task * DEPTH_MAX] !== 0 || batchAt[task] === batchEnd[task]) break;
    }
    const hits = guestHits + hostHits;
    if (hits === 0) return task;
    chargeGuestHits(world, guestHits);
    chargeHostHits(world, hostHits);
    for (let leaf = 1; leaf < walks.length; leaf++) {
      if (walks[leaf] === 0) continue;
      meter.chargeMany(WALK_OPS[leaf], walks[leaf]);
      walks[leaf] = 0;
    }
    meter.ns = 0;
    this.noteAccesses(hits);
    return task;
  }

  private noteAccesses(count: number): void {
    this.accesses += count;
    if (this.accesses < this.progressAt) return;
    this.progressAt += PROGRESS_STRIDE;
    this.options.onProgress?.(this.accesses);
  }

  /** Gets the next batch of a stream. @returns false where it has ended, or answers later (`filling`) */
  private refill(task: number, now: number): boolean {
    const answer = this.options.actors[task].fill(this.batches[task]);
    this.queue.timeNs[task] = now;
    if (typeof answer !== 'number') {
      this.filling = answer;
      return false;
    }
    if (answer === 0) {
      if (now > this.virtualNs) this.virtualNs = now;
      return false;
    }
    this.batchAt[task] = 0;
    this.batchEnd[task] = answer;
    return true;
  }

  /** What a step told the engine beside the passing of time. @returns the task's time after it */
  private answerSignals(task: number, beforeNs: number, nowNs: number): number {
    const { meter, world } = this;
    let now = nowNs;
    meter.attention = false;
    if (meter.gaugesMoved) this.gauges.note(now);
    if (meter.event !== Event.None) {
      const { event } = meter;
      meter.event = Event.None;
      this.accounting.note(event, task, beforeNs, now);
    }
    if (meter.released !== 0) {
      const { released } = meter;
      meter.released = 0;
      this.wake(released - 1, now);
    }
    if (meter.crossCaller !== 0) {
      meter.crossCaller = 0;
      now = this.interrupts.deliver(task, now);
    }
    if (meter.started !== 0) {
      this.queue.push(meter.started - 1, now + this.holdNs[task]);
      meter.started = 0;
    }
    if (meter.woken !== 0) this.startWorker(now);
    if (this.interrupts.deferred > 0 && task < world.shape.cpus && (world.flags[task] & TaskFlag.IrqOff) === 0) now = this.interrupts.acknowledgeDeferred(task, now);
    if (meter.woken !== 0) this.startWorker(now);
    this.watch();
    return now;
  }

  /** The worker may still be on its way to sleep. */
  private startWorker(now: number): void {
    const worker = this.meter.woken - 1;
    this.meter.woken = 0;
    if (!this.queue.has(worker)) this.queue.push(worker, now);
  }

  /** Tasks that wait must hear of releases; tasks that were woken, and calls put off, must be looked after. */
  private watch(): void {
    this.meter.watching = this.waiters.classes;
    this.watchful = this.woken > 0 || this.polling > 0 || this.interrupts.deferred > 0;
  }

  /** Whether the task waits for something that has no queue; it looks again after a moment, but not for ever. */
  private canSpin(task: number): boolean {
    if (lockClassOf(this.meter.waitOn) !== Waiting.Folio || ++this.spins[task] > SPIN_LIMIT) return false;
    if (this.world.kind[task] === Access.ToShared) {
      this.meter.addPhase(task, PHASE_REFERENCE_WAIT, SPIN_NS);
      return true;
    }
    this.meter.addPhase(task, PHASE_LOCK_WAIT, SPIN_NS);
    this.lockBlockedNs[LockClass.Folio] += SPIN_NS;
    return true;
  }

  /**
   * A task in a wait with a limit looks again every moment. Looks that come before anybody else takes a step would find what this one
   * found, so they are left out; the one that is taken comes when it would have come.
   * @param quietNs until the next step of another task; Infinity where there is none
   * @returns how long it rests, 0 where the limit has passed
   */
  private poll(task: number, limitNs: number, quietNs: number): number {
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
  private waitUntil(task: number, now: number, limitNs: number): boolean {
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
    this.restUntilNs[task] = deadline;
    this.queue.push(task, deadline);
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

  private wait(task: number, now: number): void {
    const { waitOn } = this.meter;
    if (this.waiters.wasWaiting(task)) this.woken--;
    this.waitStartNs[task] = now;
    this.queue.timeNs[task] = now;
    this.waiters.wait(waitOn, task);
    this.watch();
  }

  private filled(task: number, filled: number): void {
    const now = this.queue.timeNs[task];
    if (filled === 0) {
      if (now > this.virtualNs) this.virtualNs = now;
      return;
    }
    this.batchAt[task] = 0;
    this.batchEnd[task] = filled;
    this.queue.push(task, now);
  }

  /** Takes the next access of the stream and gives the position at which it begins. */
  private begin(task: number, entries: Uint16Array): number {
    const { world } = this;
    const batch = this.batches[task];
    const next = this.batchAt[task]++;
    const kind = batch.kind[next];
    const page = batch.page[next];
    const count = batch.count[next];
    const { windowsPerProcess } = this.options;
    const window = batch.window[next];
    this.spins[task] = 0;
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task] * windowsPerProcess + (window < windowsPerProcess ? window : window % windowsPerProcess);
    world.slot[task] = batch.slot[next];
    if (kind >= Access.ToShared) this.beginRare(task, kind, batch.holdNs[next]);
    this.noteAccesses(1);
    return entries[kind];
  }

  private beginRare(task: number, kind: number, holdNs: number): void {
    this.holdNs[task] = holdNs;
    if (kind === Access.ToShared || kind === Access.ToPrivate || kind === Access.ToReadOnly) this.meter.clearPhases(task);
  }

  /** How long the VMM rests before it tries again, or until its patience ends (`patienceEnded`). */
  private backOff(task: number, now: number): number {
    const limitNs = this.accounting.requestStartNs[task] + REQUEST_LIMIT_NS;
    const restNs = this.options.retriesAtOnce === true ? 0 : Math.min(BACKOFF_LAST_NS, BACKOFF_FIRST_NS * (1 << this.world.attempts[task]));
    // Where an attempt takes no time either (prices of zero) the limit would never come.
    const standsStill = restNs === 0 && this.restUntilNs[task] === now;
    this.patienceEnded = standsStill || now + restNs >= limitNs;
    const sleptNs = this.patienceEnded ? Math.max(0, limitNs - now) : restNs;
    this.meter.addPhase(task, PHASE_BACKOFF, sleptNs);
    return sleptNs;
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

  private wake(waitOn: number, now: number): void {
    const task = this.waiters.wake(waitOn);
    if (task < 0) return;
    this.woken++;
    const untilNs = Math.max(now, this.waitStartNs[task]);
    this.noteWaited(task, waitOn, untilNs - this.waitStartNs[task]);
    if (this.deadlineNs[task] > 0) this.queue.hasten(task, untilNs);
    else this.queue.push(task, untilNs);
  }

  private noteWaited(task: number, waitOn: number, waitedNs: number): void {
    const lockClass = lockClassOf(waitOn);
    if (lockClass < LOCKS.length) {
      this.lockBlockedNs[lockClass] += waitedNs;
      this.meter.addPhase(task, PHASE_LOCK_WAIT, waitedNs);
    } else if (lockClass === Waiting.CrossCall) {
      this.meter.addPhase(task, PHASE_TLB, waitedNs);
    } else {
      this.meter.addPhase(task, PHASE_REFERENCE_WAIT, waitedNs);
    }
  }

  /** Tasks that still wait when nobody can take a step will wait for ever: their requests are counted as timed out. */
  private starve(): void {
    const { world } = this;
    for (let task = 0; task < world.shape.cpus; task++) {
      const base = task * DEPTH_MAX;
      if (world.pc[base] === 0) continue;
      this.meter.note(Op['access.failed']);
      this.accounting.noteStarved(task, this.queue.timeNs[task]);
    }
  }
}

/** Accesses between two calls of `onProgress`. */
const PROGRESS_STRIDE = 65536;

/** The grain of virtual time: prices are multiples of it. */
const EIGHTH = 1 / 8;
