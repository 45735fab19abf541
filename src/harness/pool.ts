/**
 * A runner on worker threads (piscina). Threads share nothing but the code: a cell that throws, exits or runs out of
 * memory takes its own thread with it and no other, and the pool starts a new one.
 */
import type { ResourceLimits } from 'node:worker_threads';
import { Piscina } from 'piscina';

/** Something that runs one task somewhere else. */
export interface Runner<Task, Result> {
  /** Rejects when the worker was lost. @param signal ends the worker of a task that is under way */
  run(task: Task, signal?: AbortSignal): Promise<Result>;
  /** Ends all workers, the busy ones too. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly jobs: number;
  /** The module whose default export runs one task. */
  readonly workerFile: string;
  /** Of each thread; V8's own where they are left out. */
  readonly resourceLimits?: ResourceLimits;
  /** What a task tells while it runs, through the `parentPort` of its thread. */
  readonly onMessage?: (message: unknown) => void;
}

/** The module of `workerFile` takes a `Task` and gives a `Result`: nobody can check that here. */
export function createPool<Task, Result>({ jobs, workerFile, resourceLimits = {}, onMessage }: PoolOptions): Runner<Task, Result> {
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
  if (onMessage !== undefined) pool.on('message', onMessage);
  return {
    // The module is named here and not above: a thread that cannot load it at its start would leave later tasks waiting for ever.
    run: (task: Task, signal?: AbortSignal) => pool.run(task, { filename: workerFile, ...(signal === undefined ? {} : { signal }) }) as Promise<Result>,
    close: () => pool.destroy(),
  };
}
