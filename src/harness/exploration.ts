/**
 * Exploring litmus files: which cells (a file under a policy and a check) there are, and all of them run, each on a thread of
 * its own. Cells are independent, so that one which needs more memory than there is fails alone.
 */
import { totalmem } from 'node:os';
import { ALL_REDUCTIONS, type Reductions, type Verdict } from '../explore/verdict.ts';
import { families, familyOfOwnPolicies } from '../explore/families/index.ts';
import { explorableOf, proposalsOf } from '../explore/family.ts';
import { UserError } from '../model/userError.ts';
import type { ChosenValues } from '../policies/choices.ts';
import { CHECKS, type Check } from '../policies/policy.ts';
import type { PolicyFacts } from './catalogue.ts';
import { parseChosen, refuseUnusedChoices } from './choices.ts';
import { moreThanMemory, type ExplorationResult, type ExplorationTask } from './exploreCell.ts';
import type { CellProgress } from './explorationWorker.ts';
import type { LitmusFile } from './litmusFiles.ts';
import { resolveNames } from './names.ts';
import { factsOf, namesOfWords, originOf, type PolicyFile } from './policyFiles.ts';
import type { Runner } from './pool.ts';
import { runQueue } from './queue.ts';
import { messageOf, type CellError } from './record.ts';
import { cellErrorOf } from './runCell.ts';

export interface ExplorationCell {
  readonly index: number;
  readonly file: LitmusFile;
  readonly policy: string;
  /** Null where the policy has none. */
  readonly check: Check | null;
  /** Of the policy, where they are no default. */
  readonly choices?: ChosenValues;
}

export interface ExplorationPlan {
  readonly files: readonly LitmusFile[];
  /** Instead of those that each file lists, of any family: each file takes those of its own. `all`: every policy that ships and is no measure. */
  readonly policies?: readonly string[];
  /** The modules that some of `policies` are paths of. */
  readonly policyFiles?: readonly PolicyFile[];
  readonly checks?: readonly string[];
  /** POLICY.CHOICE=VALUE. */
  readonly choose?: readonly string[];
}

/** File by file; policies in the order of the documents, checks from the weakest. @throws UserError */
export function planExploration({ files, policies: wantedPolicies, policyFiles = [], checks: wantedChecks, choose = [] }: ExplorationPlan): readonly ExplorationCell[] {
  const own = factsOf(policyFiles);
  const everybody: readonly PolicyFacts[] = [...families.flatMap(explorableOf), ...own];
  const policyNames = wantedPolicies === undefined ? undefined : namedPolicies(namesOfWords(wantedPolicies, policyFiles), everybody.map(({ name }) => name));
  const checkNames = wantedChecks === undefined ? undefined : resolveNames('check', 'checks', wantedChecks, CHECKS);
  const chosen = parseChosen(choose, everybody);
  const cells = files
    .flatMap((file) => {
      const { family } = file.litmus;
      const ownHere = family === familyOfOwnPolicies ? own : [];
      const known: readonly PolicyFacts[] = [...explorableOf(family), ...ownHere];
      const proposals = proposalsOf(family).map(({ name }) => name);
      const names = policyNames === 'all' ? [...proposals, ...ownHere.map(({ name }) => name)] : (policyNames ?? file.litmus.policies ?? proposals);
      const checks = checkNames ?? file.litmus.checks ?? CHECKS;
      const named = policyNames === undefined || policyNames === 'all' ? (file.litmus.policies ?? []) : names;
      return known
        .filter(({ name }) => names.includes(name))
        .flatMap((policy) => checksOf(policy, checks, named.includes(policy.name)).map((check) => ({ file, policy: policy.name, check, ...(chosen[policy.name] === undefined ? {} : { choices: chosen[policy.name] }) })));
    })
    .map((cell, index) => ({ index, ...cell }));
  if (cells.length === 0 && files.length > 0 && policyNames !== undefined && policyNames !== 'all') throw noneOfTheirFamily(policyNames, files);
  refuseUnusedChoices(choose, cells.map(({ policy }) => policy));
  return cells;
}

/** Every file is of another family than the policies that were named. */
function noneOfTheirFamily(names: readonly string[], files: readonly LitmusFile[]): UserError {
  const familyOf = (policy: string): string => families.find((family) => explorableOf(family).some(({ name }) => name === policy))?.name ?? familyOfOwnPolicies.name;
  const distinct = (words: readonly string[]): string => [...new Set(words)].join(' and ');
  return new UserError({
    what: `none of these files is for ${names.join(', ')}`,
    why: `${names.length === 1 ? 'it is' : 'they are'} of the family ${distinct(names.map(familyOf))}, and the files of ${distinct(files.map(({ litmus }) => litmus.family.name))}`,
    fix: 'name files and policies of one family',
  });
}

function namedPolicies(wanted: readonly string[], known: readonly string[]): readonly string[] | 'all' {
  return wanted.includes('all') ? 'all' : resolveNames('policy', 'policies', wanted, known);
}

/** A policy without checks is explored once, under none. One that takes none of those that are wanted is left out, unless it was named. */
function checksOf({ name, checks: taken }: PolicyFacts, wanted: readonly string[], isNamed: boolean): readonly (Check | null)[] {
  if (taken.length === 0) return [null];
  const possible = taken.filter((check) => wanted.includes(check));
  if (possible.length > 0 || !isNamed) return possible;
  throw new UserError({
    what: `${name} does not take the check ${wanted.join(', ')}`,
    why: `it takes ${taken.join(', ')}`,
    fix: `add one of them to --check, or leave ${name} out of --policy`,
  });
}

/** How far an exploration is. */
export interface ExplorationProgress {
  readonly cells: number;
  readonly finished: number;
  readonly failed: number;
  /** Of the cells under way. */
  readonly searches: readonly CellProgress[];
  /** States of all cells so far, the finished ones included. */
  readonly states: number;
}

export type ExplorationRunner = Runner<ExplorationTask, ExplorationResult>;

export interface ExploreOptions {
  readonly cells: readonly ExplorationCell[];
  /** Where the policies come from that do not ship. */
  readonly policyFiles?: readonly PolicyFile[];
  /** What a step of such a policy may take before its cell is ended. */
  readonly stepSeconds?: number;
  readonly reductions?: Reductions;
  readonly statesMax?: number;
  readonly jobs: number;
  /** States that a cell had when it was last explored, if it was: what takes longest begins first. */
  readonly statesBefore?: (cell: ExplorationCell) => number | undefined;
  readonly createRunner: (options: ExplorationRunnerOptions) => ExplorationRunner;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ExplorationProgress) => void;
}

export interface ExplorationRunnerOptions {
  readonly jobs: number;
  /** What one worker may take. */
  readonly memoryBytes: number;
  readonly onProgress: (progress: CellProgress) => void;
}

/** What came of a cell; undefined where the exploration was interrupted before. */
export type ExploredCell = ExplorationCell & { readonly result: ExplorationResult | undefined };

/** Resolves to all cells in their own order, whatever the order in which they ended. */
export async function explore(options: ExploreOptions): Promise<readonly ExploredCell[]> {
  const { cells, jobs: jobsMax, createRunner, signal = new AbortController().signal, reductions = ALL_REDUCTIONS, statesMax, statesBefore = () => undefined } = options;
  const results = new Map<number, ExplorationResult>();
  const underWay = new Map<number, CellProgress>();
  const report = () => options.onProgress?.(progressOf(cells, results, underWay));
  const ownTask = ownTasks(options);
  const jobs = Math.min(jobsMax, cells.length);
  const memoryBytes = Math.floor(memoryOfMachine() / jobs);
  const work = new Map(cells.map((cell) => [cell, statesBefore(cell) ?? guessStates(cell)]));
  const queue = [...cells].sort((a, b) => (work.get(b) ?? 0) - (work.get(a) ?? 0) || a.index - b.index);
  report();
  const runner = createRunner({
    jobs,
    memoryBytes,
    onProgress(progress) {
      // What a worker told just before its cell ended may come after the result.
      if (results.has(progress.cell)) return;
      underWay.set(progress.cell, progress);
      report();
    },
  });
  try {
    await runQueue({
      queue,
      jobs,
      signal,
      run: ({ index, file: { path, text }, policy, check, choices }) =>
        attempt(runner, { cell: index, path, text, policy, check, ...(choices === undefined ? {} : { choices }), reductions, memoryBytes, ...(statesMax === undefined ? {} : { statesMax }), ...ownTask(policy) }),
      onResult({ index }, result) {
        results.set(index, result);
        underWay.delete(index);
        report();
      },
    });
  } finally {
    await runner.close();
  }
  return cells.map((cell) => ({ ...cell, result: results.get(cell.index) }));
}

/** What a task has more where there are policies of the user's own: a litmus may mention them under any policy. */
function ownTasks({ policyFiles = [], stepSeconds }: ExploreOptions): (policy: string) => Pick<ExplorationTask, 'origin' | 'ownNames'> {
  if (policyFiles.length === 0) return () => ({});
  const ownNames = factsOf(policyFiles).map(({ name }) => name);
  return (policy) => {
    const origin = originOf(policy, policyFiles, stepSeconds);
    return origin === undefined ? { ownNames } : { ownNames, origin };
  };
}

/** A cell that takes its worker with it would do so again: it is not tried a second time. */
async function attempt(runner: ExplorationRunner, task: ExplorationTask): Promise<ExplorationResult> {
  try {
    return await runner.run(task);
  } catch (error) {
    const lost = messageOf(error);
    return { status: 'failed', error: /memory/i.test(lost) ? cellErrorOf(moreThanMemory(task, lost)) : lostWorker(task, lost) };
  }
}

const lostWorker = ({ path, policy, check, origin }: ExplorationTask, why: string): CellError => ({
  what: `${path}: the worker that explored it was lost`,
  why,
  fix: `explore it alone: --policy ${origin?.path ?? policy}${check === null ? '' : ` --check ${check}`}`,
});

/** Bytes that all searches together may have. The rest is for the system, and for tables that are copied as they grow. */
function memoryOfMachine(): number {
  const limit = process.constrainedMemory();
  const all = totalmem();
  return (limit > 0 && limit < all ? limit : all) / 2;
}

/** Interleavings grow with the product of the threads' lengths. Only for the order of the cells. */
function guessStates({ file: { litmus } }: ExplorationCell): number {
  const { threads, world } = litmus;
  return threads.reduce((product, { operations }) => product * (1 + 20 * operations.length), world.pages);
}

function progressOf(cells: readonly ExplorationCell[], results: ReadonlyMap<number, ExplorationResult>, underWay: ReadonlyMap<number, CellProgress>): ExplorationProgress {
  const searches = [...underWay.values()];
  const ended = [...results.values()];
  const statesEnded = ended.reduce((sum, result) => sum + (result.status === 'ok' ? result.verdict.states : 0), 0);
  return {
    cells: cells.length,
    finished: ended.length,
    failed: ended.filter(({ status }) => status === 'failed').length,
    searches,
    states: searches.reduce((sum, { states }) => sum + states, statesEnded),
  };
}

/** The verdicts of the cells that have one, in order. */
export const verdictsOf = (cells: readonly ExploredCell[]): readonly Verdict[] => cells.flatMap(({ result }) => (result?.status === 'ok' ? [result.verdict] : []));
