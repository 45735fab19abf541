import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Histogram, bucketIndex, bucketUpperEdgeNs } from './histogram.ts';

const LIMIT_NS = 9_007_199_254_740_992; // 2^53
const BUCKET_COUNT = 1568; // 32 of one nanosecond, and 32 for each of the 48 powers of two from 2^5 to 2^52
const allBuckets = Array.from({ length: BUCKET_COUNT }, (_, index) => index);

/** Multiples of 1/8 ns of every magnitude below the limit, which is 2^limitBits. */
const latencyNs = (limitBits: number) =>
  fc
    .tuple(fc.nat({ max: limitBits + 2 }), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
    .map(([bits, fraction]) => Math.floor(Number(1n << BigInt(bits)) * fraction) / 8);

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** All that a histogram shows. */
const factsOf = (histogram: Histogram) => {
  const { count, totalNs, minNs, maxNs } = histogram;
  return { count, totalNs, minNs, maxNs, pairs: histogram.pairs() };
};

const summaryOf = ({ minNs, meanNs, maxNs }: Histogram) =>
  minNs === null || meanNs === null || maxNs === null ? null : { minNs, meanNs, maxNs };

describe('buckets', () => {
  test('are one nanosecond wide below 64 ns, and zero has its own', () => {
    for (let ns = 0; ns < 64; ns++) {
      expect(bucketIndex(ns)).toBe(ns);
      expect(bucketUpperEdgeNs(ns)).toBe(ns + 1);
    }
  });
  test('double in width with each power of two', () => {
    expect([64, 65, 66, 126, 127, 128, 131, 132, 255, 256].map(bucketIndex)).toEqual([64, 64, 65, 95, 95, 96, 96, 97, 127, 128]);
    expect([64, 95, 96, 127].map(bucketUpperEdgeNs)).toEqual([66, 128, 132, 256]);
  });
  test('take a value by its integer part', () => {
    expect([0.875, 1, 31.875, 65.875, 66].map(bucketIndex)).toEqual([0, 1, 31, 64, 65]);
  });
  test('join without a gap: each of the 1568 begins at the upper edge of the one before, up to 2^53', () => {
    let lowerEdge = 0;
    for (const index of allBuckets) {
      const upperEdge = bucketUpperEdgeNs(index);
      expect([bucketIndex(lowerEdge), bucketIndex(upperEdge - 1)]).toEqual([index, index]);
      lowerEdge = upperEdge;
    }
    expect(lowerEdge).toBe(LIMIT_NS);
  });
  test('are at most 1/32 of their lower edge wide from 32 ns on', () => {
    for (const index of allBuckets.slice(32)) {
      const lowerEdge = bucketUpperEdgeNs(index - 1);
      expect((bucketUpperEdgeNs(index) - lowerEdge) * 32).toBeLessThanOrEqual(lowerEdge);
    }
  });
  test('follow the formula of the header, done in big integers, for integers of every length', () => {
    const integer = fc.tuple(fc.integer({ min: 0, max: 53 }), fc.bigInt({ min: 0n, max: (1n << 53n) - 1n })).map(([bits, n]) => n & ((1n << BigInt(bits)) - 1n));
    fc.assert(
      fc.property(integer, (n) => {
        const shift = n < 32n ? 0 : n.toString(2).length - 6;
        expect(bucketIndex(Number(n))).toBe(32 * shift + Number(n >> BigInt(shift)));
      }),
      { numRuns: 2000 },
    );
  });
  test('switch from one word to two at 2^32 without a jump', () => {
    const two32 = 4_294_967_296;
    expect(bucketIndex(two32 - 0.125)).toBe(bucketIndex(two32 - 1));
    expect(bucketIndex(two32)).toBe(bucketIndex(two32 - 1) + 1);
    expect(bucketUpperEdgeNs(bucketIndex(two32))).toBe(two32 + two32 / 32);
  });
});

describe('an empty histogram', () => {
  const empty = new Histogram();
  test('has no figures but a count and a total of zero', () => {
    expect([empty.count, empty.totalNs, empty.minNs, empty.maxNs, empty.meanNs, empty.percentile(50)]).toEqual([0, 0, null, null, null, null]);
    expect(empty.pairs()).toEqual([]);
  });
  test('survives the way through a record', () => {
    expect(factsOf(Histogram.fromPairs([], null))).toEqual(factsOf(empty));
  });
});

describe('recording', () => {
  test('keeps count, total, minimum, maximum and mean exact', () => {
    const histogram = histogramOf([1000.125, 0, 10.5, 1000.125]);
    expect(histogram.count).toBe(4);
    expect(histogram.totalNs).toBe(2010.75);
    expect([histogram.minNs, histogram.maxNs, histogram.meanNs]).toEqual([0, 1000.125, 502.6875]);
    expect(histogram.pairs()).toEqual([[1, 1], [11, 1], [1008, 2]]);
  });
  test.each([-0.125, NaN, Infinity, LIMIT_NS])('refuses %d and stays as it was', (ns) => {
    const histogram = histogramOf([5]);
    expect(() => histogram.record(ns)).toThrow(`a latency has to be from 0 to below 2^53 ns, got ${ns}`);
    expect(factsOf(histogram)).toEqual(factsOf(histogramOf([5])));
  });
  test('takes the largest value there is', () => {
    expect(histogramOf([LIMIT_NS - 1]).percentile(100)).toBe(LIMIT_NS);
  });
});

describe('percentiles', () => {
  const thousand = histogramOf(Array.from({ length: 1000 }, (_, i) => i + 1)); // 1 to 1000 ns
  test('are the upper edge of the bucket that holds the rank', () => {
    expect([0, 1, 3.1, 3.2, 50, 90, 99, 100].map((percent) => thousand.percentile(percent))).toEqual([2, 11, 32, 33, 504, 912, 992, 1008]);
  });
  test('count ranks in whole numbers: p99.9 of 1000 values is the 999th, although 99.9 / 100 x 1000 is above 999', () => {
    const histogram = histogramOf([...Array.from({ length: 999 }, () => 10), 50]);
    expect((99.9 / 100) * 1000).toBeGreaterThan(999);
    expect([99.9, 99.901].map((percent) => histogram.percentile(percent))).toEqual([11, 51]);
  });
  test('take the percentage itself for what is written: 16.1 x 1000 is above 16100, and yet p16.1 of 1000 values is the 161st', () => {
    const histogram = histogramOf([...Array.from({ length: 161 }, () => 10), ...Array.from({ length: 839 }, () => 50)]);
    expect(16.1 * 1000).toBeGreaterThan(16_100);
    expect([16.1, 16.101].map((percent) => histogram.percentile(percent))).toEqual([11, 51]);
  });
  test.each([-1, 100.5, NaN])('refuse %d', (percent) => {
    expect(() => thousand.percentile(percent)).toThrow(`a percentile has to be from 0 to 100, got ${percent}`);
  });
  test('agree with a sorted array: above the value of that rank, by at most 1/32 or one nanosecond, and never beyond the edge of the maximum', () => {
    fc.assert(
      fc.property(fc.array(latencyNs(50), { minLength: 1, maxLength: 200 }), fc.nat({ max: 100_000 }), (values, thousandths) => {
        const histogram = histogramOf(values);
        const sorted = values.toSorted((a, b) => a - b);
        // ceil in big integers, so that the reference owes nothing to doubles.
        const rank = Number((BigInt(thousandths) * BigInt(values.length) + 99_999n) / 100_000n);
        const exact = sorted[Math.max(1, rank) - 1];
        const edge = histogram.percentile(thousandths / 1000) as number;
        expect(edge).toBe(bucketUpperEdgeNs(bucketIndex(exact)));
        expect(edge).toBeGreaterThan(exact);
        expect(edge - exact).toBeLessThanOrEqual(Math.max(1, exact / 32));
        expect(edge).toBeLessThanOrEqual(bucketUpperEdgeNs(bucketIndex(sorted[sorted.length - 1])));
        expect([histogram.minNs, histogram.maxNs]).toEqual([sorted[0], sorted[sorted.length - 1]]);
      }),
    );
  });
});

describe('merging', () => {
  const latencies = fc.array(latencyNs(43), { maxLength: 50 }); // two of them stay below 2^50 ns, where totals are exact
  test('gives the histogram of all values, in either order', () => {
    fc.assert(
      fc.property(latencies, latencies, (left, right) => {
        const together = histogramOf([...left, ...right]);
        const leftFirst = histogramOf(left);
        leftFirst.merge(histogramOf(right));
        const rightFirst = histogramOf(right);
        rightFirst.merge(histogramOf(left));
        expect(factsOf(leftFirst)).toEqual(factsOf(together));
        expect(factsOf(rightFirst)).toEqual(factsOf(together));
      }),
    );
  });
  test('leaves the other one as it was', () => {
    const other = histogramOf([7]);
    histogramOf([1, 2]).merge(other);
    expect(factsOf(other)).toEqual(factsOf(histogramOf([7])));
  });
});

describe('pairs', () => {
  test('bring the histogram back, exact total included', () => {
    fc.assert(
      fc.property(fc.array(latencyNs(42), { maxLength: 50 }), (values) => { // the total is below 2^48 ns
        const histogram = histogramOf(values);
        expect(factsOf(Histogram.fromPairs(histogram.pairs(), summaryOf(histogram)))).toEqual(factsOf(histogram));
      }),
    );
  });
  const good = { minNs: 10, meanNs: 15, maxNs: 20 };
  test.each([
    ['an edge that no bucket has', [[65, 1]], good, 'no bucket ends at 65 ns'],
    ['an edge of no number', [[NaN, 1]], good, 'no bucket ends at NaN ns'],
    ['edges out of order', [[21, 1], [11, 1]], good, 'the bucket that ends at 11 ns is out of order'],
    ['one bucket twice', [[11, 1], [11, 1]], good, 'the bucket that ends at 11 ns is out of order'],
    ['a count of zero', [[11, 0]], good, 'the bucket that ends at 11 ns holds 0 values'],
    ['half a value', [[11, 0.5]], good, 'the bucket that ends at 11 ns holds 0.5 values'],
    ['values without figures', [[11, 3]], null, '3 values with no minimum, mean and maximum'],
    ['figures without values', [], good, '0 values with a minimum, mean and maximum'],
    ['a minimum of another bucket', [[12, 1], [21, 1]], good, 'the minimum 10 ns is not in the first bucket, which ends at 12 ns'],
    ['a maximum of another bucket', [[11, 1], [22, 1]], good, 'the maximum 20 ns is not in the last bucket, which ends at 22 ns'],
    ['a mean above the maximum', [[11, 1], [21, 1]], { ...good, meanNs: 21 }, 'the mean 21 ns is not between 10 and 20 ns'],
  ] as const)('are refused with %s', (_, pairs, summary, why) => {
    expect(() => Histogram.fromPairs(pairs, summary)).toThrow(why);
  });
});
