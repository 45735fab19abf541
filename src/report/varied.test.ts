import { describe, expect, test } from 'vitest';
import type { CellParams, Experiment } from '../harness/experiment.ts';
import { placeOf, valueOf, variedAxes } from './varied.ts';

const params: CellParams = { memoryBytes: 2 ** 30, folio: '4K', vcpus: 2, processes: 1, vmas: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed', accesses: 100 };
const record = (...runs: readonly (Partial<CellParams> & { readonly workload?: string })[]): { readonly experiment: Experiment } => ({
  experiment: { family: 'conversion', command: '', costs: { name: '', hash: '' }, seeds: [1], rows: [], runs: runs.map(({ workload = 'zipf', ...other }) => ({ workload, params: { ...params, ...other } })) },
});

describe('what a record varies', () => {
  test('is what has several values for one workload, in the order of the plan', () => {
    expect(variedAxes(record({ vmas: 16 }, { vmas: 1 }))).toEqual([{ name: 'vmas', values: [16, 1] }]);
    expect(variedAxes(record({ folio: '4K', vcpus: 2 }, { folio: '1G', vcpus: 2 }, { folio: '4K', vcpus: 4 }))).toEqual([{ name: 'vcpus', values: [2, 4] }, { name: 'folio', values: ['4K', '1G'] }]);
  });
  test('is nothing in a comparison, though workloads differ in size and labels in how they convert', () => {
    expect(variedAxes(record({ workload: 'boot', memoryBytes: 2 ** 29 }, {}, { conversion: 'lazy' }, { dma: 'direct' }))).toEqual([]);
  });
});

describe('a value of an axis', () => {
  test('is that of the cell', () => expect([valueOf(params, { name: 'vmas', values: [] }), valueOf(params, { name: 'request-pages', values: [] })]).toEqual([1, null]));
  test('is that of a cell which has one', () => expect(valueOf({ ...params, convertShare: 0.5 }, { name: 'convert-share', values: [] })).toBe(0.5));
  test('lies where its bytes do', () => expect([placeOf(7), placeOf('4K'), placeOf('2M'), placeOf('1G')]).toEqual([7, 4096, 2 ** 21, 2 ** 30]));
});
