/** Batches: how many calls are timed as one, each on a range of its own in one file. */
import type { Place } from './points.ts';

/**
 * A batch of calls works on about so many pages whatever the size of a call, so that memory and caches cost all sizes the same; under
 * many mappings on fewer, or it would take too long to make their entries again for each run.
 */
export const BATCH_PAGES = 512;
export const BATCH_ENTRIES = 8192;
/** Pages that a pipe may hold where nobody has allowed it more (/proc/sys/fs/pipe-max-size). */
const PIPE_PAGES = 256;

export function callsOf({ pages, vmas, processes, touched }: Place): number {
  const entries = touched ? Math.max(1, vmas * processes) : 1;
  return Math.max(1, Math.min(Math.floor(BATCH_PAGES / pages), Math.floor(BATCH_ENTRIES / (pages * entries))));
}

/** All calls go into one pipe, which has a page for each of theirs, or vmsplice would wait for a reader. */
export const getCallsOf = ({ pages }: Place): number => Math.max(1, Math.floor(PIPE_PAGES / pages));
