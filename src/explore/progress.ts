/**
 * How far each thread of a litmus has come: the part of a state that is not in the world, in columns over one buffer, so that a
 * state is copied and hashed as bytes.
 */
export interface Progress {
  /** By thread: the operation that comes next (the one it is in has the number before). */
  readonly next: Uint8Array;
  /** By thread: the errno and the error offset's page (plus one) of its last conversion, and the value (plus one) that it has read; 0 between operations. */
  readonly errno: Uint8Array;
  readonly errorPage: Uint8Array;
  readonly readValue: Uint16Array;
  /** By thread and operation, where results are kept: the `resultId` of each that has ended. A thread's begin at its `firstResult`. */
  readonly results: Uint32Array;
  readonly firstResult: readonly number[];
  /** All of it. */
  readonly bytes: Uint8Array;
}

/** @param operations how many each thread has */
export function layProgress(operations: readonly number[], keepResults: boolean): Progress {
  const threads = operations.length;
  const total = operations.reduce((sum, count) => sum + count, 0);
  const places = keepResults ? total : 0;
  let before = 0;
  const firstResult = operations.map((count) => (before += count) - count);
  const resultBytes = places * 4;
  const valueBytes = threads * 2;
  const buffer = new ArrayBuffer(resultBytes + valueBytes + threads * 3);
  return {
    results: new Uint32Array(buffer, 0, places),
    readValue: new Uint16Array(buffer, resultBytes, threads),
    next: new Uint8Array(buffer, resultBytes + valueBytes, threads),
    errno: new Uint8Array(buffer, resultBytes + valueBytes + threads, threads),
    errorPage: new Uint8Array(buffer, resultBytes + valueBytes + threads * 2, threads),
    firstResult,
    bytes: new Uint8Array(buffer),
  };
}
