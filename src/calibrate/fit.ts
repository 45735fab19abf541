/**
 * The fit: prices of operations from what whole calls took on a real kernel.
 *
 * The model says how often a call does each operation (src/calibrate/predict.ts), the kernel how long the call took; prices are the
 * non-negative least squares between the two, each point weighing by its relative error, so that a call of 300 ns counts as much as one
 * of 3 ms.
 *
 * Operations that always come in the same proportion cannot be told apart by any number of points: they are fitted as one, and share
 * their sum as the profile that we began with has it; those that hardly can are drawn towards that ratio. What no point has keeps the
 * price of that profile.
 */
import { OPERATIONS } from '../model/operations.ts';
import type { OperationName } from '../model/operations.ts';
import type { CostProfile, PriceSource } from '../simulate/costs.ts';
import { nonNegativeLeastSquares } from './nnls.ts';
import type { Fit } from './nnls.ts';

/** One call: what the model says that it does, and how long it took. */
export interface Observation {
  /** By index in OPERATIONS. */
  readonly counts: ArrayLike<number>;
  /** What it does beside the operations of the model (`TERMS` of src/calibrate/predict.ts); the same number of them in each observation. */
  readonly terms?: ArrayLike<number>;
  readonly ns: number;
}

export interface FittedPrice {
  readonly operation: OperationName;
  readonly ns: number;
  /** Two standard errors below and above; those of the profile that we began with where the price is not measured. */
  readonly lowNs: number;
  readonly highNs: number;
  readonly source: PriceSource;
  /** Operations that it could not be told apart from, itself among them; none where it is not measured. */
  readonly together: readonly OperationName[];
}

export interface PriceFit {
  /** One for each operation of kind `work`, in the order of OPERATIONS. */
  readonly prices: readonly FittedPrice[];
  /** Nanoseconds of each term of the observations. */
  readonly termNs: readonly number[];
  /** Of the observations that were fitted, in per cent of what was measured. */
  readonly medianErrorPercent: number;
  readonly largestErrorPercent: number;
}

/** Operations that are fitted as one, by index in OPERATIONS. */
type Group = readonly number[];

/** Mean square of relative errors that no measurement falls below; with it columns that points can hardly tell apart do no harm. */
const NOISE_MIN = 1e-8;
/** Counts are whole numbers, or sums of a few; a smaller difference of two ratios is rounding. */
const SAME_RATIO = 1e-9;

/** @throws Error without observations, or with one that took no time */
export function fitPrices(observations: readonly Observation[], prior: CostProfile): PriceFit {
  if (observations.length === 0 || observations.some(({ ns }) => !(ns > 0))) throw new Error('a fit needs observations, and each has taken some time');
  const groups = groupsOf(observations, prior);
  const rows = observations.map(({ counts, terms = [] }) => [...groups.map((group) => priced(group, counts, prior.priceNs)), ...Array.from(terms)]);
  const rough = solve(rows, observations, []);
  const noise = NOISE_MIN + rows.reduce((sum, row, at) => sum + squareOf(1 - valueOf(row, rough.coefficients) / observations[at].ns), 0) / rows.length;
  const drawn = solve(rows, observations, groups.map(() => noise));
  // What came out as many times the price before is known to as many times less: a price of another kind of machine must not draw it down.
  const { coefficients, standardErrors } = solve(rows, observations, groups.map((_, at) => noise / squareOf(Math.max(1, drawn.coefficients[at]))));
  const errors = rows.map((row, at) => errorPercent(valueOf(row, coefficients), observations[at].ns));
  return {
    prices: prior.prices.map(({ operation, index, ns, lowNs, highNs, source }) => {
      const group = groups.findIndex((members) => members.includes(index));
      if (group < 0) return { operation, ns, lowNs, highNs, source: source === 'measured' ? 'estimated' : source, together: [] };
      const times = coefficients[group];
      const error = Number.isNaN(standardErrors[group]) ? 0 : 2 * standardErrors[group];
      return {
        operation,
        ns: ns * times,
        lowNs: ns * Math.max(0, times - error),
        highNs: ns * (times + error),
        source: 'measured',
        together: groups[group].map((member) => OPERATIONS[member].name),
      };
    }),
    termNs: Array.from(coefficients.subarray(groups.length)),
    medianErrorPercent: medianOf(errors),
    largestErrorPercent: Math.max(...errors),
  };
}

/**
 * @param pulls weight of the price before, one a group: the columns that are multiples of one; the others are terms. It is the mean square of
 *   the points' relative errors, as a price before is known to a factor of two or so (one, relatively), a point to that, and in that
 *   proportion they weigh. What the points tell apart stays as it is; what they can hardly tell apart keeps its ratio.
 */
function solve(rows: readonly (readonly number[])[], observations: readonly Observation[], pulls: readonly number[]): Fit {
  const before = pulls.map((_, at) => rows[0].map((_value, column) => (column === at ? 1 : 0)));
  return nonNegativeLeastSquares(
    [...rows, ...before],
    [...observations.map(({ ns }) => ns), ...before.map(() => 1)],
    [...observations.map(({ ns }) => 1 / (ns * ns)), ...pulls],
  );
}

const valueOf = (row: readonly number[], coefficients: ArrayLike<number>): number => row.reduce((sum, value, column) => sum + value * coefficients[column], 0);
const squareOf = (value: number): number => value * value;

/** Time of a call by a list of prices. @param priceNs by index in OPERATIONS */
export function predictNs(counts: ArrayLike<number>, priceNs: ArrayLike<number>): number {
  let ns = 0;
  for (let at = 0; at < counts.length; at++) ns += counts[at] * priceNs[at];
  return ns;
}

export const errorPercent = (predictedNs: number, measuredNs: number): number => (100 * Math.abs(predictedNs - measuredNs)) / measuredNs;

/** The middle one, or the mean of the two in the middle; NaN of nothing. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What a group costs by its prices: with a price of 0 an operation has no share in it. */
const priced = (group: Group, counts: ArrayLike<number>, priceNs: ArrayLike<number>): number =>
  group.reduce((sum, index) => sum + counts[index] * priceNs[index], 0);

/** The operations that occur, each with those that occur in the same proportion everywhere. */
function groupsOf(observations: readonly Observation[], { prices }: CostProfile): readonly Group[] {
  const groups: number[][] = [];
  for (const { index, ns } of prices) {
    // What costs nothing by the profile that we began with has nothing that it could be scaled by.
    if (ns === 0 || observations.every(({ counts }) => counts[index] === 0)) continue;
    const same = groups.find(([first]) => isProportional(observations, first, index));
    if (same === undefined) groups.push([index]);
    else same.push(index);
  }
  return groups;
}

function isProportional(observations: readonly Observation[], a: number, b: number): boolean {
  const { counts: first } = observations.find(({ counts }) => counts[a] !== 0) ?? observations[0];
  return observations.every(({ counts }) => Math.abs(counts[a] * first[b] - counts[b] * first[a]) <= SAME_RATIO * Math.max(1, Math.abs(counts[a] * first[b])));
}
