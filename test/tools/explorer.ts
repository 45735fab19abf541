/**
 * A small explorer: every interleaving of a small world, breadth first, so that a counterexample is a shortest one.
 *
 * Its transitions are the steps of every task that is not idle, the begin of an idle task's next access, every
 * acknowledgement that a CPU can give, and both ends of every rest (tried again, at most `retries` times, or timed out).
 * A step that only jumps, calls or returns joins the step before it: nobody can see it. Each transition
 * is asked for rogue accesses and exposures, each state for broken invariants, each step that must wait for changes.
 *
 * Differs from an engine with clocks: any waiter may win, and a rest takes no time. States are kept as strings of bytes.
 */
import { acknowledge, canAcknowledge } from '../../src/model/crossCalls.ts';
import { ERRNOS } from '../../src/model/errno.ts';
import { buildHost } from '../../src/model/host.ts';
import type { Host } from '../../src/model/host.ts';
import { brokenInvariant } from '../../src/model/invariants.ts';
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

export interface Litmus {
  readonly policy: ConversionPolicy;
  readonly check?: Check;
  /** vCPUs first; thread n is CPU n is task n. */
  readonly threads: readonly ScriptedActor[];
  /** Accesses that come before everything, each run to its end alone, as [thread, access]. */
  readonly before?: readonly (readonly [thread: number, access: ScriptedAccess])[];
  readonly shape?: Partial<Shape>;
  /** How often one request may rest and try again; default 0: a refused request times out. */
  readonly retries?: number;
  /** What to add to an outcome, read from the world at its end. */
  readonly observe?: (world: World) => string;
  /** Takes every transition twice and compares bytes and charges. */
  readonly twice?: boolean;
}

export interface Counterexample {
  readonly what: string;
  /** All transitions from the start, one line each: "task step". */
  readonly trace: readonly string[];
  /** The same in one line: how far each task went before another one went on. */
  readonly schedule: string;
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** How all accesses can end: the results of each thread joined by spaces, threads (and what `observe` says) by " | ". Sorted. */
  readonly outcomes: readonly string[];
  readonly counterexample?: Counterexample;
  /** Steps that were taken, as "routine.step". */
  readonly steps: ReadonlySet<string>;
  /** The bytes of every world that was reached, whatever its threads had done before. */
  readonly worlds: () => ReadonlySet<string>;
}

/** More states than any litmus of the tests has; beyond it the world is too large for this tool. */
const STATES_MAX = 1_000_000;

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

function clearSignals({ meter }: World): void {
  meter.count.fill(0);
  meter.event = Event.None;
}

/** A violation of what a test takes for granted, found while a step is taken. */
class Violation extends Error {}

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
    contents: false,
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
    this.host = buildHost(rules, { lazy: shape.lazy });
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

  private place(task: number, { kind, page = 0, count = 1, slot = 0, window = 0 }: ScriptedAccess): void {
    const { world } = this;
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task] + window;
    world.slot[task] = slot;
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

/** One thing that can happen next. */
interface Move {
  readonly label: string;
  readonly apply: () => FlowKind;
}

/** Everything that could happen in the loaded state; steps that must wait are among it. */
function movesOf(machine: Machine, retries: number): readonly Move[] {
  const { world } = machine;
  const { tasks, cpus } = world.shape;
  const moves: Move[] = [];
  for (let task = 0; task < tasks; task++) {
    if (!machine.hasWork(task)) continue;
    const name = machine.stepName(task);
    const rests = name === 'backoff';
    if (!rests || world.attempts[task] < retries) moves.push({ label: `${task} ${name}`, apply: () => machine.step(task, true) });
    if (rests) moves.push({ label: `${task} timeout`, apply: () => machine.step(task, false) });
  }
  for (let task = 0; task < tasks; task++) {
    for (let cpu = 0; cpu < cpus; cpu++) {
      if (!canAcknowledge(world, task, cpu)) continue;
      moves.push({
        label: `${cpu} ack(${task})`,
        apply: () => {
          acknowledge(world, task, cpu);
          return Flow.Next;
        },
      });
    }
  }
  return moves;
}

/** What is wrong after a transition from `before`, or undefined. @throws Violation where a model function throws */
function take(machine: Machine, before: string, { apply }: Move, twice: boolean): { readonly moved: boolean; readonly wrong?: string } {
  const { world } = machine;
  const { count } = world.meter;
  const flow = applied(world, apply);
  if (flow === Flow.Wait) return machine.save() === before ? { moved: false } : { moved: false, wrong: 'a step that must wait changed the world' };
  if (count[Op['access.rogue']] > 0) return { moved: true, wrong: 'rogue access' };
  if (count[Op['access.exposed']] > 0) return { moved: true, wrong: 'exposure' };
  if (!twice) return { moved: true };

  const after = machine.save();
  const charged = count.slice();
  machine.load(before);
  applied(world, apply);
  if (machine.save() !== after) return { moved: true, wrong: 'the same step on the same world gave other bytes' };
  if (charged.some((charge, operation) => count[operation] !== charge)) return { moved: true, wrong: 'the same step on the same world charged otherwise' };
  return { moved: true };
}

function applied(world: World, apply: () => FlowKind): FlowKind {
  clearSignals(world);
  try {
    return apply();
  } catch (error) {
    throw new Violation(error instanceof Error ? error.message : String(error));
  }
}

/** Explores every interleaving. @throws Error where there are more states than this tool is for */
export function explore(litmus: Litmus): Exploration {
  const { retries = 0, twice = false } = litmus;
  const machine = new Machine(litmus);
  const start = machine.save();
  const states: string[] = [start];
  const known = new Map([[start, 0]]);
  const parent: number[] = [-1];
  const via: string[] = [''];
  // Both ends of every transition, to ask afterwards from where the end can be reached.
  const from: number[] = [];
  const to: number[] = [];
  const ends: number[] = [];
  const outcomes = new Set<string>();

  const report = (counterexample?: Counterexample): Exploration => {
    const { names, routineNames } = machine.host.program;
    const steps = new Set(names.map((name, at) => `${routineNames[at]}.${name}`).filter((_, at) => machine.taken[at] !== 0));
    const worlds = (): ReadonlySet<string> => new Set(states.map((state) => state.slice(0, machine.world.buffer.byteLength)));
    const result = { states: states.length, transitions: from.length, outcomes: [...outcomes].sort(), steps, worlds };
    return counterexample === undefined ? result : { ...result, counterexample };
  };
  const traceTo = (index: number, last: readonly string[]): readonly string[] => {
    const trace: string[] = [];
    for (let at = index; at > 0; at = parent[at]) trace.push(via[at]);
    return [...trace.reverse(), ...last];
  };
  const found = (what: string, index: number, last: readonly string[]): Exploration => {
    const trace = traceTo(index, last);
    return report({ what, trace, schedule: scheduleOf(trace) });
  };

  for (let index = 0; index < states.length; index++) {
    const state = states[index];
    machine.load(state);
    if (machine.done) {
      ends.push(index);
      outcomes.add(machine.outcome);
      continue;
    }
    let moved = false;
    for (const move of movesOf(machine, retries)) {
      machine.load(state);
      const outcome = attempt(machine, state, move, twice);
      if (outcome.wrong !== undefined) return found(outcome.wrong, index, [move.label]);
      if (!outcome.moved) continue;
      moved = true;
      const next = machine.save();
      let target = known.get(next);
      if (target === undefined) {
        target = states.length;
        if (target >= STATES_MAX) throw new Error(`more than ${STATES_MAX} states: use a smaller world`);
        known.set(next, target);
        states.push(next);
        parent.push(index);
        via.push(move.label);
        const broken = brokenInvariant(machine.world, machine.host.program);
        if (broken !== undefined) return found(broken, target, []);
      }
      from.push(index);
      to.push(target);
    }
    if (!moved) return found('deadlock', index, []);
  }
  const lost = firstWithoutEnd(states.length, from, to, ends);
  return lost === undefined ? report() : found('no way to the end', lost, []);
}

function attempt(machine: Machine, before: string, move: Move, twice: boolean): ReturnType<typeof take> {
  try {
    return take(machine, before, move, twice);
  } catch (error) {
    if (error instanceof Violation) return { moved: true, wrong: error.message };
    throw error;
  }
}

/** The first state from which no end can be reached: a livelock. */
function firstWithoutEnd(count: number, from: readonly number[], to: readonly number[], ends: readonly number[]): number | undefined {
  const reaches = new Uint8Array(count);
  for (const end of ends) reaches[end] = 1;
  // Most edges lead to later states, so that few passes from the back are enough.
  for (let changed = true; changed; ) {
    changed = false;
    for (let edge = from.length - 1; edge >= 0; edge--) {
      if (reaches[to[edge]] === 0 || reaches[from[edge]] !== 0) continue;
      reaches[from[edge]] = 1;
      changed = true;
    }
  }
  const lost = reaches.indexOf(0);
  return lost < 0 ? undefined : lost;
}

/** "1 to folio.clear, 0 to seq.end": how far each task goes before another one goes on. */
function scheduleOf(trace: readonly string[]): string {
  const task = (line: string): string => line.slice(0, line.indexOf(' '));
  return trace
    .filter((line, index) => index === trace.length - 1 || task(trace[index + 1]) !== task(line))
    .map((line) => line.replace(' ', ' to '))
    .join(', ');
}
