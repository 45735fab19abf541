/** What a thread of `npm run mutants` runs: the library under a policy as it is, or what becomes of one mutant. */
import { exploreUnmutated, fateOf, policyNamed, readLibrary, type Fate, type Mutant, type Unmutated, type UnmutatedLibrary } from './mutation.ts';

export type MutantTask =
  | { readonly kind: 'unmutated'; readonly policy: string }
  | { readonly kind: 'mutant'; readonly mutant: Mutant; readonly files: readonly Unmutated[] };

export type MutantResult = { readonly kind: 'unmutated'; readonly unmutated: UnmutatedLibrary } | { readonly kind: 'mutant'; readonly fate: Fate };

const library = readLibrary();

export default function work(task: MutantTask): MutantResult {
  return task.kind === 'unmutated'
    ? { kind: 'unmutated', unmutated: exploreUnmutated(policyNamed(task.policy), library) }
    : { kind: 'mutant', fate: fateOf(task.mutant, task.files, library) };
}
