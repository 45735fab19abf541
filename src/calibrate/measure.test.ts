import { expect, test } from 'vitest';
import { pointOf } from './measure.ts';

const place = { operation: 'punch', pages: 1, vmas: 1, processes: 1, touched: false, dirty: false, cpus: 1 } as const;
const backing = { name: 'memfd', lacks: [], createFile: () => 0, createPrivateFile: () => null } as const;

test('a point is the median of its runs, and its spread lies between their quartiles', () => {
  expect(pointOf(place, backing, [5, 1, 3, 2, 4])).toEqual({ ...place, backing: 'memfd', ns: 3, spread: 2, runs: 5 });
  expect(pointOf(place, backing, [10, 11])).toMatchObject({ ns: 10.5, spread: 0.5 });
});

test('one run in five that was disturbed leaves both as they are; one in four shows in the spread', () => {
  expect(pointOf(place, backing, [100, 100, 100, 9000])).toMatchObject({ ns: 100, spread: 2225 });
  expect(pointOf(place, backing, [100, 100, 100, 100, 9000])).toMatchObject({ ns: 100, spread: 0 });
});
