import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { formatSweep, metricNamed } from '../report/sweepTable.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

const run = (line: string) => runWords(line.split(' '), { folder });

describe('sweep', () => {
  test('has one row a policy and one column a value, with the growth of each curve', async () => {
    const { exitCode, stdout } = await run('sweep --workload zipf --vary accesses=1000,2000,4000 --metric virtualNs');
    expect(exitCode).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "zipf, as today: virtual time, us
      -------------------------------------------
      accesses         1000  2000  4000  growth
      -------------------------------------------
      null             10.0  20.0  40.0  1.00 +- 0.00
      lower-bound      5.00  10.0  20.0  1.00 +- 0.00
      sigbus-on-fault  10.0  20.0  40.0  1.00 +- 0.00
      refuse-mmap      10.0  20.0  40.0  1.00 +- 0.00
      -------------------------------------------

      means over seeds 1; prices: fake, hash 0123456789ab; foliobench 1.0.0
      growth: the exponent of a power law through the points, with its standard error
      repeat with: foliobench sweep --workload zipf --vary accesses=1000,2000,4000
      "
    `);
  });

  test('has a table for each value of the second parameter', async () => {
    const { stdout } = await run('sweep --workload zipf --vary vmas=1,4 --vary folio=4K,2M --policy sigbus-on-fault,refuse-mmap --metric work');
    expect(stdout.match(/^zipf, as today, folio (4K|2M): work, pages$/gm)).toHaveLength(2);
  });

  test('says in words where two policies change places, about', async () => {
    const { stdout } = await run('sweep --workload zipf --vary vmas=1,3 --policy sigbus-on-fault,refuse-mmap --format json');
    const record = JSON.parse(stdout) as ResultsRecord;
    // One rises from 10 to 30 pages, the other falls from 20 to 10.
    const works: Readonly<Record<string, readonly number[]>> = { 'sigbus-on-fault': [10, 30], 'refuse-mmap': [20, 10] };
    for (const cell of record.cells) if (cell.status === 'ok') (cell.deterministic as Record<string, number>)['work'] = works[cell.policy][cell.params.vmas === 1 ? 0 : 1];
    expect(formatSweep(record, [{ name: 'vmas', values: [1, 3] }], metricNamed('conversion', 'work'))).toContain('\nabove about 1.7 VMAs sigbus-on-fault has more work than refuse-mmap\n');
  });

  test('names a check that is not the usual one, and has no growth where there are no figures', async () => {
    const { stdout } = await run('sweep --workload zipf --vary vmas=1,3 --policy null,sigbus-on-fault --check mapcount');
    expect(stdout).toContain('\nsigbus-on-fault (mapcount)  ');
    expect(stdout).toMatch(/\nnull +- +- +-\n/);
  });

  test('along memory places are MiB, along folio sizes there is nothing between two, and of what is neither good nor bad no order changes', async () => {
    const crossing = async (vary: string, metric: string, axis: Parameters<typeof formatSweep>[1][number], values: readonly [number, number]) => {
      const { stdout } = await run(`sweep --workload zipf --vary ${vary} --policy sigbus-on-fault,refuse-mmap --format json`);
      const record = JSON.parse(stdout) as ResultsRecord;
      for (const [at, cell] of record.cells.entries()) if (cell.status === 'ok') (cell.deterministic as Record<string, number>)[metric] = values[at % 2] * (at < 2 ? 1 : -1) + 100;
      return formatSweep(record, [axis], metricNamed('conversion', metric)).split('\n').filter((line) => line.startsWith('above '));
    };
    expect(await crossing('memory=16MiB,32MiB', 'work', { name: 'memory', values: [2 ** 24, 2 ** 25] }, [10, 20])).toEqual(['above 24.0 MiB sigbus-on-fault has more work than refuse-mmap']);
    expect(await crossing('folio=4K,2M', 'work', { name: 'folio', values: ['4K', '2M'] }, [10, 20])).toEqual([]);
    expect(await crossing('vmas=1,3', 'accesses', { name: 'vmas', values: [1, 3] }, [10, 20])).toEqual([]);
    expect(await crossing('vmas=1,31', 'work', { name: 'vmas', values: [1, 31] }, [10, 20])).toEqual(['above about 16 VMAs sigbus-on-fault has more work than refuse-mmap']);
  });

  test('counts the cells that failed', async () => {
    const { stdout } = await run('sweep --workload zipf --vary vmas=1,3 --policy null --format json');
    const record = JSON.parse(stdout) as ResultsRecord;
    const [first, ...others] = record.cells;
    const failed: ResultsRecord = { ...record, cells: [{ ...first, status: 'failed', error: { what: 'no', why: 'no', fix: 'no' } } as ResultsRecord['cells'][number], ...others] };
    expect(formatSweep(failed, [{ name: 'vmas', values: [1, 3] }], metricNamed('conversion', 'work'))).toContain('\n1 of 2 cells failed\n');
  });

  test('is an experiment like any other: its record has a cell for each value, and says how to repeat it', async () => {
    const file = join(folder, 'sweep.json');
    await run(`sweep --workload zipf --policy null --vary vmas=1,4 --vary memory=16MiB,32MiB -o ${file} --quiet`);
    const record = JSON.parse(await readFile(file, 'utf8')) as ResultsRecord;
    expect(record.cells.map(({ params }) => [params.vmas, params.memoryBytes])).toEqual([[1, 2 ** 24], [4, 2 ** 24], [1, 2 ** 25], [4, 2 ** 25]]);
    expect(record.experiment.command).toBe('foliobench sweep --policy null --workload zipf --vary vmas=1,4 --vary memory=16MiB,32MiB');
    expect((await run(`gate --baseline ${file}`)).exitCode).toBe(0);
  });

  test.each([
    ['sweep', 'nothing is varied'],
    ['sweep --vary vma=1,2', '"vma" cannot be varied'],
    ['sweep --vary vmas=1', '--vary vmas=1 is no curve'],
    ['sweep --vary vmas=1,1', '--vary vmas=1,1 is no curve'],
    ['sweep --vary vmas=1,x', '"x" is no count'],
    ['sweep --vary folio=4K,3M', '"3M" is no folio size'],
    ['sweep --vary vmas=1,2 --vary vmas=3,4', '--vary vmas is there twice'],
    ['sweep --vary vmas=1,2 --vary vcpus=1,2 --vary processes=1,2', '3 parameters are too many'],
    ['sweep --vary vmas=1,2 --vmas 4', '--vmas and --vary vmas contradict each other'],
    ['sweep --vary accesses=1000,2000 --workload boot-512m', 'boot-512m is the same for every accesses'],
    ['sweep --vary vmas=1,2 --metric latency', 'there is no metric "latency"'],
  ])('%s: %s', async (line, message) => {
    const { exitCode, stderr } = await run(line);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`foliobench: ${message}\n`);
  });
});
