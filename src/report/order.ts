/** Whether the order of the policies would survive other prices: a line or a few for each table. */
import { chosenText } from '../harness/choices.ts';
import { familyNamed, type FamilyFacts } from '../harness/families/index.ts';
import { OPERATIONS } from '../model/operations.ts';
import type { CostProfile } from '../simulate/costs.ts';
import { formatOrderStability, orderStability, type OrderStability, type StabilityRow } from './orderStability.ts';
import { countsOf, total, type Group, type SummaryRow } from './rows.ts';

const FLIPS_SHOWN = 3;

/** Prices that a family can be charged decide its order; those of other families' operations do not. */
const pricesOf = ({ prices, priceNs }: CostProfile, { operations }: FamilyFacts): Pick<CostProfile, 'prices' | 'priceNs'> => ({
  prices: prices.filter(({ operation }) => operations.includes(operation)),
  priceNs,
});

export function orderLines(groups: readonly Group[], profile: CostProfile): readonly string[] {
  return groups.flatMap((group) => {
    const { label, workloads } = group;
    const stability = stabilityOf(group, profile);
    if (stability === null) return [];
    const isDivided = groups.some((other) => other.label === label && other.workloads !== workloads);
    const heading = isDivided ? `${label}, ${workloads.join(', ')}` : label;
    return `${heading}: ${formatOrderStability(stability, FLIPS_SHOWN)}`.split('\n');
  });
}

/** Of the policies that have all their cells; null where those are fewer than two. */
export function stabilityOf({ rows }: Pick<Group, 'rows'>, profile: CostProfile): OrderStability | null {
  const policies = rows.filter(({ isMeasure, cells, missing }) => !isMeasure && cells.length > 0 && missing === 0);
  return policies.length < 2 ? null : orderStability(policies.map(stabilityRow), pricesOf(profile, familyNamed(policies[0].family)));
}

function stabilityRow(row: SummaryRow): StabilityRow {
  const counts = countsOf(row, 'operations');
  const details = [...(row.check === null ? [] : [row.check]), ...(row.choices === undefined ? [] : [chosenText(row.choices)])];
  return {
    label: details.length === 0 ? row.policy : `${row.policy} (${details.join(', ')})`,
    operations: OPERATIONS.map(({ name }) => counts[name] ?? 0),
    completed: total(row, 'work'), // what the table's first figure counts
  };
}
