/**
 * Counterexamples for a report: of every policy that the committed verdicts call unsafe under the check of its row, the one that is
 * quickest to read, explored again. Breadth first, so it is the shortest of its litmus file, and the same every time.
 */
import { checkLitmus } from '../explore/checkLitmus.ts';
import { ALL_REDUCTIONS, type Counterexample, type Verdict } from '../explore/verdict.ts';
import type { Experiment, Row } from './experiment.ts';
import { explorablePolicies, type LitmusFile } from './litmusFiles.ts';
import { quoted } from './shell.ts';
import type { CommittedVerdict } from './verdicts.ts';

export interface FoundCounterexample {
  readonly verdict: Verdict;
  readonly counterexample: Counterexample;
  /** The command that shows it again. */
  readonly replay: string;
  /** Files of the library that break the same policy under the same check. */
  readonly brokenFiles: number;
}

/** A search that grew far beyond what was committed is not waited for. */
const STATES_MAX = 200_000;

/** One a policy and check, in the order of the rows; none where the policy is safe, or where nothing breaks any more. */
export function findCounterexamples({ family, rows }: Pick<Experiment, 'family' | 'rows'>, verdicts: readonly CommittedVerdict[], files: readonly LitmusFile[]): readonly FoundCounterexample[] {
  const asked = rows.filter(({ policy, check, choices }, at) => choices === undefined && rows.findIndex((other) => other.policy === policy && other.check === check) === at);
  return asked.flatMap(({ policy, check }) => {
    const broken = verdicts.filter((verdict) => verdict.family === family && verdict.policy === policy && verdict.check === check && verdict.safety === 'broken' && verdict.verdict === 'broken');
    const shortest = [...broken].sort((a, b) => lengthOf(a) - lengthOf(b) || a.states - b.states || (a.litmus < b.litmus ? -1 : 1));
    for (const { litmus: name } of shortest) {
      const found = explored(name, policy, check, files);
      if (found !== undefined) return [{ ...found, brokenFiles: broken.length }];
    }
    return [];
  });
}

const lengthOf = ({ counterexample }: CommittedVerdict): number => counterexample?.length ?? Infinity;

function explored(name: string, policyName: string, check: Row['check'], files: readonly LitmusFile[]): Omit<FoundCounterexample, 'brokenFiles'> | undefined {
  const file = files.find(({ litmus }) => litmus.name === name);
  const policy = explorablePolicies.find((one) => one.name === policyName);
  if (file === undefined || policy === undefined) return undefined;
  const verdict = checkLitmus({ litmus: file.litmus, policy, check: check ?? undefined, statesMax: STATES_MAX, reductions: ALL_REDUCTIONS });
  const { counterexample } = verdict;
  if (verdict.verdict !== 'broken' || counterexample === null) return undefined;
  const words = ['foliobench', 'explore', quoted(file.word), '--policy', policyName, ...(check === null ? [] : ['--check', check]), '--replay', quoted(counterexample.schedule)];
  return { verdict, counterexample, replay: words.join(' ') };
}
