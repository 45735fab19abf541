/**
 * Whether two steps that change places lead to the same state: asked of every state of a search in which a task comes to them, with nobody
 * else in between. What others see in between is for the reason to say (test/tools/familySurvivors.ts).
 *
 * Taken from the step before, so that a task comes to the pair as it does in each of the two programs: from above, or by the name of one.
 */
import type { ExploredPolicy } from '../../src/explore/family.ts';
import type { AnyLitmus } from '../../src/explore/litmus.ts';
import { Machine } from '../../src/explore/machine.ts';
import { Choice, moveOf } from '../../src/explore/moves.ts';
import { sameElements } from '../../src/explore/packing.ts';
import { search } from '../../src/explore/search.ts';
import { NO_REDUCTIONS } from '../../src/explore/verdict.ts';
import { familyMutantName, mutated, placeOf } from './familyMutation.ts';
import type { FamilyMutant } from './familyMutation.ts';
import { DEPTH_MAX } from '../../src/model/step.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';

export interface Compared {
  readonly mutant: FamilyMutant;
  /** States from which both orders were taken to their end. */
  readonly states: number;
  /** Those from which they lead to two states, or where one order waits and the other does not. */
  readonly unlike: number;
}

/** Some file has pages that are chosen; each is as good as the first. */
const CHOICE = Choice.FirstPage;

/** The mutants whose steps the file's program has, each with how both orders compare. @param statesMax files with more states than this say nothing */
export function compareOrders(litmus: AnyLitmus, policy: ExploredPolicy, mutants: readonly FamilyMutant[], statesMax: number): readonly Compared[] {
  const machineOf = (asked: AnyLitmus) => new Machine<TaskWorld>({ litmus: asked, policy, check: undefined, reductions: NO_REDUCTIONS, keepResults: false });
  const right = machineOf(litmus);
  const pairs = mutants.flatMap((mutant) => {
    const swapped = mutated(litmus, policy, mutant);
    return swapped === undefined ? [] : [{ mutant, at: placeOf(right.host.program, mutant), other: machineOf(swapped), states: 0, unlike: 0 }];
  });
  if (pairs.length === 0) return [];
  const { states, result } = search({ machine: right, reductions: NO_REDUCTIONS, statesMax });
  if (!result.exhaustive) return [];
  for (let row = 0; row < states.rows.count; row++) {
    states.load(row);
    const before = right.bytes();
    for (let task = 0; task < right.world.shape.tasks; task++) {
      right.load(before);
      if (!right.hasWork(task)) continue;
      const from = right.positionOf(task);
      const begins = right.world.pc[task * DEPTH_MAX] === 0;
      if (!takes(right, task)) continue;
      const to = right.world.pc[task * DEPTH_MAX] === 0 ? 0 : right.positionOf(task);
      for (const pair of pairs) {
        const { at, other } = pair;
        const isIn = (place: number): boolean => place === at || place === at + 1;
        if (isIn(from) ? !begins : !isIn(to)) continue;
        right.load(before);
        other.load(before);
        const ends = goesThrough(right, task, isIn);
        const otherEnds = goesThrough(other, task, isIn);
        if (!ends && !otherEnds) continue;
        pair.states++;
        if (ends !== otherEnds || !sameElements(right.bytes(), other.bytes())) pair.unlike++;
      }
    }
  }
  return pairs.map(({ mutant, states: count, unlike }) => ({ mutant, states: count, unlike }));
}

const takes = (machine: Machine<TaskWorld>, task: number): boolean => machine.take(moveOf(task, machine.pageChoices(task) > 0 ? CHOICE : Choice.None));

/** Takes the task's next step, and those of the pair that come behind it. @returns false where it has to wait at one of them */
function goesThrough(machine: Machine<TaskWorld>, task: number, isIn: (place: number) => boolean): boolean {
  do if (!takes(machine, task)) return false;
  while (machine.world.pc[task * DEPTH_MAX] !== 0 && isIn(machine.positionOf(task)));
  return true;
}

/** All files together, the smallest first as they are given, until each mutant was compared in so many states. */
export function compareOver(files: readonly AnyLitmus[], policy: ExploredPolicy, mutants: readonly FamilyMutant[], { statesMax, enough }: { readonly statesMax: number; readonly enough: number }): readonly Compared[] {
  const total = new Map(mutants.map((mutant) => [familyMutantName(mutant), { mutant, states: 0, unlike: 0 }]));
  for (const litmus of files) {
    const left = [...total.values()].filter(({ states }) => states < enough).map(({ mutant }) => mutant);
    if (left.length === 0) break;
    if (!(litmus.policies?.includes(policy.name) ?? true)) continue;
    for (const { mutant, states, unlike } of compareOrders(litmus, policy, left, statesMax)) {
      const sum = total.get(familyMutantName(mutant));
      if (sum === undefined) continue;
      sum.states += states;
      sum.unlike += unlike;
    }
  }
  return [...total.values()];
}
