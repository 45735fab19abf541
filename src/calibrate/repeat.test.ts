import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageFolder } from '../harness/packageFolder.ts';
import { readPoints } from './points.ts';
import type { Point } from './points.ts';
import { formatRepeatFigures, repeatFigures } from './repeat.ts';

const PLAIN: Point = { backing: 'guest_memfd', operation: 'punch', pages: 8, vmas: 1, processes: 1, touched: true, dirty: false, cpus: 1, ns: 1000, spread: 1, runs: 9 };

describe('what should repeat', () => {
  test('is the slope of a hole over VMAs, for a page, and a fault: medians', () => {
    const points: readonly Point[] = [
      PLAIN, { ...PLAIN, vmas: 3, ns: 1000 + 2 * 8 * 50 }, { ...PLAIN, vmas: 5, ns: 1000 + 4 * 8 * 60 }, { ...PLAIN, vmas: 9, ns: 1000 + 8 * 8 * 70 },
      // Of other surroundings, or with nothing to compare with.
      { ...PLAIN, vmas: 3, cpus: 2, ns: 1e6 }, { ...PLAIN, vmas: 3, processes: 2, ns: 1e6 }, { ...PLAIN, vmas: 3, touched: false, ns: 1 }, { ...PLAIN, pages: 16, vmas: 3, ns: 1e6 },
      { ...PLAIN, operation: 'fault.minor', pages: 4, ns: 4 * 700 }, { ...PLAIN, operation: 'fault.minor', pages: 2, ns: 2 * 800 },
    ];
    expect(repeatFigures(points)).toEqual({ rmapSlopeNs: 60, minorFaultNs: 750 });
    expect(formatRepeatFigures(points)).toBe('medians that should repeat to 10 %: 60.0 ns of a hole for each further VMA that maps a page, 750.0 ns of a fault on a page of the file\n');
  });
  test('is nothing without such points', () => expect(formatRepeatFigures([PLAIN])).toBe(''));

  test('did repeat to 10 % between two quick runs on one host, and with the thorough one', () => {
    const [first, second] = [1, 2].map((run) => repeatFigures(readPoints(path.join(packageFolder(), 'test', 'fixtures', `quick-points-${run}.json`)).points));
    expect(Math.abs(first.rmapSlopeNs / second.rmapSlopeNs - 1)).toBeLessThan(0.1);
    expect(Math.abs(first.minorFaultNs / second.minorFaultNs - 1)).toBeLessThan(0.1);
    const thorough = repeatFigures(readPoints(path.join(packageFolder(), 'results', 'calibration', 'guest_memfd.json')).points);
    expect(Math.abs(first.rmapSlopeNs / thorough.rmapSlopeNs - 1)).toBeLessThan(0.1);
    expect(Math.abs(first.minorFaultNs / thorough.minorFaultNs - 1)).toBeLessThan(0.1);
  });
});
