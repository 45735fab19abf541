/**
 * Streams: what the actors of a run do, a batch of accesses at a time, and how far each has come.
 *
 * A stream is read when its last batch is used up. One that reads a file answers later; the engine waits for it, and virtual
 * time does not pass.
 */
import { createBatch } from '../workloads/workload.ts';
import type { Actor, Batch } from '../workloads/workload.ts';

/** Accesses between two calls of `onProgress`. */
const PROGRESS_STRIDE = 65536;

export class Streams {
  /** The batch of each actor, the next access in it, and its end. */
  readonly batches: readonly Batch[];
  readonly at: Int32Array;
  readonly end: Int32Array;
  /** The answer of a stream that comes later. */
  filling: Promise<number> | undefined;
  /** Accesses taken. */
  accesses = 0;
  private readonly actors: readonly Actor[];
  private readonly onProgress: ((accesses: number) => void) | undefined;
  private progressAt = PROGRESS_STRIDE;

  constructor(actors: readonly Actor[], onProgress: ((accesses: number) => void) | undefined) {
    this.actors = actors;
    this.onProgress = onProgress;
    this.batches = actors.map(() => createBatch());
    this.at = new Int32Array(actors.length);
    this.end = new Int32Array(actors.length);
  }

  /** Gets the next batch. @returns how many accesses it has, 0 where the stream has ended, -1 where it answers later (`filling`) */
  refill(task: number): number {
    const answer = this.actors[task].fill(this.batches[task]);
    if (typeof answer !== 'number') {
      this.filling = answer;
      return -1;
    }
    this.filled(task, answer);
    return answer;
  }

  /** The batch is there. */
  filled(task: number, count: number): void {
    this.at[task] = 0;
    this.end[task] = count;
  }

  /** So many accesses were taken. */
  note(count: number): void {
    this.accesses += count;
    if (this.accesses < this.progressAt) return;
    this.progressAt += PROGRESS_STRIDE;
    this.onProgress?.(this.accesses);
  }
}
