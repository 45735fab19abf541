/**
 * A machine that is stepped by hand: a world, its host, and how far each thread of a litmus has come. It chooses nothing;
 * whoever holds it says which task takes the next step, saves what came of it, and loads what was before.
 */
import { acknowledge, canAcknowledge } from '../../src/model/crossCalls.ts';
import { ERRNOS } from '../../src/model/errno.ts';
import { buildHost } from '../../src/model/host.ts';
import type { Host } from '../../src/model/host.ts';
import { Event } from '../../src/model/meter.ts';
import { Op } from '../../src/model/operations.ts';
import type { Shape } from '../../src/model/shape.ts';
import { DEPTH_MAX, Flow } from '../../src/model/step.ts';
import type { FlowKind, Program } from '../../src/model/step.ts';
import { clearTask } from '../../src/model/tasks.ts';
import { createWorld } from '../../src/model/world.ts';
import type { World } from '../../src/model/world.ts';
import type { Check, ConversionPolicy } from '../../src/policies/policy.ts';
import { prepareWorld } from '../../src/simulate/prepare.ts';
import { Access } from '../../src/workloads/workload.ts';
import type { ScriptedAccess, ScriptedActor } from './scripted.ts';

/** A small program: who does what, in which world, under which policy. */
export interface Litmus {
  readonly policy: ConversionPolicy;
  readonly check?: Check;
  /** vCPUs first; thread n is CPU n is task n. */
  readonly threads: readonly ScriptedActor[];
  /** Accesses that come before everything, each run to its end alone, as [thread, access]. */
  readonly before?: readonly (readonly [thread: number, access: ScriptedAccess])[];
  readonly shape?: Partial<Shape>;
  /** What to add to an outcome, read from the world at its end. */
  readonly observe?: (world: World) => string;
}

/** How an access can end. A refused request ends in one of the last two: the VMM's dance has overwritten its errno. */
const RESULTS = ['none', ...ERRNOS, 'timed-out', 'gave-up'] as const;
export type Result = (typeof RESULTS)[number];

/** How the access ended whose last step was just taken. */
function resultOf(world: World, task: number): Result {
  const { count, event } = world.meter;
  if (event === Event.RequestTimedOut) return 'timed-out';
  if (event === Event.RequestGaveUp) return 'gave-up';
  return count[Op['access.failed']] > 0 ? ERRNOS[world.outcome[task]] : 'OK';
}

export function clearSignals({ meter }: World): void {
  meter.count.fill(0);
  meter.event = Event.None;
}

function shapeOfLitmus({ policy, threads, before = [], shape }: Litmus): Shape {
  const accesses = [...threads.flatMap((thread) => thread.accesses), ...before.map(([, access]) => access)];
  const processes = 1 + Math.max(...threads.map(({ process = 0 }) => process));
  const forks = accesses.some(({ kind }) => kind === Access.Fork) ? 1 : 0;
  const devices = accesses.some(({ kind }) => kind === Access.Io) ? 1 : 0;
  return {
    pages: 2,
    folioOrder: 0,
    regionOrder: 1,
    largeBacking: false,
    spareFolios: 2,
    windows: processes + forks,
    childWindows: forks,
    mms: processes + 1,
    cpus: threads.length,
    vcpus: threads.filter(({ role = 'vcpu' }) => role === 'vcpu').length,
    tasks: threads.length + devices,
    slots: 1 + Math.max(0, ...accesses.map(({ slot = 0 }) => slot)) + devices,
    slotPages: 2,
    chunk: 1,
    lruBatch: 0,
    initShared: true,
    lazy: false,
    broadcastFlush: false,
    ownerRefs: policy.ownerRefs ?? 0,
    content: 'none', mmapAllowed: true,
    ...shape,
  };
}

/** Whether the step at a position only jumps, calls or returns. */
export function isUnseen({ callee, names }: Program, at: number): boolean {
  return callee[at] !== 0 || names[at] === 'end' || names[at].startsWith('to ');
}

/** A world, its host, and how far each thread has come: everything that a state consists of. */
export class Machine {
  readonly world: World;
  readonly host: Host;
  /** By position: whether the step was taken. */
  readonly taken: Uint8Array;
  private readonly litmus: Litmus;
  private readonly bytes: Buffer;
  /** Next access of each thread, then the result (a place in RESULTS) of each access. */
  private readonly progress: Buffer;
  private readonly firstResult: readonly number[];

  constructor(litmus: Litmus) {
    const { policy, check = 'refcount', threads } = litmus;
    const rules = policy.rules({ check });
    const shape = shapeOfLitmus(litmus);
    this.litmus = litmus;
    this.world = createWorld(shape);
    this.host = buildHost(rules, shape);
    this.taken = new Uint8Array(this.host.program.run.length);
    this.bytes = Buffer.from(this.world.buffer);
    let place = threads.length;
    this.firstResult = threads.map(({ accesses }) => (place += accesses.length) - accesses.length);
    this.progress = Buffer.alloc(place);
    const actors = threads.map(({ role = 'vcpu', process = 0 }, index) => ({ name: `${index}`, role, process, fill: () => 0 }));
    prepareWorld(this.world, rules, { actors, slots: shape.slots, slotPages: shape.slotPages, ioDepth: 0, launch: [], notes: [] }, 1);
    for (const [thread, access] of litmus.before ?? []) {
      const result = this.runAlone(thread, access);
      if (result !== 'OK') throw new Error(`an access of kind ${access.kind} before the race ended in ${result}`);
    }
  }

  save(): string {
    return this.bytes.toString('latin1') + this.progress.toString('latin1');
  }

  load(state: string): void {
    this.bytes.write(state.slice(0, this.bytes.length), 'latin1');
    this.progress.write(state.slice(this.bytes.length), 'latin1');
  }

  /** Whether every access of every thread has ended, and every device. */
  get done(): boolean {
    for (let task = 0; task < this.world.shape.tasks; task++) if (this.world.pc[task * DEPTH_MAX] !== 0 || this.hasNext(task)) return false;
    return true;
  }

  get outcome(): string {
    const { threads, observe } = this.litmus;
    const results = threads.map(({ accesses }, thread) => accesses.map((_, nth) => RESULTS[this.progress[this.firstResult[thread] + nth]]).join(' '));
    return [...results, ...(observe === undefined ? [] : [observe(this.world)])].join(' | ');
  }

  hasNext(task: number): boolean {
    const { threads } = this.litmus;
    return task < threads.length && this.progress[task] < threads[task].accesses.length;
  }

  /** Whether the task is in an access or can begin one. */
  hasWork(task: number): boolean {
    return this.world.pc[task * DEPTH_MAX] !== 0 || this.hasNext(task);
  }

  /** The name of the step that the task would take. */
  stepName(task: number): string {
    const { names } = this.host.program;
    const { pc, depth } = this.world;
    return pc[task * DEPTH_MAX] === 0 ? names[this.entryOf(task)] : names[pc[task * DEPTH_MAX + depth[task]]];
  }

  /**
   * Takes one step of a task, and what follows it unseen.
   * @param tryAgain what to do where the step rests
   * @returns how the step ended; after `Flow.Wait` nothing has changed
   */
  step(task: number, tryAgain: boolean): FlowKind {
    const { world, taken } = this;
    const begins = world.pc[task * DEPTH_MAX] === 0;
    if (begins) this.begin(task);
    const at = world.pc[task * DEPTH_MAX + world.depth[task]];
    taken[at] = 1;
    const flow = this.host.program.run[at](world, task);
    if (flow === Flow.Wait) {
      if (begins) {
        clearTask(world, task);
        this.progress[task]--;
      }
      return flow;
    }
    this.follow(task, at, flow === Flow.Sleep ? (tryAgain ? Flow.Next : Flow.Otherwise) : flow);
    this.settle(task);
    return flow;
  }

  private entryOf(task: number): number {
    return this.host.entries[this.litmus.threads[task].accesses[this.progress[task]].kind];
  }

  private begin(task: number): void {
    const access = this.litmus.threads[task].accesses[this.progress[task]];
    this.place(task, access);
    this.progress[task]++;
  }

  private place(task: number, { kind, page = 0, count = 1, slot = 0, window = 0, value = 0, flags = 0 }: ScriptedAccess): void {
    const { world } = this;
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task] + window;
    world.slot[task] = slot;
    world.value[task] = value;
    world.flags[task] = flags;
    world.pc[task * DEPTH_MAX] = this.host.entries[kind];
  }

  /** Moves the task's position on from `at`. */
  private follow(task: number, at: number, flow: FlowKind): void {
    const { world } = this;
    const { pc, depth } = world;
    const { otherwise, callee } = this.host.program;
    const base = task * DEPTH_MAX;
    if (flow === Flow.Next) pc[base + depth[task]] = at + 1;
    else if (flow === Flow.Otherwise) pc[base + depth[task]] = otherwise[at];
    else if (flow === Flow.Call) pc[base + ++depth[task]] = callee[at];
    else if (depth[task] > 0) {
      pc[base + depth[task]] = 0;
      pc[base + --depth[task]]++;
    } else {
      this.noteResult(task);
      clearTask(world, task);
    }
  }

  private noteResult(task: number): void {
    if (task >= this.litmus.threads.length || this.progress[task] === 0) return;
    this.progress[this.firstResult[task] + this.progress[task] - 1] = RESULTS.indexOf(resultOf(this.world, task));
  }

  /** Takes the steps that nobody can see: jumps, calls, returns. */
  private settle(task: number): void {
    const { world, taken } = this;
    const { program } = this.host;
    for (;;) {
      const at = world.pc[task * DEPTH_MAX + world.depth[task]];
      if (!isUnseen(program, at)) return;
      taken[at] = 1;
      this.follow(task, at, program.run[at](world, task));
    }
  }

  /**
   * Runs one access to its end while everybody else rests, devices that it starts included. Rests time out at once.
   * @returns how it ended @throws Error where it waits for somebody who rests
   */
  runAlone(thread: number, access: ScriptedAccess): Result {
    const { world } = this;
    const { count } = world.meter;
    clearSignals(world);
    this.place(thread, access);
    let result: Result = 'none';
    for (let moved = true; moved; ) {
      moved = false;
      for (let task = 0; task < world.shape.tasks; task++) {
        const at = world.pc[task * DEPTH_MAX + world.depth[task]];
        if (at === 0) continue;
        const flow = this.host.program.run[at](world, task);
        if (flow !== Flow.Wait) {
          if (flow === Flow.Done && task === thread && world.depth[task] === 0) result = resultOf(world, task);
          this.follow(task, at, flow === Flow.Sleep ? Flow.Otherwise : flow);
          moved = true;
        }
        for (let cpu = 0; cpu < world.shape.cpus; cpu++) if (canAcknowledge(world, task, cpu)) acknowledge(world, task, cpu);
      }
    }
    if (world.pc[thread * DEPTH_MAX] !== 0) throw new Error(`the access waits for ever at ${this.stepName(thread)}`);
    if (count[Op['access.done']] + count[Op['access.failed']] !== 1) throw new Error('an access ends once');
    return result;
  }
}
