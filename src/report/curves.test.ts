import { describe, expect, test } from 'vitest';
import { crossingsOf, growthOf } from './curves.ts';

describe('growth', () => {
  test('of a straight line through zero is 1, of a constant 0, of a square 2', () => {
    const values = [1, 2, 4, 8];
    const exponents = [[3, 6, 12, 24], [5, 5, 5, 5], [1, 4, 16, 64]].map((figures) => growthOf(values, figures));
    expect(exponents.map((growth) => growth?.exponent.toFixed(6))).toEqual(['1.000000', '0.000000', '2.000000']);
    expect(exponents.map((growth) => growth?.error?.toFixed(6))).toEqual(['0.000000', '0.000000', '0.000000']);
  });

  test('has an error where the points lie beside a power law, and none of two points', () => {
    expect(growthOf([1, 2, 4], [1, 3, 4])?.error).toBeGreaterThan(0.1);
    expect(growthOf([1, 2], [1, 3])?.error).toBeNull();
  });

  test('of less than two figures above zero there is none', () => {
    expect([growthOf([1, 2, 4], [null, 3, 0]), growthOf([2, 2], [1, 3])]).toEqual([null, null]);
  });
});

describe('crossings', () => {
  const curves = [{ policy: 'steep', figures: [0, 10, 20] }, { policy: 'flat', figures: [5, 5, 5] }];

  test('say who is better beyond them, and about where', () => {
    expect(crossingsOf([0, 10, 20], curves, true)).toEqual([{ better: 'flat', worse: 'steep', at: 5 }]);
    expect(crossingsOf([0, 10, 20], curves, false)).toEqual([{ better: 'steep', worse: 'flat', at: 5 }]);
  });

  test('curves that touch, that never meet, and that lack figures have none', () => {
    expect(crossingsOf([1, 2, 3], [{ policy: 'a', figures: [1, 5, 1] }, { policy: 'b', figures: [5, 5, 5] }], true)).toEqual([]);
    expect(crossingsOf([1, 2], [{ policy: 'a', figures: [1, null] }, { policy: 'b', figures: [2, 0] }], true)).toEqual([]);
  });

  test('are told by place, over all pairs', () => {
    const many = [...curves, { policy: 'low', figures: [1, 1, 30] }];
    expect(crossingsOf([0, 10, 20], many, true).map(({ better, worse, at }) => `${better} < ${worse} at ${at.toFixed(1)}`)).toEqual([
      'low < steep at 1.0', 'flat < steep at 5.0', 'flat < low at 11.4', 'steep < low at 14.7',
    ]);
  });
});
