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
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError({ what: `cannot read ${path}`, why: messageOf(error), fix: 'name a record that `foliobench compare -o FILE` wrote' });
  });
  const record = parseRecord(text, path);
  if (record.schema !== RESULTS_SCHEMA) {
    throw new UserError({
      what: `${path} is not a results record of this version`,
      why: `its schema is ${JSON.stringify(record.schema ?? null)}, expected "${RESULTS_SCHEMA}"`,
      fix: 'run the experiment again with this version of foliobench',
    });
  }
  if (!Array.isArray(record.cells) || typeof record.experiment !== 'object' || typeof record.tool !== 'object') {
    throw new UserError({ what: `${path} is damaged`, why: 'it lacks its experiment or its cells', fix: 'run that part again' });
  }
  return record as ResultsRecord;
}

function parseRecord(text: string, path: string): Partial<ResultsRecord> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    throw new UserError({ what: `${path} is not JSON`, why: messageOf(error), fix: 'the file may be truncated: run that part again' });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
