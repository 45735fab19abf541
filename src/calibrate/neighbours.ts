/**
 * Neighbours of the measuring thread: threads that keep other CPUs in this process's mm, so that a flush has to interrupt them, and
 * processes that map the same file.
 *
 * Both are made for a cell and end with its scope. A process ends too when this one dies: its pipe closes.
 */
import { spawn } from 'node:child_process';
import { readSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { distUrl } from '../harness/distFile.ts';
import { OpenFlag } from './abi.ts';
import { checked } from './backing.ts';
import type { Libc } from './libc.ts';
import type { Scope } from './scope.ts';

/** States of a spinning thread, in the one word that it shares with us. */
export const SpinState = { Starting: 0, Spinning: 1, Stop: 2 } as const;
/** How often we look whether it spins. */
const LOOK_MS = 1;

const compiled = (name: string): string => fileURLToPath(distUrl(`calibrate/${name}.js`));

/** A thread of this process that spins on a CPU until the scope ends. */
export async function spinOn(cpu: number, scope: Scope): Promise<void> {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(compiled('spinThread'), { workerData: { cpu, state } });
  let failure: unknown;
  worker.once('error', (error) => {
    failure = error;
  });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  scope.defer(async () => {
    Atomics.store(state, 0, SpinState.Stop);
    await ended;
  });
  while (Atomics.load(state, 0) === SpinState.Starting) {
    if (failure !== undefined) throw failure;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A process that has not ended with its pipe by then is killed. */
const END_MS_MAX = 10_000;

/** What another process does to all of its mappings of the file. */
export const MapCommand = { Read: 'r', Write: 'w' } as const;
export type MapCommandName = (typeof MapCommand)[keyof typeof MapCommand];

export interface Mapper {
  /** Returns when it is done. */
  touch(command: MapCommandName): void;
}

/** Another process with `vmas` mappings of the whole file, until the scope ends. */
export async function mapElsewhere(libc: Libc, { fd, pages, vmas }: { readonly fd: number; readonly pages: number; readonly vmas: number }, scope: Scope): Promise<Mapper> {
  const [commandsOut, commandsIn] = openPipe(libc);
  const [answersOut, answersIn] = openPipe(libc);
  // In a group of its own: Ctrl-C is for us, who end it in order.
  const child = spawn(process.execPath, [compiled('mapProcess'), String(pages), String(vmas)], { stdio: ['ignore', 'ignore', 'ignore', fd, commandsOut, answersIn], detached: true });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  scope.defer(async () => {
    libc.close(commandsIn);
    libc.close(answersOut);
    // One that does not end with its pipe is of no use to anybody.
    const killer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
    await ended;
    clearTimeout(killer);
  });
  libc.close(commandsOut);
  libc.close(answersIn);
  const answer = Buffer.alloc(1);
  const awaitAnswer = (): void => {
    if (readSync(answersOut, answer) !== 1 || answer.toString() !== 'k') throw new Error('the process that maps the file elsewhere failed');
  };
  awaitAnswer();
  return {
    touch(command) {
      writeSync(commandsIn, command);
      awaitAnswer();
    },
  };
}

/** A process that inherited the end that is ours would never see the other one closed. */
function openPipe(libc: Libc): readonly [out: number, into: number] {
  const ends = new Int32Array(2);
  checked(libc, 'pipe', libc.pipe(ends, OpenFlag.CloseOnExec));
  return [ends[0], ends[1]];
}
