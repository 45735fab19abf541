/**
 * Traces: the way from the start to a finding, made as short and as easy to read as it can be, and told in words.
 *
 * A search without reductions finds a shortest one, step by step; among the shortest the one with the fewest switches between
 * tasks is taken, then the one that begins the fewest operations. Where such a search would be too large, the trace of the
 * reduced search is written out in single steps.
 */
import { DEPTH_MAX } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import { UserError } from '../model/userError.ts';
import { nobodyStuck, sentenceOfThrow } from './commonSentences.ts';
import { Machine } from './machine.ts';
import { Choice, acknowledgementOf, choiceOf, isAcknowledgement, moveOf, taskOf } from './moves.ts';
import type { MachineOptions } from './machine.ts';
import { fits, resultText } from './results.ts';
import { endText, forEachMove, search, whoWaits } from './search.ts';
import type { Finding, Search } from './search.ts';
import { NO_REDUCTIONS } from './verdict.ts';
import type { Counterexample, TraceStep } from './verdict.ts';

/** States of a search for a shortest trace; beyond them the trace of the reduced search has to do. */
const STATES_FOR_SHORTEST = 200_000;

export type MachineParts = Omit<MachineOptions, 'reductions'>;
/** A machine of whatever family: nothing here is about what its world is made of. */
type AnyMachine = Machine<TaskWorld>;

/**
 * The single steps from the start to a finding of a reduced search. The path's states are known, not its moves: threads that
 * are interchangeable swap their names between one state and the next, so that each time the move is looked for that leads there.
 */
function writtenOut<W extends TaskWorld>(machine: Machine<W>, { states, rowsTo }: Search, { rule, row, move }: Finding): readonly number[] {
  const steps: number[] = [];
  states.load(0);
  /** Takes the first move that `leads` to where it should. */
  const goOn = (leads: (threw: string | undefined) => boolean): void => {
    machine.keep();
    forEachMove(machine, false, (one) => {
      machine.recorded = [];
      const { moved, threw } = attempted(machine, one);
      // What threw was no step that could be recorded; the choice of a page is made by an operation's first.
      if (threw !== undefined) machine.recorded.push(machine.recorded.length === 0 || isAcknowledgement(one) ? one : moveOf(taskOf(one), Choice.None));
      const after = machine.bytes();
      if (moved && leads(threw)) {
        steps.push(...machine.recorded);
        machine.load(after);
        return true;
      }
      machine.restore();
      return false;
    });
  };
  for (const target of rowsTo(row)) goOn((threw) => threw === undefined && states.find() === target);
  if (move >= 0) goOn((threw) => (threw === undefined ? breaks(machine, rule) : sentenceOfThrow(threw).name === rule));
  machine.recorded = undefined;
  return steps;
}

/** Takes a move, which may throw. */
function attempted<W extends TaskWorld>(machine: Machine<W>, move: number): { readonly moved: boolean; readonly threw?: string } {
  try {
    return { moved: machine.take(move) };
  } catch (error) {
    return { moved: true, threw: error instanceof Error ? error.message : String(error) };
  }
}

/** Weight of a switch between tasks against the begin of an operation. */
const SWITCH = 64;
const NO_WAY = 0x7fffffff;

/** Among all shortest ways to a finding of the same rule: the moves of one with the fewest switches. */
function withFewestSwitches(machine: AnyMachine, { states, layers }: Search, { rule, row, move }: Finding): readonly number[] {
  const { world } = machine;
  const { tasks } = world.shape;
  const last = layers.findLastIndex((first) => first <= row);
  const end = layers[last + 1] ?? states.rows.count;
  const kinds = tasks + 1;
  // By state and the task that moved last (plus one): the least cost of coming there, and how.
  const cost = new Int32Array(end * kinds).fill(NO_WAY);
  const from = new Int32Array(end * kinds).fill(-1);
  const via = new Uint16Array(end * kinds);
  cost[0] = 0;
  let best = NO_WAY;
  let bestKey = -1;
  let bestMove = -1;
  const actor = (one: number): number => (isAcknowledgement(one) ? choiceOf(one) : taskOf(one));

  for (let at = 0; at < end; at++) {
    let reached = false;
    for (let kind = 0; kind < kinds; kind++) reached ||= cost[at * kinds + kind] !== NO_WAY;
    if (!reached) continue;
    const isLast = at >= layers[last];
    if (isLast && move < 0 && at !== row) continue;
    const layer = layers.findLastIndex((first) => first <= at);
    states.load(at);
    machine.keep();
    if (isLast && move < 0) {
      for (let kind = 0; kind < kinds; kind++) if (cost[at * kinds + kind] < best) [best, bestKey] = [cost[at * kinds + kind], at * kinds + kind];
      continue;
    }
    forEachMove(machine, false, (one) => {
      const who = actor(one) + 1;
      const begins = !isAcknowledgement(one) && world.pc[taskOf(one) * DEPTH_MAX] === 0 ? 1 : 0;
      let isGoal = false;
      let target = -1;
      try {
        if (machine.take(one)) {
          isGoal = isLast && breaks(machine, rule);
          if (!isLast && machine.brokenMoveRule() === undefined) target = states.find();
        }
      } catch (error) {
        isGoal = isLast && sentenceOfThrow(error instanceof Error ? error.message : '').name === rule;
      }
      machine.restore();
      // Only ways that lead one layer on are shortest.
      if (target >= 0 && (target < layers[layer + 1] || target >= (layers[layer + 2] ?? states.rows.count) || target >= end)) target = -1;
      if (!isGoal && target < 0) return false;
      for (let kind = 0; kind < kinds; kind++) {
        const before = cost[at * kinds + kind];
        if (before === NO_WAY) continue;
        const after = before + begins + (kind === who ? 0 : SWITCH);
        if (isGoal && after < best) [best, bestKey, bestMove] = [after, at * kinds + kind, one];
        if (target < 0 || after >= cost[target * kinds + who]) continue;
        cost[target * kinds + who] = after;
        from[target * kinds + who] = at * kinds + kind;
        via[target * kinds + who] = one;
      }
      return false;
    });
  }
  if (bestKey < 0) return [];
  const moves = bestMove < 0 ? [] : [bestMove];
  for (let key = bestKey; from[key] >= 0; key = from[key]) moves.push(via[key]);
  return moves.reverse();
}

/** Whether the move that the machine has just taken broke the rule. */
function breaks<W extends TaskWorld>(machine: Machine<W>, rule: string): boolean {
  const { litmus, endedThread, endedOperation, endedResult } = machine;
  const ofMoves = litmus.family.moveRules.filter(({ name }) => name === rule);
  if (ofMoves.length > 0) return machine.brokenMoveRule(ofMoves) === rule;
  if (endedThread < 0) return false;
  if (rule === 'expected') {
    const { expected } = litmus.threads[endedThread].operations[endedOperation];
    return expected !== undefined && !fits(endedResult, expected);
  }
  return rule === 'never' && litmus.never.some(({ thread, operation, result }) => thread === endedThread && operation === endedOperation && fits(endedResult, result));
}

export interface Reduced<W extends TaskWorld> {
  readonly machine: Machine<W>;
  readonly found: Search;
}

/**
 * The steps that lead to a finding, each a move of a machine without reductions.
 * @param findingOf the same finding of another search @param statesMax states of the search for a shortest way
 */
export function shortestSteps<W extends TaskWorld>(
  parts: MachineParts, reduced: Reduced<W>, finding: Finding, findingOf: (found: Search) => Finding | undefined, statesMax = STATES_FOR_SHORTEST,
): readonly number[] {
  const machine = new Machine<TaskWorld>({ ...parts, reductions: NO_REDUCTIONS });
  const found = search({ machine, reductions: NO_REDUCTIONS, statesMax });
  const same = findingOf(found);
  if (same === undefined || same.rule !== finding.rule) return writtenOut(reduced.machine, reduced.found, finding);
  const fewest = withFewestSwitches(machine, found, same);
  return fewest.length > 0 ? fewest : [...found.pathTo(same.row), ...(same.move < 0 ? [] : [same.move])];
}

/* ---- in words ---- */

const actorNames = ({ litmus, scene }: AnyMachine): readonly string[] => [...litmus.threads.map(({ name }) => name), ...scene.actors];

/** "vcpu*14 host*3 host?1 vcpu@host": steps of a thread, an operation begun on page 1, an acknowledgement of host's call, `!` a time-out. */
function scheduleOf(moves: readonly number[], names: readonly string[]): string {
  const words: string[] = [];
  let name = '';
  let steps = 0;
  const flush = (): void => {
    if (steps > 0) words.push(steps === 1 ? name : `${name}*${steps}`);
    steps = 0;
  };
  for (const move of moves) {
    const choice = choiceOf(move);
    const task = taskOf(move);
    if (!isAcknowledgement(move) && choice === Choice.None) {
      if (names[task] !== name) flush();
      name = names[task];
      steps++;
      continue;
    }
    flush();
    if (isAcknowledgement(move)) words.push(`${names[choice]}@${names[task]}`);
    else words.push(choice === Choice.TimeOut ? `${names[task]}!` : `${names[task]}?${choice - Choice.FirstPage}`);
  }
  flush();
  return words.join(' ');
}

/** The moves of a schedule. @throws UserError for a word that is none */
function movesOf(schedule: string, names: readonly string[]): readonly { readonly move: number; readonly word: string }[] {
  return schedule.split(/\s+/).filter((word) => word !== '').flatMap((word) => {
    const [, name, sign = '', rest = ''] = /^([^*?!@\s]+)(?:([*?!@])(.*))?$/.exec(word) ?? [];
    const task = names.indexOf(name ?? '');
    const other = sign === '@' ? names.indexOf(rest) : 0;
    const number = Number(rest);
    const isWrong = task < 0 || other < 0 || (sign === '!' && rest !== '') || ((sign === '*' || sign === '?') && !(/^\d{1,6}$/.test(rest) && number < 100_000));
    if (isWrong) {
      throw new UserError({
        what: `"${word}" is no part of a schedule`,
        why: `a schedule has words like ${names[0]}*3 (three steps), ${names[0]}?1 (an operation begun on page 1), ${names[0]}! (a time-out), ${names[0]}@${names[names.length - 1]} (an acknowledgement); there are ${names.join(', ')}`,
        fix: 'take the schedule as a counterexample printed it',
      });
    }
    if (sign === '@') return [{ move: acknowledgementOf(other, task), word }];
    if (sign === '!') return [{ move: moveOf(task, Choice.TimeOut), word }];
    if (sign === '?') return [{ move: moveOf(task, Choice.FirstPage + number), word }];
    return Array.from({ length: sign === '*' ? number : 1 }, () => ({ move: moveOf(task, Choice.None), word }));
  });
}

/** What follows a schedule, in words. Where a step throws or breaks a sentence about moves the trace ends there. */
export function tell(parts: MachineParts, moves: readonly number[], rule: string, what: string): Counterexample {
  const machine = new Machine<TaskWorld>({ ...parts, reductions: NO_REDUCTIONS });
  const { world, litmus, scene } = machine;
  const names = actorNames(machine);
  const before = scene.createAnother();
  const steps: TraceStep[] = [];
  let found = what;
  for (const move of moves) {
    new Uint8Array(before.buffer).set(new Uint8Array(world.buffer));
    const task = taskOf(move);
    const begins = isAcknowledgement(move) || world.pc[task * DEPTH_MAX] !== 0 ? undefined : litmus.threads[task].operations[machine.next[task]];
    const step = stepName(machine, move, names);
    let thrown: string | undefined;
    try {
      machine.take(move);
    } catch (error) {
      thrown = error instanceof Error ? error.message : String(error);
    }
    const { others, locks } = scene.describeChanges(before, world, { threads: names, buffers: litmus.buffers });
    steps.push({
      thread: isAcknowledgement(move) ? choiceOf(move) : task,
      step,
      ...(begins === undefined ? {} : { begins: begins.page === 'any' ? `${begins.text} (page ${choiceOf(move) - Choice.FirstPage})` : begins.text }),
      ...(machine.endedThread < 0 || isAcknowledgement(move) ? {} : { ends: resultText(machine.endedResult) }),
      changes: others,
      locks,
    });
    if (thrown !== undefined) found = thrown;
  }
  if (litmus.family.moveRules.some(({ name }) => name === rule)) found = scene.describeMove(rule);
  const { sentence, why } = litmus.family.sentences.find(({ name }) => name === rule) ?? RESULT_RULES[rule] ?? { sentence: '', why: '' };
  return { rule, sentence, what: found, why, threads: names, steps, schedule: scheduleOf(moves, names) };
}

const RESULT_RULES: Readonly<Record<string, { readonly sentence: string; readonly why: string }>> = {
  expected: { sentence: 'every operation ends as the file says', why: 'the policy does not do what the scenario takes for granted' },
  never: { sentence: 'what the file says never happens does not', why: 'an outcome that was excluded can be reached' },
  sometimes: { sentence: 'what the file says can happen does, in some interleaving', why: 'a protocol that refuses everything is safe and useless' },
  outcomes: { sentence: 'the outcomes are those that the file states, all of them and no other', why: 'the protocol can end in a way that nobody thought of, or never ends in one that was relied on' },
};

function stepName(machine: AnyMachine, move: number, names: readonly string[]): string {
  if (isAcknowledgement(move)) return `ack(${names[taskOf(move)]})`;
  return choiceOf(move) === Choice.TimeOut ? 'timeout' : machine.host.program.names[machine.positionOf(taskOf(move))];
}

/** Follows a schedule. @throws UserError where the machine cannot */
export function follow(parts: MachineParts, schedule: string): Counterexample {
  const machine = new Machine<TaskWorld>({ ...parts, reductions: NO_REDUCTIONS });
  const names = actorNames(machine);
  const moves = movesOf(schedule, names);
  let rule = '';
  let what = '';
  for (const [nth, { move, word }] of moves.entries()) {
    const task = taskOf(move);
    const canMove = isAcknowledgement(move) ? machine.canAcknowledge(task, choiceOf(move)) : machine.hasWork(task) && hasChoice(machine, task, choiceOf(move));
    let moved = false;
    try {
      // Only a rest, or a wait with a limit, can time out, and only where patience has an end.
      moved = canMove && machine.take(move) && (isAcknowledgement(move) || choiceOf(move) !== Choice.TimeOut || (machine.mayTimeOut && machine.timesOut));
    } catch (error) {
      rule = sentenceOfThrow(error instanceof Error ? error.message : '').name;
      return tell(parts, moves.slice(0, nth + 1).map((one) => one.move), rule, '');
    }
    if (!moved) {
      throw new UserError({
        what: `the schedule cannot be followed: "${word}" (move ${nth + 1} of ${moves.length}) is not possible there`,
        why: canMove ? 'that step has to wait' : 'that thread has nothing to do, has no such choice, or has no such call to acknowledge',
        fix: 'replay it with the policy, the check and the file that it was printed with',
      });
    }
    rule = machine.brokenMoveRule() ?? rule;
    const unlike = rule === '' ? ['expected', 'never'].find((one) => breaks(machine, one)) : undefined;
    if (unlike !== undefined) {
      rule = unlike;
      what = endText(machine);
    }
  }
  if (rule === '') ({ rule, what } = wrongHere(machine));
  return tell(parts, moves.map(({ move }) => move), rule, what);
}

/** What is wrong with the state that a schedule ends in, as far as the state itself tells. */
function wrongHere(machine: AnyMachine): { readonly rule: string; readonly what: string } {
  const broken = machine.scene.invariants(new Set(machine.litmus.always))?.();
  if (broken !== undefined || machine.done) return broken ?? { rule: '', what: '' };
  machine.keep();
  const goesOn = forEachMove(machine, false, (one) => {
    const { moved } = attempted(machine, one);
    machine.restore();
    return moved;
  });
  return goesOn ? { rule: '', what: '' } : { rule: nobodyStuck.name, what: whoWaits(machine) };
}

/** Whether the task's next move has this choice. */
function hasChoice(machine: AnyMachine, task: number, choice: number): boolean {
  const pages = machine.pageChoices(task);
  return pages > 0 ? choice >= Choice.FirstPage && choice < Choice.FirstPage + pages : choice < Choice.FirstPage;
}
