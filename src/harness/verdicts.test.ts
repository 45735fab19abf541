import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Counterexample, Verdict } from '../explore/verdict.ts';
import { UserError } from '../model/userError.ts';
import type { Sources } from './sources.ts';
import { commitVerdict, compareVerdicts, formatVerdictsRecord, readVerdicts, recordVerdict, safetyOf, VERDICTS_SCHEMA, verdictKey, type VerdictsRecord } from './verdicts.ts';

const verdict = (parts: Partial<Verdict> = {}): Verdict => ({
  family: 'conversion', litmus: 'race', policy: 'p', check: 'refcount', verdict: 'proved', safety: 'proved', liveness: 'proved', world: '1 page', exhaustive: true, bound: null,
  states: 10, transitions: 20, depth: 5, outcomes: null, counterexample: null, expected: 'proved', because: null, asExpected: true, ...parts,
});
const counterexample: Counterexample = {
  rule: 'no-exposure', sentence: 's', what: 'w', why: 'y', threads: ['vcpu'], steps: [{ thread: 0, step: 'x', changes: [], locks: [] }], schedule: 'vcpu',
};
const record = (...verdicts: readonly Verdict[]): VerdictsRecord => ({
  schema: VERDICTS_SCHEMA, tool: { version: '1.0.0' }, complete: true, sources: { p: '1' }, litmus: { race: '2' }, verdicts: verdicts.map(recordVerdict), failed: [],
});
const sources = (hash: string): Sources => ({ schema: 'foliobench/sources@1', policies: { p: hash }, litmus: {} });

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a record of verdicts', () => {
  test('keeps the length and the schedule of a counterexample, and none of its steps', () => {
    expect(recordVerdict(verdict({ counterexample })).counterexample).toEqual({ rule: 'no-exposure', sentence: 's', what: 'w', why: 'y', length: 1, schedule: 'vcpu' });
  });

  test('has a verdict a line, and is read again as it was', async () => {
    const written = record(verdict(), verdict({ policy: 'q', check: null, counterexample }));
    const text = formatVerdictsRecord(written);
    expect(text.split('\n').filter((line) => line.startsWith('    {"family":"conversion","litmus":'))).toHaveLength(2);
    await writeFile(path.join(folder, 'v.json'), text);
    expect(await readVerdicts(path.join(folder, 'v.json'))).toEqual(written);
  });

  test('is committed without its words', () => {
    expect(commitVerdict(recordVerdict(verdict({ verdict: 'broken', safety: 'broken', because: 'b', counterexample })))).toEqual({
      family: 'conversion', litmus: 'race', policy: 'p', check: 'refcount', verdict: 'broken', safety: 'broken', liveness: 'proved', exhaustive: true, states: 10, transitions: 20, depth: 5,
      counterexample: { rule: 'no-exposure', length: 1 },
    });
  });

  test('that is not there is none', async () => expect(await readVerdicts(path.join(folder, 'v.json'))).toBe(undefined));

  test.each(['', 'no json', '[]', '{}', '{"schema":"foliobench/verdicts@2","verdicts":[],"sources":{}}', '{"schema":"foliobench/verdicts@1"}', 'null'])('that is %j is a mistake', async (text) => {
    await writeFile(path.join(folder, 'v.json'), text);
    await expect(readVerdicts(path.join(folder, 'v.json'))).rejects.toThrow(UserError);
  });

  test('names a cell by its policy and its check, if it has one', () => {
    expect([verdictKey(verdict()), verdictKey(verdict({ check: null }))]).toEqual(['race / p / refcount', 'race / p']);
  });
});

describe('a run beside a record', () => {
  const changes = (before: readonly Verdict[], now: readonly Verdict[], isWhole = true) => compareVerdicts(before.map(recordVerdict), now.map(recordVerdict), isWhole);

  test('that found the same differs in nothing', () => expect(changes([verdict()], [verdict()])).toEqual({ verdicts: [], numbers: [], added: [], removed: [] }));

  test('differs in verdicts and in numbers apart', () => {
    const found = changes([verdict(), verdict({ policy: 'q' })], [verdict({ verdict: 'refuses', states: 11 }), verdict({ policy: 'q', states: 11 })]);
    expect(found.verdicts.map(({ recorded, found: now }) => [now.policy, recorded.verdict, now.verdict])).toEqual([['p', 'proved', 'refuses']]);
    expect(found.numbers.map(({ recorded, found: now }) => [now.policy, recorded.states, now.states])).toEqual([['q', 10, 11]]);
  });

  test('has new cells, and lacks others only where it was to have all', () => {
    expect(changes([verdict()], [verdict({ policy: 'q' })])).toMatchObject({ added: ['race / q / refcount'], removed: ['race / p / refcount'] });
    expect(changes([verdict()], [verdict({ policy: 'q' })], false).removed).toEqual([]);
  });
});

describe('whether a policy is safe', () => {
  const safe = (committed: VerdictsRecord | undefined, now: Sources | undefined = sources('1')) => safetyOf(committed, now)('p', 'refcount');

  test('is proved where every file that has the cell was explored to its end, and none is broken', () => {
    expect(safe(record(verdict(), verdict({ litmus: 'other', verdict: 'differs' })))).toBe('proved');
  });
  test('is not where one is broken: the first by name is told', () => {
    const broken = { verdict: 'broken', safety: 'broken', counterexample } as const;
    expect(safe(record(verdict({ litmus: 'z', ...broken }), verdict({ litmus: 'b', ...broken }), verdict({ litmus: 'a' })))).toBe('broken: b');
  });
  test('is told of this check alone', () => {
    const weak = verdict({ check: 'mapcount', safety: 'broken', counterexample });
    expect(safe(record(verdict(), weak))).toBe('proved');
    expect(safe(record(weak))).toBe('not checked');
  });
  test('is told of the family alone that is asked for: a measure may have one name in several', () => {
    const safety = safetyOf(record(verdict(), verdict({ family: 'sums', litmus: 'other', safety: 'broken', counterexample })), sources('1'));
    expect([safety('p', 'refcount', 'conversion'), safety('p', 'refcount', 'sums'), safety('p', 'refcount', 'another')]).toEqual(['proved', 'broken: other', 'not checked']);
  });
  test('is not proved where a search ended early', () => {
    expect(safe(record(verdict(), verdict({ litmus: 'other', verdict: 'bounded', exhaustive: false, safety: 'unknown' })))).toBe('not proved');
    const stuck = { verdict: 'stuck', safety: 'unknown', liveness: 'stuck' } as const;
    expect(safe(record(verdict({ ...stuck, counterexample: { ...counterexample, rule: 'nobody-stuck' } })))).toBe('not proved');
    // That no end can be reached is asked when all states are known.
    expect(safe(record(verdict({ ...stuck, counterexample: { ...counterexample, rule: 'end-reachable' } })))).toBe('proved');
  });
  test('is stale where the sources are others, or not known', () => {
    expect(safe(record(verdict()), sources('2'))).toBe('stale');
    expect(safetyOf(record(verdict()), undefined)('p', 'refcount')).toBe('stale');
  });
  test('is not checked where nobody explored', () => {
    expect(safe(undefined)).toBe('not checked');
    expect(safetyOf(record(verdict()), sources('1'))('mine', null)).toBe('not checked');
  });
});
