/**
 * The committed grids of `foliobench calibrate --points`, held to what we promise of them: the model, with prices fitted to some of the
 * points, predicts the others, and none of them badly. Needs no kernel feature.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { errorFigures, fitPoints } from '../src/calibrate/fitPoints.ts';
import type { FittedPoints } from '../src/calibrate/fitPoints.ts';
import { placesOf } from '../src/calibrate/grids.ts';
import { placeName, readPoints } from '../src/calibrate/points.ts';
import { formatProfile } from '../src/calibrate/profile.ts';
import { formatValidation } from '../src/calibrate/validationTable.ts';
import { packageFolder } from '../src/harness/packageFolder.ts';
import { DEFAULT_COSTS, loadCostProfile } from '../src/simulate/costs.ts';

/** Most that the median of absolute errors may be, in per cent; and any error of any point. */
const MEDIAN_PERCENT_MAX = { guest_memfd: 5, memfd: 10 } as const;
const LARGEST_PERCENT_MAX = 25;
/** The same of whole sequences, which go over more memory than the loops that prices come from: neither model nor prices have caches. */
const SEQUENCES_PERCENT_MAX = { guest_memfd: 10, memfd: 15 } as const;

const folder = path.join(packageFolder(), 'results', 'calibration');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

const prior = loadCostProfile(DEFAULT_COSTS);
const fits = new Map<string, FittedPoints>();
function fittedOf(name: string): FittedPoints {
  const fitted = fits.get(name) ?? fitPoints(readPoints(path.join(folder, name)).points, prior);
  fits.set(name, fitted);
  return fitted;
}

describe('the committed grids', () => {
  // Where the model charges otherwise: foliobench calibrate --from-points results/calibration/guest_memfd.json -o results/costs/measured-nested-vm.json
  test('are what the profile of this package was fitted to, by the model as it is', () => {
    const name = 'guest_memfd.json';
    expect(formatProfile('measured-nested-vm', readPoints(path.join(folder, name)), fittedOf(name), prior)).toBe(readFileSync(path.join(packageFolder(), 'results', 'costs', 'measured-nested-vm.json'), 'utf8'));
  }, 120_000);

  test('are of a guest_memfd and of a memfd, and thorough', () => {
    const records = files.map((name) => readPoints(path.join(folder, name)));
    expect(new Set(records.map(({ backing }) => backing))).toEqual(new Set(['guest_memfd', 'memfd']));
    expect(records.map(({ quick }) => quick)).not.toContain(true);
  });

  describe.each(files)('%s', (name) => {
    const record = readPoints(path.join(folder, name));
    let fitted: FittedPoints;
    beforeAll(() => {
      fitted = fittedOf(name);
    }, 120_000);

    test('has the places of the thorough grid, and none of them with runs that disagree', () => {
      const measured = new Set(record.points.map(placeName));
      const missing = placesOf({ quick: false, cpus: 2 }).filter((place) => !measured.has(placeName(place)));
      // A pipe of more than 1 MiB takes a permission; nothing of a memfd is private.
      expect(new Set(missing.map(({ operation, pages }) => `${operation} ${pages}`))).toEqual(new Set(['gup.get 384', 'gup.get 512', ...(record.backing === 'memfd' ? ['efault 1', 'sigbus 1'] : [])]));
      expect(fitted.unsteady).toEqual([]);
    });
    test('is predicted in each of its points', () => {
      expect([fitted.unknown, fitted.checked.length]).toEqual([[], record.points.length]);
      expect(errorFigures(fitted.checked).largestPercent).toBeLessThanOrEqual(LARGEST_PERCENT_MAX);
    });
    test('is predicted in whole sequences, none of which was fitted', () => {
      const sequences = fitted.checked.filter(({ heldBack }) => heldBack === 'a whole sequence');
      expect(sequences).toHaveLength(64);
      expect(errorFigures(sequences).medianPercent).toBeLessThanOrEqual(SEQUENCES_PERCENT_MAX[record.backing]);
    });
    test('is printed in each of its points', () => {
      const lines = formatValidation(record, fitted, true).split('\n');
      for (const { point } of fitted.checked) expect(lines.some((line) => line.startsWith(`${placeName(point)} `))).toBe(true);
    });
    test('is predicted in the median, in all points, in those that were held back, and in the corner', () => {
      const unseen = fitted.checked.filter(({ heldBack }) => heldBack !== null);
      const corner = fitted.checked.filter(({ heldBack }) => heldBack === 'in the corner');
      expect([unseen.length > 200, corner.length > 20]).toEqual([true, true]);
      for (const some of [fitted.checked, unseen, corner]) expect(errorFigures(some).medianPercent).toBeLessThanOrEqual(MEDIAN_PERCENT_MAX[record.backing]);
    });
  });

  test('show what METHODOLOGY says that they taught of forks, of looks for nothing, of other processes and of signals', () => {
    const { points } = readPoints(path.join(folder, 'guest_memfd.json'));
    const nsOf = (name: string): number => points.find((point) => placeName(point) === name)?.ns ?? Number.NaN;
    const untouched = nsOf('fork 512 pages, 64 VMAs');
    for (const entries of ['clean', 'dirty']) expect(nsOf(`fork 512 pages, 64 VMAs, ${entries}`) / untouched).toBeLessThan(1.2); // for 32768 entries
    expect(nsOf('punch.one 512 pages, 64 VMAs, clean') / nsOf('punch 512 pages, 64 VMAs, clean')).toBeLessThan(0.35);
    const [alone, elsewhere] = [nsOf('punch 512 pages, 8 VMAs, clean'), nsOf('punch 512 pages, 4 VMAs, clean, 2 processes')];
    expect(elsewhere / alone).toBeLessThan(0.75); // as many mappings, half of them of a process that sleeps
    expect(nsOf('sigbus 1 pages, 1 VMAs') / nsOf('efault 1 pages, 1 VMAs')).toBeGreaterThan(1.8);
  });
});
