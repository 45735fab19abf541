/** Runs a list of jobs, so many at a time, and hands over each result as it comes; or stops at once. */

export interface QueueOptions<Job, Result> {
  /** In the order in which they are begun. */
  readonly queue: readonly Job[];
  readonly jobs: number;
  /** Never rejects: what goes wrong is a result. */
  readonly run: (job: Job) => Promise<Result>;
  /** Aborted: no job is begun any more, and what is under way is dropped. */
  readonly signal: AbortSignal;
  /** Called for each finished job, one at a time; the job is finished once it resolves. */
  readonly onResult: (job: Job, result: Result) => void | Promise<void>;
}

/** Resolves when all jobs have ended, or on an abort as soon as the results at hand are handed over. */
export async function runQueue<Job, Result>({ queue: planned, jobs, run, signal, onResult }: QueueOptions<Job, Result>): Promise<void> {
  const queue = [...planned];
  const aborted = new Promise<'aborted'>((resolve) => {
    if (signal.aborted) resolve('aborted');
    signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
  let handedOver: Promise<void> = Promise.resolve();
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined && !signal.aborted; job = queue.shift()) {
      const current = job;
      const result = await Promise.race([run(current), aborted]);
      if (result === 'aborted') return;
      handedOver = handedOver.then(() => onResult(current, result));
      await handedOver;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(jobs, queue.length)) }, worker));
}
