/** What a thread of an exploration's pool runs: one task in, one verdict out, and how far it is in between. */
import { parentPort } from 'node:worker_threads';
import type { SearchProgress } from '../explore/verdict.ts';
import { exploreAnyCell, type ExplorationResult, type ExplorationTask } from './exploreCell.ts';

/** How far the search of a cell is. */
export interface CellProgress extends SearchProgress {
  readonly cell: number;
}

export default function work(task: ExplorationTask): Promise<ExplorationResult> {
  return exploreAnyCell(task, (progress) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    parentPort?.postMessage({ cell: task.cell, ...progress } satisfies CellProgress);
  });
}
