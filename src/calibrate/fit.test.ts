import { describe, expect, test } from 'vitest';
import { OPERATIONS, Op, type OperationName } from '../model/operations.ts';
import { loadCostProfile } from '../simulate/costs.ts';
import { fitPrices, medianOf, predictNs } from './fit.ts';
import { heldBackFor } from './heldBack.ts';

const published = loadCostProfile('published-x86');

function counts(of: Partial<Record<OperationName, number>>): Float64Array {
  const all = new Float64Array(OPERATIONS.length);
  for (const [name, count] of Object.entries(of)) all[Op[name as OperationName]] = count;
  return all;
}

const priceOf = (fit: ReturnType<typeof fitPrices>, name: OperationName) => fit.prices.find(({ operation }) => operation === name);

describe('the fit', () => {
  test('finds the prices that a machine has, whatever the profile says that it began with', () => {
    const truth = counts({ syscall: 250, 'pte.zap': 31, 'tlb.flush': 900 });
    const calls = [1, 2, 8, 64].flatMap((pages) => [1, 4, 16].map((vmas) => counts({ syscall: 1, 'pte.zap': pages * vmas, 'tlb.flush': vmas })));
    const fit = fitPrices(calls.map((call) => ({ counts: call, ns: predictNs(call, truth) })), published);
    expect(['syscall', 'pte.zap', 'tlb.flush'].map((name) => Math.round(priceOf(fit, name as OperationName)?.ns ?? 0))).toEqual([250, 31, 900]);
    expect(fit.largestErrorPercent).toBeLessThan(1e-3);
  });

  test('operations that always come together share one sum as they did before, and say so', () => {
    // By the published profile a folio lock costs 30 and a put 15; together they took 90 a page here.
    const calls = [1, 3, 7].map((pages) => ({ counts: counts({ 'lock.folio': pages, 'folio.put': pages }), ns: 90 * pages }));
    const fit = fitPrices(calls, published);
    expect([priceOf(fit, 'lock.folio')?.ns, priceOf(fit, 'folio.put')?.ns].map((ns) => Math.round(ns ?? 0))).toEqual([60, 30]);
    expect(priceOf(fit, 'folio.put')).toMatchObject({ source: 'measured', together: ['lock.folio', 'folio.put'] });
  });

  test('what no call does keeps its price and its source', () => {
    const before = published.prices.find(({ operation }) => operation === 'fork');
    const fit = fitPrices([{ counts: counts({ syscall: 1 }), ns: 70 }], published);
    expect(priceOf(fit, 'fork')).toEqual({ operation: 'fork', ns: before?.ns, lowNs: before?.lowNs, highNs: before?.highNs, source: before?.source, together: [] });
  });

  test('a price has two standard errors either way', () => {
    const fit = fitPrices([100, 110, 90].map((ns) => ({ counts: counts({ syscall: 1 }), ns })), published);
    const price = priceOf(fit, 'syscall');
    expect(price?.lowNs).toBeLessThan(price?.ns ?? 0);
    expect((price?.highNs ?? 0) - (price?.ns ?? 0)).toBeCloseTo((price?.ns ?? 0) - (price?.lowNs ?? 0));
  });

  test('a call that took no time is a defect of whoever measured', () => {
    expect(() => fitPrices([{ counts: counts({ syscall: 1 }), ns: 0 }], published)).toThrow('each has taken some time');
  });
});

test('the median of an even number of values is the mean of the two in the middle', () => {
  expect([medianOf([3, 1, 2]), medianOf([4, 1, 3, 2])]).toEqual([2, 2.5]);
});

describe('a point is held back', () => {
  test('in the corner of the grid, always', () => {
    expect(heldBackFor('any', { pages: 256, vmas: 32 })).toBe('in the corner');
    expect(heldBackFor('any', { pages: 512, vmas: 64 })).toBe('in the corner');
  });

  test('else one in four, by its name', () => {
    const keys = Array.from({ length: 400 }, (_, at) => `punch ${at}`);
    expect(keys.filter((key) => heldBackFor(key, { pages: 512, vmas: 31 }) === 'by its hash')).toHaveLength(107);
    expect(keys.map((key) => heldBackFor(key, { pages: 1, vmas: 1 }))).toEqual(keys.map((key) => heldBackFor(key, { pages: 512, vmas: 8 })));
  });
});
