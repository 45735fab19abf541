import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { unsharingPolicies } from '../../policies/unsharing/index.ts';
import { wrongUnsharingPolicies } from '../../policies/wrong/unsharing.ts';
import type { UnsharingPolicy } from '../../policies/unsharing/policy.ts';
import { checkLitmus } from '../checkLitmus.ts';
import type { Litmus, VerdictName } from '../litmus.ts';
import { readLitmusOf } from '../readLitmus.ts';
import { families } from './index.ts';
import { shapeOfUnsharing } from './unsharing.ts';
import type { UnsharingLitmusWorld } from './unsharing.ts';

const FOLDER = 'litmus/unsharing';
const names = readdirSync(FOLDER).filter((file) => file.endsWith('.litmus.yaml')).map((file) => file.replace('.litmus.yaml', ''));

const read = (text: string, name = 'x'): Litmus<UnsharingLitmusWorld> => readLitmusOf<UnsharingLitmusWorld>(families, text, `${name}.litmus.yaml`).litmus;
const named = (name: string): Litmus<UnsharingLitmusWorld> => read(readFileSync(`${FOLDER}/${name}.litmus.yaml`, 'utf8'), name);
const litmus = (...lines: readonly string[]): Litmus<UnsharingLitmusWorld> => read(['name: x', 'family: unsharing', 'question: What comes of it?', 'source: a test', ...lines, ''].join('\n'));
const policy = (name: string): UnsharingPolicy => [...unsharingPolicies, ...wrongUnsharingPolicies].find((one) => one.name === name) ?? expect.unreachable(`no policy ${name}`);
const check = (file: Litmus<UnsharingLitmusWorld>, name: string) => checkLitmus({ litmus: file, policy: policy(name), check: undefined });
const complaint = (...lines: readonly string[]): string => {
  try {
    litmus(...lines);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('the verdicts of the mail', () => {
  test('ignore-and-pin: a pin, then a write, and the two have parted', () => {
    const { verdict, counterexample } = check(named('pin-after-fork'), 'ignore-and-pin');
    expect([verdict, counterexample?.rule, counterexample?.what]).toEqual(['broken', 'pin-is-the-page', 'page 0 is frame 2, and the pin holds frame 1']);
    expect([...new Set(counterexample?.steps.map(({ thread }) => thread))]).toHaveLength(1);
    expect(counterexample?.steps.flatMap(({ changes }) => changes).filter((text) => /pins|becomes ->/.test(text))).toEqual([
      'buffer pins frame 1', 'page 0 of process 0: none becomes -> frame 2, writable',
    ]);
  });

  test('fail-to-pin is safe, and no pin of what is shared succeeds', () => expect(check(named('pin-after-fork'), 'fail-to-pin').verdict).toBe('refuses'));

  test('unshare-and-pin is safe, and pins', () => {
    const file = litmus('world: { pages: 1 }', 'before:', '  - parent: write 0 1', '  - parent: fork', 'threads:', '  parent: [pin 0 as buffer, write 0 9, access buffer => 9]', '  child: { process: 1, do: [read 0 => 1] }', "expect: { '*': proved }");
    expect(check(file, 'unshare-and-pin')).toMatchObject({ verdict: 'proved', exhaustive: true, world: '1 page of anonymous memory, 2 processes, 2 CPUs, flushes by IPI' });
    expect(check(file, 'ignore-and-pin').verdict).toBe('broken');
  });
});

/** What has to be expected, so that no file can be bent to what the explorer says. */
const ANSWERS: readonly (readonly [name: string, policy: string, verdict: VerdictName])[] = [
  ['fork-against-gup-fast', 'unshare-and-pin', 'proved'],
  ['fork-against-gup-fast', 'ignores-fork-sequence', 'broken'],
  ['fork-of-pinned', 'fork-ignores-pins', 'broken'],
  ['fork-of-pinned-huge', 'fork-ignores-pins', 'broken'],
  ['write-fault-against-pin', 'ignore-and-pin', 'broken'],
  ['frame-reused-under-gup-fast', 'reads-entry-once', 'broken'],
  ['swap-out-against-pin-ipi', 'looks-before-it-clears', 'broken'],
  ['swap-out-against-pin-broadcast', 'looks-before-it-clears', 'broken'],
  ['copy-against-swap-out', 'copies-without-reference', 'broken'],
  ['pin-after-fork', 'ignore-and-pin', 'broken'],
  ['pin-after-fork', 'fail-to-pin', 'refuses'],
  ...['cw-2-hugetlb', 'cw-3-hugetlb'].flatMap((name) => unsharingPolicies.map((one) => [name, one.name, 'differs'] as const)),
  ...['base', 'huge', 'huge-ptes', 'huge-one-pte', 'hugetlb', 'swapped'].flatMap((mode) =>
    ['cw-5', 'cw-6'].flatMap((row) => [[`${row}-${mode}`, 'ignore-and-pin', 'broken'], [`${row}-${mode}`, 'fail-to-pin', 'refuses'], [`${row}-${mode}`, 'unshare-and-pin', 'proved']] as const)),
];

const hugetlb = (huge: string, ...operations: readonly string[]) => litmus(`world: { folios: hugetlb${huge} }`, 'before: [{ a: write 0 1 }]', `threads: { a: [${operations.join(', ')}], b: { process: 1, do: [write 1 3] } }`, "expect: { '*': proved }");

/** Runs operations before anything else, where a mistake is the file's. */
const hugetlbAlone = (pool: string, ...operations: readonly string[]) =>
  check(litmus(`world: { folios: hugetlb, ${pool} }`, 'before:', ...operations.map((operation) => `  - a: ${operation}`), 'threads: { a: [read 0], c: { process: 1, do: [] } }', "expect: { '*': proved }"), 'unshare-and-pin');

describe('a pool of hugetlb folios', () => {
  test('is large enough for two processes that copy at once, unless the file says otherwise', () => {
    expect(check(hugetlb('', 'fork', 'write 0 2'), 'unshare-and-pin').verdict).toBe('proved');
    for (const size of [1, 2]) {
      expect(check(hugetlb(`, huge-folios: ${size}`, 'fork', 'write 0 2'), 'unshare-and-pin').counterexample).toMatchObject({
        rule: 'kernel-arithmetic', what: expect.stringContaining(`the pool of hugetlb folios is empty\n  why: this world has ${size} of them`) as unknown,
      });
    }
    // A fault that finds it empty, and a fork that has to copy what is pinned.
    expect(() => hugetlbAlone('huge-folios: 0', 'write 0 1')).toThrow('the pool of hugetlb folios is empty');
    expect(() => hugetlbAlone('huge-folios: 1', 'write 0 1', 'pin 0 as b', 'fork')).toThrow('the pool of hugetlb folios is empty');
  });
});

describe('the files of the family', () => {
  test.each(ANSWERS)('%s expects of %s that it is %s', (name, of, verdict) => expect(named(name).expectation(of, undefined)?.verdict).toBe(verdict));

  test('expect something of every policy that they are explored under, and hugetlb\'s expected failures say why', () => {
    for (const name of names) {
      const file = named(name);
      for (const one of file.policies ?? unsharingPolicies.map((shipped) => shipped.name)) expect(file.expectation(one, undefined), `${name} ${one}`).toBeDefined();
    }
    expect(named('cw-2-hugetlb').expectation('unshare-and-pin', undefined)?.because).toContain('expected failure of the selftest');
  });

  test('have each row of the selftest in each of the modes that it has', () => {
    const rows = [1, 2, 3, 4, 5, 6, 7].flatMap((row) => ['base', 'huge', 'huge-one-pte', 'huge-ptes', 'hugetlb', 'swapped'].map((mode) => `cw-${row}-${mode}`));
    expect(names.filter((name) => name.startsWith('cw-')).sort()).toEqual([...rows, 'cw-8', 'cw-9', 'cw-10-memfd', 'cw-10-zero-page', 'cw-11-memfd', 'cw-11-zero-page'].sort());
    expect(names.filter((name) => name.startsWith('cw-')).every((name) => named(name).source.startsWith('tools/testing/selftests/mm/cow.c'))).toBe(true);
  });

  test('name every kernel that is wrong on purpose, and expect that one file at least breaks it', () => {
    for (const { name } of wrongUnsharingPolicies) expect(names.some((file) => named(file).policies?.includes(name) && named(file).expectation(name, undefined)?.verdict === 'broken'), name).toBe(true);
  });
});

describe('a file of the family', () => {
  const one = ['threads: { a: [read 0 => 0] }', "expect: { '*': proved }"];

  test('says its world', () => {
    const { world } = litmus('world: { pages: 4, folios: hugetlb, region-order: 2, windows: 2, swap: 1, flush: broadcast }', ...one);
    expect(world).toEqual({ pages: 4, memory: 'anonymous', folios: 'hugetlb', regionOrder: 2, hugeFolios: -1, windowsPerProcess: 2, swapSlots: 1, flush: 'broadcast', patience: 0 });
    expect(complaint('world: { folios: large }', ...one)).toContain('base, huge, hugetlb');
    expect(complaint('world: { pages: 6, folios: hugetlb, region-order: 2 }', ...one)).toContain('6 pages cannot be made of hugetlb folios of order 2');
    expect(complaint('world: { pages: 1, folios: hugetlb }', ...one)).toContain('set `pages` to a multiple of 2');
    expect(complaint('world: { pages: 3, folios: huge }', ...one)).toBe('');
  });

  test('has room for every page of every process that a thread is of, or a fork makes', () => {
    const shape = shapeOfUnsharing(litmus('threads: { a: [fork into 2, "pin 0..1 as b", unpin b] }', "expect: { '*': proved }"));
    expect([shape.mms, shape.windows, shape.slots, shape.slotPages, shape.hugeFolios]).toEqual([3, 3, 1, 2, 0]);
    // The zero page, 2 pages of 3 processes, 2 of the buffer, 2 that the thread has in its hands.
    expect(shape.frames).toBe(1 + 6 + 2 + 2);
    expect(shapeOfUnsharing(litmus('world: { folios: huge, huge-folios: 5 }', ...one)).hugeFolios).toBe(5);
    // A page of each process, one of the buffer, and of hugetlb two that each of the two threads has in its hands.
    const huge = (folios: string): number => shapeOfUnsharing(litmus(`world: { folios: ${folios} }`, 'threads: { a: [fork, "pin 0 as b", unpin b], c: { process: 1, do: [write 0] } }', "expect: { '*': proved }")).hugeFolios;
    expect([huge('base'), huge('huge'), huge('hugetlb')]).toEqual([0, 3, 7]);
  });

  test('is told in words', () => {
    expect(check(litmus('world: { memory: file, swap: 1 }', ...one), 'unshare-and-pin').world).toBe('2 pages of a file, mapped privately, 1 process, 1 CPU, 1 swap slot, flushes by IPI');
    expect(check(litmus('world: { folios: hugetlb, flush: broadcast }', ...one), 'unshare-and-pin').world).toBe('2 pages of anonymous memory, hugetlb folios of order 1, 1 process, 1 CPU, flushes by broadcast');
  });

  test('pins as it says: for how long, for what, and how', () => {
    const { threads: [{ operations }] } = litmus('threads: { a: [pin 0 as b long-term write slow, unpin b, pin 1 as b, unpin b, pin 0 as b get fast, unpin b, vmsplice 0 as b, unpin b] }', "expect: { '*': proved }");
    expect(operations.filter(({ text }) => !text.startsWith('unpin')).map(({ kind, flags }) => [kind, flags])).toEqual([[8, 1 << 6], [5, 0], [9, 1 << 5], [9, 0]]);
  });

  test('says of a device that it loses what it writes', () => {
    const lost = litmus('world: { pages: 1 }', 'always: [no-lost-write]', 'before:', '  - a: write 0 1', '  - a: pin 0 as b write', '  - a: fork', 'threads: { a: [write 0 5, fill b 9] }', "expect: { '*': broken }");
    expect(check(lost, 'fork-ignores-pins')).toMatchObject({ verdict: 'broken', counterexample: { rule: 'no-lost-write', what: 'page 0 is not frame 1, which the pin holds' } });
  });
});
