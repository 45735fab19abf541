/** `gate --wall-clock`, with programs whose times are made up. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords, type Surroundings } from '../../test/tools/commandLine.ts';
import type { RunProgram } from '../harness/programs.ts';
import { formatRecord, type ResultsRecord, type SucceededCell } from '../harness/record.ts';

let folder = '';
let before = '';
let baseline = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  before = join(folder, 'before');
  baseline = join(folder, 'baseline.json');
  await mkdir(before);
  for (const place of [folder, before]) {
    await writeFile(join(place, 'package.json'), '{ "name": "foliobench", "bin": { "foliobench": "main.js" } }');
    await writeFile(join(place, 'main.js'), '');
  }
  await runWords(['compare', '--workload', 'zipf', '--policy', 'null,sigbus-on-fault', '-o', baseline, '--quiet'], { folder });
});
afterEach(() => rm(folder, { recursive: true }));

type Change = (record: ResultsRecord) => ResultsRecord;

/** Programs that run the cells, and whose cells take as long as they are told to: A 1000 ns, B as much as `slower` says. */
function programs(slower: number, { noise = [0], change = (record) => record }: { readonly noise?: readonly number[]; readonly change?: Change } = {}) {
  const ran: string[][] = [];
  const run: RunProgram = async (mainFile, words) => {
    const isA = mainFile === join(before, 'main.js');
    ran.push([isA ? 'A' : 'B', ...words]);
    const { exitCode, stderr } = await runWords(words, { folder });
    const path = words[words.indexOf('-o') + 1];
    const record = JSON.parse(await readFile(path, 'utf8')) as ResultsRecord;
    const ns = (isA ? 1000 : 1000 * slower) + noise[ran.length % noise.length];
    const cells = record.cells.map((cell) => ({ ...(cell as SucceededCell), wallClock: { ns, accessesPerSecond: 0, residentBytesMax: null } }));
    await writeFile(path, formatRecord(change({ ...record, cells })));
    return { code: exitCode, said: stderr, cpuNs: ns };
  };
  return { ran, runProgram: run };
}

const gate = (surroundings: Partial<Surroundings>, ...words: readonly string[]) => runWords(['gate', '--baseline', baseline, '--wall-clock', ...words], { folder, ...surroundings });

describe('gate --wall-clock --against', () => {
  test('fails where this program is slower by more than the machine shows, and says by how much', async () => {
    const { exitCode, stdout } = await gate(programs(1.08), '--against', before, '--blocks', '4');
    expect([exitCode, stdout.split('\n')[0]]).toEqual([1, 'FAIL']);
    expect(stdout).toContain('  wall clock: 8.0 % slower (8.0 % to 8.0 %; floor 1.0 %, visible from 1.0 %) by CPU time; 8.0 % slower (8.0 % to 8.0 %; floor 1.0 %, visible from 1.0 %) by the clock on the wall; 4 blocks of 4 runs\n');
    expect(stdout).not.toContain('--update'); // which would not make it faster
  });

  test('passes where it is not, and where it is faster; the smallest visible slowdown is told', async () => {
    const { exitCode, stdout } = await gate(programs(1), '--against', before, '--blocks', '4');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^PASS\n.*\nall are the same\nwall clock: no slower than this machine can tell \(0\.0 % to 0\.0 %; floor 1\.0 %, visible from 1\.0 %\) by CPU time; .*; 4 blocks of 4 runs\n$/);
    const faster = await gate(programs(0.5), '--against', before, '--blocks', '4');
    expect([faster.exitCode, faster.stdout.includes('wall clock: 50.0 % faster')]).toEqual([0, true]);
  });

  test('cannot tell where the machine is too noisy to rule a slowdown out, and passes where a larger one is all that matters', async () => {
    const noise = [0, 150, 40, 90, 10, 130, 70, 20, 110, 60, 140];
    const { exitCode, stdout } = await gate(programs(1, { noise }), '--against', before, '--blocks', '4');
    expect(exitCode).toBe(3);
    expect(stdout).toContain('a slowdown of 10.0 % is not ruled out: more --blocks, or a quieter machine');
    expect((await gate(programs(1, { noise }), '--against', before, '--blocks', '4', '--slowdown', '40')).exitCode).toBe(0);
  });

  test('runs the experiment in turns, one cell at a time, after a run of each that does not count', async () => {
    const { ran, runProgram } = programs(1);
    await gate({ runProgram }, '--against', before, '--blocks', '4');
    expect(ran.map(([side]) => side).join('')).toBe('ABABBABAABABBABAAB');
    expect(ran[0].slice(1, -1)).toEqual(['compare', '--policy', 'null,sigbus-on-fault', '--workload', 'zipf', '--jobs', '1', '--quiet', '-o']);
  });

  test('still fails on a count', async () => {
    const record = JSON.parse(await readFile(baseline, 'utf8')) as ResultsRecord;
    (record.cells[1] as unknown as { deterministic: { bystanderNs: number } }).deterministic.bystanderNs -= 1;
    await writeFile(baseline, formatRecord(record));
    const { exitCode, stdout } = await gate(programs(1), '--against', before, '--blocks', '4');
    expect([exitCode, stdout.includes('bystanderNs')]).toEqual([1, true]);
  });

  test('shows how far it is on a terminal, and ends with 130 on Ctrl-C', async () => {
    let listening = 0;
    const { ran, runProgram } = programs(1);
    const { exitCode, stdout } = await gate({ runProgram, interrupts: () => ++listening === 2 }, '--against', before);
    expect([exitCode, stdout, ran.length]).toEqual([130, '', 2]);
  });

  test.each<readonly [string, Change, string]>([
    ['that has other cells', (record) => ({ ...record, cells: record.cells.slice(1) }), 'it has no cell null / zipf'],
    ['whose cells fail', (record) => ({ ...record, cells: record.cells.map((cell) => ({ ...cell, status: 'failed', error: { what: 'no', why: 'no', fix: 'no' } }) as ResultsRecord['cells'][number]) }), 'a cell failed: null / zipf'],
  ])('refuses a program %s', async (_, change, why) => {
    const { exitCode, stderr } = await gate(programs(1, { change }), '--against', before);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`the foliobench of ${before} cannot run the experiment of the baseline\n  why: ${why}`);
  });

  test('refuses a program that does not run, with what it said', async () => {
    const runProgram: RunProgram = async () => ({ code: 2, said: 'foliobench: unknown policy "x"\n', cpuNs: 1 });
    expect((await gate({ runProgram }, '--against', before)).stderr).toContain('why: foliobench compare --policy null,sigbus-on-fault --workload zipf ended with 2: foliobench: unknown policy "x"\n');
    const killed: RunProgram = async () => ({ code: null, said: '', cpuNs: null });
    expect((await gate({ runProgram: killed }, '--against', before)).stderr).toContain('ended with a signal\n');
  });
});

describe('gate --wall-clock without a program to take turns with', () => {
  test('cannot tell: a baseline of this machine has the times of another hour', async () => {
    const { exitCode, stdout } = await gate({});
    expect(exitCode).toBe(3);
    expect(stdout).toContain('wall clock: the baseline has the times of one run, of another hour: name the foliobench to take turns with, --against FOLDER');
  });

  test('cannot tell: a baseline of another machine has no times of this one, and its counts still compare', async () => {
    const record = JSON.parse(await readFile(baseline, 'utf8')) as ResultsRecord;
    await writeFile(baseline, formatRecord({ ...record, environment: { ...record.environment, cpuModel: 'other', cpus: 8, kernel: '6.8', node: 'v26.0.0' } }));
    const { exitCode, stdout } = await gate({});
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^INCONCLUSIVE\n\d{3,} figures of 2 cells/);
    expect(stdout).toContain('wall clock: the baseline is of another machine (CPU other, here none; cores 8, here 2; kernel 6.8, here 6.1; Node v26.0.0, here v20.19.0): name');
  });
});

describe('flags of the wall clock that do not fit', () => {
  test.each([
    [['--against', 'x'], '--against needs --wall-clock'],
    [['--blocks', '9'], '--blocks needs --wall-clock'],
    [['--wall-clock', '--slowdown', '5'], '--slowdown needs --against FOLDER'],
    [['--wall-clock', '--update'], '--wall-clock does not go with --update'],
    [['--wall-clock', '--blocks', '3'], '"3" blocks are too few'],
    [['--wall-clock', '--against', './none'], 'there is no foliobench in ./none'],
  ])('%j', async (words, what) => {
    const { exitCode, stdout, stderr } = await runWords(['gate', '--baseline', baseline, ...words], { folder });
    expect([exitCode, stdout, stderr.split('\n')[0]]).toEqual([2, '', `foliobench: ${what}`]);
  });
});
