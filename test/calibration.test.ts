/**
 * The committed grids of `foliobench calibrate --points`, held to what we promise of them: the model, with prices fitted to some of the
 * points, predicts the others. Needs no kernel feature. Skipped, and says so, while no grid is committed.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { errorFigures, fitPoints } from '../src/calibrate/fitPoints.ts';
import type { FittedPoints } from '../src/calibrate/fitPoints.ts';
import { readPoints } from '../src/calibrate/points.ts';
import { packageFolder } from '../src/harness/packageFolder.ts';
import { DEFAULT_COSTS, loadCostProfile } from '../src/simulate/costs.ts';

/** Most that the median of absolute errors may be, in per cent; and any error of a hole or a zap, clean or dirty, in one process on one CPU. */
const MEDIAN_PERCENT_MAX = { guest_memfd: 5, memfd: 10 } as const;
const LARGEST_PERCENT_MAX = 25;

const folder = path.join(packageFolder(), 'results', 'calibration');
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
const reason = files.length > 0 ? '' : ' (skipped: no grid is committed)';

describe.skipIf(files.length === 0)(`the committed grids${reason}`, () => {
  test('are of a guest_memfd and of a memfd, and thorough', () => {
    const records = files.map((name) => readPoints(path.join(folder, name)));
    expect(new Set(records.map(({ backing }) => backing))).toEqual(new Set(['guest_memfd', 'memfd']));
    expect(records.map(({ quick }) => quick)).not.toContain(true);
  });

  describe.each(files)('%s', (name) => {
    const record = readPoints(path.join(folder, name));
    let fitted: FittedPoints;
    beforeAll(() => {
      fitted = fitPoints(record.points, loadCostProfile(DEFAULT_COSTS));
    }, 120_000);

    test('has few points whose runs disagree', () => expect(fitted.unsteady.length).toBeLessThan(record.points.length / 50));
    test('is predicted, in the points that were held back and in all', () => {
      const holes = fitted.checked.filter(({ point: { operation, processes, cpus } }) => operation.startsWith('punch') && processes === 1 && cpus === 1);
      const unseen = holes.filter(({ heldBack }) => heldBack !== null);
      expect(unseen.length).toBeGreaterThan(100);
      for (const some of [holes, unseen, fitted.checked]) expect(errorFigures(some).medianPercent).toBeLessThanOrEqual(MEDIAN_PERCENT_MAX[record.backing]);
      expect(errorFigures(holes).largestPercent).toBeLessThanOrEqual(LARGEST_PERCENT_MAX);
    });
  });
});
