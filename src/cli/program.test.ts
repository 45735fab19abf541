import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { createLocalExplorationRunner } from '../../test/tools/localExplorationRunner.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import { deterministicBytes, readRecord, type ResultsRecord } from '../harness/record.ts';
import type { CliContext } from './context.ts';
import { runCommandLine } from './program.ts';

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly catalogue?: CliContext['catalogue'];
  readonly isTTY?: boolean;
  /** Presses Ctrl-C when this many cells have begun. */
  readonly interruptAfter?: number;
}

async function run(line: string, { catalogue = fakeCatalogue, isTTY = false, interruptAfter = Infinity }: Surroundings = {}): Promise<Outcome & { readonly jobs: number; readonly isolated: boolean }> {
  const outcome = { exitCode: 0, stdout: '', stderr: '', jobs: 0, isolated: false };
  let interrupt = () => {};
  let nowMs = 0;
  await runCommandLine(line.split(' ').filter((word) => word !== ''), {
    catalogue,
    version: '1.0.0',
    environment: { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' },
    createRunner({ jobs, isolate }) {
      Object.assign(outcome, { jobs, isolated: isolate });
      return createLocalRunner(catalogue, (_, nth) => {
        if (nth > interruptAfter) interrupt();
      });
    },
    createExplorationRunner: createLocalExplorationRunner,
    packageFolder: folder,
    ciEnvironment: {},
    runProgram: () => Promise.reject(new Error('no other program')),
    stdout: { write: (text) => void (outcome.stdout += text) },
    stderr: { write: (text) => void (outcome.stderr += text), isTTY },
    nowMs: () => (nowMs += 1000),
    onInterrupt(callback) {
      interrupt = callback;
      return () => {
        interrupt = () => {};
      };
    },
    setExitCode: (code) => void (outcome.exitCode = code),
  });
  return outcome;
}

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('compare', () => {
  test('prints the tables, and nothing else', async () => {
    const { exitCode, stdout, stderr } = await run('compare --workload zipf');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^as today: /);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('repeat with: foliobench compare --workload zipf');
  });

  test('gives the record as JSON', async () => {
    const { stdout } = await run('compare --workload zipf --policy null --format json');
    const record = JSON.parse(stdout) as ResultsRecord;
    expect(record.experiment.rows).toEqual([{ policy: 'null', check: null }]);
    expect(record.cells).toHaveLength(1);
  });

  test('takes every option', async () => {
    const options =
      '--policy sigbus-on-fault,null --workload zipf,boot-512m --check all --memory 16M --folio 2m --vcpus 4 --vmas 3 --processes 2 --conversion lazy ' +
      '--dma direct --io buffered --pace recorded --platform TDX --vmm give-up --accesses 500 --seeds 4-5,9 --costs fake --by workload --quiet';
    const { stdout, exitCode } = await run(`compare ${options} -o ${join(folder, 'r.json')}`);
    expect([exitCode, stdout]).toEqual([0, '']);
    const { experiment } = await readRecord(join(folder, 'r.json'));
    const params = { folio: '2M', vcpus: 4, processes: 2, vmas: 3, conversion: 'lazy', dma: 'direct', io: 'buffered', pace: 'recorded', platform: 'tdx', vmm: 'give-up' };
    expect(experiment).toMatchObject({
      seeds: [4, 5, 9],
      rows: [
        { policy: 'null', check: null },
        { policy: 'sigbus-on-fault', check: 'mapcount' },
        { policy: 'sigbus-on-fault', check: 'mapped-or-pinned' },
        { policy: 'sigbus-on-fault', check: 'refcount' },
      ],
      runs: [
        { workload: 'zipf', params: { ...params, memoryBytes: 16_777_216, accesses: 500 } },
        { workload: 'boot-512m', params: { ...params, memoryBytes: 536_870_912, accesses: null } },
      ],
    });
  });

  test('names the command that gives the same bytes again', async () => {
    const first = JSON.parse((await run('compare --workload zipf --memory 16MiB --seed 3 --jobs 2 --format json')).stdout) as ResultsRecord;
    const { command } = first.experiment;
    expect(command).toBe('foliobench compare --workload zipf --memory 16MiB --seeds 3');
    const again = JSON.parse((await run(`${command.replace('foliobench ', '')} --format json`)).stdout) as ResultsRecord;
    expect(deterministicBytes(again)).toBe(deterministicBytes(first));
  });

  test('starts no more workers than there are cells', async () => {
    expect(await run('compare --workload zipf --policy null --jobs 8 --isolate')).toMatchObject({ jobs: 1, isolated: true });
    expect(await run('compare --workload zipf --jobs 3')).toMatchObject({ jobs: 3, isolated: false });
  });

  test('ends with 1 where a cell failed, and shows the others', async () => {
    const failing = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
      if (options.policy === 'null') throw new Error('broken');
      return fakeCatalogue.run(options);
    } };
    const { exitCode, stdout } = await run('compare --workload zipf', { catalogue: failing });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('1 of 4 cells failed:\n- null / zipf / seed 1: the cell ended with an unexpected error (Error: broken');
  });

  test('ends with 130 on Ctrl-C, with what it has, and goes on from there', async () => {
    const path = join(folder, 'r.json');
    const { exitCode, stdout } = await run(`compare --workload zipf --jobs 1 -o ${path}`, { interruptAfter: 2 });
    expect(exitCode).toBe(130);
    expect(stdout).toContain('interrupted: cells are missing');
    expect(await readRecord(path)).toMatchObject({ complete: false, cells: [{ policy: 'null' }, { policy: 'lower-bound' }] });
    expect((await run(`compare --workload zipf -o ${path} --resume --quiet`)).exitCode).toBe(0);
    expect((await readRecord(path)).complete).toBe(true);
    expect(await readdir(folder)).toEqual(['r.json']);
  });

  test('shows progress on a terminal only', async () => {
    const { stderr } = await run('compare --workload zipf --jobs 1', { isTTY: true });
    expect(stderr.split('\r\u001b[K')).toEqual(['', '0 of 4 cells', '1 of 4 cells, about 0:06 left', '2 of 4 cells, about 0:03 left', '3 of 4 cells, about 0:02 left', '4 of 4 cells', '', '']);
  });
});

describe('merge', () => {
  const part = (index: number) => join(folder, `part-${index}.json`);
  const runParts = async (options: string, ...parts: readonly number[]) => {
    for (const index of parts) await run(`compare ${options} --shard ${index}/3 --quiet -o ${part(index)}`);
  };

  test('puts parts together: the bytes and the tables of one run', async () => {
    await runParts('--workload zipf,sequential', 1, 2, 3);
    const { exitCode, stdout } = await run(`merge ${part(1)} ${part(2)} ${part(3)} -o ${join(folder, 'all.json')}`);
    expect(exitCode).toBe(0);
    const whole = JSON.parse((await run('compare --workload zipf,sequential --format json')).stdout) as ResultsRecord;
    expect(deterministicBytes(await readRecord(join(folder, 'all.json')))).toBe(deterministicBytes(whole));
    expect(stdout).toBe((await run('compare --workload zipf,sequential')).stdout);
  });

  test('refuses by name a part that is missing, one that is given twice, and one of another experiment', async () => {
    await runParts('--workload zipf,sequential', 1, 2);
    await runParts('--workload zipf', 3);
    const refused = async (...parts: readonly number[]) => {
      const { exitCode, stdout, stderr } = await run(`merge ${parts.map(part).join(' ')} -o ${join(folder, 'all.json')}`);
      expect([exitCode, stdout]).toEqual([2, '']);
      return stderr.replaceAll(`${folder}/`, '').split('\n').slice(0, 2);
    };
    expect(await refused(1, 2)).toEqual(['foliobench: 2 of 8 cells are in no part', expect.stringMatching(/^ {2}why: the first is .*; absent: shard 3\/3$/)]);
    expect(await refused(1, 2, 1)).toEqual(['foliobench: shard 1/3 is given twice', '  why: it is in part-1.json and in part-1.json']);
    expect(await refused(1, 2, 3)).toEqual(['foliobench: part-3.json and part-1.json are parts of different experiments', expect.stringMatching(/^ {2}why: their hashes are/)]);
    expect(await readdir(folder)).toEqual(['part-1.json', 'part-2.json', 'part-3.json']);
  });
});

describe('list', () => {
  test.each([
    ['policies', /^sigbus-on-fault {2}SIGBUS \(checks: mapcount, mapped-or-pinned, refcount\)$/],
    ['workloads', /^boot-512m {8}stands for boot-512m$/],
    ['operations', /^vma\.visit +visit one overlapping VMA in a walk, descend its page table \(phase rmap\)$/],
    ['costs', /^fake {2}none; none; 2026-01-01; hash 0123456789ab$/],
  ])('%s', async (subject, line) => {
    const { stdout, exitCode } = await run(`list ${subject}`);
    expect(exitCode).toBe(0);
    expect(stdout.split('\n').filter((candidate) => line.test(candidate))).toHaveLength(1);
    expect(stdout.split('\n').filter(({ length }) => length > 120)).toEqual([]);
  });
});

describe('misuse ends with 2 and one message, and nothing is done', () => {
  test.each([
    ['', 'no command was given\n  why: there are compare, sweep, explore, explain, list, merge, report, diff, gate, calibrate, validate, new\n  fix: see foliobench --help'],
    ['compaer', 'unknown command "compaer"\n  why: there are compare, sweep, explore, explain, list, merge, report, diff, gate, calibrate, validate, new\n  fix: did you mean compare?'],
    ['compare --polcy null', 'unknown option "--polcy"\n  why: foliobench compare does not take it that way\n  fix: did you mean --policy?'],
    ['compare --policy', 'option "--policy <names>" argument missing\n  why: foliobench compare does not take it that way\n  fix: see foliobench compare --help'],
    ['compare null', 'too many arguments for "compare". Expected 0 arguments but got 1.\n  why: foliobench compare does not take it that way\n  fix: see foliobench compare --help'],
    ['compare --policy sigbus', 'unknown policy "sigbus"\n  why: the nearest known are sigbus-on-fault\n  fix: pick one of `foliobench list policies`, or all, or the path of a module'],
    ['compare --memory big', '"big" is no size\n  why: a size is a whole number above 0 with K, M, G or T behind it, with or without iB\n  fix: write it as in 512M, 1GiB or 4096'],
    ['compare --folio 4M', '"4M" is none of 4K, 2M, 1G\n  why: the option takes one of these words\n  fix: pick one of them'],
    ['compare --platform sev', '"sev" is none of sw-protected, pkvm, snp, tdx\n  why: the option takes one of these words\n  fix: pick one of them'],
    ['compare --vmm wait', '"wait" is none of retry-at-once, back-off, release-pins-first, bounce-copy, give-up\n  why: the option takes one of these words\n  fix: pick one of them'],
    ['compare --seeds 5-1', '"5-1" is no range of seeds\n  why: it has to rise, by at most 10000 seeds\n  fix: write it as in 1-5'],
    ['compare --shard 3/2', '"3/2" is no shard\n  why: a shard is i/n, part i (from 1) of n\n  fix: write it as in 1/3, 2/3 and 3/3'],
    ['compare --jobs 0', '"0" is too few\n  why: there has to be one at least\n  fix: write 1 or more'],
    ['compare --accesses -5', '"-5" is no whole number\n  why: a count has digits only\n  fix: write it as in 100000'],
    ['compare --policy ,', '"," names nothing\n  why: a list has at least one name\n  fix: write it as a,b or leave the option away'],
    ['list nothing', '"nothing" is none of families, policies, workloads, operations, costs, litmus\n  why: the option takes one of these words\n  fix: pick one of them'],
    ['compare --seed 3 --seeds 1-2', '--seed does not go with --seeds\n  why: each says alone which seeds to run\n  fix: leave one of them away'],
    ['merge', 'missing required argument "part.json"\n  why: foliobench merge does not take it that way\n  fix: see foliobench merge --help'],
  ])('foliobench %s', async (line, message) => {
    expect(await run(line)).toMatchObject({ exitCode: 2, stdout: '', stderr: `foliobench: ${message}\n` });
  });

  test('an output that cannot be written', async () => {
    const { exitCode, stderr, stdout } = await run(`compare -o ${join(folder, 'no', 'r.json')}`);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('pick another -o FILE');
    expect(await readdir(folder)).toEqual([]);
  });

  test('help is no misuse', async () => {
    const { exitCode, stdout, stderr } = await run('compare --help');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('Usage: foliobench compare');
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain('--platform <name> sw-protected, pkvm, snp, tdx: what a conversion pays there (default: sw-protected)');
    expect(words).toContain('--vmm <strategy> retry-at-once, back-off, release-pins-first, bounce-copy, give-up: what the VMM does with a refusal (default: the policy\'s own)');
    expect((await run('--version')).stdout).toBe('1.0.0\n');
  });
});

describe('a journal of an earlier run', () => {
  test('is kept from a run that does not resume', async () => {
    const path = join(folder, 'r.json');
    await run(`compare --workload zipf --jobs 1 --quiet -o ${path}`, { interruptAfter: 2 });
    const before = await readFile(`${path}.partial.jsonl`, 'utf8');
    const { exitCode, stderr } = await run(`compare --workload zipf -o ${path}`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('add --resume to go on from there');
    expect(await readFile(`${path}.partial.jsonl`, 'utf8')).toBe(before);
  });
});
