/**
 * Wilcoxon's signed-rank test and the Hodges-Lehmann estimate, both exact: of a few paired differences, what their middle is, between
 * which bounds it lies, and how often chance alone would show as much.
 *
 * Why these: one disturbed run among twelve moves a mean and not a rank, no distribution of noise has to be assumed but that it is as
 * often above as below, and nothing is drawn at random, so the same differences give the same verdict.
 */

export interface SignedRank {
  /** Hodges-Lehmann: the median of the averages of all pairs of differences. */
  readonly middle: number;
  /** Bounds of the middle; chance leaves it out on either side at most `alpha` of the time. Infinite where there are too few differences. */
  readonly low: number;
  readonly high: number;
  /** How often chance alone shows a middle as far above 0; one-sided. */
  readonly probability: number;
}

/** @param alpha of each side, such as 0.005. @throws where there is no difference */
export function signedRank(differences: readonly number[], alpha: number): SignedRank {
  const averages = walshAverages(differences);
  const tail = tailOf(differences.length);
  // As many averages lie above 0 as the ranks of the positive differences sum up to; one of exactly 0 speaks for nobody.
  const above = averages.reduce((count, average) => count + (average > 0 ? 1 : 0), 0);
  // With fewer averages than this above it a value is not yet improbable as the middle; -1, and so none, where there are too few differences.
  const left = averages.length - tail.findIndex((probability) => probability <= alpha);
  return {
    middle: (averages[(averages.length - 1) >> 1] + averages[averages.length >> 1]) / 2,
    low: left < averages.length ? averages[left] : Number.NEGATIVE_INFINITY,
    high: left < averages.length ? averages[averages.length - 1 - left] : Number.POSITIVE_INFINITY,
    probability: tail[above],
  };
}

/** The averages of each difference with itself and with each other one, from the least. */
function walshAverages(differences: readonly number[]): Float64Array {
  const count = differences.length;
  if (count === 0) throw new Error('no signed rank of nothing');
  const averages = new Float64Array((count * (count + 1)) / 2);
  let place = 0;
  for (let i = 0; i < count; i++) for (let j = i; j < count; j++) averages[place++] = (differences[i] + differences[j]) / 2;
  return averages.sort();
}

/** At `sum`: the probability that the ranks of the positive ones of `count` differences sum up to that or more, each sign as likely as the other. */
export function tailOf(count: number): Float64Array {
  const sumMax = (count * (count + 1)) / 2;
  let exactly = new Float64Array(sumMax + 1);
  exactly[0] = 1;
  for (let rank = 1; rank <= count; rank++) {
    const next = new Float64Array(sumMax + 1);
    for (let sum = 0; sum <= sumMax; sum++) next[sum] = (exactly[sum] + (sum >= rank ? exactly[sum - rank] : 0)) / 2;
    exactly = next;
  }
  const tail = new Float64Array(sumMax + 1);
  let sumOfTail = 0;
  for (let sum = sumMax; sum >= 0; sum--) tail[sum] = sumOfTail += exactly[sum];
  return tail;
}
