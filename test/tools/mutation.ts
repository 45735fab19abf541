/**
 * Mutation of policies: every shipped policy with two adjacent steps of one of its lists swapped, and what of the library of
 * litmus files sees it (DeMillo, Lipton and Sayward, "Hints on Test Data Selection", 1978; the order of steps is what policies
 * are about).
 *
 * A mutant is killed by the first litmus file, the cheapest first, under which its verdict or its outcomes are not those of the
 * policy itself. The default check, `refcount`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { checkLitmus } from '../../src/explore/checkLitmus.ts';
import type { Litmus, VerdictName } from '../../src/explore/litmus.ts';
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { Reductions } from '../../src/explore/verdict.ts';
import { packageFolder } from '../../src/harness/packageFolder.ts';
import { buildHost } from '../../src/model/host.ts';
import type { HostRules } from '../../src/model/host.ts';
import { steady } from '../../src/model/step.ts';
import type { Step } from '../../src/model/step.ts';
import { UserError } from '../../src/model/userError.ts';
import { policies } from '../../src/policies/index.ts';
import { DEFAULT_CHECK } from '../../src/policies/policy.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';

/** The lists of steps that a policy's rules may have. */
export const LISTS = ['toPrivate', 'toShared', 'toReadOnly', 'mmapHook', 'vmm.beforeToPrivate', 'vmm.afterRequest'] as const;
export type ListName = (typeof LISTS)[number];

export interface Mutant {
  readonly policy: string;
  readonly list: ListName;
  /** The steps that change places, `first` stands before `second` in the policy. */
  readonly first: string;
  readonly second: string;
}

/** `unbuildable`: no host can be built of its rules; `outcomes`: the verdict is the same; else the mutant's verdict, which is another. */
export type KilledHow = VerdictName | 'outcomes' | 'unbuildable';

export interface Kill {
  /** Name of the litmus file; null where none was needed. */
  readonly file: string | null;
  readonly how: KilledHow;
}

export interface Fate extends Mutant {
  readonly killedBy: Kill | null;
  /** Files of which the search came to its bound, for a mutant that nothing kills. */
  readonly bounded?: readonly string[];
}

/** What a file says of a policy that has all of its steps in their places. */
export interface Unmutated {
  readonly file: string;
  readonly verdict: VerdictName;
  readonly outcomes: readonly string[] | null;
  readonly states: number;
}

/** results/mutants.json */
export interface MutantsRecord {
  /** Files that no mutant of a policy was held against: the policy itself has more than `STATES_MAX` states there. */
  readonly leftOut: readonly { readonly policy: string; readonly file: string }[];
  /** In the order of `allMutants`. */
  readonly mutants: readonly Fate[];
}

/** One line a mutant, so that a diff reads. */
export function formatMutants({ leftOut, mutants }: MutantsRecord): string {
  const lines = (all: readonly unknown[]) => (all.length === 0 ? '[]' : `[\n${all.map((one) => `    ${JSON.stringify(one)}`).join(',\n')}\n  ]`);
  return `{\n  "leftOut": ${lines(leftOut)},\n  "mutants": ${lines(mutants)}\n}\n`;
}

/** Files with more states than this are left out. */
const STATES_MAX = 100_000;
/** A mutant's search may have so many times the states of the policy itself, and these at least. */
const BOUND_FACTOR = 4;
const BOUND_MIN = 1000;

/**
 * A mark of a `guarded` step is true only while the locks are where they belong, and movers rest on that. That a step is `free`
 * is true wherever it stands; threads and pages stay alike.
 */
const REDUCTIONS: Reductions = { merge: true, symmetry: true, movers: false };

/** The shipped policies, without the measures. */
export const mutatedPolicies: readonly ConversionPolicy[] = policies.filter(({ reference }) => reference === undefined);

export function policyNamed(wanted: string): ConversionPolicy {
  const policy = mutatedPolicies.find(({ name }) => name === wanted);
  if (policy === undefined) throw new Error(`no policy ${wanted}`);
  return policy;
}

/** The steps of a list; none where the policy does not have it. */
function listOf({ toPrivate, toShared, toReadOnly = [], mmapHook = [], vmm }: HostRules, list: ListName): readonly Step[] {
  switch (list) {
    case 'toPrivate': return toPrivate;
    case 'toShared': return toShared;
    case 'toReadOnly': return toReadOnly;
    case 'mmapHook': return mmapHook;
    case 'vmm.beforeToPrivate': return vmm?.beforeToPrivate?.steps ?? [];
    case 'vmm.afterRequest': return vmm?.afterRequest?.steps ?? [];
    default: return list satisfies never;
  }
}

function withList(rules: HostRules, list: ListName, steps: readonly Step[]): HostRules {
  switch (list) {
    case 'toPrivate': case 'toShared': case 'toReadOnly': case 'mmapHook': return { ...rules, [list]: steps };
    case 'vmm.beforeToPrivate': return { ...rules, vmm: { ...rules.vmm, beforeToPrivate: { ...rules.vmm?.beforeToPrivate, steps } } };
    case 'vmm.afterRequest': return { ...rules, vmm: { ...rules.vmm, afterRequest: { ...rules.vmm?.afterRequest, steps } } };
    default: return list satisfies never;
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Every adjacent pair of every list of every policy, by policy, list, and place in the list. */
export function allMutants(): readonly Mutant[] {
  return [...mutatedPolicies].sort((a, b) => compareText(a.name, b.name)).flatMap(({ name: policy, rules }) =>
    [...LISTS].sort(compareText).flatMap((list) =>
      listOf(rules({ check: DEFAULT_CHECK }), list).slice(1).map(({ name: second }, at) => ({ policy, list, first: listOf(rules({ check: DEFAULT_CHECK }), list)[at].name, second }))));
}

/** "sigbus-on-fault toPrivate: state.store, seq.end". */
export const mutantName = ({ policy, list, first, second }: Mutant): string => `${policy} ${list}: ${first}, ${second}`;

/** What comes behind a list is another routine, and no part of any policy. */
const pastTheEnd: Step = steady('past the end', () => {
  throw new Error('a routine goes on behind its last step');
});

/** The policy with the two steps swapped. It keeps its name: files say by name what they expect. */
export function mutate({ policy: name, list, first, second }: Mutant): ConversionPolicy {
  const policy = policyNamed(name);
  return {
    ...policy,
    rules: (options) => {
      const rules = policy.rules(options);
      const steps = listOf(rules, list);
      const at = steps.findIndex((one, place) => one.name === first && steps[place + 1]?.name === second);
      if (at < 0) throw new Error(`${name} has no ${first}, ${second} in ${list}`);
      return withList(rules, list, [...steps.slice(0, at), steps[at + 1], steps[at], ...steps.slice(at + 2), pastTheEnd]);
    },
  };
}

/** The library, by name. */
export function readLibrary(): readonly Litmus[] {
  const folder = path.join(packageFolder(), 'litmus', 'conversion');
  const files = readdirSync(folder).filter((file) => file.endsWith('.litmus.yaml')).sort(compareText);
  return files.map((file) => parseLitmus(readFileSync(path.join(folder, file), 'utf8'), `litmus/conversion/${file}`));
}

/** Whether the library explores the file under the policy and its default check. */
const asksOf = ({ policies: named, checks }: Litmus, policy: string): boolean => (named?.includes(policy) ?? true) && (checks?.includes(DEFAULT_CHECK) ?? true);

export interface UnmutatedLibrary {
  /** The cheapest first. */
  readonly files: readonly Unmutated[];
  /** Names of those that have too many states. */
  readonly leftOut: readonly string[];
}

/** What the library says of the policy itself. */
export function exploreUnmutated(policy: ConversionPolicy, library: readonly Litmus[]): UnmutatedLibrary {
  const files: Unmutated[] = [];
  const leftOut: string[] = [];
  for (const litmus of library) {
    if (!asksOf(litmus, policy.name)) continue;
    const { exhaustive, verdict, outcomes, states } = checkLitmus({ litmus, policy, check: DEFAULT_CHECK, reductions: REDUCTIONS, statesMax: STATES_MAX });
    if (exhaustive) files.push({ file: litmus.name, verdict, outcomes, states });
    else leftOut.push(litmus.name);
  }
  return { files: files.sort((a, b) => a.states - b.states || compareText(a.file, b.file)), leftOut };
}

/** Runs the mutant against the files, in their order, until one kills it. */
export function fateOf(mutant: Mutant, files: readonly Unmutated[], library: readonly Litmus[]): Fate {
  const policy = mutate(mutant);
  try {
    buildHost(policy.rules({ check: DEFAULT_CHECK }), { lazy: false });
  } catch {
    return { ...mutant, killedBy: { file: null, how: 'unbuildable' } };
  }
  const bounded: string[] = [];
  for (const unmutated of files) {
    const litmus = library.find(({ name }) => name === unmutated.file);
    if (litmus === undefined) throw new Error(`no litmus ${unmutated.file}`);
    const how = howItDiffers(policy, litmus, unmutated);
    if (how === 'bounded') bounded.push(litmus.name);
    else if (how !== undefined) return { ...mutant, killedBy: { file: litmus.name, how } };
  }
  return { ...mutant, killedBy: null, ...(bounded.length === 0 ? {} : { bounded }) };
}

/** How what the file says of a mutant is unlike what it says of the policy; undefined where it is the same. */
export function howItDiffers(policy: ConversionPolicy, litmus: Litmus, unmutated: Unmutated): KilledHow | undefined {
  const { verdict, outcomes } = explore(policy, litmus, Math.max(BOUND_MIN, BOUND_FACTOR * unmutated.states));
  if (verdict !== unmutated.verdict) return verdict;
  return JSON.stringify(outcomes) === JSON.stringify(unmutated.outcomes) ? undefined : 'outcomes';
}

/** What comes of a file in which already the operations before everything else go wrong is one of the verdicts, too. */
function explore(policy: ConversionPolicy, litmus: Litmus, statesMax: number): Pick<Unmutated, 'verdict' | 'outcomes'> {
  try {
    return checkLitmus({ litmus, policy, check: DEFAULT_CHECK, reductions: REDUCTIONS, statesMax });
  } catch (error) {
    if (!(error instanceof UserError)) return { verdict: 'broken', outcomes: null };
    if (!error.what.includes('`before`')) throw error;
    return { verdict: error.what.endsWith('never ends') ? 'stuck' : 'differs', outcomes: null };
  }
}
