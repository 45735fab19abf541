/**
 * Same inputs, same bytes: every policy on every synthetic workload, explicit and lazy, with small folios and large ones,
 * whatever the number of workers, the order of the cells, what a worker did before, the engine's short cuts, and the
 * version of Node. Runs `dist`, which `npm test` builds first.
 *
 * FOLIOBENCH_NODE is the path of another Node to compare with; without it npm is asked for one.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { cellKey, FOLIO_ORDERS, type Cell } from '../src/harness/experiment.ts';
import { harnessFile } from '../src/harness/distFile.ts';
import { CONVERSION_METRICS } from '../src/harness/families/conversionMetrics.ts';
import { readDeterministic } from '../src/harness/metrics.ts';
import { createPool } from '../src/harness/pool.ts';
import { deterministicBytes, type CellResult, type ResultsRecord } from '../src/harness/record.ts';
import { workloadOptionsOf } from '../src/harness/runCell.ts';
import type { CellRunner } from '../src/harness/schedule.ts';
import { DEFAULT_CHECK } from '../src/policies/policy.ts';
import { loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';
import { openTrace, workloads } from '../src/workloads/index.ts';
import { below, createRandom } from '../src/workloads/random.ts';
import { recordOf } from './tools/cells.ts';
import { policyNamed } from './tools/runScript.ts';

const execute = promisify(execFile);
const dist = (path: string) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const MAIN = dist('src/cli/main.js');

const SYNTHETIC = workloads.map(({ name }) => name);
const MODES = ['--conversion explicit --folio 4K', '--conversion explicit --folio 2M', '--conversion lazy --folio 4K', '--conversion lazy --folio 2M'];
const wordsOf = (mode: string) => `--workload ${SYNTHETIC.join(',')} --memory 16MiB --accesses 400 ${mode}`;
const TRACE_WORDS = '--workload boot-512m';

const baselines = new Map<string, Promise<ResultsRecord>>();

/** The record of these words, run cell by cell in this process, once. */
function baselineOf(words: string): Promise<ResultsRecord> {
  const record = baselines.get(words) ?? recordOf(words);
  baselines.set(words, record);
  return record;
}

/** The record of the program as it is installed. */
async function programOf(words: string, node = process.execPath): Promise<ResultsRecord> {
  const { stdout } = await execute(node, [MAIN, 'compare', ...words.split(' '), '--format', 'json'], { maxBuffer: 1 << 28 });
  return JSON.parse(stdout) as ResultsRecord;
}

/** One line a cell that differs: a whole record would be a screenful. */
function differingCells(one: readonly CellResult[], other: readonly CellResult[]): readonly string[] {
  const text = (cell: CellResult | undefined) => (cell?.status === 'ok' ? JSON.stringify([cell.notes, cell.deterministic]) : 'failed');
  const others = new Map(other.map((cell) => [cellKey(cell), cell]));
  return one.filter((cell) => cell.status === 'failed' || text(cell) !== text(others.get(cellKey(cell)))).map(cellKey);
}

function expectSameBytes(record: ResultsRecord, baseline: ResultsRecord): void {
  expect(differingCells(baseline.cells, record.cells)).toEqual([]);
  const { command } = baseline.experiment; // names --jobs nowhere
  expect(record.experiment.command).toBe(command);
  expect(deterministicBytes(record)).toBe(deterministicBytes(baseline));
}

/** A seeded shuffle (Fisher and Yates). */
function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  const random = createRandom(seed);
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const at = below(random, last + 1);
    [result[last], result[at]] = [result[at], result[last]];
  }
  return result;
}

describe.each(MODES)('all policies on all synthetic workloads, %s: the same bytes', (mode) => {
  const words = wordsOf(mode);

  test('from the program with two workers, and with one', async () => {
    const baseline = await baselineOf(words);
    expect(baseline.cells).toHaveLength(7 * SYNTHETIC.length);
    expectSameBytes(await programOf(`${words} --jobs 2`), baseline);
    // One worker has the next test to itself; the program with one is run in one mode.
    if (mode === MODES[0]) expectSameBytes(await programOf(`${words} --jobs 1`), baseline);
  }, 120_000);

  test('from one worker that runs the cells in any order, and each of them again after the others', async () => {
    const { cells, experiment } = await baselineOf(words);
    const runner: CellRunner = createPool({ jobs: 1, workerFile: harnessFile('worker') });
    try {
      const results: CellResult[] = [];
      for (const seed of [1, 2]) {
        for (const cell of shuffled(cells, seed)) results.push(await runner.run({ cell: inputsOf(cell), costs: { from: experiment.costs.name, hash: experiment.costs.hash } }));
      }
      expect(results).toHaveLength(2 * cells.length);
      expect(differingCells(results, cells)).toEqual([]);
    } finally {
      await runner.close();
    }
  }, 120_000);

  test('from the engine that looks for the earliest task after every step', async () => {
    const { cells } = await baselineOf(words);
    expect(await differingWithoutRunAhead(cells)).toEqual([]);
  }, 120_000);
});

describe('a recorded guest under every label: the same bytes', () => {
  test('from the program with two workers', async () => {
    const baseline = await baselineOf(TRACE_WORDS);
    expect(baseline.cells).toHaveLength(7 * 3);
    expectSameBytes(await programOf(`${TRACE_WORDS} --jobs 2`), baseline);
  }, 120_000);

  test('from the engine that looks for the earliest task after every step', async () => {
    const { cells } = await baselineOf(TRACE_WORDS);
    expect(await differingWithoutRunAhead(cells)).toEqual([]);
  }, 120_000);
});

const inputsOf = ({ family, policy, workload, check, seed, params }: Cell): Cell => ({ family, policy, workload, check, seed, params });

async function differingWithoutRunAhead(cells: readonly CellResult[]): Promise<readonly string[]> {
  const costs = loadCostProfile('published-x86');
  const differing: string[] = [];
  for (const cell of cells) {
    const { tally } = await run({
      policy: policyNamed(cell.policy),
      workload: workloads.find(({ name }) => name === cell.workload) ?? (await openTrace(cell.workload)),
      check: cell.check ?? DEFAULT_CHECK,
      costs,
      folioOrder: FOLIO_ORDERS[cell.params.folio ?? '4K'],
      options: workloadOptionsOf(cell),
      runAhead: false,
    });
    const before = cell.status === 'ok' ? JSON.stringify(cell.deterministic) : 'failed';
    if (JSON.stringify(readDeterministic(CONVERSION_METRICS, { tally, costs })) !== before) differing.push(cellKey(cell));
  }
  return differing;
}

describe('another version of Node', () => {
  test('gives the same bytes', async ({ skip }) => {
    const other = await otherNode();
    if ('missing' in other) return skip(`no other Node to compare with: ${other.missing}; FOLIOBENCH_NODE can name one`);
    for (const words of [wordsOf(MODES[0]), wordsOf(MODES[3]), TRACE_WORDS]) {
      const [record, baseline] = [await programOf(words, other.path), await baselineOf(words)];
      expect(record.environment.node).not.toBe(process.version);
      expect(differingCells(baseline.cells, record.cells)).toEqual([]);
      expect(deterministicBytes(record)).toBe(deterministicBytes(baseline));
    }
  }, 240_000);

  test('gives the bytes of the committed run, whichever this one is (after a change that is meant: npm run smoke -- --update)', async () => {
    const { stdout } = await execute(process.execPath, [dist('test/tools/smoke.js')], { maxBuffer: 1 << 28 }).catch((error: unknown) => error as { readonly stdout: string });
    expect(stdout).toMatch(/^\d+ cells, the same bytes\n$/);
  }, 120_000);
});

/** The newest Node, or the oldest that we support where this one is new: by its path, or from npm. */
async function otherNode(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const named = process.env['FOLIOBENCH_NODE'];
  const [major] = process.versions.node.split('.');
  const wanted = major === '20' ? 26 : 20;
  const [command, args] = named === undefined ? ['npx', ['--yes', '--package', `node@${wanted}`, '--', 'node']] : [named, []];
  try {
    const { stdout } = await execute(command, [...args, '-p', 'JSON.stringify([process.execPath, process.versions.node])'], { timeout: 120_000 });
    const [path, version] = JSON.parse(stdout) as readonly [string, string];
    return version.startsWith(`${major}.`) ? { missing: `${command} gives Node ${version}, this one is ${process.versions.node}` } : { path };
  } catch (error) {
    return { missing: `${command} ended with: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}` };
  }
}
