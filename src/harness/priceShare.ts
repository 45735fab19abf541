/** Where the priced time of a run comes from: how far to trust it. */
import type { CostProfile, PriceSource } from '../simulate/costs.ts';

/**
 * Shares (0 to 1) of count x price by the source of the price; all 0 where nothing was priced. Waiting has no price, so the
 * shares are of the work that was charged, not of the virtual time.
 */
export function priceShare(operations: ArrayLike<number>, { prices }: Pick<CostProfile, 'prices'>): Readonly<Record<PriceSource, number>> {
  const spentNs: Record<PriceSource, number> = { measured: 0, published: 0, estimated: 0 };
  let totalNs = 0;
  for (const { index, ns, source } of prices) {
    spentNs[source] += operations[index] * ns;
    totalNs += operations[index] * ns;
  }
  if (totalNs === 0) return spentNs;
  const { measured, published, estimated } = spentNs;
  return { measured: measured / totalNs, published: published / totalNs, estimated: estimated / totalNs };
}
