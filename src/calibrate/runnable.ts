/**
 * How much of the litmus library the kernel can be asked: of each file the operations up to the first that takes a guest, a conversion, or
 * another process. The list is committed, so that a change that shrinks it is noticed.
 */
import { isOfConversions } from '../explore/families/index.ts';
import type { AnyLitmus } from '../explore/litmus.ts';
import { sequenceOf } from './agreement.ts';

/** Operations by name of the file; files of which nothing can be asked are not there. */
export type RunnableOperations = Readonly<Record<string, number>>;

export function runnableOperations(library: readonly AnyLitmus[]): RunnableOperations {
  const entries = library.filter(isOfConversions).flatMap((litmus) => {
    const sequence = sequenceOf(litmus);
    return sequence === null ? [] : [[litmus.name, sequence.operations.length] as const];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Files of conversions of which nothing can be asked, in the order of the library. */
export const notRunnable = (library: readonly AnyLitmus[]): readonly string[] => library.filter(isOfConversions).filter((litmus) => sequenceOf(litmus) === null).map(({ name }) => name);
