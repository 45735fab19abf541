import { describe, expect, test } from 'vitest';
import type { CellParams } from '../harness/experiment.ts';
import type { CellResult, ResultsRecord } from '../harness/record.ts';
import { parseVary } from '../harness/sweep.ts';
import { atText, formatSweep, metricNamed } from './sweepTable.ts';

const plain: CellParams = { memoryBytes: 2 ** 30, folio: '4K', vcpus: 2, processes: 1, vmas: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed', accesses: 100 };

/** Of two policies: what conversions cost on the mean, in nanoseconds, at each of the values. */
function recordOf(field: keyof CellParams, means: readonly (readonly [value: number, split: number, refuse: number])[]): ResultsRecord {
  const cells = means.flatMap(([value, split, refuse]) =>
    [['split-4k', split], ['refuse-mmap', refuse]].map(([policy, mean]) => ({
      family: 'conversion', policy, workload: 'zipf', check: null, seed: 1, params: { ...plain, [field]: value }, status: 'ok', deterministic: { latencyNs: { toPrivate: { mean } } },
    }) as unknown as CellResult));
  const experiment = { family: 'conversion', command: 'foliobench sweep', costs: { name: 'fake', hash: '0' }, seeds: [1], rows: [], runs: means.map(([value]) => ({ workload: 'zipf', params: { ...plain, [field]: value } })) };
  return { tool: { version: '1.0.0' }, experiment, cells } as unknown as ResultsRecord;
}

const swept = (record: ResultsRecord, word: string): readonly string[] => formatSweep(record, parseVary([word]), metricNamed('conversion')).split('\n');

describe('a sweep in words', () => {
  test('over the time that a device holds a buffer', () => {
    expect(swept(recordOf('ioHoldUs', [[20, 1000, 2000], [200, 10_000, 2000]]), 'io-hold-us=20,200').slice(0, 8)).toEqual([
      'zipf, as today: to-private latency mean, us',
      '----------------------------',
      'io-hold-us     20   200  growth',
      '----------------------------',
      'split-4k     1.00  10.0  1.00',
      'refuse-mmap  2.00  2.00  0.00',
      '----------------------------',
      'above about 40 us of I/O refuse-mmap has less to-private latency mean than split-4k',
    ]);
  });
  test('over the share of conversions', () => {
    expect(swept(recordOf('convertShare', [[0.5, 4000, 1000], [2, 2000, 2000], [8, 1000, 4000]]), 'convert-share=0.5,2,8').slice(0, 8)).toEqual([
      'zipf, as today: to-private latency mean, us',
      '------------------------------------------',
      'convert-share   0.5     2     8  growth',
      '------------------------------------------',
      'split-4k       4.00  2.00  1.00  -0.50 +- 0.00',
      'refuse-mmap    1.00  2.00  4.00  0.50 +- 0.00',
      '------------------------------------------',
      'above about 4.3 % of conversions split-4k has less to-private latency mean than refuse-mmap',
    ]);
  });
  test.each([
    [120.4, 'io-hold-us', 'about 120 us of I/O'],
    [0.84, 'convert-share', 'about 0.8 % of conversions'],
    [2 ** 29, 'memory', '512 MiB'],
  ] as const)('%d of %s is %s', (at, name, text) => expect(atText(at, name)).toBe(text));
});
