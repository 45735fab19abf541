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
