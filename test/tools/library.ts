/** The library of litmus files as cells: each file under each policy and check that it is for. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { conversionFamily, families } from '../../src/explore/families/index.ts';
import { explorableOf, proposalsOf } from '../../src/explore/family.ts';
import type { ExploredFamily } from '../../src/explore/family.ts';
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { AnyLitmus, Litmus, LitmusWorldBase } from '../../src/explore/litmus.ts';
import { policies } from '../../src/policies/index.ts';
import { wrongPolicies } from '../../src/policies/wrong/index.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';
import type { AnyCell, Cell } from './searched.ts';

const folderOf = ({ name }: ExploredFamily): string => `litmus/${name}`;
const SUFFIX = '.litmus.yaml';

export const shippedPolicies: readonly ConversionPolicy[] = policies.filter(({ reference }) => reference === undefined);
export const allPolicies: readonly ConversionPolicy[] = [...policies, ...wrongPolicies];

/** The families beside that of conversions. */
export const otherFamilies: readonly ExploredFamily[] = families.filter((family) => family !== conversionFamily);

/** Every file of a family, in the order of their names. */
export function filesOf<L extends LitmusWorldBase>(family: ExploredFamily): readonly Litmus<L>[] {
  const folder = folderOf(family);
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(SUFFIX)).sort() : [];
  return names.map((name) => parseLitmus<L>(readFileSync(`${folder}/${name}`, 'utf8'), `${folder}/${name}`));
}

/** Every file of the library that is about conversions, in the order of their names. */
export const libraryFiles = (): readonly Litmus[] => filesOf(conversionFamily);

/** Every file of the other families. */
export const otherFiles = (): readonly AnyLitmus[] => otherFamilies.flatMap(filesOf);

/** The cells of a file: its policies (default: all that ship), each with its checks as far as the file asks for them. */
export function anyCellsOf(litmus: AnyLitmus): readonly AnyCell[] {
  const chosen = litmus.policies === undefined ? proposalsOf(litmus.family) : explorableOf(litmus.family).filter(({ name }) => litmus.policies?.includes(name));
  return chosen.flatMap((policy) => (policy.checks.length === 0 ? [undefined] : policy.checks.filter((check) => litmus.checks?.includes(check) ?? true)).map((check) => ({ litmus, policy, check })));
}

/** The same of a file about conversions. */
export const cellsOf = (litmus: Litmus): readonly Cell[] => anyCellsOf(litmus) as readonly Cell[];

export const cellName = ({ litmus, policy, check }: AnyCell): string => `${litmus.name} under ${policy.name}${check === undefined ? '' : `/${check}`}`;

/** Everything is asked that a test otherwise samples. */
export const IS_SOAK = process.env['FOLIOBENCH_SOAK'] !== undefined;
const ONE_IN = 3;

/**
 * Whether a test that asks much of every cell asks it of this one: of a file for all policies the newer ones, which share their steps, are
 * asked in one cell of three, by its name. FOLIOBENCH_SOAK=1 asks them all.
 */
export function isSampled(cell: AnyCell): boolean {
  if (IS_SOAK || cell.litmus.policies !== undefined || cell.policy.onRequest !== true) return true;
  return [...cellName(cell)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % ONE_IN === 0;
}
