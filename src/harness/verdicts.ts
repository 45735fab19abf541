/**
 * The record of verdicts: what `explore -o FILE` writes, and what `results/verdicts.json` has of the whole library.
 *
 * A verdict says something of the sources that it was found with. So the record has a hash of them for each policy: where it
 * is another one today, its verdicts are stale until somebody explores again.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { endReachable } from '../explore/sentences.ts';
import type { Counterexample, Verdict } from '../explore/verdict.ts';
import { UserError } from '../model/userError.ts';
import type { Check } from '../policies/policy.ts';
import { messageOf, type CellError } from './record.ts';
import { readSources, type Sources } from './sources.ts';

export const VERDICTS_SCHEMA = 'foliobench/verdicts@1';

/** A verdict in which the counterexample is only how long it is, and the schedule that gives its steps again. */
export type RecordedVerdict = Omit<Verdict, 'counterexample'> & { readonly counterexample: RecordedCounterexample | null };
export type RecordedCounterexample = Omit<Counterexample, 'steps' | 'threads'> & { readonly length: number };

/** What is committed of a verdict: what a run is held against, and whether it is safe. Words are left to the run that finds them. */
export type CommittedVerdict = Pick<Verdict, 'family' | 'litmus' | 'policy' | 'check' | 'verdict' | 'safety' | 'liveness' | 'exhaustive' | 'states' | 'transitions' | 'depth'> & {
  readonly counterexample: Pick<RecordedCounterexample, 'rule' | 'length'> | null;
};

/** A cell that could not be explored. */
export interface FailedExploration {
  readonly litmus: string;
  readonly policy: string;
  readonly check: Check | null;
  readonly error: CellError;
}

export interface VerdictsRecord<Kept extends CommittedVerdict = RecordedVerdict> {
  readonly schema: typeof VERDICTS_SCHEMA;
  readonly tool: { readonly version: string };
  /** False where cells are missing, since the run was interrupted. A failed cell is not missing. */
  readonly complete: boolean;
  /** Of each policy: the hash of everything that its verdicts follow from. Empty where the program was built without its list of sources. */
  readonly sources: Readonly<Record<string, string>>;
  /** Of each file by the name of its litmus: the hash of its text. */
  readonly litmus: Readonly<Record<string, string>>;
  readonly verdicts: readonly Kept[];
  readonly failed: readonly FailedExploration[];
}

export function recordVerdict({ counterexample, ...verdict }: Verdict): RecordedVerdict {
  if (counterexample === null) return { ...verdict, counterexample };
  const { steps, threads: _threads, ...kept } = counterexample;
  return { ...verdict, counterexample: { ...kept, length: steps.length } };
}

export function commitVerdict({ family, litmus, policy, check, verdict, safety, liveness, exhaustive, states, transitions, depth, counterexample }: RecordedVerdict): CommittedVerdict {
  const kept = counterexample === null ? null : { rule: counterexample.rule, length: counterexample.length };
  return { family, litmus, policy, check, verdict, safety, liveness, exhaustive, states, transitions, depth, counterexample: kept };
}

/** The record as text, one verdict a line: `grep` and `git diff` work on cells. */
export function formatVerdictsRecord({ verdicts, failed, ...header }: Omit<VerdictsRecord, 'verdicts'> & { readonly verdicts: readonly (CommittedVerdict | Verdict)[] }): string {
  const head = JSON.stringify(header, null, 2).replace(/\n\}$/, '');
  const list = (items: readonly unknown[]) => (items.length === 0 ? '[]' : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`);
  return `${head},\n  "verdicts": ${list(verdicts)},\n  "failed": ${list(failed)}\n}\n`;
}

/** The committed record of a package; its path is for messages. */
export const verdictsPath = (packageFolder: string): string => path.join(packageFolder, 'results', 'verdicts.json');

/** @returns undefined where there is none @throws UserError where it is damaged */
export async function readVerdicts(file: string): Promise<VerdictsRecord<CommittedVerdict> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UserError({ what: `cannot read ${file}`, why: messageOf(error), fix: 'make it readable, or remove it' });
  }
  const record = parse(text);
  if (record?.schema === VERDICTS_SCHEMA && Array.isArray(record.verdicts) && typeof record.sources === 'object' && record.sources !== null) return record as VerdictsRecord<CommittedVerdict>;
  throw new UserError({
    what: `${file} is damaged`,
    why: `it is no record of the schema "${VERDICTS_SCHEMA}"`,
    fix: 'write it again: foliobench explore --update',
  });
}

function parse(text: string): Partial<VerdictsRecord<CommittedVerdict>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What names a cell: a litmus, a policy and a check. */
export const verdictKey = ({ litmus, policy, check }: Pick<Verdict, 'litmus' | 'policy' | 'check'>): string => `${litmus} / ${policy}${check === null ? '' : ` / ${check}`}`;

export interface VerdictChanges {
  /** Another verdict. */
  readonly verdicts: readonly VerdictChange[];
  /** The same verdict with other numbers: states, transitions, depth. */
  readonly numbers: readonly VerdictChange[];
  /** Cells that only one of the two has. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface VerdictChange {
  readonly recorded: CommittedVerdict;
  readonly found: CommittedVerdict;
}

/** How a run differs from a record. `isWhole`: the run has every cell of the library, so that a recorded one it lacks is gone. */
export function compareVerdicts(recorded: readonly CommittedVerdict[], found: readonly CommittedVerdict[], isWhole: boolean): VerdictChanges {
  const before = new Map(recorded.map((verdict) => [verdictKey(verdict), verdict]));
  const now = new Set(found.map(verdictKey));
  const pairs = found.flatMap((verdict) => {
    const old = before.get(verdictKey(verdict));
    return old === undefined ? [] : [{ recorded: old, found: verdict }];
  });
  return {
    verdicts: pairs.filter((pair) => !sameVerdict(pair)),
    numbers: pairs.filter((pair) => sameVerdict(pair) && !sameNumbers(pair)),
    added: found.map(verdictKey).filter((key) => !before.has(key)),
    removed: isWhole ? [...before.keys()].filter((key) => !now.has(key)) : [],
  };
}

const sameVerdict = ({ recorded, found }: VerdictChange): boolean => recorded.verdict === found.verdict;

const sameNumbers = ({ recorded, found }: VerdictChange): boolean => (['states', 'transitions', 'depth'] as const).every((field) => recorded[field] === found[field]);

/** What the `safe` column says of a policy under a check. @param family where it is left out, whatever family has a policy of that name */
export type Safety = (policy: string, check: Check | null, family?: string) => string;

export const nothingChecked: Safety = () => 'not checked';

/**
 * Safety out of committed verdicts: `proved` where every litmus of the library that has this cell was explored in all its states
 * and none is broken; the first broken one by name; `stale` where the sources are not those that the verdicts were found with.
 */
export function safetyOf(record: VerdictsRecord<CommittedVerdict> | undefined, sources: Sources | undefined): Safety {
  if (record === undefined) return nothingChecked;
  return (policy, check, family) => {
    const cells = record.verdicts.filter((verdict) => verdict.policy === policy && verdict.check === check && verdict.family === (family ?? verdict.family));
    if (cells.length === 0) return 'not checked';
    if (sources === undefined || record.sources[policy] !== sources.policies[policy]) return 'stale';
    const [broken] = cells.filter(({ safety }) => safety === 'broken').map(({ litmus }) => litmus).sort();
    if (broken !== undefined) return `broken: ${broken}`;
    return cells.every(sawEverything) ? 'proved' : 'not proved';
  };
}

/** Whether a verdict says something of all reachable states: a search ends early at its bound, and where nobody can move any more. */
function sawEverything({ safety, exhaustive, counterexample }: CommittedVerdict): boolean {
  return safety === 'proved' || (exhaustive && counterexample?.rule === endReachable.name);
}

/** Safety as the committed verdicts of a package have it. A record that cannot be read has checked nothing; `explore` says what is wrong with it. */
export async function readSafety(packageFolder: string): Promise<Safety> {
  const record = await readVerdicts(verdictsPath(packageFolder)).catch(() => undefined);
  return safetyOf(record, readSources(packageFolder));
}
