import { describe, expect, test } from 'vitest';
import { changeText } from './compareRecords.ts';
import { verdictOf } from './finding.ts';

describe('a change in per cent', () => {
  test.each([
    [0, 5, 'from 0'],
    [100, 150, '+50 %'],
    [100, 0, '-100 %'],
    [100, 101, '+1.0 %'],
    [1000, 1000.5, '+0.05 %'],
    [1_000_000, 1_000_001, '+<0.01 %'],
    [1_000_000, 999_999, '-<0.01 %'],
  ])('%d -> %d is %s', (before, after, text) => {
    expect(changeText(before, after)).toBe(text);
  });
});

describe('a verdict', () => {
  const finding = (kind: 'fail' | 'inconclusive' | 'better' | 'within') => ({ kind, what: '' });

  test('is closed by default: where nothing was compared nothing passes', () => {
    expect(verdictOf([], 0)).toBe('INCONCLUSIVE');
  });

  test('is a FAIL with one failure, INCONCLUSIVE with one doubt or one improvement, and a PASS with tolerated changes alone', () => {
    expect([[finding('within')], [finding('within'), finding('better')], [finding('inconclusive')], [finding('better'), finding('fail')]].map((found) => verdictOf(found, 9))).toEqual([
      'PASS', 'INCONCLUSIVE', 'INCONCLUSIVE', 'FAIL',
    ]);
  });
});
