/** The bench runs: every case with tiny counts, and the program around them. Runs `dist`, which `npm test` builds first. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isMet, median, once } from '../bench/measurement.ts';
import type { BenchCase, Measurement, Scale } from '../bench/measurement.ts';
import { measureFloor } from '../bench/floor.ts';
import { formatBench } from '../bench/table.ts';
import { goRound, measureYardstick, withYardstick } from '../bench/yardstick.ts';
import type { BenchRecord } from '../src/gate/benchRecord.ts';
import type { RunProgram } from '../src/harness/programs.ts';
import { policies } from '../src/policies/index.ts';
import { runWords } from './tools/commandLine.ts';

const DIST = new URL('../dist/bench/', import.meta.url);
const RUN = fileURLToPath(new URL('run.js', DIST));
const QUICK: Scale = { quick: true, samples: 1, warmups: 0 };

const loadCases = async (): Promise<readonly BenchCase[]> => ((await import(new URL('cases.js', DIST).href)) as { readonly cases: readonly BenchCase[] }).cases;
const runBench = (...words: readonly string[]) => promisify(execFile)(process.execPath, [RUN, ...words]);

describe('the cases', () => {
  test('all run, and each figure is a number above zero of one sample', async () => {
    const cases = await loadCases();
    const figures: string[] = [];
    for (const { name, measure } of cases) {
      const measurements = await measure(QUICK);
      expect(measurements.length, name).toBeGreaterThan(0);
      for (const { figure, value, low, high, samples } of measurements) {
        figures.push(figure);
        expect(value, figure).toBeGreaterThan(0);
        expect([low <= value, value <= high, samples], figure).toEqual([true, true, 1]);
      }
    }
    expect(new Set(figures).size).toBe(figures.length);
  }, 120_000);

  test('have one standard mix for each policy, and one name each', async () => {
    const names = (await loadCases()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('standard-mix/'))).toEqual(policies.map(({ name }) => `standard-mix/${name}`));
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the program', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('prints a table, and writes the figures of the cases that were asked for', async () => {
    const file = join(folder, 'bench.json');
    const { stdout } = await runBench('--quick', '--only', 'creation', '--only', 'step-loop/bare', '-o', file);
    const record = JSON.parse(readFileSync(file, 'utf8')) as BenchRecord;
    expect([record.schema, record.quick]).toEqual(['foliobench/bench@1', true]);
    expect(record.cases.map(({ name }) => name)).toEqual(['step-loop/bare', 'creation/1GiB', 'creation/1024GiB']);
    expect(stdout).toBe(formatBench(record));
  });

  test.each([
    [['--only', 'rmap-wolk'], /no case "rmap-wolk"[^]*did you mean rmap-walk or /],
    [['--fast'], /--fast[^]*--quick, --only NAME, --aa, --blocks COUNT and -o FILE\.json/],
    [['--blocks', '9'], /--blocks needs --aa/],
    [['--aa', '--only', 'histogram'], /--aa does not go with --only/],
    [['--aa', '--blocks', '3'], /"3" is no number of blocks[^]*a whole number from 4 on/],
    [['--quick', '-o', '.'], /cannot write \.[^]*it is a folder/],
  ] as const)('says what is wrong with %j and ends with 2', async (words, message) => {
    await expect(runBench(...words)).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) as unknown });
  });
});

describe('the floor of a machine', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is what the gate makes of this program against itself', async () => {
    let runs = 0;
    const runProgram: RunProgram = async (_mainFile, words) => {
      const { exitCode, stderr } = await runWords(words, { folder });
      return { code: exitCode, said: stderr, cpuNs: 1000 + (runs++ % 3) };
    };
    const { verdict, byCpuTime } = await measureFloor({ blocks: 4, quick: true, onRun: () => {}, runProgram });
    expect([verdict, byCpuTime.blocks, byCpuTime.floor, runs]).toEqual(['PASS', 4, 0.01, 1 + 4 * 4]);
    const failing: RunProgram = async () => ({ code: 2, said: 'no', cpuNs: 1 });
    await expect(measureFloor({ blocks: 4, quick: true, onRun: () => {}, runProgram: failing })).rejects.toThrow('ended with 2: no');
  });
});

describe('the yardstick', () => {
  test('goes the same way every time, and is a speed above zero', () => {
    expect([goRound(new Int32Array(4096), 1000), goRound(new Int32Array(4096), 1000)].every((value, _, [first]) => value === first)).toBe(true);
    expect(measureYardstick(10_000)).toBeGreaterThan(0);
  });

  test.each([
    ['steps/s', 50, 0.5],
    ['ns/visit', 50, 0.000005],
    ['MiB', 50, null],
    ['of their speed', 50, null],
  ] as const)('of a figure in %s', (unit, value, byYardstick) => {
    const measured = once({ figure: 'f', unit, better: 'more', value });
    expect(withYardstick(measured, 100).byYardstick).toBe(byYardstick);
  });
});

describe('a figure', () => {
  const measured = (better: Measurement['better'], value: number, target: number | null) => once({ figure: 'f', unit: 'u', better, value, target });

  test.each([
    ['more', 20, 20, true],
    ['more', 19, 20, false],
    ['less', 60, 60, true],
    ['less', 61, 60, false],
    ['more', 1, null, null],
  ] as const)('where %s is better: %d with the target %s is met: %s', (better, value, target, expected) => expect(isMet(measured(better, value, target))).toBe(expected));

  test('stands in the table beside its target, and says how much of it was reached', () => {
    const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'a CPU', cpus: 2, kernel: '6.1' };
    const measurements = [measured('more', 15e6, 20e6), { ...measured('less', 40, 60), samples: 3, low: 38, high: 45, byWallClock: 41, byYardstick: 0.5 }];
    const text = formatBench({ schema: 'foliobench/bench@1', tool: { version: '1.2.3' }, environment, quick: false, cases: [{ name: 'c', measurements }] });
    const [head, , , , first, second] = text.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  '));
    expect(head).toBe('foliobench 1.2.3 on a CPU, 2 CPUs, linux 6.1, Node v20.19.0');
    expect(first).toBe('f  15.0M u  -  -  -  >= 20.0M  no: 0.750 of it');
    expect(second).toBe('f  40.0 u  38.0 to 45.0  41.0  0.500  <= 60.0  yes');
  });

  test('is the middle of its samples, whatever their order', () => {
    expect([median([3]), median([9, 1, 5]), median([4, 1, 3, 2])]).toEqual([3, 5, 2.5]);
    expect(() => median([])).toThrow('no median of nothing');
  });
});
