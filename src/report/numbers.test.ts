import { describe, expect, test } from 'vitest';
import { formatCount, formatFigure, formatPercent } from './numbers.ts';

describe('numbers in tables', () => {
  test.each([
    [0, '0'], [7, '7'], [999, '999'], [1000, '1.00k'], [1234, '1.23k'], [99_950, '100k'], [999_499, '999k'], [999_500, '1.00M'], [12_345_678, '12.3M'],
  ])('the count %d is %s', (count, text) => expect(formatCount(count)).toBe(text));

  test.each([
    [0, '0'], [0.0001, '<0.001'], [0.01234, '0.012'], [0.9996, '1.00'], [1, '1.00'], [7.2, '7.20'], [9.999, '10.0'], [41, '41.0'], [99.96, '100'], [999.5, '1.00k'], [1e6, '1.00M'],
  ])('the figure %d is %s', (figure, text) => expect(formatFigure(figure)).toBe(text));

  test.each([
    [0, '0'], [0.0001, '<0.1'], [0.1234, '12.3'], [0.9999, '>99.9'], [1, '100'], [1.5, '150.0'],
  ])('the share %d is %s per cent', (share, text) => expect(formatPercent(share)).toBe(text));
});
