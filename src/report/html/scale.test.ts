import { describe, expect, test } from 'vitest';
import { logScale } from './scale.ts';

describe('a logarithmic axis', () => {
  test('goes from 1, 2 or 5 times a power of ten to another', () => {
    expect(logScale([3, 40])).toEqual({ domain: [2, 50], ticks: [2, 5, 10, 20, 50] });
    expect(logScale([0.04, 0.3])).toEqual({ domain: [0.02, 0.5], ticks: [0.02, 0.05, 0.1, 0.2, 0.5] });
  });
  test('names only powers of ten where it is long', () => expect(logScale([1.5, 2e6])).toEqual({ domain: [1, 2e6], ticks: [1, 10, 100, 1000, 10_000, 100_000, 1_000_000] }));
  test('has a length where all values are one', () => expect(logScale([10, 10])).toEqual({ domain: [10, 20], ticks: [10, 20] }));
});
