import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signedRank, tailOf } from './signedRank.ts';

/** By going through every choice of signs. */
function tailByCounting(count: number, sum: number): number {
  let reached = 0;
  for (let signs = 0; signs < 2 ** count; signs++) {
    let ranks = 0;
    for (let rank = 1; rank <= count; rank++) if ((signs >> (rank - 1)) & 1) ranks += rank;
    if (ranks >= sum) reached++;
  }
  return reached / 2 ** count;
}

describe('how often chance alone shows as much', () => {
  test.each([1, 2, 5, 9])('with %d differences: as counting every choice of signs says', (count) => {
    const tail = tailOf(count);
    expect([...tail]).toEqual(Array.from(tail, (_, sum) => tailByCounting(count, sum)));
  });

  test('with 10: the values of the printed tables', () => {
    // One-sided 0.05, 0.025 and 0.005 are reached at rank sums of at most 10, 8 and 3 on the other side, of 55.
    const tail = tailOf(10);
    expect([45, 47, 52].map((sum) => [tail[sum] <= [0.05, 0.025, 0.005][[45, 47, 52].indexOf(sum)], tail[sum - 1] <= [0.05, 0.025, 0.005][[45, 47, 52].indexOf(sum)]])).toEqual([
      [true, false], [true, false], [true, false],
    ]);
  });
});

describe('the middle of a few differences', () => {
  test('is the median of the averages of all pairs, and one wild difference hardly moves it', () => {
    expect(signedRank([1, 2, 3, 4, 5], 0.05).middle).toBe(3);
    expect(signedRank([1, 2, 3, 4, 1000], 0.05).middle).toBe(3);
    expect(signedRank([2], 0.05).middle).toBe(2);
  });

  test('is known within no bounds where the differences are too few', () => {
    expect(signedRank([1, 2, 3, 4], 0.05)).toMatchObject({ low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, probability: 1 / 16 });
    expect(signedRank([1, 2, 3, 4, 5], 0.05)).toMatchObject({ low: 1, high: 5, probability: 1 / 32 });
    expect(() => signedRank([], 0.05)).toThrow('no signed rank of nothing');
  });

  test('lies within its bounds; they move with the differences and turn around with their signs; and 0 is below them where chance is improbable', () => {
    const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 8, maxLength: 30 });
    fc.assert(fc.property(values, fc.integer({ min: -500, max: 500 }), (differences, shift) => {
      const { middle, low, high, probability } = signedRank(differences, 0.005);
      expect(low <= middle && middle <= high).toBe(true);
      expect(probability <= 0.005).toBe(low > 0);
      const moved = signedRank(differences.map((value) => value + shift), 0.005);
      expect([moved.middle, moved.low, moved.high]).toEqual([middle + shift, low + shift, high + shift]);
      const turned = signedRank(differences.map((value) => 0 - value), 0.005);
      expect([0 - turned.middle, 0 - turned.high, 0 - turned.low].map((value) => value + 0)).toEqual([middle, low, high].map((value) => value + 0));
    }));
  });
});
