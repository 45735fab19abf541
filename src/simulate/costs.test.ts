import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OPERATIONS, Op } from '../model/operations.ts';
import type { OperationName } from '../model/operations.ts';
import { UserError } from '../model/userError.ts';
import { DEFAULT_COSTS, listCostProfiles, loadCostProfile, parseCostProfile } from './costs.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'foliobench-costs-'));
afterAll(() => rmSync(directory, { recursive: true }));

const workNames = OPERATIONS.filter(({ kind }) => kind === 'work').map(({ name }) => name);
const anyPrice = { ns: 10, low: 5, high: 20, source: 'estimated', reference: 'a guess' };

/** A valid profile; `prices` replaces some of its prices, and removes those given as undefined. */
function content({ prices = {}, ...fields }: { readonly prices?: Readonly<Record<string, unknown>>; readonly [field: string]: unknown } = {}): unknown {
  const all = Object.fromEntries(workNames.map((name) => [name, anyPrice] as const));
  return JSON.parse(
    JSON.stringify({
      schema: 'foliobench/costs@1',
      name: 'lab',
      machine: 'a machine',
      kernel: 'Linux 7.0',
      hypervisor: 'KVM',
      method: 'guessed',
      date: '2026-01-31',
      prices: { ...all, ...prices },
      ...fields,
    }),
  );
}

function refusal(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('expected a UserError');
}

const why = (parsed: unknown): string => refusal(() => parseCostProfile(parsed, 'lab.json')).why;

function write(name: string, text: string): string {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  return file;
}

describe('a cost profile', () => {
  test('has the price of each operation by its index, and nothing for events', () => {
    const { priceNs, prices } = parseCostProfile(content({ prices: { 'pte.zap': { ...anyPrice, ns: 7 } } }), 'lab.json');
    expect(priceNs).toHaveLength(OPERATIONS.length);
    expect([priceNs[Op['pte.zap']], priceNs[Op['vm.exit']], priceNs[Op['access.rogue']]]).toEqual([7, 10, 0]);
    expect(prices.map(({ operation }) => operation)).toEqual(workNames);
    expect(prices.every(({ operation, index }) => Op[operation] === index)).toBe(true);
  });
  test('is rounded to eighths of a nanosecond, so that any sum of prices is exact', () => {
    const price = { ns: 0.3, low: 0.05, high: 1.07, source: 'measured', reference: 'this machine' };
    const { priceNs, prices } = parseCostProfile(content({ prices: { 'pte.check': price } }), 'lab.json');
    const { ns, lowNs, highNs } = prices.find(({ operation }) => operation === 'pte.check') ?? {};
    expect([ns, lowNs, highNs]).toEqual([0.25, 0, 1.125]);
    expect(priceNs[Op['pte.check']] * 3).toBe(0.75); // 0.3 x 3 would be 0.8999999999999999
  });
  test('may say nothing of the spread of a figure that somebody measured', () => {
    const exact = { ns: 10, low: 10, high: 10, reference: 'a paper' };
    expect(() => parseCostProfile(content({ prices: { fork: { ...exact, source: 'published' }, mmap: { ...exact, source: 'measured' } } }), 'x')).not.toThrow();
  });
});

describe('the hash of a profile', () => {
  const hashOf = (prices: Readonly<Record<string, unknown>>): string => parseCostProfile(content({ prices }), 'x').hash;
  const plain = hashOf({});
  test('is 12 hex digits, the same for the same figures', () => {
    expect(plain).toMatch(/^[\da-f]{12}$/);
    expect(hashOf({})).toBe(plain);
  });
  test('is the SHA-256 of figures and sources as JSON, sorted by operation, so that the order of the list does not matter', () => {
    const canonical = JSON.stringify(workNames.toSorted().map((name) => [name, 10, 5, 20, 'estimated']));
    expect(plain).toBe(createHash('sha256').update(canonical).digest('hex').slice(0, 12));
  });
  test('stays when words change: references, name, machine, the order of the prices', () => {
    const backwards = Object.fromEntries(workNames.toReversed().map((name) => [name, anyPrice]));
    expect(hashOf({ fork: { ...anyPrice, reference: 'a better guess' } })).toBe(plain);
    expect(parseCostProfile(content({ name: 'other', machine: 'other', date: '2025-12-31' }), 'x').hash).toBe(plain);
    expect(parseCostProfile({ ...(content() as object), prices: backwards }, 'x').hash).toBe(plain);
  });
  test.each([{ ns: 11 }, { low: 6 }, { high: 21 }, { source: 'published' }])('changes with %j', (change) => {
    expect(hashOf({ fork: { ...anyPrice, ...change } })).not.toBe(plain);
  });
  test('does not change with less than a sixteenth of a nanosecond, which does not count', () => {
    expect(hashOf({ fork: { ...anyPrice, ns: 10.06 } })).toBe(plain);
  });
});

describe('a profile is refused, with the reason,', () => {
  const price = (change: object): unknown => content({ prices: { fork: { ...anyPrice, ...change } } });
  test.each([
    ['that is no object', [1], 'the file is no JSON object'],
    ['of another schema', content({ schema: 'foliobench/costs@2' }), 'its schema is "foliobench/costs@2", expected "foliobench/costs@1"'],
    ['without a schema', content({ schema: undefined }), 'its schema is missing, expected "foliobench/costs@1"'],
    ['with an unknown field', content({ nmae: 'x' }), 'it has an unknown field "nmae"'],
    ['without a machine', content({ machine: undefined }), '"machine" is missing'],
    ['with an empty method', content({ method: ' ' }), '"method" is " "'],
    ['with a date of another form', content({ date: '31.1.2026' }), '"date" is "31.1.2026"'],
    ['without prices', { ...(content() as object), prices: undefined }, '"prices" is missing'],
    ['with an unknown operation', content({ prices: { 'pte.zip': anyPrice } }), 'it has a price for "pte.zip", which is no operation'],
    ['with the price of an event', content({ prices: { 'access.rogue': anyPrice } }), 'it has a price for "access.rogue", which is only counted'],
    ['with a price missing', content({ prices: { fork: undefined } }), `1 of ${workNames.length} operations have no price: fork`],
    ['with a price that is a number', content({ prices: { fork: 3 } }), 'the price of "fork" is no JSON object'],
    ['with a misspelt field in a price', price({ hihg: 3 }), 'the price of "fork" has an unknown field "hihg"'],
    ['with a price as text', price({ ns: '10' }), '"ns" of the price of "fork" is "10"'],
    ['with a price below zero', price({ low: -1 }), '"low" of the price of "fork" is -1'],
    ['with a price above a second', price({ high: 1_000_000_001 }), '"high" of the price of "fork" is 1000000001'],
    ['without a high end', price({ high: undefined }), '"high" of the price of "fork" is missing'],
    ['with a source that nobody knows', price({ source: 'guessed' }), '"source" of the price of "fork" is "guessed"'],
    ['without a reference', price({ reference: '' }), '"reference" of the price of "fork" is ""'],
    ['with low above the price', price({ low: 11 }), 'the price of "fork" is 10 ns, outside of its own range from 11 to 20 ns'],
    ['with high below the price', price({ high: 9 }), 'the price of "fork" is 10 ns, outside of its own range from 5 to 9 ns'],
    ['with an estimate that knows it exactly', price({ low: 10, high: 10 }), 'the price of "fork" is an estimate without a spread: low and high are both 10 ns'],
  ])('%s', (_, parsed, reason) => {
    expect(why(parsed)).toBe(reason);
  });
  test('that lacks most prices: the first five are named', () => {
    expect(why({ ...(content() as object), prices: { fork: anyPrice } })).toBe(
      `${workNames.length - 1} of ${workNames.length} operations have no price: guest.access, host.access, device.access, vm.exit, user.exit, ...`,
    );
  });
  test('and the fix for an unknown operation names the nearest ones', () => {
    expect(refusal(() => parseCostProfile(content({ prices: { 'pte.zip': anyPrice } }), 'x')).fix).toBe('the nearest known: pte.zap, pte.set, stage2.zap');
  });
});

describe('loading', () => {
  test('takes a path, which may hold a profile of any name', () => {
    expect(loadCostProfile(write('mine.json', JSON.stringify(content()))).name).toBe('lab');
  });
  test('says where the JSON is bad', () => {
    const file = write('bad.json', '{\n  "schema": "foliobench/costs@1",\n  "name" "lab"\n}');
    expect(refusal(() => loadCostProfile(file)).message).toBe(
      `cannot use ${file}\n  why: bad JSON in line 3, column 10: expected ":", found "lab"\n  fix: correct the file there`,
    );
  });
  test('refuses two prices of one operation, of which JSON.parse would take the last', () => {
    const text = JSON.stringify(content()).replace('"fork":', '"mmap":');
    expect(refusal(() => loadCostProfile(write('twice.json', text))).why).toMatch(/^bad JSON in line 1, column \d+: the key "mmap" is there twice$/);
  });
  test('names a file that is not there, and the profiles that are', () => {
    const { what, why, fix } = refusal(() => loadCostProfile('nowhere/mine.json'));
    expect([what, why]).toEqual(['cannot read the cost profile nowhere/mine.json', 'there is no such file']);
    expect(fix).toContain(DEFAULT_COSTS);
  });
  test('passes on what the system says of a file that cannot be read', () => {
    expect(refusal(() => loadCostProfile(`${directory}${path.sep}`)).why).toBe('the system says EISDIR');
  });
  test('suggests the nearest name', () => {
    const { what, fix } = refusal(() => loadCostProfile('publised-x86'));
    expect([what, fix]).toEqual(['unknown cost profile "publised-x86"', 'the nearest known: published-x86']);
  });
});

describe('the profiles of the package', () => {
  const folder = path.join(import.meta.dirname, '..', '..', 'results', 'costs');
  test('are all valid and have the names of their files; the default is one of them', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    expect(listCostProfiles().map(({ name }) => `${name}.json`)).toEqual(files.toSorted());
    expect(files).toContain(`${DEFAULT_COSTS}.json`);
  });
  test('estimate with a range on both sides of the price', () => {
    const oneSided = listCostProfiles().flatMap(({ prices }) => prices.filter(({ source, lowNs, ns, highNs }) => source === 'estimated' && (lowNs === ns || ns === highNs)));
    expect(oneSided).toEqual([]);
  });
});

describe('published-x86 adds up to the totals that are published', () => {
  const { priceNs, prices } = loadCostProfile('published-x86');
  const sum = (...operations: readonly OperationName[]): number => operations.reduce((total, name) => total + priceNs[Op[name]], 0);

  test('populating a page: 708 ms for the 786432 pages of 3 GiB', () => {
    expect(sum('folio.alloc', 'pageCache.insert', 'lru.add', 'lock.folio', 'page.clear', 'folio.put')).toBe(Math.round(708e6 / 786_432));
  });
  test('a long-term pin of a page by slow GUP: 130538 us for 2097152 pages, and its release: 31676 us', () => {
    expect(sum('gup.slow', 'gup.grab')).toBe(Math.round(130_538_000 / 2_097_152));
    expect(sum('gup.release')).toBe(Math.round(31_676_000 / 2_097_152));
  });
  test('a minor fault on a page of the cache: 0.5 to 1 us', () => {
    const minorFaultNs = sum(
      'host.fault', 'lock.mmap', 'lock.invalidate', 'state.read', 'pageCache.lookup', 'lock.folio', 'lock.pageTable', 'pte.set', 'host.access',
    );
    expect(minorFaultNs).toBe(592);
  });
  test('a trip to the VMM and back: 3 to 5 us', () => {
    expect(sum('vm.exit', 'user.exit')).toBe(4000);
  });
  test('system call and preallocation of an attribute store: about 1 us', () => {
    expect(sum('syscall', 'state.prealloc')).toBe(1000);
  });
  test('a shootdown: the price of a receiver is the geometric mean of the slopes of two sources, 1.6 us or so at 4 CPUs', () => {
    const { ns, lowNs, highNs } = prices[prices.findIndex(({ operation }) => operation === 'tlb.ipi')];
    expect([lowNs, highNs]).toEqual([200, 1500]);
    expect(Math.abs(ns - Math.sqrt(lowNs * highNs))).toBeLessThan(3);
    expect(3 * ns).toBe(1650);
  });
  test('an in-place conversion of one page, mapped once in a process on 8 CPUs, beside exits and a drain: 5 to 10 us', () => {
    const once = sum(
      'syscall', 'lock.invalidate', 'state.read', 'state.prealloc', 'lock.iMmap', 'rmap.walk', 'vma.lookup', 'vma.visit', 'notifier', 'lock.pageTable',
      'pte.check', 'pte.zap', 'tlb.flush', 'tlb.flushEntry', 'folio.put', 'pageCache.lookup', 'folio.readRef', 'folio.put', 'lock.mmu', 'stage2.zap', 'state.store',
    );
    expect(once + 7 * sum('tlb.ipi') + 3 * sum('stage2.kick')).toBe(2207 + 3850 + 1800); // 4 of the CPUs run vCPUs
  });
});
