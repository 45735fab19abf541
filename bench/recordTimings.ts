/**
 * Records what the statistic of `gate --wall-clock` is tested on: runs of this program that follow each other, with one access stream, a longer
 * one and a still longer one. The longer streams are known slowdowns.
 *
 *   npm run build && node dist/bench/recordTimings.js FILE.json 30    30 groups of 8 runs, a few minutes on an idle machine; those in the file stay
 *
 * A group goes there and back, X Y S L L S Y X, and the next one the other way round, L S Y X X Y S L: out of each comes one block X Y Y X of
 * equal streams (X and Y are the same), one with the longer stream S, and one with L.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { wallNsOf } from '../src/gate/turns.ts';
import { expectedKeys } from '../src/gate/wholeness.ts';
import { readEnvironment } from '../src/harness/environment.ts';
import { writeWhole } from '../src/harness/output.ts';
import { runProgram } from '../src/harness/programs.ts';
import { readRecord, type Environment } from '../src/harness/record.ts';

/** Found by trying: what a run takes beside its accesses does not grow with them, so that the streams are longer by more than the time. */
const ACCESSES = { X: 5_000_000, Y: 5_000_000, S: 5_457_000, L: 5_914_000 } as const;
type Stream = keyof typeof ACCESSES;

export interface RecordedTimings {
  readonly environment: Environment;
  readonly command: string;
  /** Accesses of each stream. */
  readonly accesses: Readonly<Record<Stream, number>>;
  /** Runs in the order of time: stream, microseconds of CPU time, microseconds by the clock on the wall. */
  readonly groups: readonly (readonly (readonly [Stream, number, number])[])[];
}

// This file is dist/bench/recordTimings.js when it runs.
const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const WORDS = ['compare', '--policy', 'sigbus-on-fault', '--workload', 'zipf', '--memory', '16MiB', '--jobs', '1', '--quiet'];
const ORDERS: readonly (readonly Stream[])[] = [[...'XYSLLSYX'] as Stream[], [...'LSYXXYSL'] as Stream[]];

const [file, count] = process.argv.slice(2);
if (file === undefined || !Number.isInteger(Number(count))) throw new Error('usage: recordTimings FILE.json GROUPS');
const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RecordedTimings).groups : [];
const groups = [...before];
const folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
try {
  for (let index = 0; index < Number(count); index++) {
    const group: [Stream, number, number][] = [];
    for (const stream of ORDERS[groups.length % 2]) group.push(await runOnce(stream));
    groups.push(group);
    await writeWhole(file, formatTimings({ environment: readEnvironment(), command: ['foliobench', ...WORDS].join(' '), accesses: ACCESSES, groups }));
  }
} finally {
  await rm(folder, { recursive: true });
}

async function runOnce(stream: Stream): Promise<[Stream, number, number]> {
  const output = path.join(folder, 'r.json');
  const { code, said, cpuNs } = await runProgram(MAIN, [...WORDS, '--accesses', String(ACCESSES[stream]), '-o', output], new AbortController().signal);
  if (code !== 0 || cpuNs === null) throw new Error(said);
  const record = await readRecord(output);
  const wallNs = wallNsOf(record, new Set(expectedKeys(record)));
  if (typeof wallNs === 'string') throw new Error(wallNs);
  return [stream, Math.round(cpuNs / 1000), Math.round(wallNs / 1000)];
}

/** A group a line. */
function formatTimings({ groups: all, ...header }: RecordedTimings): string {
  const head = JSON.stringify(header, null, 2).replace(/\n\}$/, '');
  return `${head},\n  "groups": [\n${all.map((group) => `    ${JSON.stringify(group)}`).join(',\n')}\n  ]\n}\n`;
}
