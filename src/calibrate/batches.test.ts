import { expect, test } from 'vitest';
import { callsOf, getCallsOf } from './batches.ts';
import type { Place } from './points.ts';

const PLAIN: Place = { operation: 'punch', pages: 1, vmas: 1, processes: 1, touched: false, dirty: false, cpus: 1 };
const calls = (some: Partial<Place>): number => callsOf({ ...PLAIN, ...some });

test('a batch has as many calls as make about 512 pages, and fewer where each page has many entries', () => {
  expect([calls({ pages: 1 }), calls({ pages: 33 }), calls({ pages: 512 }), calls({ pages: 600 })]).toEqual([512, 15, 1, 1]);
  expect([calls({ pages: 1, vmas: 64, touched: true }), calls({ pages: 64, vmas: 64, touched: true }), calls({ pages: 1, vmas: 64 })]).toEqual([128, 2, 512]);
  expect(calls({ pages: 2, vmas: 32, processes: 4, touched: true })).toBe(32);
});

test('a batch of gets fills a pipe of 256 pages', () => {
  expect([1, 33, 256, 512].map((pages) => getCallsOf({ ...PLAIN, pages }))).toEqual([256, 7, 1, 1]);
});
