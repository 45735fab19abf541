import { array, assert, integer, property, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nonNegativeLeastSquares } from './nnls.ts';

const even = (rows: readonly unknown[]): readonly number[] => rows.map(() => 1);
const rounded = (values: Iterable<number>): readonly number[] => [...values].map((value) => Math.round(value * 1e6) / 1e6 + 0);

describe('non-negative least squares', () => {
  test('finds the coefficients that made the target', () => {
    const rows = [[1, 0], [1, 1], [1, 2], [1, 5]];
    const { coefficients, standardErrors } = nonNegativeLeastSquares(rows, rows.map(([a, b]) => 3 * a + 2 * b), even(rows));
    expect(rounded(coefficients)).toEqual([3, 2]);
    expect(rounded(standardErrors)).toEqual([0, 0]);
  });

  test('leaves at zero what would fall below it, and fits the others without it', () => {
    // Best without the bound: 6 - x. With it: the mean.
    const rows = [[1, 1], [1, 2], [1, 3]];
    expect(rounded(nonNegativeLeastSquares(rows, [5, 4, 3], even(rows)).coefficients)).toEqual([4, 0]);
  });

  test('weighs its rows', () => {
    expect(rounded(nonNegativeLeastSquares([[1], [1]], [0, 10], [1, 4]).coefficients)).toEqual([8]);
  });

  test('gives a standard error: of a mean, the deviation over the root of the count', () => {
    // 1, 2, 3: the squares of the errors are 2 over 2 degrees of freedom; 1 / sqrt(3).
    const rows = [[1], [1], [1]];
    expect(rounded(nonNegativeLeastSquares(rows, [1, 2, 3], even(rows)).standardErrors)).toEqual([0.57735]);
  });

  test('a column of zeros gets nothing, and of three that make each other up two are enough', () => {
    const rows = [[1, 0, 0, 1], [1, 1, 0, 3], [1, 4, 0, 9]];
    const { coefficients, standardErrors } = nonNegativeLeastSquares(rows, rows.map((row) => 5 + row[1]), even(rows));
    expect(coefficients[2]).toBe(0);
    expect([...coefficients].filter((value) => value > 0)).toHaveLength(2);
    expect([...standardErrors].filter((error) => !Number.isNaN(error))).toHaveLength(2);
  });

  test('without rows there is nothing to fit', () => {
    expect(nonNegativeLeastSquares([], [], []).coefficients.length).toBe(0);
  });

  test('no other choice without a negative coefficient is nearer: the conditions of Karush, Kuhn and Tucker', () => {
    const small = integer({ min: 0, max: 20 });
    assert(
      property(array(tuple(small, small, small, small), { minLength: 1, maxLength: 12 }), (table) => {
        const rows = table.map(([a, b, c]) => [a, b, c]);
        const target = table.map(([, , , ns]) => ns);
        const { coefficients } = nonNegativeLeastSquares(rows, target, even(rows));
        const errors = rows.map((row, at) => target[at] - row.reduce((sum, value, column) => sum + value * coefficients[column], 0));
        for (const [column, coefficient] of coefficients.entries()) {
          const slope = rows.reduce((sum, row, at) => sum + row[column] * errors[at], 0);
          expect(coefficient).toBeGreaterThanOrEqual(0);
          expect(slope).toBeLessThan(1e-4);
          expect(coefficient > 1e-9 ? Math.abs(slope) : 0).toBeLessThan(1e-4);
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
