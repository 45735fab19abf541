/**
 * A small explorer: every interleaving of a small world, breadth first, so that a counterexample is a shortest one.
 *
 * Its transitions are the steps of every task that is not idle, the begin of an idle task's next access, every
 * acknowledgement that a CPU can give, and both ends of every rest (tried again, at most `retries` times, or timed out).
 * A step that only jumps, calls or returns joins the step before it: nobody can see it. Each transition is asked for rogue
 * accesses and exposures, each state for broken invariants, each step that must wait for changes.
 *
 * Differs from an engine with clocks: any waiter may win, and a rest takes no time. States are kept as strings of bytes.
 */
import { acknowledge, canAcknowledge } from '../../src/model/crossCalls.ts';
import { brokenInvariant } from '../../src/model/invariants.ts';
import { Op } from '../../src/model/operations.ts';
import { Flow } from '../../src/model/step.ts';
import type { FlowKind } from '../../src/model/step.ts';
import type { World } from '../../src/model/world.ts';
import { Machine, clearSignals } from './litmusMachine.ts';
import type { Litmus } from './litmusMachine.ts';

export interface ExploreOptions extends Litmus {
  /** How often one request may rest and try again; default 0: a refused request times out. */
  readonly retries?: number;
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

/** A violation of what a test takes for granted, found while a step is taken. */
class Violation extends Error {}

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
export function explore({ retries = 0, twice = false, ...litmus }: ExploreOptions): Exploration {
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
