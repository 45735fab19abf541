/**
 * The results record: what `-o FILE` and `--format json` give, published as a JSON Schema with the package.
 *
 * `deterministic` is a function of the cell's inputs to the last byte; `wallClock` and `environment` are what this
 * machine made of it, and stand beside it, never inside.
 */
import { readFile } from 'node:fs/promises';
import { UserError } from '../model/userError.ts';
import type { Cell, Experiment } from './experiment.ts';
import type { Deterministic } from './metrics.ts';

export const RESULTS_SCHEMA = 'foliobench/results@1';

export interface Environment {
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly cpuModel: string;
  /** Null in a merged record whose parts ran on different machines. */
  readonly cpus: number | null;
  readonly kernel: string;
}

/** What went wrong in a cell, in the form of a UserError. */
export interface CellError {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

export interface WallClock {
  readonly ns: number;
  readonly accessesPerSecond: number;
  /** Highest resident memory of the cell's own process; null unless it had one (`--isolate`). */
  readonly residentBytesMax: number | null;
}

export interface SucceededCell extends Cell {
  readonly status: 'ok';
  /** Facts that the reader of the figures should know, such as what a trace did not record and was inferred. */
  readonly notes: readonly string[];
  readonly deterministic: Deterministic;
  readonly wallClock: WallClock;
}

export interface FailedCell extends Cell {
  readonly status: 'failed';
  readonly error: CellError;
}

export type CellResult = SucceededCell | FailedCell;

/** Part `index` (from 1) of `count`: the cells of the plan that it had to run. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ResultsRecord {
  readonly schema: typeof RESULTS_SCHEMA;
  readonly tool: { readonly version: string };
  readonly environment: Environment;
  /** False where cells of the experiment are missing: interrupted, or one part of several. A failed cell is not missing. */
  readonly complete: boolean;
  /** Only in a part of `--shard`; a merged record has none. */
  readonly shard?: Shard;
  readonly experiment: Experiment;
  readonly cells: readonly CellResult[];
}

/** The record as text, one cell a line: `grep` and `git diff` work on cells. */
export function formatRecord({ cells, ...header }: ResultsRecord): string {
  const head = JSON.stringify(header, null, 2).replace(/\n\}$/, '');
  const lines = cells.map((cell) => `    ${JSON.stringify(cell)}`);
  return `${head},\n  "cells": [${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}]\n}\n`;
}

/**
 * The bytes that two runs of one experiment must share, whatever the machine, the Node version, the number of workers, the
 * order of the cells, an interruption or a division into shards: the record without `environment` and `wallClock`.
 */
export function deterministicBytes({ environment: _environment, cells, ...rest }: ResultsRecord): string {
  return JSON.stringify({
    ...rest,
    cells: cells.map((cell) => {
      if (cell.status === 'failed') return cell;
      const { wallClock: _wallClock, ...deterministic } = cell;
      return deterministic;
    }),
  });
}

/** Reads a record that `formatRecord` wrote. @throws UserError where the file is missing, damaged or of another kind. */
export async function readRecord(path: string): Promise<ResultsRecord> {
  return checkRecord(await readContent(path), path);
}

/** What a file of JSON says. @throws UserError where it is missing, empty or no JSON */
export async function readContent(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError({ what: `cannot read ${path}`, why: messageOf(error), fix: 'name a record that `foliobench compare -o FILE` wrote' });
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError({ what: `${path} is not JSON`, why: text.trim() === '' ? 'it is empty' : messageOf(error).replaceAll(/\s+/g, ' '), fix: 'the file may be truncated: run that part again' });
  }
}

/** Only the shape that readers rely on; what the figures are worth the gate judges. @param label names the file in errors. @throws UserError */
export function checkRecord(content: unknown, label: string): ResultsRecord {
  const record = isObject(content) ? content : {};
  const { schema } = record;
  if (schema !== RESULTS_SCHEMA) {
    const version = typeof schema === 'string' ? /^foliobench\/results@(\d+)$/.exec(schema) : null;
    const isNewer = version !== null && Number(version[1]) > Number(RESULTS_SCHEMA.split('@')[1]);
    throw new UserError({
      what: `${label} is not a results record of this version`,
      why: `its schema is ${JSON.stringify(schema ?? null)}, expected "${RESULTS_SCHEMA}"`,
      fix: isNewer ? 'a newer foliobench wrote it: read it with that one, or update this one' : 'run the experiment again with this version of foliobench',
    });
  }
  const lacks = missingIn(record);
  if (lacks !== undefined) throw new UserError({ what: `${label} is damaged`, why: lacks, fix: 'run that part again' });
  return record as unknown as ResultsRecord;
}

/** A sentence about a part that is not there; undefined where all are. */
function missingIn({ tool, environment, experiment, cells }: Readonly<Record<string, unknown>>): string | undefined {
  if (!isObject(experiment) || !Array.isArray(cells) || !isObject(tool)) return 'it lacks its experiment or its cells';
  if (!isObject(environment)) return 'it does not say on which machine it was made';
  if (!isObject(experiment['costs'])) return 'its experiment has no cost profile';
  if (typeof experiment['command'] !== 'string') return 'its experiment has no command';
  for (const part of ['rows', 'runs', 'seeds']) if (!Array.isArray(experiment[part])) return `its experiment has no ${part}`;
  const runs = experiment['runs'] as readonly unknown[];
  if (runs.some((run) => !isObject(run) || !isObject(run['params']))) return 'a run of its experiment has no parameters';
  if ((experiment['rows'] as readonly unknown[]).some((row) => !isObject(row))) return 'a row of its experiment is none';
  const index = cells.findIndex((cell) => !isObject(cell) || !isObject(cell['params']) || (cell['status'] === 'ok' && !(isObject(cell['deterministic']) && isObject(cell['wallClock']))));
  return index < 0 ? undefined : `cell ${index + 1} of its ${cells.length} is none`;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
