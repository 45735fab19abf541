/** Families by their names. */
import { UserError, nearestNames } from '../../model/userError.ts';
import type { Metric } from '../metrics.ts';
import type { FamilyFacts } from './family.ts';
import { families } from './list.ts';

export { families } from './list.ts';
export type { FamilyFacts } from './family.ts';

export const DEFAULT_FAMILY = 'conversion';

/** @throws UserError where there is none of this name */
export function familyNamed(name: string): FamilyFacts {
  const family = families.find((one) => one.name === name);
  if (family !== undefined) return family;
  const known = families.map((one) => one.name);
  const near = nearestNames(name, known);
  throw new UserError({ what: `there is no family "${name}"`, why: near.length > 0 ? `the nearest known are ${near.join(', ')}` : `there are ${known.join(', ')}`, fix: 'pick one of them with --family' });
}

/** What the records of a family say of a cell. */
export const metricsOf = (family: string): readonly Metric[] => familyNamed(family).metrics;

/** The label of a cell: which headline it may stand under. */
export const labelOf = ({ family, params }: { readonly family: string; readonly params: Parameters<FamilyFacts['labelOf']>[0] }): string => familyNamed(family).labelOf(params);

/** What each label of any family means. */
export const MEANINGS: Readonly<Record<string, string>> = Object.assign({}, ...families.map(({ labels }) => labels)) as Readonly<Record<string, string>>;
