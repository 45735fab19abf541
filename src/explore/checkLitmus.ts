/** One litmus under one policy and one check: explored, judged, and what was found told. */
import type { TaskWorld } from '../model/taskWorld.ts';
import type { Check } from '../policies/policy.ts';
import type { ExploredPolicy } from './family.ts';
import type { AnyLitmus, VerdictName } from './litmus.ts';
import { Machine } from './machine.ts';
import { search } from './search.ts';
import type { Finding, Search, SearchResult } from './search.ts';
import { follow, shortestSteps, tell } from './trace.ts';
import type { MachineParts } from './trace.ts';
import { ALL_REDUCTIONS } from './verdict.ts';
import type { Counterexample, SearchOptions, Verdict } from './verdict.ts';

export interface CheckLitmusOptions extends SearchOptions {
  readonly litmus: AnyLitmus;
  readonly policy: ExploredPolicy;
  /** undefined where the policy has none. */
  readonly check: Check | undefined;
}

/** Where a file does not bound the search: more than any file of the library has, and about a gigabyte. */
const STATES_MAX = 20_000_000;

/** Explores a litmus and judges what came of it. @throws UserError where it cannot be run: its world, its `before`, or more states than memory */
export function checkLitmus({ litmus, policy, check, reductions = ALL_REDUCTIONS, statesMax = STATES_MAX, onProgress }: CheckLitmusOptions): Verdict {
  const stated = litmus.outcomes(policy.name, check);
  const parts: MachineParts = { litmus, policy, check, keepResults: stated !== undefined };
  const machine = new Machine<TaskWorld>({ ...parts, reductions });
  const found = search({ machine, reductions, statesMax, onProgress });
  const { result } = found;
  const differs = differenceOf(litmus, found, stated);
  const finding = result.broken ?? result.stuck ?? differs;
  const expectation = litmus.expectation(policy.name, check);
  const verdict = nameOf(result, differs);
  return {
    family: litmus.family.name,
    litmus: litmus.name,
    policy: policy.name,
    check: check ?? null,
    verdict,
    safety: result.broken !== undefined ? 'broken' : result.exhaustive ? 'proved' : 'unknown',
    liveness: result.stuck !== undefined ? 'stuck' : result.exhaustive ? 'proved' : 'unknown',
    world: machine.scene.worldText,
    exhaustive: result.exhaustive || result.broken !== undefined || result.stuck !== undefined,
    bound: result.states > statesMax ? statesMax : null,
    states: result.states,
    transitions: result.transitions,
    depth: result.depth,
    outcomes: stated === undefined ? null : result.outcomes,
    counterexample: finding === undefined ? null : counterexampleOf(parts, machine, found, finding),
    expected: expectation?.verdict ?? null,
    because: expectation?.because ?? null,
    asExpected: expectation === undefined ? null : expectation.verdict === verdict,
  };
}

function nameOf({ broken, stuck, exhaustive, converts }: SearchResult, differs: Finding | undefined): VerdictName {
  if (broken !== undefined) return 'broken';
  if (stuck !== undefined) return 'stuck';
  if (!exhaustive) return differs === undefined ? 'bounded' : 'differs';
  if (!converts) return 'refuses';
  return differs === undefined ? 'proved' : 'differs';
}

/** What is unlike the file although every sentence holds. Only a whole search can say that something never happens. */
function differenceOf(litmus: AnyLitmus, { result, outcomeRows }: Search, stated: readonly string[] | undefined): Finding | undefined {
  if (result.differs !== undefined || result.broken !== undefined || result.stuck !== undefined || !result.exhaustive) return result.differs;
  const unseen = litmus.sometimes.find((_, nth) => !result.seen[nth]);
  if (unseen !== undefined) return { rule: 'sometimes', what: `"${unseen.text}" (${litmus.path}:${unseen.line}) never happens`, row: -1, move: -1 };
  if (stated === undefined) return undefined;
  const extra = result.outcomes.find((outcome) => !stated.includes(outcome));
  if (extra !== undefined) return { rule: 'outcomes', what: `"${extra}" is an outcome that the file does not have`, row: outcomeRows.get(extra) ?? -1, move: -1 };
  const missing = stated.find((outcome) => !result.outcomes.includes(outcome));
  return missing === undefined ? undefined : { rule: 'outcomes', what: `"${missing}" never comes`, row: -1, move: -1 };
}

function counterexampleOf(parts: MachineParts, machine: Machine<TaskWorld>, found: Search, finding: Finding): Counterexample {
  // What never happens has no trace.
  if (finding.row < 0) return tell(parts, [], finding.rule, finding.what);
  const steps = shortestSteps(parts, { machine, found }, finding, (other) => other.result.broken ?? other.result.stuck ?? other.result.differs ?? outcomeIn(other, finding));
  return tell(parts, steps, finding.rule, finding.what);
}

/** The same outcome in another search. */
function outcomeIn({ outcomeRows }: Search, { rule, what }: Finding): Finding | undefined {
  const row = [...outcomeRows].find(([outcome]) => what.startsWith(`"${outcome}" `))?.[1];
  return rule === 'outcomes' && row !== undefined ? { rule, what, row, move: -1 } : undefined;
}

export interface ReplayOptions {
  readonly litmus: AnyLitmus;
  readonly policy: ExploredPolicy;
  readonly check: Check | undefined;
  readonly schedule: string;
}

/** The trace of a schedule, with what is wrong at its end (rule '' where nothing is). @throws UserError for a schedule that cannot be followed */
export function replaySchedule({ schedule, ...rest }: ReplayOptions): Counterexample {
  return follow({ ...rest, keepResults: false }, schedule);
}
