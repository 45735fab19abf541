/** The reader of litmus files with the families that there are: src/explore/readLitmus.ts reads, src/explore/families/index.ts has the list. */
import { families } from './families/index.ts';
import type { Litmus, LitmusWorld, LitmusWorldBase } from './litmus.ts';
import { readLitmusOf } from './readLitmus.ts';
import type { ReadLitmus } from './readLitmus.ts';

export type { Mention } from './litmusExpectations.ts';
export { OPERATIONS_ALONE_MAX, OPERATIONS_MAX, PAGES_MAX, THREADS_MAX } from './litmusLimits.ts';

/**
 * @typeParam L the world of the file's family: the caller's claim, which the file itself makes true
 * @param path as the user gave it: messages start with it, and its last part has to be the name of the litmus
 * @throws UserError
 */
export function parseLitmus<L extends LitmusWorldBase = LitmusWorld>(text: string, path: string): Litmus<L> {
  return readLitmus<L>(text, path).litmus;
}

/** The litmus, and the names in it that only the caller can know. @throws UserError */
export function readLitmus<L extends LitmusWorldBase = LitmusWorld>(text: string, path: string): ReadLitmus<L> {
  return readLitmusOf(families, text, path);
}
