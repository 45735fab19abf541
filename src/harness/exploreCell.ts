/** One cell of an exploration in, one verdict out: the part that runs in a worker. */
import { checkLitmus } from '../explore/checkLitmus.ts';
import { explorableOf, type ExploredPolicy } from '../explore/family.ts';
import type { AnyLitmus } from '../explore/litmus.ts';
import type { Reductions, SearchProgress, Verdict } from '../explore/verdict.ts';
import { UserError } from '../model/userError.ts';
import { withChoices, type ChosenValues } from '../policies/choices.ts';
import type { Check } from '../policies/policy.ts';
import { readKnown } from './litmusFiles.ts';
import { loadOwnPolicy, type PolicyOrigin } from './policyFiles.ts';
import type { CellError } from './record.ts';
import { cellErrorOf, ownErrorOf } from './runCell.ts';

/** What a worker is asked: plain data. A litmus has functions in it, so that the file's text is what crosses threads. */
export interface ExplorationTask {
  /** Number of the cell in its exploration. */
  readonly cell: number;
  readonly path: string;
  readonly text: string;
  readonly policy: string;
  /** Null where the policy has none. */
  readonly check: Check | null;
  readonly reductions: Reductions;
  /** The explorer's own bound where it is left out. */
  readonly statesMax?: number;
  /** What the states of this cell may take. */
  readonly memoryBytes: number;
  /** Where the policy comes from, if it is one of the user's own. */
  readonly origin?: PolicyOrigin;
  /** Names of all policies of the user's own that a litmus may mention. */
  readonly ownNames?: readonly string[];
  /** Of the policy, where they are no default. */
  readonly choices?: ChosenValues;
}

export type ExplorationResult = { readonly status: 'ok'; readonly verdict: Verdict } | { readonly status: 'failed'; readonly error: CellError };

/** Bytes that this thread has in typed arrays, where states are; an argument, so that tests need not fill the machine. */
export type MemoryInUse = () => number;

/** Explores a cell, also of a policy of the user's own. Never throws. */
export async function exploreAnyCell(task: ExplorationTask, onProgress: (progress: SearchProgress) => void): Promise<ExplorationResult> {
  const { origin, policy } = task;
  try {
    return exploreCell(task, onProgress, memoryOfThread, origin === undefined ? undefined : await loadOwnPolicy(origin, policy, { bounded: false }));
  } catch (error) {
    return { status: 'failed', error: cellErrorOf(error) };
  }
}

const memoryOfThread: MemoryInUse = () => process.memoryUsage().arrayBuffers;

/** Explores the cell. Never throws: what goes wrong is the cell's result, and the other cells go on. */
export function exploreCell(
  { path, text, policy: wanted, check, reductions, statesMax, memoryBytes, origin, ownNames = [], choices }: ExplorationTask,
  onProgress: (progress: SearchProgress) => void,
  memoryInUse: MemoryInUse = memoryOfThread,
  own?: ExploredPolicy,
): ExplorationResult {
  try {
    const known = readOnce(text, path, ownNames);
    const litmus = choices === undefined ? known : withoutExpectation(known);
    const policy = own ?? explorableOf(litmus.family).find(({ name }) => name === wanted);
    if (policy === undefined) throw new Error(`no policy ${wanted}`);
    const verdict = checkLitmus({
      litmus,
      policy: withChoices(policy, choices),
      check: check ?? undefined,
      reductions,
      ...(statesMax === undefined ? {} : { statesMax }),
      onProgress(progress) {
        if (memoryInUse() > memoryBytes) throw moreThanMemory({ path, text }, `after ${progress.states} states its share of memory was full`);
        onProgress(progress);
      },
    });
    return { status: 'ok', verdict: choices === undefined ? verdict : { ...verdict, choices } };
  } catch (error) {
    const full = error instanceof RangeError && /array buffer|array length|map maximum size/i.test(error.message);
    if (full) return { status: 'failed', error: cellErrorOf(moreThanMemory({ path, text }, error.message)) };
    return { status: 'failed', error: origin === undefined ? cellErrorOf(error) : ownErrorOf(error, origin) };
  }
}

/** By path, text and names: a worker meets each file once for every policy and check. */
const filesRead = new Map<string, AnyLitmus>();

function readOnce(text: string, path: string, ownNames: readonly string[]): AnyLitmus {
  const key = [path, ...ownNames, text].join('\n');
  const litmus = filesRead.get(key) ?? readKnown(text, path, ownNames);
  filesRead.set(key, litmus);
  return litmus;
}

/** What a file expects of a policy it expects of its defaults. What it says of single operations stays. */
export const withoutExpectation = (litmus: AnyLitmus): AnyLitmus => ({ ...litmus, expectation: () => undefined, outcomes: () => undefined });

/** The file has more states than fit: its world is what to make smaller. */
export function moreThanMemory({ path, text }: { readonly path: string; readonly text: string }, why: string): UserError {
  const line = 1 + Math.max(0, text.split('\n').findIndex((one) => /^world\s*:/.test(one)));
  return new UserError({
    what: `${path}:${line}: more states than memory`,
    why,
    fix: 'explore a smaller world: fewer pages, threads or operations; or bound the search with --max-states, or use fewer --jobs',
  });
}
