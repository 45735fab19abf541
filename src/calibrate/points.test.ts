import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { POINTS_SCHEMA, formatPoints, placeName, readPoints } from './points.ts';
import type { Point, PointsRecord } from './points.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const point: Point = { backing: 'memfd', operation: 'punch', pages: 8, vmas: 4, processes: 1, touched: true, dirty: true, cpus: 1, ns: 1234.5, spread: 10, runs: 21 };
const record: PointsRecord = {
  schema: POINTS_SCHEMA,
  tool: { version: '0.1.0' },
  environment: { node: 'v20', platform: 'linux', arch: 'x64', cpuModel: 'any', cpus: 2, kernel: '6.18' },
  hypervisor: 'none',
  backing: 'memfd',
  date: '2026-11-21',
  quick: true,
  behaviours: [],
  notMeasured: [{ operation: 'fork', why: 'not here' }],
  points: [point, { ...point, pages: 512, touched: false, dirty: false }],
};

function written(text: string): string {
  const file = join(folder, 'points.json');
  writeFileSync(file, text);
  return file;
}

function mistakeIn(text: string): string {
  try {
    readPoints(written(text));
  } catch (error) {
    if (error instanceof UserError) return error.why;
    throw error;
  }
  return 'no mistake';
}

describe('a file of points', () => {
  test('reads as it was written, one point a line', () => {
    const text = formatPoints(record);
    expect(readPoints(written(text))).toEqual(record);
    expect(text.split('\n').filter((line) => line.includes('"operation":"punch"'))).toHaveLength(2);
  });

  test.each([
    ['{', 'bad JSON in line 1, column 2: expected a key in quotes, found the end of the file'],
    ['{}', 'its schema is missing, expected "foliobench/points@1"'],
    [formatPoints({ ...record, backing: 'file' as 'memfd' }), '"backing" is "file", expected one of guest_memfd, memfd'],
    [formatPoints({ ...record, date: 'today' }), '"date" is no YYYY-MM-DD'],
    [formatPoints({ ...record, points: [{ ...point, operation: 'jump' as 'punch' }] }), '"operation" of point 0 is "jump", expected a measured operation'],
    [formatPoints({ ...record, points: [point, { ...point, pages: 1.5 }] }), '"pages" of point 1 is 1.5, expected a whole number'],
    [formatPoints({ ...record, points: [{ ...point, ns: -1 }] }), '"ns" of point 0 is -1, expected a number of nanoseconds'],
    [formatPoints({ ...record, points: [point, point] }), 'memfd punch 8 pages, 4 VMAs, dirty is there twice'],
    [formatPoints(record).replace('"runs":21', '"runs":21,"mood":"good"'), 'point 0 has an unknown field "mood"'],
  ])('with a mistake in it is refused with the place of the mistake (%#)', (text, why) => expect(mistakeIn(text)).toBe(why));

  test('that is not there is told as that', () => {
    expect(() => readPoints(join(folder, 'none.json'))).toThrow('there is no such file');
  });
});

test('a place is named by what is not as usual in it', () => {
  expect(placeName(point)).toBe('punch 8 pages, 4 VMAs, dirty');
  expect(placeName({ ...point, touched: true, dirty: false, cpus: 2, processes: 3 })).toBe('punch 8 pages, 4 VMAs, clean, 3 processes, 2 CPUs');
  expect(placeName({ ...point, touched: false, dirty: false, pages: 1, vmas: 1 })).toBe('punch 1 pages, 1 VMAs');
});
