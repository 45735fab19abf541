/** The program as it is installed: real engine, real workers, real signals. Runs `dist`, which `npm test` builds first. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { deterministicBytes, type ResultsRecord } from '../src/harness/record.ts';
import { resultsSchema } from '../src/harness/schema.ts';

// A run takes a second alone, and many times that where all cores are busy with something else.
vi.setConfig({ testTimeout: 240_000 });

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const SMALL = ['compare', '--policy', 'null,lower-bound,sigbus-on-fault,disallow-gup', '--workload', 'sequential,zipf,bounce-ring', '--memory', '16M', '--accesses', '2000'];
/** Long enough to be stopped in the middle: twelve cells of about a second. */
const LONG = SMALL.map((word) => (word === '2000' ? '400000' : word));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));
const file = (name = 'r.json') => join(folder, name);

async function foliobench(...words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...words], { maxBuffer: 1 << 28 });
  return stdout;
}
const recordOf = async (...words: readonly string[]): Promise<ResultsRecord> => JSON.parse(await foliobench(...words, '--format', 'json')) as ResultsRecord;
const read = (path: string): ResultsRecord => JSON.parse(readFileSync(path, 'utf8')) as ResultsRecord;

/** Waits until the journal has as many finished cells; fails when the run ends before. */
async function untilJournalHas(count: number, child: ChildProcess): Promise<void> {
  const journal = `${file()}.partial.jsonl`;
  while (!existsSync(journal) || readFileSync(journal, 'utf8').split('\n').length - 2 < count) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before it could be stopped`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function start(...words: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]> } {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: 'ignore' });
  return { child, ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve([code, signal]))) };
}

describe('the deterministic part of a record', () => {
  test('has the same bytes for one worker, for two, and with a process for each cell', async () => {
    const [one, two, isolated] = [await recordOf(...SMALL, '--jobs', '1'), await recordOf(...SMALL, '--jobs', '2'), await recordOf(...SMALL, '--isolate')];
    expect(one.cells.filter(({ status }) => status === 'ok')).toHaveLength(12);
    expect(deterministicBytes(two)).toBe(deterministicBytes(one));
    expect(deterministicBytes(isolated)).toBe(deterministicBytes(one));
    for (const cell of isolated.cells) expect(cell.status === 'ok' && (cell.wallClock.residentBytesMax ?? 0)).toBeGreaterThan(1 << 24);
  });

  test('is accepted by the published schema, with the rest of the record', async () => {
    const accepts = new Ajv().compile(resultsSchema());
    expect(accepts(await recordOf(...SMALL)), JSON.stringify(accepts.errors)).toBe(true);
  });

  test('has the same bytes whether it was run whole or in parts', async () => {
    for (const part of [1, 2, 3]) await foliobench(...SMALL, '--shard', `${part}/3`, '--quiet', '-o', file(`${part}.json`));
    const merged = JSON.parse(await foliobench('merge', file('1.json'), file('2.json'), file('3.json'), '--format', 'json')) as ResultsRecord;
    expect(deterministicBytes(merged)).toBe(deterministicBytes(await recordOf(...SMALL)));
  });
});

describe('a run that is stopped', () => {
  test('by kill -9 goes on with --resume and ends with the same bytes', async () => {
    const { child, ended } = start(...LONG, '-o', file());
    await untilJournalHas(2, child);
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(readdirSync(folder)).toEqual(['r.json.partial.jsonl']);
    await foliobench(...LONG, '-o', file(), '--resume', '--quiet');
    expect(readdirSync(folder)).toEqual(['r.json']);
    expect(deterministicBytes(read(file()))).toBe(deterministicBytes(await recordOf(...LONG)));
  });

  test('by Ctrl-C ends with 130, a record of what it has, and its journal', async () => {
    const { child, ended } = start(...LONG, '-o', file());
    await untilJournalHas(1, child);
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    const { complete, cells } = read(file());
    expect(complete).toBe(false);
    expect(cells.length).toBeGreaterThanOrEqual(1);
    expect(cells.length).toBeLessThan(12);
    expect(readdirSync(folder)).toEqual(['r.json', 'r.json.partial.jsonl']);
  });
});

describe('a mistake', () => {
  test('ends with 2 and one message', async () => {
    const failure = await foliobench('compare', '--policy', 'sigbus-on-falt').catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'foliobench: unknown policy "sigbus-on-falt"\n  why: the nearest known are sigbus-on-fault, sigsegv-on-fault\n  fix: pick one of `foliobench list policies`, or all, or the path of a module\n',
    });
  });
});
