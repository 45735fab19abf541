/** Interchangeable threads and pages: which are, and that a search which counts them once says the same. */
import { describe, expect, test } from 'vitest';
import { searchCell, searched } from '../../test/tools/searched.ts';
import { smallLitmus } from '../../test/tools/smallLitmus.ts';
import type { SmallLitmus } from '../../test/tools/smallLitmus.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import type { Check } from '../policies/policy.ts';
import { pagesAreAlike, threadClasses } from './symmetry.ts';
import { ALL_REDUCTIONS, NO_REDUCTIONS } from './verdict.ts';

const SYMMETRY = { ...NO_REDUCTIONS, symmetry: true };

describe('threads are interchangeable', () => {
  const classes = (small: SmallLitmus): readonly (readonly number[])[] => threadClasses(smallLitmus(small));

  test('where they run the same program in the same process', () => {
    expect(classes({ threads: { vcpu: ['to-private 0'], a: ['host read 0'], b: ['host read 0'], c: ['host read 0'] } })).toEqual([[1, 2, 3]]);
    expect(classes({ threads: { vcpu0: ['guest read 0'], vcpu1: ['guest read 0'], a: ['host read 0'], b: ['host read 0'] } })).toEqual([[0, 1], [2, 3]]);
  });

  test('whatever their buffers are called, where nobody else has them', () => {
    expect(classes({ threads: { a: ['pin 0 as one', 'unpin one'], b: ['pin 0 as two', 'unpin two'] } })).toEqual([[0, 1]]);
    expect(classes({ threads: { a: ['pin 0 as one', 'unpin one'], b: ['pin 0 as two', 'unpin two'], c: ['access one'] } })).toEqual([]);
    expect(classes({ threads: { a: ['pin 0 as one', 'unpin one'], b: ['pin 0 as one', 'unpin one'] } })).toEqual([]);
  });

  test.each([
    ['another page', { world: '{ pages: 2 }', threads: { a: ['host read 0'], b: ['host read 1'] } }],
    ['another value', { world: '{ pages: 1, content: preserve }', threads: { a: ['host write 0 1'], b: ['host write 0 2'] } }],
    ['another way', { threads: { a: ['pin 0 as one fast'], b: ['pin 0 as two slow'] } }],
    ['another mapping', { world: '{ pages: 1, windows: 2 }', threads: { a: ['host read 0'], b: ['host read 0 through 1'] } }],
    ['another expected result', { threads: { a: ['host read 0 => OK'], b: ['host read 0'] } }],
    ['another process', { threads: { a: ['host read 0'], other: ['host read 0'] } }],
    ['another role', { threads: { vcpu: ['host read 0'], b: ['host read 0'] } }],
    ['one of them named by a fact', { threads: { a: ['host read 0'], b: ['host read 0'] }, more: ['sometimes:', '  - a.1 => OK'] }],
    ['one of them busy before', { before: ['a: host read 0'], threads: { a: ['host read 0'], b: ['host read 0'] } }],
  ])('but not with %s', (_, small) => {
    expect(classes(small)).toEqual([]);
  });
});

describe('the first page that anybody chooses may be page 0', () => {
  const alike = (small: SmallLitmus, policyActs = false): boolean => pagesAreAlike(smallLitmus(small), policyActs);
  const world = '{ pages: 2 }';

  test('where every operation chooses, or is about a buffer', () => {
    expect(alike({ world, threads: { vcpu: ['to-private any'], a: ['pin any as buffer', 'access buffer', 'unpin buffer'] } })).toBe(true);
  });

  test.each([
    ['an operation is about page 0', { world, threads: { vcpu: ['to-private any', 'host read 0'] } }],
    ['an operation walks over the file, one page after the other', { world, threads: { vcpu: ['to-private any', 'to-shared file'] } }],
    ['a forked child reads page 0', { world, threads: { a: ['host read any', 'fork'] } }],
    ['the descriptor is closed', { world, threads: { a: ['host read any', 'close'] } }],
    ['something came before', { world, before: ['a: host read 0'], threads: { a: ['host read any'] } }],
    ['an expected result names a page', { world, threads: { vcpu: ['to-private any => EAGAIN at 0'] } }],
    ['a fact names a page', { world, threads: { vcpu: ['to-private any'] }, more: ['never:', '  - vcpu.1 => EAGAIN at 1'] }],
    ['pages start otherwise', { world: '{ pages: 2, start: [shared, private] }', threads: { a: ['host read any'] } }],
    ['pages lie in one folio', { world: '{ pages: 2, order: 1 }', threads: { a: ['host read any'] } }],
    ['pages lie in two page tables', { world: '{ pages: 4 }', threads: { a: ['host read any'] } }],
  ])('but not where %s', (_, small) => {
    expect(alike(small)).toBe(false);
  });

  test('nor where the policy has a VMM of its own', () => {
    expect(alike({ world, threads: { vcpu: ['to-private any'] } }, true)).toBe(false);
  });
});

describe('a search with symmetry', () => {
  /** States without symmetry and with it; what they say is the same. */
  function states(small: SmallLitmus, check: Check = 'refcount'): readonly [number, number] {
    const cell = { litmus: smallLitmus(small), policy: sigbusOnFault, check };
    expect(searched(cell, { reductions: SYMMETRY })).toEqual(searched(cell, { reductions: NO_REDUCTIONS }));
    expect(searched(cell, { reductions: ALL_REDUCTIONS })).toEqual(searched(cell, { reductions: NO_REDUCTIONS }));
    return [searchCell(cell, { reductions: NO_REDUCTIONS }).found.result.states, searchCell(cell, { reductions: SYMMETRY }).found.result.states];
  }

  test('counts two threads at n places of their own as the n (n + 1) / 2 unordered pairs', () => {
    const hits = Array.from({ length: 5 }, () => 'host read 0');
    const [all, once] = states({ before: ['main: host write 0'], threads: { a: hits, b: hits, main: ['host write 0'] } });
    expect([all, once]).toEqual([6 * 6 * 2, 21 * 2]);
  });

  test.each([
    ['buffers', { threads: { a: ['pin 0 as one', 'unpin one'], b: ['pin 0 as two', 'unpin two'] } }],
    ['the devices of their I/O', { threads: { a: ['io 0'], b: ['io 0'] } }],
    ['the process that their child came from', { threads: { other1: ['fork'], other2: ['fork'] } }],
    ['buffers and children', { threads: { a: ['pin 0 as one', 'fork'], b: ['pin 0 as two', 'fork'] } }],
    ['LRU batches', { world: '{ pages: 2, lru-batch: 1 }', threads: { vcpu: ['to-private 0'], a: ['host read 0'], b: ['host read 0'] } }],
    ['calls that they have to acknowledge', { before: ['main: host write 0'], threads: { main: ['munmap 0'], a: ['host read 0'], b: ['host read 0'] } }],
  ])('keeps apart which thread has %s', (_, small) => {
    const [all, once] = states(small);
    expect(once).toBeLessThan(all);
    expect(once).toBeGreaterThanOrEqual(all / 2);
  });

  test('finds what is broken with it', () => {
    const twins = { world: '{ pages: 2 }', threads: { vcpu: ['to-private any'], a: ['pin any as one get'], b: ['pin any as two get'] } };
    const cell = { litmus: smallLitmus(twins), policy: sigbusOnFault, check: 'mapcount' as const };
    for (const reductions of [NO_REDUCTIONS, SYMMETRY, ALL_REDUCTIONS]) expect(searched(cell, { reductions })?.safety).toBe('no-exposure');
  });
});
