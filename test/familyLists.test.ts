/** Families beside conversions, in the lists of engine, harness and reports: what each says of itself goes together. */
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/harness/builtIn.ts';
import { catalogueOf, familiesOf } from '../src/harness/catalogue.ts';
import { families } from '../src/harness/families/index.ts';
import { familyReports } from '../src/report/families/list.ts';
import { blocksOf } from '../src/report/families/index.ts';
import type { SummaryRow } from '../src/report/rows.ts';

const others = families.slice(1);

test('every family is in the catalogue, and has a report', () => {
  expect(familiesOf(catalogue).map(({ family }) => family)).toEqual(families.map(({ name }) => name));
  expect(familyReports.map(({ family }) => family)).toEqual(families.map(({ name }) => name));
});

describe.each(others)('the records of $name', ({ name, metrics, latencies, params, defaults, sweepMetric }) => {
  test('have a default for each parameter, a path of their own for each field, and the latencies that the engine times', () => {
    expect(params.filter((param) => defaults[param] === undefined)).toEqual([]);
    expect(new Set(metrics.map(({ path }) => path.join('.'))).size).toBe(metrics.length);
    expect(new Set(metrics.map((metric) => metric.name)).size).toBe(metrics.length);
    expect(catalogueOf(catalogue, name).simulated?.latencies).toEqual(latencies);
    expect(metrics.map(({ path }) => path.join('.'))).toContain(sweepMetric);
  });

  test('have tables whose columns have names of their own', () => {
    const row = { family: name, cells: [], isMeasure: false, missing: 0, policy: 'x', check: null, safe: '' } as SummaryRow;
    for (const { columns } of blocksOf([row])) expect(new Set(columns.map(({ head }) => head.join(' '))).size).toBe(columns.length);
    expect(blocksOf([row]).flatMap(({ columns }) => columns.map(({ text }) => text(row))).filter((text) => text !== '-' && text !== '')).toEqual([]);
  });
});
