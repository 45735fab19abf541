import { describe, expect, test } from 'vitest';
import { createLocalExplorationRunner } from '../../test/tools/localExplorationRunner.ts';
import { guestAlone, pinRace } from '../../test/tools/litmusText.ts';
import { sumsLitmus } from '../../test/tools/madeUpFamily.ts';
import { policies } from '../policies/index.ts';
import { wrongPolicies } from '../policies/wrong/index.ts';
import { ALL_REDUCTIONS } from '../explore/verdict.ts';
import { explore, planExploration, verdictsOf, type ExplorationProgress, type ExplorationRunner } from './exploration.ts';
import { exploreCell, type ExplorationTask } from './exploreCell.ts';
import { readKnown, type LitmusFile } from './litmusFiles.ts';

function fileOf(name: string, text: string): LitmusFile {
  const path = `${name}.litmus.yaml`;
  return { path, word: path, text, litmus: readKnown(text, path), isOfLibrary: false };
}
const race = fileOf('race', pinRace({ name: 'race' }));
const alone = fileOf('alone', guestAlone({ name: 'alone' }));
const cellsOf = (options: Parameters<typeof planExploration>[0]) => planExploration(options).map(({ file, policy, check }) => `${file.litmus.name} ${policy} ${check}`);

describe('the cells of an exploration', () => {
  test('are all proposals under all their checks, where a file does not say', () => {
    const cells = cellsOf({ files: [race] });
    expect(cells.slice(0, 3)).toEqual(['race sigbus-on-fault mapcount', 'race sigbus-on-fault mapped-or-pinned', 'race sigbus-on-fault refcount']);
    const proposals = policies.filter(({ reference }) => reference === undefined);
    expect(new Set(cells.map((cell) => cell.split(' ')[1]))).toEqual(new Set(proposals.map(({ name }) => name)));
    expect(cells).toHaveLength(proposals.reduce((sum, { checks }) => sum + Math.max(1, checks.length), 0));
  });
  test('are those that the file lists, in the order of the documents', () => {
    const listed = fileOf('listed', pinRace({ name: 'listed', more: ['policies: [split-4k, lower-bound, sigbus-on-fault]', 'checks: [refcount]'] }));
    expect(cellsOf({ files: [listed] })).toEqual(['listed lower-bound null', 'listed sigbus-on-fault refcount', 'listed split-4k refcount']);
  });
  test('are those that the user names instead', () => {
    const listed = fileOf('listed', pinRace({ name: 'listed', more: ['policies: [split-4k]', 'checks: [refcount]'] }));
    expect(cellsOf({ files: [listed, race], policies: ['null', 'folio-mmapped'], checks: ['refcount', 'mapcount'] })).toEqual([
      'listed null null', 'listed folio-mmapped mapcount', 'listed folio-mmapped refcount', 'race null null', 'race folio-mmapped mapcount', 'race folio-mmapped refcount',
    ]);
    expect(new Set(cellsOf({ files: [listed], policies: ['all'] }).map((cell) => cell.split(' ')[1])).size).toBe(policies.filter(({ reference }) => reference === undefined).length);
  });
  test('leave out what takes none of the checks, unless it was named', () => {
    expect(cellsOf({ files: [race], policies: ['all'], checks: ['mapcount'] })).not.toContain('race migrate-like refcount');
    expect(() => cellsOf({ files: [race], policies: ['migrate-like'], checks: ['mapcount'] })).toThrow(/does not take the check mapcount/);
  });
  test('are of policies that are wrong on purpose where those are named, and only there', () => {
    expect(cellsOf({ files: [race], policies: ['unmap-without-flush', 'split-4k'], checks: ['refcount'] })).toEqual(['race split-4k refcount', 'race unmap-without-flush refcount']);
    expect(wrongPolicies.flatMap(({ name }) => [...cellsOf({ files: [race] }), ...cellsOf({ files: [race], policies: ['all'] })].filter((cell) => cell.includes(` ${name} `)))).toEqual([]);
  });
  test('are of the policies of the file\'s family, whatever others are named', () => {
    const sums: LitmusFile = { ...race, litmus: sumsLitmus('threads: { a: [add 0] }', "expect: { '*': proved }") };
    expect(cellsOf({ files: [sums] })).toEqual(['x locked null', 'x refusing null']);
    expect(cellsOf({ files: [sums], policies: ['all'], checks: ['refcount'] })).toEqual(['x locked null', 'x refusing null']);
    expect(cellsOf({ files: [sums, race], policies: ['split-4k'], checks: ['refcount'] })).toEqual(['race split-4k refcount']);
    expect(() => planExploration({ files: [sums], policies: ['split-4k', 'in-place'] })).toThrow(/none of these files is for split-4k, in-place\n.*they are of the family conversion, and the files of sums/);
  });
  test('have no unknown names', () => {
    expect(() => planExploration({ files: [race], policies: ['sigbus'] })).toThrow('unknown policy "sigbus"');
    expect(() => planExploration({ files: [race], checks: ['pins'] })).toThrow('unknown check "pins"');
  });
});

const cells = planExploration({ files: [alone, race], policies: ['sigbus-on-fault', 'lower-bound'], checks: ['refcount'] });
/** A runner that says which cells it was given, and can do something else for some. */
const recording = (begun: string[], instead: (task: ExplorationTask) => Promise<never> | undefined = () => undefined) => (): ExplorationRunner => ({
  async run(task) {
    begun.push(`${task.path} ${task.policy}`);
    await instead(task);
    return exploreCell(task, () => {});
  },
  async close() {},
});
const named = (explored: Awaited<ReturnType<typeof explore>>) => explored.map(({ file, policy, result }) => [file.litmus.name, policy, result?.status === 'ok' ? result.verdict.verdict : result?.status]);
const VERDICTS = [['alone', 'lower-bound', 'proved'], ['alone', 'sigbus-on-fault', 'proved'], ['race', 'lower-bound', 'broken'], ['race', 'sigbus-on-fault', 'proved']];

describe('an exploration', () => {
  test('begins with what takes longest, and gives its cells in their own order', async () => {
    const begun: string[] = [];
    expect(named(await explore({ cells, jobs: 1, createRunner: recording(begun) }))).toEqual(VERDICTS);
    expect(begun.map((cell) => cell.split('.')[0])).toEqual(['race', 'race', 'alone', 'alone']);
    const again: string[] = [];
    await explore({ cells, jobs: 1, createRunner: recording(again), statesBefore: ({ index }) => index });
    expect(again).toEqual(['race.litmus.yaml sigbus-on-fault', 'race.litmus.yaml lower-bound', 'alone.litmus.yaml sigbus-on-fault', 'alone.litmus.yaml lower-bound']);
  });

  test('gives the same whatever the number of jobs', async () => {
    const [one, four] = await Promise.all([1, 4].map((jobs) => explore({ cells, jobs, createRunner: createLocalExplorationRunner })));
    expect(verdictsOf(four)).toEqual(verdictsOf(one));
    expect(verdictsOf(one)).toHaveLength(4);
  });

  test('loses only the cell whose worker was lost, and does not try it again', async () => {
    const begun: string[] = [];
    const lost = (message: string) => recording(begun, ({ path, policy }) => (path.startsWith('race') && policy === 'lower-bound' ? Promise.reject(new Error(message)) : undefined));
    const explored = await explore({ cells, jobs: 2, createRunner: lost('Worker terminated due to reaching memory limit: JS heap out of memory') });
    expect(named(explored)).toEqual(VERDICTS.map((cell, at) => (at === 2 ? [...cell.slice(0, 2), 'failed'] : cell)));
    expect(begun).toHaveLength(4);
    expect(explored[2].result).toMatchObject({ error: { what: 'race.litmus.yaml:4: more states than memory', why: expect.stringContaining('JS heap out of memory') } });
    const other = await explore({ cells, jobs: 2, createRunner: lost('worker exited with code: 7') });
    expect(other[2].result).toEqual({
      status: 'failed',
      error: { what: 'race.litmus.yaml: the worker that explored it was lost', why: 'worker exited with code: 7', fix: 'explore it alone: --policy lower-bound' },
    });
  });

  test('that is interrupted keeps what had ended', async () => {
    const abort = new AbortController();
    const begun: string[] = [];
    const explored = await explore({ cells, jobs: 1, signal: abort.signal, createRunner: recording(begun, () => {
      if (begun.length < 3) return undefined;
      abort.abort();
      return new Promise<never>(() => {});
    }) });
    expect(named(explored)).toEqual([['alone', 'lower-bound', undefined], ['alone', 'sigbus-on-fault', undefined], ...VERDICTS.slice(2)]);
  });

  test('tells how far it is: cells that ended, searches under way, states of both', async () => {
    const told: ExplorationProgress[] = [];
    await explore({
      cells: cells.slice(2),
      jobs: 1,
      onProgress: (progress) => void told.push(progress),
      createRunner: ({ onProgress }) => ({
        async run(task) {
          onProgress({ cell: task.cell, states: 100, transitions: 200, depth: 7, queued: 30 });
          return exploreCell(task, () => {});
        },
        async close() {},
      }),
    });
    expect(told.map(({ finished, searches, states }) => [finished, searches.length, states > 0])).toEqual([[0, 0, false], [0, 1, true], [1, 0, true], [1, 1, true], [2, 0, true]]);
    expect(told[1]).toEqual({ cells: 2, finished: 0, failed: 0, states: 100, searches: [{ cell: 2, states: 100, transitions: 200, depth: 7, queued: 30 }] });
  });
});

describe('a cell', () => {
  const task: ExplorationTask = { cell: 0, path: 'big.litmus.yaml', text: bigText(), policy: 'sigbus-on-fault', check: 'refcount', reductions: ALL_REDUCTIONS, memoryBytes: 1000 };

  test('with more states than memory says where its world stands, and how to make it smaller', () => {
    expect(exploreCell(task, () => {}, () => 1001)).toEqual({
      status: 'failed',
      error: {
        what: 'big.litmus.yaml:4: more states than memory',
        why: expect.stringMatching(/^after \d+ states its share of memory was full$/),
        fix: 'explore a smaller world: fewer pages, threads or operations; or bound the search with --max-states, or use fewer --jobs',
      },
    });
  });
  test('that just fits goes on, and is bounded where the user says so', () => {
    const told: number[] = [];
    const result = exploreCell({ ...task, statesMax: 500 }, ({ states }) => void told.push(states), () => 1000);
    expect(result).toMatchObject({ status: 'ok', verdict: { verdict: 'bounded', exhaustive: false, bound: 500 } });
    expect(told.length).toBeGreaterThan(0);
  });
  test('of a policy that is not there, or of a text with a mistake, fails with words', () => {
    expect(exploreCell({ ...task, policy: 'none' }, () => {})).toMatchObject({ status: 'failed', error: { why: expect.stringContaining('no policy none') } });
    expect(exploreCell({ ...task, text: '' }, () => {})).toMatchObject({ status: 'failed', error: { what: 'big.litmus.yaml:1: the file is empty' } });
  });
});

/** Four threads, and more states than any test waits for. */
function bigText(): string {
  return pinRace({ name: 'big', more: ['  reader:', '    - host read any', '    - host read any', '  writer:', '    - host write any', '    - host read any'] });
}
