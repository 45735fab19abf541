/** The committed baseline is one that the gate can use, and has every policy. That its figures are those of this program `npm run gate` tells. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { compareRecords } from '../src/gate/compareRecords.ts';
import { catalogue } from '../src/harness/builtIn.ts';
import { readRecord } from '../src/harness/record.ts';

const record = await readRecord(fileURLToPath(new URL('../results/baseline.json', import.meta.url)));

describe('results/baseline.json', () => {
  test('is whole, and the same as itself', () => {
    const { verdict, findings, cells } = compareRecords(record, record);
    expect([verdict, findings, cells]).toEqual(['PASS', [], record.cells.length]);
  });

  test('has every policy; where it does not: npm run baseline', () => {
    expect([...new Set(record.experiment.rows.map(({ policy }) => policy))]).toEqual(catalogue.policies.map(({ name }) => name));
  });

  test('is priced by the profile that ships; where it is not: npm run baseline', async () => {
    const { name, hash } = await catalogue.loadCostProfile(record.experiment.costs.name);
    expect({ name, hash }).toEqual(record.experiment.costs);
  });
});
