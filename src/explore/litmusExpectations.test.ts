/** Cells: which one decides. Facts and outcomes: what they mean, and which contradict each other. */
import { describe, expect, test } from 'vitest';
import type { Litmus } from './litmus.ts';
import { parseLitmus } from './parseLitmus.ts';

/** Two threads: the vCPU has two operations, the host thread has one that says how it ends. */
const file = (rest: string): string => `name: x
question: Is it?
source: mm/gup.c
threads:
  vcpu:
    - to-private 0
    - to-private 1
  host:
    - host read 0 => SIGBUS
${rest}`;
const PROVED = `expect:\n  '*': proved\n`;
const parse = (rest: string): Litmus => parseLitmus(file(rest), 'x.litmus.yaml');
const complaintOf = (rest: string): string => {
  try {
    parse(rest);
    return 'none';
  } catch (error) {
    return (error as Error).message.replace('x.litmus.yaml:', '');
  }
};

describe('the cell that decides', () => {
  const { expectation } = parse(`expect:
  '*': proved
  '*/mapcount': broken
  gap: stuck
  gap/mapcount: refuses
  other: { verdict: broken, because: it is wrong }
`);
  test('is that of the policy and the check', () => expect(expectation('gap', 'mapcount')).toEqual({ verdict: 'refuses', line: 14 }));
  test('else that of the policy', () => {
    expect(expectation('gap', 'refcount')).toEqual({ verdict: 'stuck', line: 13 });
    expect(expectation('gap', undefined)).toEqual({ verdict: 'stuck', line: 13 });
    expect(expectation('other', 'mapcount')).toEqual({ verdict: 'broken', because: 'it is wrong', line: 15 });
  });
  test('or that of the check', () => expect(expectation('sigbus-on-fault', 'mapcount')).toEqual({ verdict: 'broken', line: 12 }));
  test('else that of all', () => {
    expect(expectation('sigbus-on-fault', 'refcount')).toEqual({ verdict: 'proved', line: 11 });
    expect(expectation('lower-bound', undefined)).toEqual({ verdict: 'proved', line: 11 });
  });
  test('and there may be none', () => expect(parse('expect:\n  gap: proved\n').expectation('sigbus-on-fault', 'refcount')).toBeUndefined());
});

describe('cells that are wrong', () => {
  test('because a policy and a check contradict each other', () => {
    expect(complaintOf(`expect:\n  '*/mapcount': broken\n  gap: proved\n`)).toBe(
      '12: "gap" and "*/mapcount" of `expect` contradict each other\n  why: both are about gap/mapcount: one says proved, the other broken\n  fix: add a cell gap/mapcount',
    );
    expect(complaintOf(`expect:\n  '*/mapcount': broken\n  gap: broken\n`)).toBe('none');
    expect(complaintOf(`expect:\n  '*/mapcount': broken\n  gap: proved\n  gap/mapcount: proved\n`)).toBe('none');
  });
  test.each([
    [`expect:\n  '*': prooved\n`, '11: `expect` is "prooved"\n  why: it must be one of proved, refuses, differs, stuck, broken, bounded\n  fix: did you mean "proved"?'],
    [`expect:\n  '*': { verdict: yes }\n`, '11: `verdict` is "yes"'],
    [`expect:\n  '*': { because: no reason }\n`, '11: an expectation without a verdict'],
    [`expect:\n  '*': { verdict: differs, becaus: x }\n`, '11: unknown key "becaus" in `expect`\n  why: the keys are verdict, because\n  fix: did you mean "because"?'],
    [`expect:\n  '*': { verdict: differs, because: }\n`, '11: `because` is nothing'],
    [`expect:\n  a/b/c: proved\n`, '11: "a/b/c" is no cell of `expect`'],
    [`expect:\n  '': proved\n`, '11: "" is no cell of `expect`'],
    [`expect: {}\n`, '10: `expect` is empty'],
    [`expect: proved\n`, '10: `expect` is "proved"\n  why: it must be a map'],
    [`expect:\n  *: proved\n`, `11: a * or another sign of YAML without quotes`],
    [`expect:\n  '*': proved\n  '*': broken\n`, `12: the key "*" stands twice\n  why: line 11 has it already`],
  ])('%j', (rest, expected) => expect(complaintOf(rest)).toContain(expected));
});

describe('outcomes', () => {
  test('are one list for every run, sorted', () => {
    const { outcomes } = parse(`outcomes:\n  - OK  OK| SIGBUS\n  - EAGAIN OK | SIGBUS\n${PROVED}`);
    expect(outcomes('anybody', undefined)).toEqual(['EAGAIN OK | SIGBUS', 'OK OK | SIGBUS']);
  });
  test('or a list a cell', () => {
    const { outcomes } = parse(`outcomes:\n  '*/refcount': [OK OK | OK]\n  gap/refcount: [OK OK | SIGBUS]\n${PROVED}`);
    expect(outcomes('gap', 'refcount')).toEqual(['OK OK | SIGBUS']);
    expect(outcomes('sigbus-on-fault', 'refcount')).toEqual(['OK OK | OK']);
    expect(outcomes('sigbus-on-fault', 'mapcount')).toBeUndefined();
  });
  test('of a thread without operations are nothing', () => {
    const text = file(`  idle: { do: [], process: 1 }\noutcomes: ['OK OK | SIGBUS |']\n${PROVED}`);
    expect(parseLitmus(text, 'x.litmus.yaml').outcomes('gap', 'refcount')).toEqual(['OK OK | SIGBUS | ']);
  });
  test.each([
    ['outcomes: [OK OK]\n', '10: the outcome "OK OK" has 1 threads\n  why: the file has 2: vcpu, host\n  fix: one part a thread: to-private 0, to-private 1 | host read 0'],
    ['outcomes: [OK | SIGBUS]\n', '10: the outcome "OK | SIGBUS" has 1 results for "vcpu"\n  why: the thread has 2 operations'],
    ['outcomes:\n  - OK OK | SIGBUSS\n', '11: unknown result "SIGBUSS" in an outcome'],
    ['outcomes: []\n', '10: `outcomes` is an empty list'],
    ['outcomes: OK OK | OK\n', '10: `outcomes` is "OK OK | OK"'],
    ['outcomes:\n  - OK OK | OK\n  - OK OK |OK\n', '12: the outcome "OK OK | OK" stands twice'],
    [`outcomes:\n  '*/refcount': [OK OK | OK]\n  gap: [OK OK | SIGBUS]\n`, '12: "gap" and "*/refcount" of `outcomes` contradict each other'],
  ])('that are wrong: %j', (rest, expected) => expect(complaintOf(rest + PROVED)).toContain(expected));
});

describe('facts', () => {
  test('are about one operation of one thread', () => {
    const { sometimes, never } = parse(`sometimes:\n  - vcpu.2 => EAGAIN at 1\nnever:\n  - vcpu.1 => EPERM\n${PROVED}`);
    expect(sometimes).toEqual([{ thread: 0, operation: 1, result: { errno: 'EAGAIN', at: 1 }, text: 'vcpu.2 => EAGAIN at 1', line: 11 }]);
    expect(never).toEqual([{ thread: 0, operation: 0, result: { errno: 'EPERM' }, text: 'vcpu.1 => EPERM', line: 13 }]);
  });
  test.each([
    ['sometimes: [vcpu => OK]\n', '10: "vcpu => OK" is no fact'],
    ['sometimes: [vcpu.1 OK]\n', '10: "vcpu.1 OK" is no fact'],
    ['sometimes: [vpcu.1 => OK]\n', '10: unknown thread "vpcu"\n  why: the threads are vcpu, host\n  fix: did you mean "vcpu"?'],
    ['never: [vcpu.3 => OK]\n', '10: "vcpu" has no operation 3\n  why: it has 2, counted from 1 after repeats are written out'],
    ['never: [vcpu.0 => OK]\n', '10: "vcpu" has no operation 0'],
    ['never: [vcpu.1 => 7]\n', '10: "to-private 0" reads nothing'],
    ['never: [host.1 => SIGBUS at 0]\n', '10: "host read 0" has no error offset'],
    ['never: [vcpu.1 => OKAY]\n', '10: unknown result "OKAY"'],
    ['never: vcpu.1 => OK\n', '10: `never` is "vcpu.1 => OK"\n  why: it must be a list'],
    ['sometimes: [7]\n', '10: `sometimes` is "7"\n  why: it must be a text'],
  ])('that are wrong: %j', (rest, expected) => expect(complaintOf(rest + PROVED)).toContain(expected));

  test.each([
    ['sometimes: [vcpu.1 => OK]\nnever: [vcpu.1 => OK]\n', '11: "vcpu.1 => OK" is expected sometimes and never\n  why: lines 10 and 11 contradict each other'],
    ['sometimes: [vcpu.1 => EAGAIN at 0]\nnever: [vcpu.1 => EAGAIN]\n', '11: "vcpu.1 => EAGAIN at 0" is expected sometimes and never'],
    ['sometimes: [host.1 => OK]\n', '10: "host.1 => OK" of `sometimes` contradicts the operation\n  why: line 9 says how the operation always ends'],
    ['sometimes: [host.1 => 7]\n', '10: "host.1 => 7" of `sometimes` contradicts the operation'],
    ['never: [host.1 => SIGBUS]\n', '10: "host.1 => SIGBUS" of `never` contradicts the operation'],
  ])('that contradict: %j', (rest, expected) => expect(complaintOf(rest + PROVED)).toContain(expected));

  test.each([
    'sometimes: [vcpu.1 => EAGAIN]\nnever: [vcpu.1 => EAGAIN at 0]\n',
    'sometimes: [vcpu.1 => OK]\nnever: [vcpu.2 => OK]\n',
    'sometimes: [host.1 => SIGBUS]\n',
    'never: [host.1 => OK]\n',
  ])('that do not: %j', (rest) => expect(complaintOf(rest + PROVED)).toBe('none'));
});
