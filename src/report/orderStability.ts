/**
 * Whether the order of policies in a comparison rests on a guess.
 *
 * Each row's counts are priced again with each *estimated* price at its low and at its high end, one price at a time, all
 * others as they are; measured and published prices stay. The rows are ordered by completed work per priced time, and
 * a *flip* is a pair of which one was strictly ahead and then is strictly behind. Rows that tie have no order to flip.
 *
 * What it captures: the work that was counted, at other prices. Work that interrupts others is in it.
 *
 * What it does not capture:
 *   - The run is not simulated again. Time spent waiting (for locks, references, acknowledgements, back-off) is in no count, and
 *     the counts themselves are of the run at the given prices: at others, a race could have gone the other way and a
 *     request could have been retried once more or timed out.
 *   - Priced time is the sum over all CPUs, not the time that passed. A table ordered by virtual time can differ.
 *   - Two prices that are wrong together, such as all atomics of a machine, may flip what neither flips alone.
 *
 * So `order stable` says that no single estimate decides, not that the order is certain; a flip is a reason to measure.
 *
 * Exact: prices are multiples of 1/8 ns and counts are integers, so rates are compared as fractions of big integers, and a
 * tie is a tie. Only the crossing price that is shown is a double.
 */
import type { OperationName } from '../model/operations.ts';
import type { CostProfile, Price } from '../simulate/costs.ts';

/** One row of a table: a policy on the same workload as the other rows. */
export interface StabilityRow {
  readonly label: string;
  /** How often each operation was charged, by index in OPERATIONS. */
  readonly operations: ArrayLike<number>;
  /** Work that was completed: a whole number of anything that all rows count alike. */
  readonly completed: number;
}

/** One estimated price that decides the order of one pair. */
export interface OrderFlip {
  readonly operation: OperationName;
  readonly end: 'low' | 'high';
  /** The price as the profile has it, at its end, and where the two rows are level. */
  readonly ns: number;
  readonly endNs: number;
  readonly crossingNs: number;
  /** Labels: who is ahead at the profile's prices, and who gets ahead of it towards the end. */
  readonly ahead: string;
  readonly passedBy: string;
}

export interface OrderStability {
  /** Labels by completed work per priced time, best first; equal ones as they came. */
  readonly order: readonly string[];
  /** How many prices of the profile are estimates. */
  readonly estimatedPrices: number;
  /** All flips, those first that need the smallest part of the way from the price to its end; then those nearer the top of the order. */
  readonly flips: readonly OrderFlip[];
}

/** Counts of one row in big integers. Time is in eighths of a nanosecond. */
interface Row {
  readonly label: string;
  readonly operations: readonly bigint[];
  readonly completed: bigint;
  readonly time: bigint;
}

/** A row at other prices. */
type Rate = Pick<Row, 'completed' | 'time'>;

interface RankedFlip {
  readonly flip: OrderFlip;
  readonly rank: readonly number[];
}

/** Throws a RangeError for rows that are no counts of operations. */
export function orderStability(rows: readonly StabilityRow[], { prices, priceNs }: Pick<CostProfile, 'prices' | 'priceNs'>): OrderStability {
  const eighths = Array.from(priceNs, (ns) => BigInt(ns * 8));
  const ordered = rows.map((row) => priced(row, eighths)).sort(compareRates);
  const estimated = prices.filter(({ source }) => source === 'estimated');
  const ranked = estimated.flatMap((price) => [...flipsAt(ordered, price, 'low'), ...flipsAt(ordered, price, 'high')]);
  return {
    order: ordered.map(({ label }) => label),
    estimatedPrices: estimated.length,
    flips: ranked.sort((a, b) => compareRanks(a.rank, b.rank)).map(({ flip }) => flip),
  };
}

/** `order stable`, or a line for each flip. With a `limit`, the flips beyond it are only counted. No newline at the end. */
export function formatOrderStability({ flips, estimatedPrices }: OrderStability, limit = Infinity): string {
  if (flips.length === 0) return `order stable (each of ${estimatedPrices} estimated prices at its low and at its high end)`;
  const deciding = new Set(flips.map(({ operation }) => operation)).size;
  const lines = [`order not stable: ${deciding} of ${estimatedPrices} estimated prices can change it`];
  for (const { operation, end, ns, endNs, crossingNs, ahead, passedBy } of flips.slice(0, limit)) {
    const side = end === 'low' ? 'below' : 'above';
    lines.push(`  ${operation} ${side} ${crossingNs.toFixed(1)} ns (estimate ${ns}, ${end} end ${endNs}): ${passedBy} passes ${ahead}`);
  }
  if (flips.length > limit) lines.push(`  and ${flips.length - limit} more`);
  return lines.join('\n');
}

function priced({ label, operations, completed }: StabilityRow, eighths: readonly bigint[]): Row {
  if (operations.length !== eighths.length) {
    throw new RangeError(`row "${label}" has ${operations.length} counts of operations, expected ${eighths.length}`);
  }
  const wrong = [completed, ...Array.from(operations)].find((count) => !(Number.isSafeInteger(count) && count >= 0));
  if (wrong !== undefined) throw new RangeError(`row "${label}" has a count of ${wrong}, expected an integer from 0 to 2^53 - 1`);
  const counts = Array.from(operations, BigInt);
  const time = counts.reduce((sum, count, index) => sum + count * eighths[index], 0n);
  return { label, operations: counts, completed: BigInt(completed), time };
}

/** Negative where `a` completes more in the same time. No work in no time is no work. */
function compareRates(a: Rate, b: Rate): -1 | 0 | 1 {
  const left = a.completed * timeOf(b);
  const right = b.completed * timeOf(a);
  if (left === right) return 0;
  return left > right ? -1 : 1;
}

function timeOf({ completed, time }: Rate): bigint {
  return completed === 0n && time === 0n ? 1n : time;
}

/** The pairs of `ordered` that flip when one price goes to one of its ends. */
function flipsAt(ordered: readonly Row[], { operation, index, ns, lowNs, highNs }: Price, end: 'low' | 'high'): readonly RankedFlip[] {
  const endNs = end === 'low' ? lowNs : highNs;
  const shift = BigInt((endNs - ns) * 8);
  const rates = ordered.map(({ completed, operations, time }): Rate => ({ completed, time: time + operations[index] * shift }));
  // Where no neighbours change places, nobody does; that is the usual case.
  if (rates.every((rate, place) => place === 0 || compareRates(rates[place - 1], rate) <= 0)) return [];

  const flips: RankedFlip[] = [];
  for (let first = 0; first < ordered.length; first++) {
    for (let second = first + 1; second < ordered.length; second++) {
      if (compareRates(ordered[first], ordered[second]) === 0 || compareRates(rates[first], rates[second]) <= 0) continue;
      const crossingNs = ns + crossing(ordered[first], ordered[second], index) / 8;
      flips.push({
        flip: { operation, end, ns, endNs, crossingNs, ahead: ordered[first].label, passedBy: ordered[second].label },
        rank: [(crossingNs - ns) / (endNs - ns), first, second, index],
      });
    }
  }
  return flips;
}

/** The change of one price, in eighths, at which two rows are level: their lead is linear in it. */
function crossing(ahead: Row, behind: Row, index: number): number {
  const lead = ahead.completed * behind.time - behind.completed * ahead.time;
  const leadPerEighth = ahead.completed * behind.operations[index] - behind.completed * ahead.operations[index];
  return -Number(lead) / Number(leadPerEighth);
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
