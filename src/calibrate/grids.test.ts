import { describe, expect, test } from 'vitest';
import { placesOf } from './grids.ts';
import { OPERATIONS_MEASURED, placeName } from './points.ts';
import { VM_OPERATIONS } from './virtualMachine.ts';

describe.each([true, false])('the grid (quick: %s)', (quick) => {
  const places = placesOf({ quick, cpus: 2, vmOperations: VM_OPERATIONS });
  test('has every operation, and no place twice', () => {
    expect(new Set(places.map(({ operation }) => operation))).toEqual(new Set(Object.keys(OPERATIONS_MEASURED)));
    expect(new Set(places.map(placeName)).size).toBe(places.length);
  });
  test('has no dirty entries where there are none, except in a fault, which makes them', () => {
    expect(places.filter(({ operation, dirty, touched }) => dirty && !touched && !/^(?:fault|populate)/.test(operation))).toEqual([]);
  });
  test('asks for no more CPUs than there are', () => {
    expect(Math.max(...places.map(({ cpus }) => cpus))).toBe(2);
    expect(Math.max(...placesOf({ quick, cpus: 1 }).map(({ cpus }) => cpus))).toBe(1);
  });
});

test('what a KVM cannot do is in no grid, and what it can takes few places, of four sizes', () => {
  const sizes = (quick: boolean) => placesOf({ quick, cpus: 2, vmOperations: VM_OPERATIONS }).filter(({ operation }) => VM_OPERATIONS.some((one) => one === operation)).map(({ operation, pages }) => `${operation} ${pages}`);
  const expected = [['stage2.fault', 2], ['stage2.punch', 3], ['convert.private', 2], ['convert.shared', 2]] as const;
  for (const quick of [true, false]) {
    expect(sizes(quick)).toEqual(expected.flatMap(([operation, surroundings]) => Array.from({ length: surroundings }, () => [1, 32, 128, 512].map((pages) => `${operation} ${pages}`)).flat()));
    const without = placesOf({ quick, cpus: 2 });
    expect(placesOf({ quick, cpus: 2, vmOperations: VM_OPERATIONS }).slice(0, without.length)).toEqual(without);
  }
});

test('the whole grid has holes of 1 to 512 pages under 1 to 64 VMAs, untouched, clean and dirty', () => {
  const holes = placesOf({ quick: false, cpus: 1 }).filter(({ operation, vmas, processes }) => operation === 'punch' && vmas > 0 && processes === 1);
  expect(holes).toHaveLength(17 * 12 * 3);
  for (const pages of [1, 512]) for (const vmas of [1, 64]) expect(holes.filter((place) => place.pages === pages && place.vmas === vmas)).toHaveLength(3);
});
