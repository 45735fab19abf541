/** A foliobench as a program of its own, this one or another: where it lies, and one run of it. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../model/userError.ts';
import { messageOf } from './record.ts';

export interface ProgramEnd {
  /** Null where it was killed. */
  readonly code: number | null;
  /** What it said to stderr. */
  readonly said: string;
}

/** Runs the program to its end. What it prints is dropped. */
export type RunProgram = (mainFile: string, words: readonly string[], signal: AbortSignal) => Promise<ProgramEnd>;

export const runProgram: RunProgram = (mainFile, words, signal) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [mainFile, ...words], { stdio: ['ignore', 'ignore', 'pipe'], signal, killSignal: 'SIGKILL' });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.on('error', (error) => (signal.aborted ? resolve({ code: null, said }) : reject(error)));
    child.on('close', (code) => resolve({ code, said }));
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
