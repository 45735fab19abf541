/** The library of litmus files as cells: each file under each policy and check that it is for. */
import { readFileSync, readdirSync } from 'node:fs';
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { Litmus } from '../../src/explore/litmus.ts';
import { policies } from '../../src/policies/index.ts';
import { wrongPolicies } from '../../src/policies/wrong/index.ts';
import type { Check, ConversionPolicy } from '../../src/policies/policy.ts';
import type { Cell } from './searched.ts';

const FOLDER = 'litmus/conversion';
const SUFFIX = '.litmus.yaml';

export const shippedPolicies: readonly ConversionPolicy[] = policies.filter(({ reference }) => reference === undefined);
export const allPolicies: readonly ConversionPolicy[] = [...policies, ...wrongPolicies];

/** Every file of the library, in the order of their names. */
export function libraryFiles(): readonly Litmus[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX)).sort();
  return names.map((name) => parseLitmus(readFileSync(`${FOLDER}/${name}`, 'utf8'), `${FOLDER}/${name}`));
}

/** The cells of a file: its policies (default: all that ship), each with its checks as far as the file asks for them. */
export function cellsOf(litmus: Litmus): readonly Cell[] {
  const chosen = litmus.policies === undefined ? shippedPolicies : allPolicies.filter(({ name }) => litmus.policies?.includes(name));
  const checksOf = ({ checks }: ConversionPolicy): readonly (Check | undefined)[] => (checks.length === 0 ? [undefined] : checks.filter((check) => litmus.checks?.includes(check) ?? true));
  return chosen.flatMap((policy) => checksOf(policy).map((check) => ({ litmus, policy, check })));
}

export const cellName = ({ litmus, policy, check }: Cell): string => `${litmus.name} under ${policy.name}${check === undefined ? '' : `/${check}`}`;

const IS_SOAK = process.env['FOLIOBENCH_SOAK'] !== undefined;
const ONE_IN = 3;

/**
 * Whether a test that asks much of every cell asks it of this one: of a file for all policies the newer ones, which share their steps, are
 * asked in one cell of three, by its name. FOLIOBENCH_SOAK=1 asks them all.
 */
export function isSampled(cell: Cell): boolean {
  if (IS_SOAK || cell.litmus.policies !== undefined || cell.policy.onRequest !== true) return true;
  return [...cellName(cell)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % ONE_IN === 0;
}
