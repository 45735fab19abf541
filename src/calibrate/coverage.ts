/**
 * Coverage: how much of what a comparison charges is of operations that points price, and so how far a validation of them reaches.
 *
 * Shares are of the priced time, count x price over all operations, with the prices that the points gave; waiting has no price.
 */
import type { ResultsRecord } from '../harness/record.ts';
import type { PriceFit } from './fit.ts';

export interface CoveredRow {
  readonly policy: string;
  /** 0 to 1; null where nothing was priced. */
  readonly share: number | null;
}

/** By policy, in the order of the record. Cells that failed have no counts. */
export function coverageOf({ experiment: { rows }, cells }: ResultsRecord, { prices }: PriceFit): readonly CoveredRow[] {
  return [...new Set(rows.map(({ policy }) => policy))].map((policy) => {
    let totalNs = 0;
    let measuredNs = 0;
    for (const cell of cells) {
      if (cell.policy !== policy || cell.status !== 'ok') continue;
      const counts = cell.deterministic['operations'] as Readonly<Record<string, number>>;
      for (const { operation, ns, source } of prices) {
        const spentNs = (counts[operation] ?? 0) * ns;
        totalNs += spentNs;
        if (source === 'measured') measuredNs += spentNs;
      }
    }
    return { policy, share: totalNs === 0 ? null : measuredNs / totalNs };
  });
}

/** In words, ending in a newline. @param name of the record, as the user knows it */
export function formatCoverage(rows: readonly CoveredRow[], name: string): string {
  const known = rows.filter((row): row is CoveredRow & { readonly share: number } => row.share !== null).toSorted((a, b) => a.share - b.share);
  if (known.length === 0) return `${name} has no priced time that these points could cover\n`;
  const words = ({ policy, share }: { readonly policy: string; readonly share: number }): string => `${(100 * share).toFixed(0)} % under ${policy}`;
  const [least] = known;
  const most = known[known.length - 1];
  return `of the priced time of ${name} operations that were measured here are ${least === most ? words(least) : `${words(least)} to ${words(most)}`}\n`;
}
