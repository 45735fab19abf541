/**
 * A runner on worker threads (piscina). Threads share nothing but the code: a cell that throws, exits or runs out of
 * memory takes its own thread with it and no other, and the pool starts a new one.
 */
import type { ResourceLimits } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { CellResult } from './record.ts';
import type { CellTask } from './runCell.ts';
import type { CellRunner } from './schedule.ts';

export interface PoolOptions {
  readonly jobs: number;
  /** The module whose default export runs one task. */
  readonly workerFile: string;
  /** Of each thread; V8's own where they are left out. */
  readonly resourceLimits?: ResourceLimits;
}

export function createPool({ jobs, workerFile, resourceLimits = {} }: PoolOptions): CellRunner {
  const pool = new Piscina({
    minThreads: jobs,
    maxThreads: jobs,
    // A worker that sleeps on shared memory between its tasks would stop the streams that a trace left to be closed.
    atomics: 'disabled',
    recordTiming: false,
    resourceLimits,
  });
  // A worker that dies between two tasks has nothing to report: the next task gets a new one.
  pool.on('error', () => {});
  return {
    // The module is named here and not above: a thread that cannot load it at its start would leave later tasks waiting for ever.
    run: (task: CellTask) => pool.run(task, { filename: workerFile }) as Promise<CellResult>,
    close: () => pool.destroy(),
  };
}
