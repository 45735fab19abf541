import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OPERATIONS, Op } from '../model/operations.ts';
import type { OperationName } from '../model/operations.ts';
import { loadCostProfile } from '../simulate/costs.ts';
import type { Price, PriceSource } from '../simulate/costs.ts';
import { formatOrderStability, orderStability } from './orderStability.ts';
import type { StabilityRow } from './orderStability.ts';

type Range = readonly [lowNs: number, ns: number, highNs: number, source?: PriceSource];

/** A profile in which only the given operations cost anything. */
function profile(ranges: { readonly [N in OperationName]?: Range }) {
  const prices = OPERATIONS.flatMap(({ name }, index): readonly Price[] => {
    const range = (ranges as { readonly [name: string]: Range | undefined })[name];
    if (range === undefined) return [];
    const [lowNs, ns, highNs, source = 'estimated'] = range;
    return [{ operation: name, index, ns, lowNs, highNs, source, reference: 'test' }];
  });
  const priceNs = new Float64Array(OPERATIONS.length);
  for (const { index, ns } of prices) priceNs[index] = ns;
  return { prices, priceNs };
}

function row(label: string, completed: number, counts: { readonly [N in OperationName]?: number }): StabilityRow {
  const operations = new Float64Array(OPERATIONS.length);
  for (const [name, count] of Object.entries(counts)) operations[Op[name as OperationName]] = count;
  return { label, operations, completed };
}

// Both complete 100 accesses. `walker` zaps, 100 x 60 = 6000 ns; `mapper` sends 10 shootdowns, 10 x 550 = 5500 ns, and is ahead.
const walker = row('walker', 100, { 'pte.zap': 100 });
const mapper = row('mapper', 100, { 'tlb.ipi': 10 });

describe('an order that no single estimate decides', () => {
  const stability = orderStability([walker, mapper], profile({ 'pte.zap': [56, 60, 150], 'tlb.ipi': [200, 550, 600] }));
  test('is stable: 56 x 100 is still above 5500, and 600 x 10 only ties with 6000', () => {
    expect(stability).toEqual({ order: ['mapper', 'walker'], estimatedPrices: 2, flips: [] });
  });
  test('says so', () => {
    expect(formatOrderStability(stability)).toBe('order stable (each of 2 estimated prices at its low and at its high end)');
  });
});

describe('an order that an estimate decides', () => {
  test('flips at the high end of what the leader pays: 10 shootdowns are 6000 ns from 600 ns each on', () => {
    const { flips } = orderStability([walker, mapper], profile({ 'pte.zap': [56, 60, 150], 'tlb.ipi': [200, 550, 1500] }));
    expect(flips).toEqual([{ operation: 'tlb.ipi', end: 'high', ns: 550, endNs: 1500, crossingNs: 600, ahead: 'mapper', passedBy: 'walker' }]);
  });
  test('flips at the low end of what the other pays: 100 zaps are 5500 ns at 55 ns each', () => {
    const { flips } = orderStability([walker, mapper], profile({ 'pte.zap': [25, 60, 150], 'tlb.ipi': [200, 550, 600] }));
    expect(flips).toEqual([{ operation: 'pte.zap', end: 'low', ns: 60, endNs: 25, crossingNs: 55, ahead: 'mapper', passedBy: 'walker' }]);
  });
  test('weighs time by completed work: with a quarter of the work in a quarter of the time, nothing changes', () => {
    const quarter = row('walker', 25, { 'pte.zap': 25 });
    const { flips } = orderStability([quarter, mapper], profile({ 'pte.zap': [25, 60, 150], 'tlb.ipi': [200, 550, 600] }));
    expect(flips.map(({ operation, crossingNs }) => [operation, crossingNs])).toEqual([['pte.zap', 55]]);
  });
  test('lists all flips, the nearest to the estimate first: a twentieth of the way for the shootdown, a seventh for the zap', () => {
    const stability = orderStability([walker, mapper], profile({ 'pte.zap': [25, 60, 150], 'tlb.ipi': [200, 550, 1550] }));
    expect(formatOrderStability(stability)).toBe(
      [
        'order not stable: 2 of 2 estimated prices can change it',
        '  tlb.ipi above 600.0 ns (estimate 550, high end 1550): walker passes mapper',
        '  pte.zap below 55.0 ns (estimate 60, low end 25): walker passes mapper',
      ].join('\n'),
    );
    expect(formatOrderStability(stability, 1)).toBe(
      [
        'order not stable: 2 of 2 estimated prices can change it',
        '  tlb.ipi above 600.0 ns (estimate 550, high end 1550): walker passes mapper',
        '  and 1 more',
      ].join('\n'),
    );
  });
  test('finds flips of rows that are no neighbours: one price carries the leader past two others', () => {
    const rows = [row('third', 1, { mmap: 300 }), row('leader', 1, { 'tlb.ipi': 10 }), row('second', 1, { mmap: 200 })];
    const { order, flips } = orderStability(rows, profile({ 'tlb.ipi': [1, 10, 100], mmap: [1, 1, 1, 'published'] }));
    expect(order).toEqual(['leader', 'second', 'third']);
    expect(flips.map(({ ahead, passedBy, crossingNs }) => [ahead, passedBy, crossingNs])).toEqual([
      ['leader', 'second', 20],
      ['leader', 'third', 30],
    ]);
  });
});

describe('beside a pair that flips', () => {
  const prices = profile({ 'tlb.ipi': [1, 10, 20], mmap: [1, 1, 1, 'published'] });
  const leader = row('leader', 1, { 'tlb.ipi': 10 }); // 100 ns, and 200 at the high end
  const passing = row('passing', 1, { mmap: 150 });
  test('one that only draws level does not', () => {
    const { flips } = orderStability([leader, passing, row('level', 1, { mmap: 200 })], prices);
    expect(flips.map(({ passedBy }) => passedBy)).toEqual(['passing']);
  });
  test('one that was level before does not, whichever way it parts', () => {
    const equal = row('equal', 1, { mmap: 100 });
    const { order, flips } = orderStability([leader, equal, passing], prices);
    expect(order).toEqual(['leader', 'equal', 'passing']);
    expect(flips.map(({ ahead, passedBy }) => [ahead, passedBy])).toEqual([['leader', 'passing']]);
  });
});

describe('what is left alone', () => {
  test('measured and published prices, whatever their spread', () => {
    const rows = [walker, mapper];
    const ranges = (source: PriceSource) => profile({ 'pte.zap': [1, 60, 500, source], 'tlb.ipi': [1, 550, 9000, source] });
    expect(orderStability(rows, ranges('estimated')).flips).toHaveLength(2);
    expect(orderStability(rows, ranges('measured'))).toEqual({ order: ['mapper', 'walker'], estimatedPrices: 0, flips: [] });
    expect(orderStability(rows, ranges('published')).flips).toEqual([]);
  });
  test('rows that tie: they have no order, and keep the one in which they came', () => {
    const level = row('level', 100, { 'pte.zap': 100 });
    const { order, flips } = orderStability([level, walker], profile({ 'pte.zap': [25, 60, 150] }));
    expect([order, flips]).toEqual([['level', 'walker'], []]);
    // Equal at 60 ns a zap and 600 ns a shootdown, although no two of their counts are equal.
    const other = row('other', 100, { 'tlb.ipi': 10 });
    expect(orderStability([level, other], profile({ 'pte.zap': [25, 60, 150], 'tlb.ipi': [200, 600, 1500] })).flips).toEqual([]);
  });
  test('differences that doubles cannot see: one eighth of a nanosecond in 2^53 decides, and exactly', () => {
    const many = Number.MAX_SAFE_INTEGER;
    const rows = [row('slower', many, { 'pte.zap': many, mmap: 1 }), row('faster', many, { 'pte.zap': many })];
    const { order, flips } = orderStability(rows, profile({ 'pte.zap': [1, 2, 3], mmap: [0, 0.125, 1] }));
    expect([order, flips]).toEqual([['faster', 'slower'], []]);
  });
});

describe('rows at the edge', () => {
  const prices = profile({ 'pte.zap': [0, 60, 150] });
  test('one that completes nothing is last, with or without time, and passes nobody', () => {
    const rows = [row('idle', 0, {}), row('refuses', 0, { 'pte.zap': 1 }), row('works', 1, { 'pte.zap': 1000 })];
    expect(orderStability(rows, prices)).toEqual({ order: ['works', 'idle', 'refuses'], estimatedPrices: 1, flips: [] });
  });
  test('one whose work gets free has no end to its rate, and crosses where its rate grows past the other', () => {
    const both = profile({ 'pte.zap': [0, 60, 150], mmap: [30, 30, 30, 'measured'] });
    const { flips } = orderStability([row('zaps', 1, { 'pte.zap': 1 }), row('maps', 1, { mmap: 1 })], both);
    expect(flips).toEqual([{ operation: 'pte.zap', end: 'low', ns: 60, endNs: 0, crossingNs: 30, ahead: 'maps', passedBy: 'zaps' }]);
  });
  test('no rows, or one, are in order', () => {
    expect(orderStability([], prices).flips).toEqual([]);
    expect(orderStability([walker], prices).order).toEqual(['walker']);
  });
  test('counts that are none are an error of the caller', () => {
    expect(() => orderStability([{ label: 'x', operations: [1, 2], completed: 1 }], prices)).toThrow(
      `row "x" has 2 counts of operations, expected ${OPERATIONS.length}`,
    );
    expect(() => orderStability([row('x', 1, { fork: 0.5 })], prices)).toThrow('row "x" has a count of 0.5, expected an integer from 0 to 2^53 - 1');
    expect(() => orderStability([row('x', -1, {})], prices)).toThrow('row "x" has a count of -1');
  });
});

test('every flip is one: priced again just beyond the crossing the pair has changed places, just before it has not; and no other pair changes', () => {
  const { prices, priceNs } = loadCostProfile('published-x86');
  const work = prices.map(({ index }) => index);
  const counts = fc.dictionary(fc.constantFrom(...work.map(String)), fc.integer({ min: 0, max: 1000 }), { maxKeys: 6 });
  const rowsOf = fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), counts), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(rowsOf, (drawn) => {
      const rows = drawn.map(([completed, byIndex], place): StabilityRow => {
        const operations = new Float64Array(OPERATIONS.length);
        for (const [index, count] of Object.entries(byIndex)) operations[Number(index)] = count;
        operations[Op['guest.access']] += 1;
        return { label: String(place), operations, completed };
      });
      /** The obvious way: sums of doubles, which are exact for such small counts. */
      const lead = (a: StabilityRow, b: StabilityRow, index: number, ns: number): number => {
        const timeNs = ({ operations }: StabilityRow): number => Array.from(operations).reduce((sum, count, i) => sum + count * (i === index ? ns : priceNs[i]), 0);
        return a.completed * timeNs(b) - b.completed * timeNs(a);
      };
      const expected: string[] = [];
      for (const { index, operation, ns, lowNs, highNs, source } of prices) {
        if (source !== 'estimated') continue;
        for (const [end, endNs] of [['low', lowNs], ['high', highNs]] as const) {
          for (const a of rows) for (const b of rows) if (lead(a, b, index, ns) > 0 && lead(a, b, index, endNs) < 0) expected.push(`${operation} ${end} ${b.label}>${a.label}`);
        }
      }
      const { flips } = orderStability(rows, { prices, priceNs });
      expect(flips.map(({ operation, end, ahead, passedBy }) => `${operation} ${end} ${passedBy}>${ahead}`).sort()).toEqual(expected.sort());
      for (const { operation, ns, endNs, crossingNs, ahead, passedBy } of flips) {
        const beyond = (crossingNs - ns) / 100; // the lead there is at least 1/800, far above the rounding of these sums
        const [a, b] = [rows[Number(ahead)], rows[Number(passedBy)]];
        expect(lead(a, b, Op[operation], crossingNs - beyond)).toBeGreaterThan(0);
        expect(lead(a, b, Op[operation], crossingNs + beyond)).toBeLessThan(0);
        expect(Math.min(ns, endNs) <= crossingNs && crossingNs <= Math.max(ns, endNs)).toBe(true);
      }
    }),
  );
});
