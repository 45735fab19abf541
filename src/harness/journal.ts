/**
 * The journal of a run: `FILE.partial.jsonl` beside the record that it will become.
 *
 *   {"journal":"foliobench/journal@1","experiment":"<hash>"}       the header
 *   {"key":"<cell>","result":{...}}                                one line a finished cell, synced to disk
 *
 * A run may be killed at any byte. A last line without its newline is torn: it is cut off on resume, and its cell runs
 * again. A cell that failed is in the journal for the reader, and runs again too.
 */
import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { UserError } from '../model/userError.ts';
import { messageOf, type CellResult } from './record.ts';

const JOURNAL_FORMAT = 'foliobench/journal@1';

export interface Journal {
  /** Cells that earlier runs finished well, by key. */
  readonly finished: ReadonlyMap<string, CellResult>;
  append(key: string, result: CellResult): Promise<void>;
  /** Closes the file and keeps it, for `--resume`. */
  close(): Promise<void>;
  /** Closes the file and removes it: the record has everything. */
  remove(): Promise<void>;
}

export interface JournalOptions {
  /** The record's path. */
  readonly output: string;
  /** Hash of the experiment, and of the shard that this run has of it. */
  readonly experiment: string;
  readonly resume: boolean;
}

export const journalPath = (output: string): string => `${output}.partial.jsonl`;

/** @throws UserError where the file cannot be written, belongs to another experiment, or would be lost. */
export async function openJournal({ output, experiment, resume }: JournalOptions): Promise<Journal> {
  const path = journalPath(output);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text !== null && !resume) {
    throw new UserError({
      what: `${path} holds the finished cells of an earlier run`,
      why: 'that run did not end, or is still going on',
      fix: 'add --resume to go on from there, or remove the file',
    });
  }
  // A header without its newline is a run that died before its first cell.
  const whole = text === null ? '' : text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole !== '') checkHeader(whole, path, experiment);
  const finished = readFinished(whole, path);
  const file = await openForAppend(path, Buffer.byteLength(whole));
  if (whole === '') await appendLine(file, { journal: JOURNAL_FORMAT, experiment });
  return {
    finished,
    append: (key, result) => appendLine(file, { key, result }),
    close: () => file.close(),
    async remove() {
      await file.close();
      await rm(path);
    },
  };
}

/** Opens the file behind its last whole line. */
async function openForAppend(path: string, bytes: number): Promise<FileHandle> {
  try {
    const file = await open(path, 'a');
    await file.truncate(bytes);
    return file;
  } catch (error) {
    throw new UserError({ what: `cannot write ${path}`, why: messageOf(error), fix: 'pick another -o FILE, in a folder that exists and that you may write to' });
  }
}

/** One write for the line, so that a kill tears the last line at most; then to the disk. */
async function appendLine(file: FileHandle, value: unknown): Promise<void> {
  await file.appendFile(`${JSON.stringify(value)}\n`);
  await file.datasync();
}

function checkHeader(text: string, path: string, experiment: string): void {
  const header = parseLine(text.slice(0, text.indexOf('\n')));
  if (header?.journal !== JOURNAL_FORMAT) {
    throw new UserError({ what: `${path} is no journal of this version`, why: `its first line is not the header of ${JOURNAL_FORMAT}`, fix: 'remove the file and run without --resume' });
  }
  if (header.experiment !== experiment) {
    throw new UserError({
      what: `${path} belongs to another experiment`,
      why: `its hash is ${String(header.experiment)}, this one's is ${experiment}`,
      fix: 'repeat the options of the run that it belongs to, or pick another -o FILE',
    });
  }
}

function readFinished(text: string, path: string): ReadonlyMap<string, CellResult> {
  const finished = new Map<string, CellResult>();
  const lines = text.split('\n').slice(1, -1);
  lines.forEach((line, index) => {
    const entry = parseLine(line);
    if (typeof entry?.key !== 'string' || typeof entry.result !== 'object' || entry.result === null) {
      throw new UserError({
        what: `${path} is damaged`,
        why: `line ${index + 2} is no finished cell, and only the last line may be torn`,
        fix: 'remove that line: its cell runs again',
      });
    }
    const result = entry.result as CellResult;
    if (result.status === 'ok') finished.set(entry.key, result);
  });
  return finished;
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
