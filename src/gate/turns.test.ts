import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';
import type { CellResult, ResultsRecord, SucceededCell } from '../harness/record.ts';
import { takeTurns, wallNsOf } from './turns.ts';
import { expectedKeys } from './wholeness.ts';

const timeOf = (ns: number) => ({ cpuNs: ns, wallNs: ns + 1 });

describe('two programs', () => {
  test('take turns, and each is first in every second block', async () => {
    const order: string[] = [];
    const seen: string[] = [];
    const runOnce = async (side: 'a' | 'b') => timeOf(order.push(side));
    const blocks = await takeTurns({ blocks: 3, runOnce, signal: new AbortController().signal, onRun: (done, all) => seen.push(`${done}/${all}`) });
    expect(order.join('')).toBe('abbabaababba');
    expect(blocks).toEqual([{ first: 'a', runs: [1, 2, 3, 4].map(timeOf) }, { first: 'b', runs: [5, 6, 7, 8].map(timeOf) }, { first: 'a', runs: [9, 10, 11, 12].map(timeOf) }]);
    expect([seen[0], seen.at(-1)]).toEqual(['0/12', '11/12']);
  });

  test.each([[6, 1], [8, 1], [9, 2]])('that are stopped in run %d leave %d whole blocks', async (last, whole) => {
    const abort = new AbortController();
    let runs = 0;
    const runOnce = async () => {
      if (++runs === last) abort.abort();
      return timeOf(runs);
    };
    expect(await takeTurns({ blocks: 5, runOnce, signal: abort.signal })).toHaveLength(whole);
    expect(runs).toBe(last);
  });
});

describe('the time of a run', () => {
  let folder = '';
  let record: ResultsRecord;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
    await runWords(['compare', '--workload', 'zipf', '--policy', 'null,lower-bound', '--seeds', '1-4', '--quiet', '-o', join(folder, 'r.json')], { folder });
    record = JSON.parse(await readFile(join(folder, 'r.json'), 'utf8')) as ResultsRecord;
  });
  afterAll(() => rm(folder, { recursive: true }));

  const withTimes = (...times: readonly number[]): ResultsRecord => ({
    ...record,
    cells: record.cells.map((cell, index) => ({ ...(cell as SucceededCell), wallClock: { ns: times[index], accessesPerSecond: 0, residentBytesMax: null } })),
  });

  test('is that of each policy in the middle of its seeds, summed up: one disturbed cell counts for nothing', () => {
    const expected = new Set(expectedKeys(record));
    expect(wallNsOf(withTimes(1, 9, 3, 5, 100, 100, 100, 9000), expected)).toBe(4 + 100);
  });

  test('is none where cells are others than was promised', () => {
    const expected = new Set(expectedKeys(record));
    const [first, ...others] = record.cells;
    expect(wallNsOf({ ...record, cells: others }, expected)).toMatch(/^it has no cell null \/ zipf/);
    expect(wallNsOf({ ...record, cells: [...record.cells, first] }, expected)).toMatch(/^it has a cell more: null \/ zipf/);
    const failed = { ...first, status: 'failed', error: { what: 'no', why: 'no', fix: 'no' } } as unknown as CellResult;
    expect(wallNsOf({ ...record, cells: [failed, ...others] }, expected)).toMatch(/^a cell failed: null \/ zipf/);
  });
});
