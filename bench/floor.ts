/** `bench --aa`: this program against itself, as `gate --wall-clock` compares two: what this machine makes of no difference at all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeTurns, wallNsOf } from '../src/gate/turns.ts';
import { judgeWallClock, type RunTime, type WallClock } from '../src/gate/wallClock.ts';
import { expectedKeys } from '../src/gate/wholeness.ts';
import { runProgram as runApart, type RunProgram } from '../src/harness/programs.ts';
import { readRecord } from '../src/harness/record.ts';

// This file is dist/bench/floor.js when it runs.
const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const ACCESSES = 1_000_000;

export interface FloorOptions {
  readonly blocks: number;
  readonly quick: boolean;
  readonly onRun: (done: number, all: number) => void;
  readonly runProgram?: RunProgram;
}

/** @throws Error where a run fails */
export async function measureFloor({ blocks, quick, onRun, runProgram = runApart }: FloorOptions): Promise<WallClock> {
  const folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
  const output = path.join(folder, 'r.json');
  const { signal } = new AbortController();
  const words = ['compare', '--policy', 'sigbus-on-fault', '--workload', 'zipf', '--memory', '16MiB', '--accesses', String(quick ? 100 : ACCESSES), '--jobs', '1', '--quiet', '-o', output];
  const runOnce = async (): Promise<RunTime> => {
    const { code, said, cpuNs } = await runProgram(MAIN, words, signal);
    if (code !== 0 || cpuNs === null) throw new Error(`foliobench ${words.join(' ')} ended with ${code}: ${said}`);
    const record = await readRecord(output);
    const wallNs = wallNsOf(record, new Set(expectedKeys(record)));
    if (typeof wallNs === 'string') throw new Error(wallNs);
    return { cpuNs, wallNs };
  };
  try {
    await runOnce(); // files come from the disk
    return judgeWallClock(await takeTurns({ blocks, runOnce, signal, onRun }));
  } finally {
    await rm(folder, { recursive: true });
  }
}
