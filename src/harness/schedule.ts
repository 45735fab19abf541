/**
 * Runs tasks on a runner, at most `jobs` at a time, the longest first, and hands over each result as it comes.
 *
 * A runner that loses a worker (killed, crashed, out of memory) rejects; the cell is tried once more and then failed, since
 * a machine may be short of memory for a moment, but a cell that kills every worker must not go on for ever.
 */
import type { Cell, PlannedCell } from './experiment.ts';
import type { PolicyOrigin } from './policyFiles.ts';
import type { Runner } from './pool.ts';
import { runQueue } from './queue.ts';
import { messageOf, type CellError, type CellResult } from './record.ts';
import type { CellTask } from './runCell.ts';
import { PAGE_BYTES } from './sizes.ts';

/** Something that runs one cell somewhere else: a pool of threads, or a process for each cell. Resolves to the cell's result, failed or not. */
export type CellRunner = Runner<CellTask, CellResult>;

export interface ScheduleOptions {
  readonly cells: readonly PlannedCell[];
  readonly costs: CellTask['costs'];
  /** Where the policies come from that do not ship. */
  readonly originOf?: (policy: string) => PolicyOrigin | undefined;
  readonly runner: CellRunner;
  readonly jobs: number;
  /** Aborted: no cell is begun any more, and what is under way is dropped. */
  readonly signal: AbortSignal;
  /** Called for each finished cell, one at a time; the cell is finished once it resolves. */
  readonly onResult: (planned: PlannedCell, result: CellResult) => Promise<void>;
}

const ATTEMPTS = 2;

/** Resolves when all cells have ended, or on an abort as soon as the results at hand are handed over. */
export async function runCells({ cells, costs, originOf = () => undefined, runner, jobs, signal, onResult }: ScheduleOptions): Promise<void> {
  // The record has its own order; this one only keeps the last worker from starting the longest cell when the others are done.
  const queue = [...cells].sort((a, b) => workOf(b) - workOf(a) || a.index - b.index);
  const taskOf = (cell: Cell): CellTask => {
    const origin = originOf(cell.policy);
    return { cell, costs, ...(origin === undefined ? {} : { origin }) };
  };
  await runQueue({ queue, jobs, signal, onResult, run: ({ cell }) => attempt(runner, taskOf(cell), signal) });
}

async function attempt(runner: CellRunner, task: CellTask, signal: AbortSignal): Promise<CellResult> {
  let lost = '';
  for (let tries = 0; tries < ATTEMPTS && !signal.aborted; tries++) {
    try {
      return await runner.run(task);
    } catch (error) {
      lost = messageOf(error);
    }
  }
  return lostCell(task, lost);
}

/** The worker of a cell was lost as often as it was tried. */
export function lostCell(task: CellTask, why: string): CellResult {
  const fix = 'give the machine more memory, use fewer --jobs or a smaller --memory, then --resume';
  if (task.origin === undefined) return failedCell(task, { what: `the worker of this cell was lost ${ATTEMPTS} times`, why, fix });
  return failedCell(task, { what: `the worker of this cell was lost, under the policy of ${task.origin.path}`, why, fix: `leave process.exit and the like out of the policy; or ${fix}` });
}

export const failedCell = ({ cell }: CellTask, error: CellError): CellResult => ({ ...cell, status: 'failed', error });

/**
 * Work that a cell probably is, in accesses: for its order and for the remaining time, never for a figure. A trace touches each page
 * about once; where it shares its buffers in place, each transfer is two conversions more.
 */
export function workOf({ cell: { params } }: PlannedCell): number {
  if (params.accesses !== null) return params.accesses;
  return (params.memoryBytes / PAGE_BYTES) * (params.dma === 'direct' ? DIRECT_WORK : 1);
}
const DIRECT_WORK = 4;
