/**
 * How fast foliobench itself is.
 *
 *   npm run bench                          all cases, each in a process of its own: a warm compiler helps whoever comes later
 *   npm run bench -- --only all-convert-1  those cases whose name is that, or begins with that and a slash; may be repeated
 *   npm run bench -- --quick               tiny counts, to see that every case runs
 *   npm run bench -- -o FILE.json          the same figures as a record
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readEnvironment, toolVersion } from '../src/harness/environment.ts';
import { UserError, nearestNames } from '../src/model/userError.ts';
import { cases } from './cases.ts';
import type { BenchCase, Measurement } from './measurement.ts';
import { BENCH_SCHEMA, formatBench } from './table.ts';
import type { BenchRecord } from './table.ts';

const EXIT_MISUSE = 2;
// This file is dist/bench/run.js when it runs.
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

interface BenchOptions {
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly output: string | undefined;
}

function readOptions(words: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: { quick: { type: 'boolean' }, only: { type: 'string', multiple: true }, output: { type: 'string', short: 'o' } },
    });
    return { quick: values.quick ?? false, only: values.only ?? [], output: values.output };
  } catch (error) {
    throw new UserError({ what: (error as Error).message, why: 'the bench takes --quick, --only NAME and -o FILE.json', fix: 'leave the rest out' });
  }
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

async function bench(words: readonly string[]): Promise<void> {
  const { quick, only, output } = readOptions(words);
  const chosen = chooseCases(only);
  const measured: BenchRecord['cases'][number][] = [];
  for (const one of chosen) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${measured.length + 1} of ${chosen.length}: ${one.name}`);
    measured.push({ name: one.name, measurements: await measureApart(one, quick) });
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const record: BenchRecord = { schema: BENCH_SCHEMA, tool: { version: toolVersion() }, environment: readEnvironment(), quick, cases: measured };
  process.stdout.write(formatBench(record));
  if (output !== undefined) writeFileSync(output, `${JSON.stringify(record, null, 2)}\n`);
}

try {
  await bench(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = EXIT_MISUSE;
}
