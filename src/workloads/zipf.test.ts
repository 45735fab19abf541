import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from './random.ts';
import { createZipf, drawRank } from './zipf.ts';
import type { Zipf } from './zipf.ts';

const TWO_32 = 0x1_0000_0000;

/** The exact probability of each bucket for s = 1: the sum of 1 / k over its ranks, over the sum of all. */
function exactShares({ rankCount, firstRank, rankSpan }: Zipf): readonly number[] {
  const sum = (from: number, count: number): number => {
    let total = 0;
    for (let rank = from + count - 1; rank >= from; rank--) total += 1 / (rank + 1);
    return total;
  };
  const all = sum(0, rankCount);
  return Array.from(firstRank, (first, bucket) => sum(first, rankSpan[bucket]) / all);
}

/** What the alias table really draws, in units of 2^-32. */
function drawnShares({ ownLimit, other }: Zipf): Float64Array {
  const cellShare = TWO_32 / ownLimit.length;
  const shares = new Float64Array(ownLimit.length);
  for (let cell = 0; cell < ownLimit.length; cell++) {
    shares[cell] += ownLimit[cell];
    shares[other[cell]] += cellShare - ownLimit[cell];
  }
  return shares;
}

describe('the table', () => {
  const zipf = createZipf(262_144, 4);

  test('has every rank in one bucket: 128 alone, then 64 buckets to each power of two', () => {
    const used = Array.from(zipf.rankSpan).filter((span) => span > 0);
    expect(used.length).toBe(128 + 11 * 64);
    expect(used.reduce((sum, span) => sum + span, 0)).toBe(262_144);
    for (let bucket = 1; bucket < used.length; bucket++) expect(zipf.firstRank[bucket]).toBe(zipf.firstRank[bucket - 1] + zipf.rankSpan[bucket - 1]);
    expect([0, 127, 128, 191, 192, 831].map((bucket) => zipf.rankSpan[bucket])).toEqual([1, 1, 2, 2, 4, 2048]);
  });
  test('has the exact probabilities of 1 / k, each bucket within 2e-5 of itself (and the last bit of 2^-32)', () => {
    for (const [bucket, exact] of exactShares(zipf).entries()) {
      expect(Math.abs(zipf.share[bucket] - exact * TWO_32)).toBeLessThanOrEqual(exact * TWO_32 * 2e-5 + 1);
    }
  });
  test('draws each bucket with its share to the last unit, whatever the number of ranks and the exponent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xffff_ffff }), fc.integer({ min: 0, max: 12 }), (rankCount, quarters) => {
        const table = createZipf(rankCount, quarters);
        expect(drawnShares(table)).toEqual(table.share);
        expect(table.share.reduce((sum, each) => sum + each, 0)).toBe(TWO_32);
      }),
      { numRuns: 50 },
    );
  });
  test('takes exponents in quarters: 16 times the rank is 2, 4, 8, 16, 32 times as rare', () => {
    for (const [quarters, rarer] of [[1, 2], [2, 4], [3, 8], [4, 16], [5, 32]]) {
      const { share } = createZipf(16, quarters);
      expect(share[0] / share[15]).toBeCloseTo(rarer, 6);
    }
    expect(new Set(createZipf(64, 0).share.slice(0, 64))).toEqual(new Set([TWO_32 / 64]));
  });
});

describe('drawn ranks', () => {
  test('follow the table: 400 000 draws, chi square below the 99.9 % point of 831 degrees of freedom', () => {
    const zipf = createZipf(262_144, 4);
    const random = createRandom(3);
    const draws = 400_000;
    const bucketOf = bucketOfEachRank(zipf);
    const seen = new Uint32Array(832);
    for (let i = 0; i < draws; i++) seen[bucketOf[drawRank(zipf, random)]]++;
    let chiSquare = 0;
    for (let bucket = 0; bucket < 832; bucket++) {
      const expected = (draws * zipf.share[bucket]) / TWO_32;
      chiSquare += ((seen[bucket] - expected) * (seen[bucket] - expected)) / expected;
    }
    expect(chiSquare).toBeLessThan(962);
  });
  test('stay below the number of ranks, and reach the last one', () => {
    const zipf = createZipf(131, 0);
    const random = createRandom(5);
    const ranks = new Set(Array.from({ length: 10_000 }, () => drawRank(zipf, random)));
    expect([Math.min(...ranks), Math.max(...ranks), ranks.size]).toEqual([0, 130, 131]);
  });
  test('are the same numbers for ever', () => {
    const zipf = createZipf(262_144, 3);
    const random = createRandom(1);
    expect(Array.from({ length: 12 }, () => drawRank(zipf, random))).toMatchInlineSnapshot(`
      [
        598,
        0,
        5892,
        34643,
        2044,
        207,
        24,
        64273,
        215748,
        114101,
        462,
        25737,
      ]
    `);
  });
});

function bucketOfEachRank({ rankCount, firstRank, rankSpan }: Zipf): Uint16Array {
  const bucketOf = new Uint16Array(rankCount);
  for (const [bucket, first] of firstRank.entries()) bucketOf.fill(bucket, first, first + rankSpan[bucket]);
  return bucketOf;
}
