/**
 * The byte check of a committed run: runs the command that `results/smoke.json` names, and compares.
 *
 *   npm run smoke               ends with 1 where a figure differs, and names the cells
 *   npm run smoke -- --update   writes what the run gave; the diff of the file is for the reviewer
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cellKey } from '../../src/harness/experiment.ts';
import { deterministicBytes, formatRecord, type CellResult, type Environment, type ResultsRecord } from '../../src/harness/record.ts';

const COMMAND =
  'foliobench compare --workload sequential,zipf,bounce-ring,balloon,dma-storm,fixed-buffers,many-mappings,boot-512m --memory 16MiB --conversion explicit --accesses 500';

// This file is dist/test/tools/smoke.js when it runs.
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const COMMITTED = fileURLToPath(new URL('../../../results/smoke.json', import.meta.url));

const now = run(COMMAND);
if (process.argv.includes('--update')) {
  writeFileSync(COMMITTED, formatRecord(withoutMachine(now)));
  process.stdout.write(`${now.cells.length} cells written to results/smoke.json\n`);
} else {
  const committed = JSON.parse(readFileSync(COMMITTED, 'utf8')) as ResultsRecord;
  const complaints = compareRecords(committed, withoutMachine(now));
  process.stdout.write(complaints.length === 0 ? `${now.cells.length} cells, the same bytes\n` : `${complaints.join('\n')}\nif that is meant: npm run smoke -- --update\n`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}

/** A failed cell ends the program with 1, and is a difference like any other. */
function run(command: string): ResultsRecord {
  const words = [...command.split(' ').slice(1), '--format', 'json'];
  try {
    return JSON.parse(execFileSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', maxBuffer: 1 << 30 })) as ResultsRecord;
  } catch (error) {
    const { status, stdout } = error as { readonly status?: number; readonly stdout?: string };
    if (status !== 1 || stdout === undefined || stdout === '') throw error;
    return JSON.parse(stdout) as ResultsRecord;
  }
}

/** What a machine adds to a record would differ in every commit of it. */
function withoutMachine(record: ResultsRecord): ResultsRecord {
  const environment: Environment = { node: 'any', platform: 'any', arch: 'any', cpuModel: 'any', cpus: null, kernel: 'any' };
  const cells = record.cells.map((cell): CellResult => (cell.status === 'failed' ? cell : { ...cell, wallClock: { ns: 0, accessesPerSecond: 0, residentBytesMax: null } }));
  return { ...record, environment, cells };
}

/** One line for each cell that is missing, new or different; one for the header. */
function compareRecords(committed: ResultsRecord, current: ResultsRecord): readonly string[] {
  if (deterministicBytes(committed) === deterministicBytes(current)) return [];
  const before = new Map(committed.cells.map((cell) => [cellKey(cell), cell]));
  const after = new Map(current.cells.map((cell) => [cellKey(cell), cell]));
  const lines = [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [old, fresh] = [before.get(key), after.get(key)];
    if (old === undefined) return [`new: ${key}`];
    if (fresh === undefined) return [`missing: ${key}`];
    return JSON.stringify(old) === JSON.stringify(fresh) ? [] : [`different: ${key}`];
  });
  return lines.length > 0 ? lines : ['the experiment or the order of its cells differs'];
}
