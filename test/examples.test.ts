/**
 * The examples for CI systems and clusters: their commands, run through a real shell with a program in place of foliobench that writes down
 * its words, are words that our command line takes; and their parts are all the parts. The Slurm one is run for real by `examples/slurm/one-node.sh`.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { CliContext } from '../src/cli/context.ts';
import { createProgram } from '../src/cli/program.ts';
import { catalogue } from '../src/harness/builtIn.ts';
import { readRecord } from '../src/harness/record.ts';
import { ROOT } from './tools/documents.ts';

const BETWEEN = '\u001f';
const example = (name: string): string => readFileSync(path.join(ROOT, 'examples', name), 'utf8');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
  mkdirSync(path.join(folder, 'bin'));
  mkdirSync(path.join(folder, 'run'));
  const writesDown = `#!/bin/sh\n{ for word in "$0" "$@"; do printf '%s${BETWEEN}' "$word"; done; echo; } >> '${folder}/words'\n`;
  for (const name of ['foliobench', 'npx', 'npm']) {
    writeFileSync(path.join(folder, 'bin', name), writesDown);
    chmodSync(path.join(folder, 'bin', name), 0o755);
  }
  for (const part of [1, 2, 3]) writeFileSync(path.join(folder, 'run', `part-${part}.json`), '');
});
afterEach(() => rm(folder, { recursive: true }));

/** The command lines of foliobench that a script runs, as the shell makes words of them; without the program's own name. */
function wordsRun(shell: readonly string[], variables: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  writeFileSync(path.join(folder, 'words'), '');
  const [program, ...rest] = shell;
  execFileSync(program, rest, { stdio: ['ignore', 'pipe', 'inherit'], cwd: path.join(folder, 'run'), env: { PATH: `${path.join(folder, 'bin')}:${process.env['PATH'] ?? ''}`, ...variables } });
  return readFileSync(path.join(folder, 'words'), 'utf8').split('\n').slice(0, -1).flatMap((line) => {
    const [called, ...words] = line.split(BETWEEN).slice(0, -1);
    if (called.endsWith('/npm')) return [];
    if (!called.endsWith('/npx')) return [words];
    expect(words[0]).toBe('foliobench');
    return [words.slice(1)];
  });
}

/** Our command line, which reads its words and does nothing. */
function idleProgram(): Command {
  const program = createProgram({ catalogue, version: '', stdout: process.stdout } as unknown as CliContext);
  for (const command of program.commands) command.action(() => {});
  return program;
}

/** @throws where a verb, an option, a value or a name is none of ours */
function check(words: readonly string[]): void {
  idleProgram().parse([...words], { from: 'user' });
  const known = { '--policy': ['all', ...catalogue.policies.map(({ name }) => name)], '--workload': ['all', ...catalogue.workloads.map(({ name }) => name)] };
  for (const [option, names] of Object.entries(known)) {
    const unknown = words.includes(option) ? after(words, option).split(',').find((name) => !names.includes(name)) : undefined;
    if (unknown !== undefined) throw new Error(`${option} has no ${unknown}`);
  }
}

const after = (words: readonly string[], option: string): string => words[words.indexOf(option) + 1];

const baseline = await readRecord(path.join(ROOT, 'results/baseline.json'));
/** What the committed baseline was made with. */
const BASELINE_OPTIONS = baseline.experiment.command.split(' ').slice(2).join(' ');

/** The parts are all there once, have their own files, and ask for what the baseline has; then they are merged and judged. */
function expectShardsThenJudge(shards: readonly (readonly string[])[], judge: readonly (readonly string[])[]): void {
  for (const words of [...shards, ...judge]) check(words);
  expect(shards.map((words) => [words[0], after(words, '--shard')])).toEqual([['compare', '1/3'], ['compare', '2/3'], ['compare', '3/3']]);
  expect(new Set(shards.map((words) => after(words, '-o'))).size).toBe(3);
  for (const words of shards) expect(words.join(' ')).toContain(`compare ${BASELINE_OPTIONS} --shard `);
  const [merge, gate] = judge;
  expect(merge.slice(0, 6)).toEqual(['merge', 'part-1.json', 'part-2.json', 'part-3.json', '-o', 'whole.json']);
  expect([gate[0], after(gate, '--result')]).toEqual(['gate', 'whole.json']);
}

describe('a command of an example', () => {
  test.each([
    ['an unknown option', 'compare --shards 1/3', "unknown option '--shards'"],
    ['a shard that is none', 'compare --shard 0/3', '"0/3" is no shard'],
    ['an unknown verb', 'judge whole.json', "unknown command 'judge'"],
    ['an unknown policy', 'compare --policy sigbus', '--policy has no sigbus'],
  ])('is noticed with %s', (_, line, said) => {
    expect(() => check(line.split(' '))).toThrow(said);
  });
});

describe('the workflow of GitHub Actions', () => {
  interface Step {
    readonly run?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly uses?: string;
    readonly with?: Readonly<Record<string, string>>;
  }
  interface Workflow {
    readonly env: Readonly<Record<string, string>>;
    readonly jobs: Readonly<Record<string, { readonly needs?: string; readonly strategy?: { readonly matrix: Readonly<Record<string, readonly number[]>> }; readonly steps: readonly Step[] }>>;
  }
  const workflow = parse(example('github-actions/foliobench.yml')) as Workflow;
  const { shard, judge } = workflow.jobs;

  /** The steps of a job, with its expressions filled in. */
  function runJob({ steps }: { readonly steps: readonly Step[] }, expressions: Readonly<Record<string, string>>): readonly (readonly string[])[] {
    const filled = (text: string) =>
      text.replaceAll(/\$\{\{ *(.*?) *\}\}/g, (_, name: string) => {
        if (expressions[name] === undefined) throw new Error(`nothing is known of ${name}`);
        return expressions[name];
      });
    return steps.flatMap(({ run, env = {} }) => {
      if (run === undefined) return [];
      const own = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]));
      return wordsRun(['bash', '-eo', 'pipefail', '-c', filled(run)], { ...workflow.env, ...own, GITHUB_STEP_SUMMARY: path.join(folder, 'summary.md') });
    });
  }

  test('runs all parts, then merges and judges them', () => {
    const parts = shard.strategy?.matrix['shard'] ?? [];
    const shards = parts.flatMap((part) => runJob(shard, { 'matrix.shard': String(part), 'strategy.job-total': String(parts.length) }));
    const [merge, gate, ...others] = runJob(judge, {});
    expectShardsThenJudge(shards, [merge, gate]);
    expect(after(gate, '--baseline')).toBe('results/baseline.json');
    for (const words of others) check(words);
    expect(judge.needs).toBe('shard');
  });

  test('carries the files of the parts from job to job', () => {
    const upload = shard.steps.find(({ uses = '' }) => uses.startsWith('actions/upload-artifact'));
    const download = judge.steps.find(({ uses = '' }) => uses.startsWith('actions/download-artifact'));
    expect(upload?.with).toEqual({ name: 'part-${{ matrix.shard }}', path: 'part-${{ matrix.shard }}.json' });
    expect(download?.with).toEqual({ pattern: 'part-*', 'merge-multiple': true });
  });
});

describe('the jobs of Kubernetes', () => {
  interface Job {
    readonly kind: string;
    readonly spec: {
      readonly completions?: number;
      readonly completionMode?: string;
      readonly template: {
        readonly spec: {
          readonly containers: readonly { readonly command: readonly string[]; readonly args: readonly string[]; readonly env?: readonly { readonly name: string; readonly value: string }[] }[];
          readonly volumes: readonly object[];
        };
      };
    };
  }
  const read = (name: string): Job => {
    const documents = parseAllDocuments(example(`kubernetes/${name}`));
    expect(documents).toHaveLength(1);
    const job = (documents as readonly { toJS(): unknown }[])[0].toJS() as Job;
    expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job' });
    return job;
  };
  const runPod = ({ spec: { template } }: Job, variables: Readonly<Record<string, string>>) => {
    const [{ command, args, env = [] }] = template.spec.containers;
    return wordsRun([...command, ...args], { ...Object.fromEntries(env.map(({ name, value }) => [name, value])), ...variables });
  };

  test('run all parts, one to each index, then merge and judge them', () => {
    const shards = read('shards.yaml');
    expect(shards.spec).toMatchObject({ completionMode: 'Indexed', completions: 3 });
    const parts = Array.from({ length: shards.spec.completions ?? 0 }, (_, index) => runPod(shards, { JOB_COMPLETION_INDEX: String(index) }));
    // A pod that was evicted goes on from its journal.
    for (const [words] of parts) expect(words).toContain('--resume');
    const judge = read('judge.yaml');
    expectShardsThenJudge(parts.flat(), runPod(judge, {}));
    expect(judge.spec.template.spec.volumes).toEqual(shards.spec.template.spec.volumes);
  });
});

describe('the array job of Slurm', () => {
  test('runs all parts, one to each task, then merges and judges them', () => {
    const script = path.join(ROOT, 'examples/slurm/shards.sbatch');
    const [, first, last] = /^#SBATCH --array=(\d+)-(\d+)$/m.exec(example('slurm/shards.sbatch')) ?? [];
    const tasks = Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index);
    const parts = tasks.map((task) =>
      wordsRun(['bash', script], { OPTIONS: BASELINE_OPTIONS, SLURM_ARRAY_TASK_ID: String(task), SLURM_ARRAY_TASK_COUNT: String(tasks.length), SLURM_CPUS_PER_TASK: '1' }),
    );
    for (const [words] of parts) expect(words).toContain('--resume');
    const judge = wordsRun(['bash', path.join(ROOT, 'examples/slurm/judge.sbatch')], { BASELINE: 'results/baseline.json' });
    expectShardsThenJudge(parts.flat(), judge);
    expect(example('slurm/README.md')).toContain(`export OPTIONS='${BASELINE_OPTIONS}'\n`);
  });

  test('and its scripts are well formed', () => {
    const scripts = ['shards.sbatch', 'judge.sbatch', 'one-node.sh'].map((name) => path.join(ROOT, 'examples/slurm', name));
    expect(() => scripts.map((script) => execFileSync('bash', ['-n', script]))).not.toThrow();
  });
});
