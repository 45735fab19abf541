/** The seam of families: one that is made up is read, searched, told and replayed as the real ones are. */
import { describe, expect, test } from 'vitest';
import { forgetful, locked, refusing, sums, sumsLitmus, torn } from '../../test/tools/madeUpFamily.ts';
import type { Sums } from '../../test/tools/madeUpFamily.ts';
import { checkLitmus, replaySchedule } from './checkLitmus.ts';
import type { ExploredPolicy } from './family.ts';
import { explorableOf, proposalsOf } from './family.ts';
import { Machine } from './machine.ts';
import { search } from './search.ts';
import { ALL_REDUCTIONS, NO_REDUCTIONS } from './verdict.ts';

const twoAdd = ['threads:', '  a: [add 0]', '  b: [add 0]', "expect: { '*': proved }"];
const check = (policy: ExploredPolicy, lines: readonly string[] = twoAdd) => checkLitmus({ litmus: sumsLitmus(...lines), policy, check: undefined });
const complaintOf = (...lines: readonly string[]): string => {
  try {
    sumsLitmus(...lines);
  } catch (error) {
    return String((error as Error).message);
  }
  return 'none';
};

describe('a file of a family', () => {
  test('carries it, and has its world, its threads and its sentences', () => {
    const { family, world, threads, always } = sumsLitmus('world: { first: 2 }', ...twoAdd);
    expect(family).toBe(sums);
    expect(world).toMatchObject({ pages: 1, first: 2 });
    expect(threads.map(({ name, role, process }) => `${name} ${role} ${process}`)).toEqual(['a vmm 0', 'b vmm 0']);
    expect(always).toEqual(['no-peeking', 'lock-order', 'kernel-arithmetic', 'nobody-stuck', 'end-reachable', 'sums']);
  });

  test.each([
    ['a key of another family', ['world: { lazy: true }', ...twoAdd], 'unknown key "lazy" in `world`\n  why: the keys are pages, first'],
    ['an operation of another family', ['threads: { a: [to-private 0] }', "expect: { '*': proved }"], 'unknown operation "to-private 0"\n  why: the operations are add, read, peek'],
    ['a value behind what reads nothing', ['threads: { a: [add 0 => 1] }', "expect: { '*': proved }"], '"add 0" reads nothing'],
    ['a page that there is not', ['threads: { a: [add 1] }', "expect: { '*': proved }"], 'page 1 is beyond the end of the file'],
  ])('is refused for %s', (_, lines, complaint) => expect(complaintOf(...lines)).toContain(complaint));

  test('of a family that there is not is refused', () => {
    const text = sumsLitmus(...twoAdd);
    expect(text.family.name).toBe('sums');
    expect(complaintOf('family: products')).toContain('the key "family" stands twice');
  });
});

describe('the search of a family', () => {
  test('proves what holds, in all states: who waits, loads and stores, in either order', () => {
    expect(check(locked)).toMatchObject({ verdict: 'proved', safety: 'proved', liveness: 'proved', exhaustive: true, world: '1 number' });
  });

  test('finds the shortest way to a number that is lost, and tells it in the words of the family', () => {
    const { verdict, counterexample } = check(torn);
    expect(verdict).toBe('broken');
    expect(counterexample).toMatchObject({ rule: 'sums', what: 'number 0 is 1, and 2 was added', schedule: 'a b*2 a', why: 'an addition that is lost is lost for ever' });
    expect(counterexample?.steps.map(({ step, changes }) => [step, ...changes])).toEqual([['load'], ['load'], ['store', 'number 0: 0 -> 1'], ['store']]);
  });

  test('follows a schedule to the same finding', () => {
    expect(replaySchedule({ litmus: sumsLitmus(...twoAdd), policy: torn, check: undefined, schedule: 'a b*2 a' })).toMatchObject({ rule: 'sums' });
    expect(replaySchedule({ litmus: sumsLitmus(...twoAdd), policy: torn, check: undefined, schedule: 'a b*2' })).toMatchObject({ rule: '' });
  });

  test('says refuses where what policies are there for never succeeds, unless the file expects that', () => {
    expect(check(refusing).verdict).toBe('refuses');
    expect(check(refusing, ['threads: { a: [add 0 => EBUSY] }', "expect: { '*': proved }"]).verdict).toBe('proved');
    expect(check(refusing, ['threads: { a: [read 0] }', "expect: { '*': proved }"]).verdict).toBe('proved');
  });

  test('says who is stuck', () => {
    expect(check(forgetful)).toMatchObject({ verdict: 'stuck', counterexample: { rule: 'nobody-stuck', what: 'b waits at lock', schedule: 'a*4' } });
  });

  test('sees a move that breaks a rule', () => {
    const lines = ['threads: { a: [add 0, add 0], b: [peek 0] }', "expect: { '*': proved }"];
    expect(check(locked, lines)).toMatchObject({ verdict: 'broken', counterexample: { rule: 'no-peeking', what: 'no-peeking is broken: the numbers are 2', schedule: 'a*8 b' } });
    expect(check(locked, [...lines, 'always: [sums]'])).toMatchObject({ verdict: 'proved' });
  });

  test('tells outcomes, values that were read, and operations of before', () => {
    const lines = ['before:', '  - a: add 0', '  - a: read 0 => 1', 'threads: { a: [add 0], b: [read any] }', 'sometimes: [b.1 => 1, b.1 => 2]', 'never: [b.1 => 0]', 'outcomes: [OK | OK]', "expect: { '*': proved }"];
    expect(check(locked, lines)).toMatchObject({ verdict: 'proved', outcomes: ['OK | OK'] });
    expect(check(locked, ['threads: { a: [read 0 => 1] }', "expect: { '*': differs }"])).toMatchObject({ verdict: 'differs', asExpected: true });
  });

  test('says the same with and without reductions, in fewer states', () => {
    const searched = (reductions = NO_REDUCTIONS) => {
      const machine = new Machine<Sums>({ litmus: sumsLitmus(...twoAdd), policy: locked, check: undefined, reductions, keepResults: false });
      return search({ machine, reductions, statesMax: 1000, suspicious: reductions === NO_REDUCTIONS }).result;
    };
    const [all, none] = [searched(ALL_REDUCTIONS), searched()];
    expect([all.exhaustive, all.broken, all.stuck]).toEqual([none.exhaustive, none.broken, none.stuck]);
    expect(all.states).toBeLessThan(none.states);
  });
});

test('the policies of a family are what ships, and what is wrong on purpose', () => {
  expect(proposalsOf(sums)).toEqual([locked, refusing]);
  expect(explorableOf(sums)).toEqual([locked, refusing, torn, forgetful]);
});
