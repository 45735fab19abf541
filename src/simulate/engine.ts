/**
 * Engine 1: virtual time.
 *
 * This is the step loop; streams.ts has what comes next, hits.ts what needs no step, waits.ts when who waits goes on. The
 * task with the earliest virtual time takes the next step, ties to the lower task, and its clock advances by the
 * price of what the step did. Run-ahead: the running task goes on while it is still the earliest, which is exact.
 *
 * Differs from a machine: one task is one CPU and is never preempted; an interrupt is handled at the next step boundary;
 * those who wait for a lock get it in the order of waiting, and a new reader passes a writer that waits.
 *
 * It knows tasks, programs, locks and cross calls. What a family of policies has beside them it says itself (`EngineFamily`).
 */
import { lockClassOf } from '../model/locks.ts';
import { Event, Waiting } from '../model/meter.ts';
import type { Meter } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import { DEPTH_MAX, Flow } from '../model/step.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { Actor } from '../workloads/workload.ts';
import type { Account, BulkAccesses, EngineFamily, Staging } from './engineFamily.ts';
import { GaugeRecord } from './gaugeRecord.ts';
import { Interrupts } from './interrupts.ts';
import { TaskQueue } from './queue.ts';
import { Streams } from './streams.ts';
import { SPIN_NS, Waits } from './waits.ts';

export interface EngineOptions<W extends TaskWorld> {
  readonly family: EngineFamily<W>;
  readonly account: Account;
  readonly world: W;
  readonly host: Staging<W>;
  readonly actors: readonly Actor[];
  readonly windowsPerProcess: number;
  readonly runAhead: boolean;
  /** The VMM tries a refused conversion again without a rest. */
  readonly retriesAtOnce?: boolean;
  readonly onProgress?: (accesses: number) => void;
  /** For tests: after each step, with the task that took it. */
  readonly onStep?: (task: number) => void;
}

export class Engine<W extends TaskWorld> {
  readonly interrupts: Interrupts<W>;
  readonly streams: Streams;
  readonly waits: Waits<W>;
  readonly gauges: GaugeRecord;
  virtualNs = 0;

  private readonly account: Account;
  private readonly world: W;
  readonly meter: Meter;
  private readonly options: EngineOptions<W>;
  private readonly queue: TaskQueue;
  private readonly bulk: BulkAccesses | undefined;
  private readonly plainKinds: number;
  /** How long a device holds what the access of each task asks it for. */
  private readonly holdNs: Float64Array;

  constructor(options: EngineOptions<W>) {
    const { family, world, actors, windowsPerProcess, retriesAtOnce = false } = options;
    const { tasks } = world.shape;
    const queue = new TaskQueue(tasks);
    const waits = new Waits({ world, family, queue, retriesAtOnce });
    this.options = options;
    this.world = world;
    this.meter = world.meter;
    this.account = options.account;
    this.queue = queue;
    this.waits = waits;
    this.streams = new Streams(actors, options.onProgress);
    this.bulk = family.bulk?.({ world, queue, streams: this.streams, windowsPerProcess });
    this.interrupts = new Interrupts({ world, family, queue, restUntilNs: waits.restUntilNs, wake: (waitOn, nowNs) => waits.wake(waitOn, nowNs) });
    this.plainKinds = family.plainKinds;
    this.holdNs = new Float64Array(tasks);
    this.gauges = new GaugeRecord(world.meter);
    for (let task = 0; task < actors.length; task++) queue.push(task, 0);
  }

  /** Runs until every actor is done. */
  async run(): Promise<void> {
    const { queue } = this;
    while (queue.size > 0) {
      const task = this.turn(queue.pop());
      if (task < 0) continue;
      const { filling } = this.streams;
      if (filling === undefined) throw new Error(`task ${task} stopped for no reason`);
      this.streams.filling = undefined;
      this.filled(task, await filling);
    }
    this.starve();
    this.bulk?.settle();
  }

  /**
   * Steps a task, and those that come before it, until one of them leaves the queue.
   * @returns -1, or the task whose stream answers later (`filling`)
   */
  private turn(firstTask: number): number {
    const { world, meter, queue, waits, interrupts, bulk } = this;
    const { batches, at: batchAt, end: batchEnd } = this.streams;
    const { program, entries } = this.options.host;
    const { run, otherwise, callee, onTimeout, waitNsMax, vmm } = program;
    const { pc, depth } = world;
    const { cpus } = world.shape;
    const { family: { clearTask }, runAhead, onStep } = this.options;
    const bulky = runAhead && onStep === undefined ? bulk : undefined;
    const { timeNs } = queue;

    let task = firstTask;
    let now = timeNs[task];
    let level = depth[task];
    let at = pc[task * DEPTH_MAX + level];
    let limitTask = queue.first;
    let limitNs = timeNs[limitTask];
    meter.attribute(task, vmm[at] !== 0);
    for (;;) {
      if (at === 0) {
        if (task >= cpus) return -1; // A device task that is done sleeps until it is started again.
        if (batchAt[task] === batchEnd[task]) {
          timeNs[task] = now;
          const filled = this.streams.refill(task);
          if (filled === 0) this.ended(now);
          if (filled <= 0) return filled === 0 ? -1 : task;
        }
        if (bulky !== undefined) {
          timeNs[task] = now;
          const next = bulky.take(task);
          now = timeNs[next];
          limitTask = queue.first;
          limitNs = timeNs[limitTask];
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
          waits.rest(task, atNs);
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
        now += waits.backOff(task, now, this.account.requestStartNs[task]);
        at = waits.patienceEnded ? otherwise[at] : at + 1;
      } else {
        pc[task * DEPTH_MAX + level] = at;
        if (onTimeout[at] !== 0 && lockClassOf(meter.waitOn) === Waiting.Draining) {
          if (!waits.waitUntil(task, now, waitNsMax[at])) return -1;
          at = onTimeout[at];
        } else if (onTimeout[at] !== 0) {
          const restNs = waits.poll(task, waitNsMax[at], timeNs[queue.first] - now);
          if (restNs === 0) at = onTimeout[at];
          now += restNs;
        } else if (waits.canSpin(task)) {
          now += SPIN_NS;
        } else {
          waits.wait(task, now);
          return -1;
        }
      }

      if (meter.attention || waits.busy || interrupts.deferred > 0) {
        if (flow !== Flow.Wait) waits.goesOn(task, now);
        now = this.answerSignals(task, before, now);
        meter.attribute(task, vmm[at] !== 0);
        limitTask = queue.first;
        limitNs = timeNs[limitTask];
      }
      if (onStep !== undefined) {
        pc[task * DEPTH_MAX + level] = at;
        onStep(task);
      }

      if (limitNs < now || (limitNs === now && limitTask < task) || (!runAhead && limitNs < Infinity)) {
        pc[task * DEPTH_MAX + level] = at;
        task = queue.replaceFirst(task, now);
        now = timeNs[task];
        level = depth[task];
        at = pc[task * DEPTH_MAX + level];
        limitTask = queue.first;
        limitNs = timeNs[limitTask];
        meter.attribute(task, vmm[at] !== 0);
      }
    }
  }

  /** What a step told the engine beside the passing of time. @returns the task's time after it */
  private answerSignals(task: number, beforeNs: number, nowNs: number): number {
    const { meter, world } = this;
    let now = nowNs;
    meter.attention = false;
    if (meter.gaugesMoved !== 0) this.gauges.note(now);
    if (meter.event !== Event.None) {
      const { event } = meter;
      meter.event = Event.None;
      this.account.note(event, task, beforeNs, now);
    }
    if (meter.released !== 0) {
      const { released } = meter;
      meter.released = 0;
      this.waits.wake(released - 1, now);
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
    this.waits.watch();
    return now;
  }

  /** The worker may still be on its way to sleep. */
  private startWorker(now: number): void {
    const worker = this.meter.woken - 1;
    this.meter.woken = 0;
    if (!this.queue.has(worker)) this.queue.push(worker, now);
  }

  /** A stream that was waited for has answered. */
  private filled(task: number, count: number): void {
    const now = this.queue.timeNs[task];
    this.streams.filled(task, count);
    if (count === 0) this.ended(now);
    else this.queue.push(task, now);
  }

  /** An actor has nothing left to do. */
  private ended(now: number): void {
    if (now > this.virtualNs) this.virtualNs = now;
  }

  /** Takes the next access of the stream and gives the position at which it begins. */
  private begin(task: number, entries: Uint16Array): number {
    const { world } = this;
    const { streams } = this;
    const batch = streams.batches[task];
    const next = streams.at[task]++;
    const kind = batch.kind[next];
    const page = batch.page[next];
    const count = batch.count[next];
    const { windowsPerProcess } = this.options;
    const window = batch.window[next];
    this.waits.begin(task);
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task] * windowsPerProcess + (window < windowsPerProcess ? window : window % windowsPerProcess);
    world.slot[task] = batch.slot[next];
    if (kind >= this.plainKinds) this.beginRare(task, kind, batch.holdNs[next]);
    streams.note(1);
    return entries[kind];
  }

  private beginRare(task: number, kind: number, holdNs: number): void {
    this.holdNs[task] = holdNs;
    this.options.family.begins?.(this.world, task, kind);
  }

  /** Tasks that still wait when nobody can take a step will wait for ever: their requests are counted as timed out. */
  private starve(): void {
    const { world } = this;
    for (let task = 0; task < world.shape.cpus; task++) {
      const base = task * DEPTH_MAX;
      if (world.pc[base] === 0) continue;
      this.meter.note(Op['access.failed']);
      this.account.noteStarved(task, this.queue.timeNs[task]);
    }
  }
}
