/**
 * How fast foliobench itself is.
 *
 *   npm run bench                          all cases, each in a process of its own: a warm compiler helps whoever comes later
 *   npm run bench -- --only all-convert-1  those cases whose name is that, or begins with that and a slash; may be repeated
 *   npm run bench -- --quick               tiny counts, to see that every case runs
 *   npm run bench -- -o FILE.json          the same figures as a record; `foliobench diff old.json new.json` compares two
 *   npm run bench -- --aa                  no case: this program against itself, which is what this machine makes of no difference
 *   npm run bench -- --aa --blocks 40      with that many blocks of four runs
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readEnvironment, toolVersion } from '../src/harness/environment.ts';
import { refuseUnlessFile, writeWhole } from '../src/harness/output.ts';
import { UserError, nearestNames } from '../src/model/userError.ts';
import { BENCH_SCHEMA, type BenchRecord } from '../src/gate/benchRecord.ts';
import { BLOCKS_DEFAULT, BLOCKS_MIN } from '../src/gate/wallClock.ts';
import { cases } from './cases.ts';
import { measureFloor } from './floor.ts';
import type { BenchCase, Measurement } from './measurement.ts';
import { formatBench } from './table.ts';

const EXIT_MISUSE = 2;
// This file is dist/bench/run.js when it runs.
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

interface BenchOptions {
  readonly quick: boolean;
  readonly only: readonly string[];
  /** Of a comparison with itself; undefined where cases are measured. */
  readonly blocks: number | undefined;
  readonly output: string | undefined;
}

function readOptions(words: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: { quick: { type: 'boolean' }, only: { type: 'string', multiple: true }, aa: { type: 'boolean' }, blocks: { type: 'string' }, output: { type: 'string', short: 'o' } },
    });
    return { quick: values.quick ?? false, only: values.only ?? [], blocks: blocksOf(values), output: values.output };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({ what: (error as Error).message, why: 'the bench takes --quick, --only NAME, --aa, --blocks COUNT and -o FILE.json', fix: 'leave the rest out' });
  }
}

function blocksOf({ aa = false, blocks, only }: { readonly aa?: boolean | undefined; readonly blocks?: string | undefined; readonly only?: readonly string[] | undefined }): number | undefined {
  if (!aa && blocks !== undefined) throw new UserError({ what: '--blocks needs --aa', why: 'cases have no blocks', fix: 'add --aa, or leave --blocks away' });
  if (aa && only !== undefined) throw new UserError({ what: '--aa does not go with --only', why: 'it measures no case', fix: 'leave one of them away' });
  const count = blocks === undefined ? BLOCKS_DEFAULT : Number(blocks);
  if (!Number.isInteger(count) || count < BLOCKS_MIN) throw new UserError({ what: `"${blocks}" is no number of blocks`, why: `it has to be a whole number from ${BLOCKS_MIN} on`, fix: `write it as in --blocks ${BLOCKS_DEFAULT}` });
  return aa ? count : undefined;
}

/** @throws UserError for a name that no case has */
function chooseCases(only: readonly string[]): readonly BenchCase[] {
  const isNamed = ({ name }: BenchCase, wanted: string) => name === wanted || name.startsWith(`${wanted}/`);
  const unknown = only.find((wanted) => !cases.some((one) => isNamed(one, wanted)));
  if (unknown !== undefined) {
    const names = cases.map(({ name }) => name);
    const near = nearestNames(unknown, [...new Set([...names, ...names.map((name) => name.split('/')[0])])]);
    throw new UserError({ what: `no case "${unknown}"`, why: `there are ${names.join(', ')}`, fix: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'pick one of them' });
  }
  return only.length === 0 ? cases : cases.filter((one) => only.some((wanted) => isNamed(one, wanted)));
}

function measureApart({ name }: BenchCase, quick: boolean): Promise<readonly Measurement[]> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [name, quick ? 'quick' : 'full'], { execArgv: [] });
    let answer: readonly Measurement[] | undefined;
    child.on('message', (message) => {
      answer = message as readonly Measurement[];
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => (answer === undefined ? reject(new Error(`case ${name} ended with ${signal ?? code}`)) : resolve(answer)));
  });
}

/** On a terminal alone. */
const showProgress = (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`));

async function measureCases(only: readonly string[], quick: boolean): Promise<BenchRecord['cases']> {
  const chosen = chooseCases(only);
  const measured: BenchRecord['cases'][number][] = [];
  for (const one of chosen) {
    showProgress(`${measured.length + 1} of ${chosen.length}: ${one.name}`);
    measured.push({ name: one.name, measurements: await measureApart(one, quick) });
  }
  return measured;
}

async function bench(words: readonly string[]): Promise<void> {
  const { quick, only, blocks, output } = readOptions(words);
  if (output !== undefined) await refuseUnlessFile(output);
  const measured =
    blocks === undefined
      ? { cases: await measureCases(only, quick) }
      : { cases: [], floor: await measureFloor({ blocks, quick, onRun: (done, all) => showProgress(`${done} of ${all} runs`) }) };
  showProgress('');
  const record: BenchRecord = { schema: BENCH_SCHEMA, tool: { version: toolVersion() }, environment: readEnvironment(), quick, ...measured };
  process.stdout.write(formatBench(record));
  if (output !== undefined) await writeWhole(output, `${JSON.stringify(record, null, 2)}\n`);
}

try {
  await bench(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = EXIT_MISUSE;
}
