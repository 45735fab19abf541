import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { findCounterexamples } from './counterexamples.ts';
import { readLibrary, type LitmusFile } from './litmusFiles.ts';
import type { CommittedVerdict } from './verdicts.ts';

const broken = (litmus: string, length: number, other: Partial<CommittedVerdict> = {}): CommittedVerdict => ({
  family: 'conversion', litmus, policy: 'sigbus-on-fault', check: 'mapcount', verdict: 'broken', safety: 'broken', liveness: 'unknown', exhaustive: true, states: 69, transitions: 100, depth: 20, counterexample: { rule: 'no-exposure', length }, ...other,
});

describe('counterexamples for a report', () => {
  let files: readonly LitmusFile[];
  beforeAll(async () => {
    files = await readLibrary(path.resolve(import.meta.dirname, '../..'));
  });
  const found = (verdicts: readonly CommittedVerdict[], rows = [{ policy: 'sigbus-on-fault', check: 'mapcount' as const }]) => findCounterexamples({ family: 'conversion', rows }, verdicts, files);

  test('are the shortest of each unsafe row, explored again, with the command that shows them', () => {
    const [{ verdict, counterexample, replay, brokenFiles }, ...others] = found([broken('host-fault-in-flight', 60), broken('gup-fast-pin', 51)]);
    expect([others, verdict.litmus, counterexample.rule, brokenFiles]).toEqual([[], 'gup-fast-pin', 'no-exposure', 2]);
    expect(replay).toMatch(/^foliobench explore gup-fast-pin --policy sigbus-on-fault --check mapcount --replay '/);
  });
  test('come once for a policy and check, however many rows it has', () => {
    const row = { policy: 'sigbus-on-fault', check: 'mapcount' as const };
    expect(found([broken('gup-fast-pin', 51)], [row, row])).toHaveLength(1);
  });
  test('are none where nothing was found broken, of this family, or where it breaks no more', () => {
    expect(found([])).toEqual([]);
    expect(found([broken('gup-fast-pin', 51, { family: 'unsharing' })])).toEqual([]);
    expect(found([broken('gup-fast-pin', 51, { check: 'refcount' })], [{ policy: 'sigbus-on-fault', check: 'refcount' as never }])).toEqual([]);
    expect(found([broken('there-is-no-such-file', 3)])).toEqual([]);
  });
});
