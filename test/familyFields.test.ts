/**
 * Every field of the records of the families beside conversions says something: in a small run of all policies and workloads of a family it
 * is above zero in some cell, and not the same in all of them. Fields are taken from the JSON Schema, so that a new one that nothing
 * feeds fails here. For conversions see fields.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { families } from '../src/harness/families/index.ts';
import { resultsSchema, type Schema } from '../src/harness/schema.ts';
import { recordOf } from './tools/cells.ts';

/** Small runs that feed all fields together. `--costs measured` has a price that calibration would have measured. */
const RUNS: Readonly<Record<string, string>> = {
  unsharing: '--memory 4MiB --accesses 2000 --costs measured',
  'wp-markers': '--memory 8MiB --accesses 4000 --costs measured',
};

const { definitions } = resultsSchema() as { readonly definitions: Readonly<Record<string, Schema>> };

/** Paths of the leaves of a schema, as lists of keys. */
function leavesOf(schema: Schema, path: readonly string[] = []): readonly (readonly string[])[] {
  const { properties } = schema as { readonly properties?: Readonly<Record<string, Schema>> };
  if (properties === undefined) return [path];
  return Object.entries(properties).flatMap(([key, part]) => leavesOf(part, [...path, key]));
}

/** The value of a leaf as text; an absent count is 0. */
function leafOf(deterministic: unknown, path: readonly string[]): string {
  let value = deterministic;
  for (const key of path) value = (value as Readonly<Record<string, unknown>>)[key] ?? 0;
  return JSON.stringify(value);
}

const SILENT: ReadonlySet<string> = new Set(['0', '[]']);

describe.each(families.slice(1).map(({ name }) => name))('each field of the records of %s', (family) => {
  test('is above zero in a cell of a small run of the family, and differs between two', async () => {
    const leaves = leavesOf(definitions[`${family}.deterministic`]);
    const cells = (await recordOf(`--family ${family} ${RUNS[family]}`)).cells.flatMap((cell) => (cell.status === 'ok' ? [cell.deterministic] : []));
    const valuesOf = (path: readonly string[]): readonly string[] => cells.map((deterministic) => leafOf(deterministic, path));
    const named = (fails: (values: readonly string[]) => boolean): readonly string[] => leaves.filter((path) => fails(valuesOf(path))).map((path) => path.join('/'));
    expect(leaves.length).toBeGreaterThan(50);
    expect({
      unfed: named((values) => values.every((value) => SILENT.has(value))),
      // All cells are asked for the same number of accesses; where they do whole rounds, they do not quite do it.
      alike: named((values) => new Set(values).size === 1).filter((name) => name !== 'accesses'),
    }).toEqual({ unfed: [], alike: [] });
  });
});
