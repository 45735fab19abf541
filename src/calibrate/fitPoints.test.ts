import { describe, expect, test } from 'vitest';
import { OPERATIONS } from '../model/operations.ts';
import { UserError } from '../model/userError.ts';
import { loadCostProfile, parseCostProfile } from '../simulate/costs.ts';
import { predictNs } from './fit.ts';
import { errorFigures, fitPoints } from './fitPoints.ts';
import type { CheckedPoint } from './fitPoints.ts';
import { placesOf } from './grids.ts';
import { isMixed } from './mixed.ts';
import { POINTS_SCHEMA } from './points.ts';
import type { Place, Point, PointsRecord } from './points.ts';
import { predict } from './predict.ts';
import { formatProfile } from './profile.ts';
import { TERMS } from './terms.ts';
import { formatValidation } from './validationTable.ts';
import { VM_OPERATIONS } from './virtualMachine.ts';

const published = loadCostProfile('published-x86');

/** A machine on which everything costs three times what is published, and a flush is a microsecond dearer. */
const priceNs = Float64Array.from(published.priceNs, (ns) => 3 * ns);
priceNs[OPERATIONS.findIndex(({ name }) => name === 'tlb.flush')] += 1000;
const termNs = TERMS.map((_, at) => 10 * at);

const pointsOf = (places: readonly Place[]): readonly Point[] => places.flatMap((place) => {
  const prediction = predict(place, 'guest_memfd');
  if (prediction === null) return [];
  return [{ ...place, backing: 'guest_memfd' as const, ns: predictNs(prediction.counts, priceNs) + predictNs(prediction.terms, termNs), spread: 1, runs: 20 }];
});
const points = pointsOf(placesOf({ quick: true, cpus: 2 }));

const record: PointsRecord = {
  schema: POINTS_SCHEMA,
  tool: { version: '0.1.0' },
  environment: { node: 'v20', platform: 'linux', arch: 'x64', cpuModel: 'a CPU', cpus: 2, kernel: '6.18' },
  hypervisor: 'none: bare metal',
  backing: 'guest_memfd',
  date: '2026-11-21',
  quick: true,
  behaviours: [],
  notMeasured: [],
  points,
};

const isOfGrid = ({ point }: CheckedPoint): boolean => !isMixed(point.operation);

describe('the fit of a grid', () => {
  const fitted = fitPoints(points, published);

  test('predicts every point of a machine that does what the model does, those that it did not see too', () => {
    expect(fitted.checked).toHaveLength(points.length);
    const unseen = fitted.checked.filter(({ heldBack }) => heldBack !== null);
    expect(unseen.length).toBeGreaterThan(20);
    // Whole sequences are longer than any place of the grid: what prices are drawn by adds up.
    expect(errorFigures(unseen.filter(isOfGrid)).largestPercent).toBeLessThan(2);
    expect(errorFigures(unseen).largestPercent).toBeLessThan(4);
  });

  test('finds a price that the grid tells apart: a flush', () => {
    const flush = fitted.fit.prices.find(({ operation }) => operation === 'tlb.flush');
    // A notifier comes with nearly every flush, and is drawn towards what it cost before.
    expect(Math.abs((flush?.ns ?? 0) / priceNs[OPERATIONS.findIndex(({ name }) => name === 'tlb.flush')] - 1)).toBeLessThan(0.02);
    expect(flush?.source).toBe('measured');
  });

  test('finds the prices of stage-2 where there is one: of a zap, and of a leaf; of a fault with what always comes with it; without one they stay', () => {
    const grid = placesOf({ quick: true, cpus: 1, vmOperations: VM_OPERATIONS });
    const withStage2 = fitPoints(pointsOf(grid.filter(({ operation, vmas }) => (operation === 'punch' && vmas <= 1) || /^(?:syscall|allocate|fault.minor|stage2|convert)/.test(operation))), published);
    const pricesIn = (some: typeof fitted, names: readonly string[]) => some.fit.prices.filter(({ operation }) => names.includes(operation));
    for (const names of [['stage2.zap'], ['stage2.map'], ['stage2.fault', 'lock.mmu', 'lock.folio', 'pageCache.lookup', 'folio.put']]) {
      const ns = pricesIn(withStage2, names).reduce((sum, price) => sum + price.ns, 0);
      const trueNs = priceNs.reduce((sum, price, at) => sum + (names.includes(OPERATIONS[at].name) ? price : 0), 0);
      expect(Math.abs(ns / trueNs - 1)).toBeLessThan(0.01);
      expect([pricesIn(withStage2, names)[0].source, pricesIn(fitted, names.slice(0, 1))[0].source]).toEqual(['measured', 'estimated']);
    }
    expect(errorFigures(withStage2.checked.filter(isOfGrid)).largestPercent).toBeLessThan(2);
    expect(withStage2.unknown).toEqual([]);
  });

  test('leaves points out whose runs disagree, and names them', () => {
    const noisy = points.map((point, at) => (at === 20 ? { ...point, ns: point.ns * 50, spread: point.ns * 40 } : point));
    const again = fitPoints(noisy, published);
    expect(again.unsteady).toEqual([noisy[20]]);
    expect(errorFigures(again.checked.filter(isOfGrid)).largestPercent).toBeLessThan(2);
  });

  test('tells of what the backing does not have, and predicts nothing there', () => {
    const strange: Point = { ...points[1], backing: 'memfd', operation: 'efault', pages: 1, vmas: 1 };
    const { unknown, checked } = fitPoints([...points, strange], published);
    expect([unknown, checked.length]).toEqual([[strange], points.length]);
    expect(formatValidation(record, { ...fitted, unknown }, false)).toContain('not predicted, because there is no such thing on a guest_memfd: efault (1 points)\n');
  });

  test('of a few points is refused', () => {
    expect(() => fitPoints(points.slice(0, 20), published)).toThrow(UserError);
  });

  test('becomes a profile that a run takes, with the price before where nothing was measured', () => {
    const profile = parseCostProfile(JSON.parse(formatProfile('here', record, fitted, published)), 'the profile');
    expect(profile).toMatchObject({ name: 'here', machine: 'a CPU, 2 CPUs', kernel: 'Linux 6.18', hypervisor: 'none: bare metal', date: '2026-11-21' });
    const priceOf = (name: string) => profile.prices.find(({ operation }) => operation === name);
    const ipc = published.prices.find(({ operation }) => operation === 'ipc');
    expect(priceOf('ipc')).toMatchObject({ ns: ipc?.ns, source: ipc?.source, reference: `Not measured here; as in published-x86: ${ipc?.reference ?? ''}` });
    expect(priceOf('tlb.flush')).toMatchObject({ source: 'measured', reference: 'Fitted to calls on a guest_memfd of this machine.' });
    expect(priceOf('fork')?.reference).toBe('Fitted to calls on a guest_memfd of this machine. The process had nothing but mappings of the file: a VMM has memory of its own, whose page tables a fork copies.');
    expect(priceOf('mmap')?.reference).toContain('as a part of mmap + vma.insert');
  });

  test('prints each point that is far off, and the figures of all', () => {
    const text = formatValidation(record, fitPoints(points.map((point, at) => (at === 30 ? { ...point, ns: point.ns * 2 } : point)), published), false);
    expect(text).toContain('predicted against measured: guest_memfd, Linux 6.18, a CPU, 2026-11-21, quick\n');
    expect(text.split('\n').filter((line) => /^punch .* -[45]\d\./.test(line))).toHaveLength(1);
    expect(text).toMatch(/^held back, 256 pages and 32 VMAs or more +9 /m);
    expect(formatValidation(record, fitted, true).split('\n').filter((line) => line.startsWith('punch'))).toHaveLength(points.filter(({ operation }) => operation.startsWith('punch')).length);
  });
});
