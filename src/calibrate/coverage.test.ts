import { describe, expect, test } from 'vitest';
import type { ResultsRecord } from '../harness/record.ts';
import { coverageOf, formatCoverage } from './coverage.ts';
import type { PriceFit } from './fit.ts';

const price = (operation: string, ns: number, source: 'measured' | 'estimated') => ({ operation, ns, lowNs: ns, highNs: ns, source, together: [] });
const fit = { prices: [price('pte.zap', 10, 'measured'), price('vm.exit', 30, 'estimated')], termNs: [] } as unknown as PriceFit;
const cell = (policy: string, operations: Readonly<Record<string, number>>) => ({ policy, status: 'ok', deterministic: { operations } });
const record = (...cells: readonly object[]): ResultsRecord =>
  ({ experiment: { rows: [{ policy: 'a' }, { policy: 'b' }, { policy: 'a' }] }, cells }) as unknown as ResultsRecord;

describe('what points cover of a record', () => {
  test('is the share of count x price of what was measured, summed over the cells of a policy', () => {
    const cells = [cell('a', { 'pte.zap': 3, 'vm.exit': 1 }), cell('a', { 'pte.zap': 6 }), cell('b', { 'vm.exit': 2, 'access.done': 9 })];
    expect(coverageOf(record(...cells), fit)).toEqual([{ policy: 'a', share: 0.75 }, { policy: 'b', share: 0 }]);
  });

  test('is nothing where a cell failed or charged nothing', () => {
    expect(coverageOf(record({ policy: 'a', status: 'failed' }, cell('b', {})), fit)).toEqual([{ policy: 'a', share: null }, { policy: 'b', share: null }]);
  });

  test('is told from the least to the most', () => {
    expect(formatCoverage([{ policy: 'a', share: 0.75 }, { policy: 'b', share: 0.126 }, { policy: 'c', share: null }], 'r.json')).toBe('of the priced time of r.json operations that were measured here are 13 % under b to 75 % under a\n');
    expect(formatCoverage([{ policy: 'a', share: 0.5 }], 'r.json')).toBe('of the priced time of r.json operations that were measured here are 50 % under a\n');
    expect(formatCoverage([{ policy: 'c', share: null }], 'r.json')).toBe('r.json has no priced time that these points could cover\n');
  });
});
