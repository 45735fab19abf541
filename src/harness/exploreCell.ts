/** One cell of an exploration in, one verdict out: the part that runs in a worker. */
import { checkLitmus } from '../explore/checkLitmus.ts';
import type { Reductions, SearchProgress, Verdict } from '../explore/verdict.ts';
import { UserError } from '../model/userError.ts';
import type { Check } from '../policies/policy.ts';
import { explorablePolicies, readKnown } from './litmusFiles.ts';
import type { CellError } from './record.ts';
import { cellErrorOf } from './runCell.ts';

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
}

export type ExplorationResult = { readonly status: 'ok'; readonly verdict: Verdict } | { readonly status: 'failed'; readonly error: CellError };

/** Bytes that this thread has in typed arrays, where states are; an argument, so that tests need not fill the machine. */
export type MemoryInUse = () => number;

/** Explores the cell. Never throws: what goes wrong is the cell's result, and the other cells go on. */
export function exploreCell(
  { path, text, policy: wanted, check, reductions, statesMax, memoryBytes }: ExplorationTask,
  onProgress: (progress: SearchProgress) => void,
  memoryInUse: MemoryInUse = () => process.memoryUsage().arrayBuffers,
): ExplorationResult {
  try {
    const litmus = readKnown(text, path);
    const policy = explorablePolicies.find(({ name }) => name === wanted);
    if (policy === undefined) throw new Error(`no policy ${wanted}`);
    const verdict = checkLitmus({
      litmus,
      policy,
      check: check ?? undefined,
      reductions,
      ...(statesMax === undefined ? {} : { statesMax }),
      onProgress(progress) {
        if (memoryInUse() > memoryBytes) throw moreThanMemory({ path, text }, `after ${progress.states} states its share of memory was full`);
        onProgress(progress);
      },
    });
    return { status: 'ok', verdict };
  } catch (error) {
    const full = error instanceof RangeError && /array buffer|array length|map maximum size/i.test(error.message);
    return { status: 'failed', error: cellErrorOf(full ? moreThanMemory({ path, text }, error.message) : error) };
  }
}

/** The file has more states than fit: its world is what to make smaller. */
export function moreThanMemory({ path, text }: { readonly path: string; readonly text: string }, why: string): UserError {
  const line = 1 + Math.max(0, text.split('\n').findIndex((one) => /^world\s*:/.test(one)));
  return new UserError({
    what: `${path}:${line}: more states than memory`,
    why,
    fix: 'explore a smaller world: fewer pages, threads or operations; or bound the search with --max-states, or use fewer --jobs',
  });
}
