import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fakeCosts, fakeTally } from '../../test/tools/fakeCatalogue.ts';
import { ERRNOS } from '../model/errno.ts';
import { CONVERSION_METRICS as METRICS } from './families/conversionMetrics.ts';
import { figureAt, readDeterministic } from './metrics.ts';
import { priceShare } from './priceShare.ts';
import { resultsSchema } from './schema.ts';

const options = { seed: 3, accessCount: 200 } as Parameters<typeof fakeTally>[0]['options'];
const read = (policy: string) => readDeterministic(METRICS, { tally: fakeTally({ policy, options }), costs: fakeCosts });

describe('the registry of metrics', () => {
  test('gives every field its own path and name', () => {
    expect(new Set(METRICS.map(({ path }) => path.join(' '))).size).toBe(METRICS.length);
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
  });

  test('reads each field from the tally', () => {
    const figures = read('refuse-mmap');
    expect(figures.conversions).toEqual({
      toPrivate: {
        requested: 10, pages: 10, succeeded: 5, gaveUp: 5, timedOut: 0, retries: 0,
        refused: { EBUSY: 5 },
        refusedBy: { ownPin: 0, neighbourPin: 0, mapping: 0, transient: 0 },
      },
      toShared: { requested: 0, pages: 0, succeeded: 0, gaveUp: 0, refused: {} },
    });
    expect([figures.completedPerVirtualSecond, figures.workPerVirtualSecond]).toEqual([50_000_000, 50_000_000]); // 100 accesses of a page each in 2 us
    expect(figures.rmap).toEqual({ walks: 10, vmasVisited: 10, entriesChecked: 0, entriesZapped: 30, neighbourZaps: 0, neighbourRefaults: 0, ns: 500 });
    expect(figures.lockBlockedNs).toEqual({ invalidate: 3 });
    expect(figures.errors).toEqual({ mmap: { EPERM: 7 }, gup: {}, convert: { EBUSY: 5 } });
    expect(figures.operations).toEqual({ 'vm.exit': 10, 'rmap.walk': 10, 'vma.visit': 10, 'pte.zap': 30, 'tlb.flush': 20 });
    expect(figures.memory).toMatchObject({ stage2Leaves: { '4K': 2, '2M': 0 } });
  });

  test('says null, not zero, where a sample is empty', () => {
    expect(read('null').latencyNs).toMatchObject({
      toPrivate: { count: 0, mean: null, min: null, p50: null, p90: null, p99: null, p999: null, max: null, histogram: [] },
    });
    expect(read('sigbus-on-fault').latencyNs).toMatchObject({
      toPrivate: { count: 10, mean: 1003, min: 1003, p50: 1008, p999: 1008, max: 1003, histogram: [[1008, 10]] },
    });
  });

  test('counts the errnos that a policy can answer, and loses none in silence', () => {
    const tally = fakeTally({ policy: 'refuse-mmap', options });
    const gup = Float64Array.from(ERRNOS, (name) => (name === 'ENOMEM' ? 2 : 0));
    expect(() => readDeterministic(METRICS, { tally: { ...tally, errors: { ...tally.errors, gup } }, costs: fakeCosts })).toThrow('the registry has no field errors.gup.ENOMEM, and 2 were counted');
  });

  test('looks figures up by path, and an absent count is zero', () => {
    const figures = read('refuse-mmap');
    expect(figureAt(figures, 'conversions', 'toPrivate', 'refused', 'EBUSY')).toBe(5);
    expect(figureAt(figures, 'conversions', 'toPrivate', 'refused', 'EAGAIN')).toBe(0);
    expect(figureAt(read('null'), 'latencyNs', 'toPrivate', 'p50')).toBe(null);
    expect(() => figureAt(figures, 'conversions')).toThrow('is a section');
  });
});

describe('the share of the sources of the prices', () => {
  test('weighs counts by prices: 10 exits at 1000 ns against 30 zaps at 50 ns', () => {
    expect(priceShare(fakeTally({ policy: 'sigbus-on-fault', options }).operations, fakeCosts)).toEqual({
      measured: 0,
      published: 10_000 / 11_500,
      estimated: 1500 / 11_500,
    });
  });
  test('is zero where nothing was priced', () => {
    expect(priceShare([], { prices: [] })).toEqual({ measured: 0, published: 0, estimated: 0 });
  });
});

describe('the JSON Schema', () => {
  const schema = resultsSchema();

  test('is the committed one (else: npm run schema)', () => {
    expect(JSON.parse(readFileSync(new URL('../../schema/results-1.schema.json', import.meta.url), 'utf8'))).toEqual(schema);
  });

  test('accepts what the registry writes', () => {
    const accepts = new Ajv().compile(deterministicOnly());
    expect(accepts(read('refuse-mmap')), JSON.stringify(accepts.errors)).toBe(true);
    expect(accepts(read('null')), JSON.stringify(accepts.errors)).toBe(true);
  });

  test('refuses a field that is missing, unknown, or zero in a list of counts', () => {
    const accepts = new Ajv().compile(deterministicOnly());
    const { accesses: _, ...without } = read('null');
    expect(accepts(without)).toBe(false);
    expect(accepts({ ...read('null'), walks: 1 })).toBe(false);
    expect(accepts({ ...read('null'), operations: { 'pte.zap': 0 } })).toBe(false);
  });

  function deterministicOnly() {
    return (schema.definitions as Record<string, object>).deterministic;
  }
});
