import { describe, expect, test } from 'vitest';
import { fakeCatalogue, fakeCosts } from '../../test/tools/fakeCatalogue.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import { compare } from '../harness/compare.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { createExperiment, type Request } from '../harness/request.ts';
import { formatMarkdown } from './markdown.ts';

const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };

async function record(request: Request): Promise<ResultsRecord> {
  const experiment = await createExperiment(request, fakeCatalogue);
  return compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner() });
}

const tablesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line.startsWith('|'));

describe('a record as Markdown', () => {
  test('has a table for each block of columns, with the rows of the plain one', async () => {
    const text = formatMarkdown(await record({ workloads: ['zipf'], accesses: 1000 }), { profile: fakeCosts });
    expect(text.split('\n').slice(0, 8)).toEqual([
      '## as today',
      '',
      'the guest asks for each conversion and bounces its DMA through a shared pool; workload: zipf',
      '',
      expect.stringMatching(/^\| policy {10}\| completed work pages\/s \| accesses completed % \| /),
      expect.stringMatching(/^\| -{15} \| -+: \| /),
      expect.stringMatching(/^\| null {12}\| +100M \| /),
      expect.stringMatching(/^\| lower-bound /),
    ]);
    expect(text).toContain('\n```text\n* best of the column');
    expect(text.endsWith('repeat with: foliobench compare --workload zipf --accesses 1000\n```\n')).toBe(true);
  });

  test('fits a mail where it is asked to: more tables, and no figure less', async () => {
    const results = await record({ workloads: ['zipf', 'sequential'], accesses: 1000, checks: ['mapcount', 'refcount'] });
    const [wide, narrow] = [Infinity, 72].map((width) => formatMarkdown(results, { width }));
    const cells = (text: string) => tablesOf(text).flatMap((line) => line.split('|').map((cell) => cell.trim())).filter((cell) => /^[\d.]+[kMG]?\*?$/.test(cell)).sort();
    expect(cells(narrow)).toEqual(cells(wide));
    expect(narrow.split('\n').filter((line) => line.length > 72 && !line.startsWith('repeat with:'))).toEqual([]);
    expect(tablesOf(narrow).every((line) => line.startsWith('| ') && line.endsWith(' |'))).toBe(true);
  });

  test('a row has one line, whatever a cell of the plain table has', async () => {
    const results = await record({ workloads: ['zipf'], accesses: 1000, checks: ['mapcount', 'refcount'] });
    const text = formatMarkdown(results);
    expect(tablesOf(text)).toHaveLength(2 * (2 + 5));
    expect(text).toContain('| sigbus-on-fault mapcount |');
  });
});
