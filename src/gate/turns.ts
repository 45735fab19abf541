/** Runs of two programs in turns: A B B A, B A A B, and so on; and what the figure of one run is. */
import { cellKey, type Cell } from '../harness/experiment.ts';
import type { ResultsRecord } from '../harness/record.ts';
import type { RunTime, Turn } from './wallClock.ts';

export interface Turns {
  readonly blocks: number;
  /** One run of one of the two. */
  readonly runOnce: (side: 'a' | 'b') => Promise<RunTime>;
  /** Aborted: no run is begun any more, and the block that is under way is dropped. */
  readonly signal: AbortSignal;
  /** Called before each run. */
  readonly onRun?: (done: number, all: number) => void;
}

const ORDERS = { a: ['a', 'b', 'b', 'a'], b: ['b', 'a', 'a', 'b'] } as const;
const RUNS_OF_BLOCK = 4;

/** The whole blocks, in the order of time. */
export async function takeTurns({ blocks, runOnce, signal, onRun }: Turns): Promise<readonly Turn[]> {
  const done: Turn[] = [];
  while (done.length < blocks) {
    const first = done.length % 2 === 0 ? 'a' : 'b';
    const runs: RunTime[] = [];
    for (const side of ORDERS[first]) {
      if (signal.aborted) return done;
      onRun?.(done.length * RUNS_OF_BLOCK + runs.length, blocks * RUNS_OF_BLOCK);
      runs.push(await runOnce(side));
    }
    if (signal.aborted) return done;
    done.push({ first, runs: runs as [RunTime, RunTime, RunTime, RunTime] });
  }
  return done;
}

/**
 * The wall clock of one run: of each row on each workload the median over its seeds, summed up.
 *
 * @param expected keys of the cells that there have to be. @returns a sentence where they are not
 */
export function wallNsOf({ cells }: ResultsRecord, expected: ReadonlySet<string>): number | string {
  const byPlace = new Map<string, number[]>();
  const missing = new Set(expected);
  for (const cell of cells) {
    const key = cellKey(cell);
    if (!missing.delete(key)) return `it has a cell more: ${key}`;
    if (cell.status !== 'ok') return `a cell failed: ${key}`;
    const place = placeOf(cell);
    const own = byPlace.get(place);
    if (own === undefined) byPlace.set(place, [cell.wallClock.ns]);
    else own.push(cell.wallClock.ns);
  }
  const [first] = missing;
  return first === undefined ? [...byPlace.values()].reduce((sum, times) => sum + median(times), 0) : `it has no cell ${first}`;
}

/** A cell, whatever its seed. */
const placeOf = (cell: Cell): string => cellKey({ ...cell, seed: 0 });

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
