/**
 * A grid of points and the model: prices from the points that are fitted, and what they say of every point, those held back too.
 *
 * A point whose runs disagree (its quartiles lie further apart than half of its median) measured the machine's other work; it is told,
 * and neither fitted nor counted. Of an operation that the backing does not have there is no prediction.
 */
import { OPERATIONS } from '../model/operations.ts';
import { UserError } from '../model/userError.ts';
import type { CostProfile } from '../simulate/costs.ts';
import { fitPrices, medianOf, predictNs } from './fit.ts';
import type { PriceFit } from './fit.ts';
import { heldBackFor } from './heldBack.ts';
import type { HeldBack } from './heldBack.ts';
import { isMixed } from './mixed.ts';
import { isSteady, placeName } from './points.ts';
import type { MeasuredOperation, Point } from './points.ts';
import { predict } from './predict.ts';
import type { Prediction } from './predict.ts';
import { TERMS } from './terms.ts';

/** Fewer fitted points than that are no grid. */
const POINTS_MIN = 30;

export interface CheckedPoint {
  readonly point: Point;
  readonly predictedNs: number;
  /** Signed, in per cent of what was measured. */
  readonly errorPercent: number;
  readonly heldBack: HeldBack;
  /** The operation or term that takes most of the predicted time, and its share of it. */
  readonly dominant: string;
  readonly dominantShare: number;
}

export interface FittedPoints {
  readonly fit: PriceFit;
  readonly checked: readonly CheckedPoint[];
  /** Points whose runs disagree. */
  readonly unsteady: readonly Point[];
  /** Points of what the backing does not have. */
  readonly unknown: readonly Point[];
}

/** @throws UserError where there are too few points for a fit */
export function fitPoints(points: readonly Point[], prior: CostProfile): FittedPoints {
  const unsteady = points.filter((point) => !isSteady(point));
  const predicted = points.filter(isSteady).map((point) => ({ point, prediction: predict(point, point.backing), heldBack: heldBackOf(point) }));
  const known = predicted.filter((one): one is typeof one & { readonly prediction: Prediction } => one.prediction !== null);
  const fitted = known.filter(({ heldBack }) => heldBack === null);
  if (fitted.length < POINTS_MIN) {
    throw new UserError({
      what: `${fitted.length} points are too few to fit prices to`,
      why: `it takes ${POINTS_MIN} that are not held back and whose runs agree; ${unsteady.length} of ${points.length} do not`,
      fix: 'measure again while the machine does nothing else',
    });
  }
  const fit = fitPrices(fitted.map(({ point: { ns }, prediction }) => ({ ...prediction, ns })), prior);
  const priceNs = new Float64Array(OPERATIONS.length);
  for (const [at, { ns }] of fit.prices.entries()) priceNs[prior.prices[at].index] = ns;
  return {
    fit,
    checked: known.map(({ point, prediction, heldBack }) => checkedPoint(point, prediction, heldBack, priceNs, fit.termNs)),
    unsteady,
    unknown: predicted.filter(({ prediction }) => prediction === null).map(({ point }) => point),
  };
}

/** What has no size has one point, and no other could be fitted in its place. */
const heldBackOf = (point: Point): HeldBack =>
  isMixed(point.operation) ? 'a whole sequence' : SINGLE.has(point.operation) ? null : heldBackFor(`${point.backing} ${placeName(point)}`, point);
const SINGLE: ReadonlySet<MeasuredOperation> = new Set(['syscall', 'efault', 'sigbus']);

function checkedPoint(point: Point, { counts, terms }: Prediction, heldBack: HeldBack, priceNs: Float64Array, termNs: readonly number[]): CheckedPoint {
  const predictedNs = predictNs(counts, priceNs) + predictNs(terms, termNs);
  const shares = [
    ...OPERATIONS.map(({ name }, at) => ({ name: name as string, ns: counts[at] * priceNs[at] })),
    ...TERMS.map(({ name }, at) => ({ name, ns: terms[at] * termNs[at] })),
  ];
  const most = shares.reduce((best, one) => (one.ns > best.ns ? one : best));
  return { point, predictedNs, errorPercent: (100 * (predictedNs - point.ns)) / point.ns, heldBack, dominant: most.name, dominantShare: predictedNs > 0 ? most.ns / predictedNs : 0 };
}

/** Median and largest of the absolute errors, in per cent. */
export interface ErrorFigures {
  readonly count: number;
  readonly medianPercent: number;
  readonly largestPercent: number;
}

export function errorFigures(checked: readonly CheckedPoint[]): ErrorFigures {
  const errors = checked.map(({ errorPercent }) => Math.abs(errorPercent));
  return { count: errors.length, medianPercent: medianOf(errors), largestPercent: Math.max(...errors) };
}
