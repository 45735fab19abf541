/**
 * The search: all reachable states of a machine, breadth first, so that the path to the first violation is a shortest one.
 *
 * A state is expanded once: each task's move with each of its choices, each acknowledgement that a CPU can give. Nothing
 * is asked twice: sentences about states when a state comes in, sentences about moves when a move is taken.
 *
 * Liveness needs no graph: each state remembers the latest state that a move of it leads to. Following these, numbers rise
 * until an end comes, or a corner: a state whose moves all lead to earlier ones. Where every corner is seen to lead on to an
 * end, every state does; else all states are asked again, from the last to the first, until nothing changes.
 */
import type { TaskWorld } from '../model/taskWorld.ts';
import { createArrivals } from './arrivals.ts';
import type { Settle } from './arrivals.ts';
import { endReachable, noStepThrows, nobodyStuck, sentenceOfThrow } from './commonSentences.ts';
import { Choice, acknowledgementOf, moveOf } from './moves.ts';
import type { Machine } from './machine.ts';
import { RowColumn, sameElements } from './packing.ts';
import { errnoText, fits, resultText, succeeded } from './results.ts';
import { createStates } from './states.ts';
import type { States } from './states.ts';
import type { Reductions, SearchProgress } from './verdict.ts';

/** Something that is not as it must be: by which rule, in which state, after which move from it (or -1). */
export interface Finding {
  readonly rule: string;
  readonly what: string;
  readonly row: number;
  readonly move: number;
}

export interface SearchResult {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  readonly exhaustive: boolean;
  /** A sentence that does not hold (the search ended there), somebody stuck, an end out of reach, a result unlike the file's. */
  readonly broken?: Finding;
  readonly stuck?: Finding;
  readonly differs?: Finding;
  /** Outcomes by their texts, sorted; empty where results are not kept. */
  readonly outcomes: readonly string[];
  /** By fact of `sometimes`: whether it was seen. */
  readonly seen: readonly boolean[];
  /** Whether any operation that policies are there for, without an expected result, succeeded, or there is none: of the conversion family, a to-private. */
  readonly converts: boolean;
}

export interface SearchParameters<W extends TaskWorld> {
  readonly machine: Machine<W>;
  readonly reductions: Reductions;
  readonly statesMax: number;
  readonly onProgress?: ((progress: SearchProgress) => void) | undefined;
  /** Takes every move twice and compares, looks whether a move that must wait changed anything, and loads what it saves. For tests, without reductions. */
  readonly suspicious?: boolean;
  /** Asks every state for its way to an end, where the corners would do. For tests. */
  readonly slowLiveness?: boolean;
}

export interface Search {
  readonly states: States;
  readonly result: SearchResult;
  /** The first state of each layer: all states at one distance from the start. */
  readonly layers: readonly number[];
  /** By outcome: the first state that has it. */
  readonly outcomeRows: ReadonlyMap<string, number>;
  /** The moves from the start to a state, and the states that they lead to. */
  pathTo(row: number): readonly number[];
  rowsTo(row: number): readonly number[];
}

/** States between two calls of `onProgress`, and before the first: most searches are over by then, and telling costs more than they do. */
const PROGRESS_STRIDE = 8192;
const PROGRESS_FIRST = 255;

export function search<W extends TaskWorld>({ machine, reductions, statesMax, onProgress, suspicious = false, slowLiveness = false }: SearchParameters<W>): Search {
  const { litmus, world, scene } = machine;
  const { family } = litmus;
  const { count } = world.meter;
  const states = createStates(machine, reductions);
  const { rows } = states;
  const arrivals = createArrivals(states);
  const parents = new RowColumn();
  const moves = new RowColumn();
  const always = new Set(litmus.always);
  const brokenState = scene.invariants(always);
  const moveRules = family.moveRules.filter(({ name }) => always.has(name));
  const firstPageOnly = reductions.symmetry && scene.pagesAreAlike === true;
  const seen = litmus.sometimes.map(() => false);
  const outcomeRows = new Map<string, number>();
  const layers = [0];
  const latestOf = new RowColumn();
  const corners: Corner[] = [];
  let succeededOnce = !litmus.threads.some(({ operations }) => operations.some(({ kind, expected }) => family.asked.has(kind) && expected === undefined));
  let transitions = 0;
  let depth = 0;
  let layerEnd = 1;
  let broken: Finding | undefined;
  let stuck: Finding | undefined;
  let differs: Finding | undefined;
  let exhaustive = true;

  /** Takes a move from the kept state. @returns whether it was taken */
  const take = (row: number, move: number): boolean => {
    try {
      return machine.take(move);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      broken = { rule: sentenceOfThrow(message).name, what: message, row, move };
      return true;
    }
  };

  const checkMove = (row: number, move: number): void => {
    const rule = machine.brokenMoveRule(moveRules);
    if (rule !== undefined) broken = { rule, what: '', row, move };
    if (machine.endedThread >= 0) checkResult(row, move);
  };

  const checkResult = (row: number, move: number): void => {
    const { endedThread: thread, endedOperation: operation, endedResult: result } = machine;
    const { kind, expected } = litmus.threads[thread].operations[operation];
    if (expected === undefined) {
      if (family.asked.has(kind) && succeeded(result)) succeededOnce = true;
    } else if (differs === undefined && !fits(result, expected)) {
      differs = { rule: 'expected', what: endText(machine), row, move };
    }
    for (const [nth, fact] of litmus.sometimes.entries()) if (fact.thread === thread && fact.operation === operation && fits(result, fact.result)) seen[nth] = true;
    for (const fact of litmus.never) {
      if (differs !== undefined || fact.thread !== thread || fact.operation !== operation || !fits(result, fact.result)) continue;
      differs = { rule: 'never', what: endText(machine), row, move };
    }
  };

  // Whoever asks each new state something asks the machine that is in it.
  const settlesAtOnce = brokenState !== undefined || suspicious;
  /** The row whose arrivals settle, and where they lead. */
  let from = -1;
  let latest = -1;
  const targets: number[] = []; // the first `targetCount`: emptying an array would give its memory away
  let targetCount = 0;

  /** All arrivals of `from` have settled. */
  const leave = (): void => {
    if (from < 0) return;
    if (latest <= from) corners.push({ row: from, targets: targets.slice(0, targetCount) });
    latestOf.set(from, latest <= from ? NO_LATER : latest);
    from = -1;
    latest = -1;
    targetCount = 0;
  };

  const arrive: Settle = (row, move, target, isNew) => {
    if (row !== from) leave();
    from = row;
    targets[targetCount++] = target;
    if (target > latest) latest = target;
    if (suspicious && !survivesPacking(machine, states, target)) broken = { rule: noStepThrows.name, what: 'a state does not fit the maxima of its columns', row, move };
    if (!isNew) return;
    parents.set(target, row);
    moves.set(target, move);
    if (brokenState === undefined) return;
    // Threads that were sorted as they were packed have left the machine in no state at all.
    if (states.sortsThreads) states.load(target);
    const what = brokenState();
    if (what !== undefined) broken = { ...what, row: target, move: -1 };
  };

  /** Takes every move of the loaded state. */
  const expand = (row: number): void => {
    let taken = 0;
    const attempt = (move: number): boolean => {
      if (suspicious) count.fill(0);
      const did = take(row, move);
      if (suspicious) broken ??= suspect(machine, row, move, did, () => take(row, move));
      if (did && broken === undefined) {
        checkMove(row, move);
        transitions++;
        taken++;
        if (broken === undefined) {
          arrivals.add(row, move);
          if (settlesAtOnce || arrivals.isFull) arrivals.settle(arrive);
        }
      }
      // A move that must wait has changed nothing, unless it began an operation.
      if (did || machine.began || machine.rested || suspicious) machine.restore();
      return broken !== undefined;
    };
    forEachMove(machine, firstPageOnly, attempt);
    if (broken === undefined && taken === 0) stuck = { rule: nobodyStuck.name, what: whoWaits(machine), row, move: -1 };
  };

  if (reductions.movers) machine.acknowledgeUnseen();
  const start = states.save();
  parents.set(start, 0);
  moves.set(start, 0);
  for (let row = 0; ; row++) {
    if (row === layerEnd || rows.count + arrivals.count > statesMax) arrivals.settle(arrive);
    if (row === rows.count) break;
    if (row === layerEnd) {
      depth++;
      layers.push(row);
      layerEnd = rows.count;
    }
    if (rows.count > statesMax) {
      exhaustive = false;
      break;
    }
    states.load(row);
    if (machine.done) {
      const outcome = machine.keepResults ? outcomeOf(machine) : '';
      if (machine.keepResults && !outcomeRows.has(outcome)) outcomeRows.set(outcome, row);
      latestOf.set(row, AT_END);
      continue;
    }
    machine.keep();
    expand(row);
    if (broken !== undefined || stuck !== undefined) break;
    if (onProgress === undefined || row % PROGRESS_STRIDE !== PROGRESS_FIRST) continue;
    arrivals.settle(arrive);
    onProgress({ states: rows.count, transitions, depth, queued: rows.count - row });
  }
  arrivals.settle(arrive);
  leave();
  // What is wrong in a state is found before its layer begins.
  if (broken !== undefined && broken.move < 0 && broken.row >= layerEnd) layers.push(layerEnd);
  if (broken === undefined && stuck === undefined && exhaustive && (slowLiveness || !cornersLeadOn(corners, latestOf))) {
    const lost = firstWithoutEnd(machine, states, take, firstPageOnly);
    if (lost >= 0) stuck = { rule: endReachable.name, what: 'from here on no end can be reached', row: lost, move: -1 };
  }

  const result: SearchResult = {
    states: rows.count,
    transitions,
    depth,
    exhaustive: exhaustive && broken === undefined && stuck === undefined,
    ...(broken === undefined ? {} : { broken }),
    ...(stuck === undefined ? {} : { stuck }),
    ...(differs === undefined ? {} : { differs }),
    outcomes: [...outcomeRows.keys()].sort(),
    seen,
    converts: succeededOnce,
  };
  return {
    states,
    result,
    layers,
    outcomeRows,
    pathTo(row) {
      const path: number[] = [];
      for (let at = row; at > 0; at = parents.get(at)) path.push(moves.get(at));
      return path.reverse();
    },
    rowsTo(row) {
      const path: number[] = [];
      for (let at = row; at > 0; at = parents.get(at)) path.push(at);
      return path.reverse();
    },
  };
}

/** How the operation ended that the last move ended: `"host read 0" of host ends with SIGBUS`. */
export function endText<W extends TaskWorld>({ litmus, endedThread, endedOperation, endedResult }: Machine<W>): string {
  const { name, operations } = litmus.threads[endedThread];
  return `"${operations[endedOperation].text}" of ${name} ends with ${resultText(endedResult)}`;
}

/** In place of a later state: there is none, or the state is an end. */
export const NO_LATER = 0xffffffff;
export const AT_END = 0xfffffffe;

/** A state whose moves all lead to earlier ones (or to itself), and these. */
export interface Corner {
  readonly row: number;
  readonly targets: readonly number[];
}

/** Whether every corner leads on to an end, as far as the latest moves tell; false says nothing. */
export function cornersLeadOn(corners: readonly Corner[], latestOf: Pick<RowColumn, 'get'>): boolean {
  /** The end (-1) or the corner that the latest moves lead to. */
  const follow = (from: number): number => {
    let row = from;
    for (;;) {
      const latest = latestOf.get(row);
      if (latest === AT_END) return -1;
      if (latest === NO_LATER) return row;
      row = latest;
    }
  };
  let open = corners.map(({ row, targets }) => ({ row, reaches: new Set(targets.map(follow)) }));
  const good = new Set([-1]);
  for (let found = true; found; ) {
    const led = open.filter(({ reaches }) => [...reaches].some((row) => good.has(row)));
    found = led.length > 0;
    for (const { row } of led) good.add(row);
    open = open.filter(({ row }) => !good.has(row));
  }
  return open.length === 0;
}

/** "vcpu waits at lru.wait, host at mmapLock.read". */
export function whoWaits<W extends TaskWorld>(machine: Machine<W>): string {
  const waiting: string[] = [];
  for (let task = 0; task < machine.world.shape.tasks; task++) {
    if (machine.hasWork(task)) waiting.push(`${machine.litmus.threads[task]?.name ?? 'a device'} waits at ${machine.host.program.names[machine.positionOf(task)]}`);
  }
  return waiting.join(', ');
}

/** The results of each thread's operations joined by blanks, threads by " | ". */
function outcomeOf<W extends TaskWorld>({ litmus, results, firstResult }: Machine<W>): string {
  return litmus.threads.map(({ operations }, thread) => operations.map((_, nth) => errnoText(results[firstResult[thread] + nth])).join(' ')).join(' | ');
}

/** Whether what was just saved comes back as it was, byte for byte. Only without reductions: they leave ghosts out. */
function survivesPacking<W extends TaskWorld>(machine: Machine<W>, states: States, row: number): boolean {
  const before = machine.bytes();
  states.load(row);
  return sameElements(machine.bytes(), before);
}

/** Takes the same move again and compares; a move that was not taken must have changed nothing but what its thread began with. */
function suspect<W extends TaskWorld>(machine: Machine<W>, row: number, move: number, did: boolean, again: () => boolean): Finding | undefined {
  const first = machine.bytes();
  if (!did && !machine.began && !machine.rested && !machine.isAsKept) return { rule: noStepThrows.name, what: 'a step that must wait changed the state', row, move };
  const charged = machine.world.meter.count.slice();
  machine.restore();
  machine.world.meter.count.fill(0);
  const second = again();
  const same = second === did && sameElements(machine.bytes(), first) && sameElements(machine.world.meter.count, charged);
  return same ? undefined : { rule: noStepThrows.name, what: 'the same step on the same state did something else', row, move };
}

/**
 * Everything that could happen in the loaded state, tasks first, then acknowledgements; moves that must wait are among it.
 * @param visit restores the state before it returns; true ends the visit @returns whether a visit ended it
 */
export function forEachMove<W extends TaskWorld>(machine: Machine<W>, firstPageOnly: boolean, visit: (move: number) => boolean): boolean {
  const { world } = machine;
  const { tasks, cpus } = world.shape;
  for (let task = 0; task < tasks; task++) {
    if (!machine.hasWork(task)) continue;
    const choices = machine.pageChoices(task);
    if (choices > 0) {
      const last = firstPageOnly && machine.next.every((next) => next === 0) ? 1 : choices;
      for (let page = 0; page < last; page++) if (visit(moveOf(task, Choice.FirstPage + page))) return true;
      continue;
    }
    if (visit(moveOf(task, Choice.None))) return true;
    if (machine.mayTimeOut && machine.timesOut && visit(moveOf(task, Choice.TimeOut))) return true;
  }
  for (let caller = 0; caller < tasks; caller++) {
    if (world.callCount[caller] === 0) continue;
    for (let cpu = 0; cpu < cpus; cpu++) if (machine.canAcknowledge(caller, cpu) && visit(acknowledgementOf(caller, cpu))) return true;
  }
  return false;
}

/** The first state from which no end can be reached, or -1. Passes from the last state to the first until nothing changes. */
function firstWithoutEnd<W extends TaskWorld>(machine: Machine<W>, states: States, take: (row: number, move: number) => boolean, firstPageOnly: boolean): number {
  const count = states.rows.count;
  const good = new Uint8Array(count);
  const isGood = (row: number): boolean => {
    states.load(row);
    if (machine.done) return true;
    machine.keep();
    const leadsOn = (move: number): boolean => {
      const target = take(row, move) ? states.find() : -1;
      machine.restore();
      return target >= 0 && good[target] === 1;
    };
    return forEachMove(machine, firstPageOnly, leadsOn);
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let row = count - 1; row >= 0; row--) {
      if (good[row] === 1 || !isGood(row)) continue;
      good[row] = 1;
      changed = true;
    }
  }
  return good.indexOf(0);
}
