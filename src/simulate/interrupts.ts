/**
 * Interrupts: what cross calls cost those who are called, and how long the caller waits for them.
 *
 * A CPU handles an interrupt at its next step boundary, or, where interrupts are off (GUP-fast), when they are on again.
 */
import { CrossCall, canAcknowledge } from '../model/crossCalls.ts';
import { PHASES } from '../model/operations.ts';
import type { Meter } from '../model/meter.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { EngineFamily } from './engineFamily.ts';
import type { TaskQueue } from './queue.ts';

const PHASE_TLB = PHASES.indexOf('tlb');
const PHASE_REFERENCE_WAIT = PHASES.indexOf('referenceWait');

export interface InterruptOptions<W extends TaskWorld> {
  readonly world: W;
  readonly family: EngineFamily<W>;
  readonly queue: TaskQueue;
  /** When a task that rests goes on by itself. */
  readonly restUntilNs: Float64Array;
  /** Wakes who waits for this; see the engine. */
  readonly wake: (waitOn: number, nowNs: number) => void;
}

export class Interrupts<W extends TaskWorld> {
  /** Time that CPUs lost to interrupts which others sent. */
  bystanderNs = 0;
  /** The part of it that CPUs lost which were at no request of their own. */
  lostNs = 0;
  /** Cross calls that a CPU with interrupts off has not acknowledged. */
  deferred = 0;
  private readonly world: W;
  private readonly family: EngineFamily<W>;
  private readonly meter: Meter;
  private readonly queue: TaskQueue;
  private readonly restUntilNs: Float64Array;
  private readonly wake: InterruptOptions<W>['wake'];

  constructor({ world, family, queue, restUntilNs, wake }: InterruptOptions<W>) {
    this.world = world;
    this.family = family;
    this.meter = world.meter;
    this.queue = queue;
    this.restUntilNs = restUntilNs;
    this.wake = wake;
  }

  /**
   * Delivers the cross calls of a task to every CPU that takes interrupts now: the others pay, the caller waits for the
   * slowest. @returns the caller's time when they are all done
   */
  deliver(task: number, now: number): number {
    const { world, meter } = this;
    const { cpus } = world.shape;
    const phase = world.callKind[task] === CrossCall.Drain ? PHASE_REFERENCE_WAIT : PHASE_TLB;
    let doneNs = now;
    for (let cpu = 0; cpu < cpus; cpu++) {
      if (world.callPending[task * cpus + cpu] === 0) continue;
      if (!canAcknowledge(world, task, cpu)) {
        this.deferred++;
        continue;
      }
      doneNs = Math.max(doneNs, this.interrupt(task, cpu, now));
    }
    meter.released = 0; // The caller does not wait yet.
    meter.attention = false;
    meter.addPhase(task, phase, doneNs - now);
    return doneNs;
  }

  /** One CPU acknowledges. @returns when it is done */
  private interrupt(task: number, cpu: number, now: number): number {
    const { world, meter, queue } = this;
    const cpuNs = queue.timeNs[cpu];
    // A CPU that waits or rests takes the interrupt at once and loses no time of its own: the charge goes to nobody's phases.
    const busy = queue.has(cpu) && !(cpuNs > now && cpuNs === this.restUntilNs[cpu]);
    const startNs = busy ? Math.max(now, cpuNs) : now;
    meter.attribute(busy ? cpu : world.shape.tasks, false);
    this.family.acknowledge(world, task, cpu);
    const costNs = meter.ns;
    meter.ns = 0;
    if (busy) {
      this.lose(cpu, costNs);
      queue.delay(cpu, cpuNs + costNs);
    }
    return startNs + costNs;
  }

  private lose(cpu: number, ns: number): void {
    this.bystanderNs += ns;
    if (!this.family.isAtRequest(this.world, cpu)) this.lostNs += ns;
  }

  /** This CPU's interrupts are on again: it acknowledges what it has put off. */
  acknowledgeDeferred(cpu: number, nowNs: number): number {
    const { world, meter } = this;
    const { cpus } = world.shape;
    let now = nowNs;
    for (let task = 0; task < cpus; task++) {
      if (!canAcknowledge(world, task, cpu)) continue;
      this.deferred--;
      meter.attribute(cpu, false);
      this.family.acknowledge(world, task, cpu);
      this.lose(cpu, meter.ns);
      now += meter.ns;
      meter.ns = 0;
      if (meter.released !== 0) {
        const { released } = meter;
        meter.released = 0;
        this.wake(released - 1, now);
      }
    }
    meter.attention = false;
    return now;
  }
}
