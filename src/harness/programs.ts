/** A foliobench as a program of its own, this one or another: where it lies, and one run of it. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { UserError } from '../model/userError.ts';
import { harnessFile } from './distFile.ts';
import { messageOf } from './record.ts';

export interface ProgramEnd {
  /** Null where it was killed. */
  readonly code: number | null;
  /** What it said to stderr. */
  readonly said: string;
  /** Nanoseconds that its threads were on a CPU once its workers were ready (cpuTime.ts); null where it was killed. */
  readonly cpuNs: number | null;
}

/** Runs the program to its end. What it prints is dropped. */
export type RunProgram = (mainFile: string, words: readonly string[], signal: AbortSignal) => Promise<ProgramEnd>;

export const runProgram: RunProgram = (mainFile, words, signal) =>
  new Promise((resolve, reject) => {
    const cpuTime = pathToFileURL(harnessFile('cpuTime')).href;
    const child = spawn(process.execPath, ['--import', cpuTime, mainFile, ...words], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const texts = ['', ''];
    for (const [index, stream] of [child.stderr, child.stdio[3]].entries()) (stream as Readable).setEncoding('utf8').on('data', (text: string) => (texts[index] += text));
    const end = (code: number | null): ProgramEnd => ({ code, said: texts[0], cpuNs: texts[1] === '' ? null : Number(texts[1]) });
    child.on('error', (error) => (signal.aborted ? resolve(end(null)) : reject(error)));
    child.on('close', (code) => resolve(end(code)));
  });

/** The program of a checkout, or of a package as it is installed. @throws UserError where the folder has none, or it is not built */
export function programIn(folder: string): string {
  const refuse = (why: string, fix: string) => new UserError({ what: `there is no foliobench in ${folder}`, why, fix });
  const path = join(folder, 'package.json');
  let found: { readonly name?: unknown; readonly bin?: { readonly foliobench?: unknown } };
  try {
    found = JSON.parse(readFileSync(path, 'utf8')) as typeof found;
  } catch (error) {
    throw refuse(messageOf(error), FIX);
  }
  const main = found?.bin?.foliobench;
  if (found?.name !== 'foliobench' || typeof main !== 'string') throw refuse(`${path} is that of another package`, FIX);
  if (!existsSync(join(folder, main))) throw refuse(`${join(folder, main)} does not exist`, 'build it: npm ci && npm run build in that folder');
  return join(folder, main);
}
const FIX = 'name a checkout (git worktree add ../before main), or where it is installed (node_modules/foliobench)';
