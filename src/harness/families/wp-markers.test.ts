import { describe, expect, test } from 'vitest';
import { cellOf } from '../../../test/tools/cells.ts';
import { figureAt, valueAt } from '../metrics.ts';
import { wpMarkers } from './wp-markers.ts';

const SMALL = '--family wp-markers --memory 8MiB --accesses 2000';

describe('the facts of wp-markers', () => {
  test('are one label, threads as the only parameter of its own, and a figure that a sweep draws', () => {
    expect([wpMarkers.params, Object.keys(wpMarkers.labels), wpMarkers.takesModules]).toEqual([['memoryBytes', 'vcpus', 'accesses'], ['wp-markers'], false]);
    expect(wpMarkers.metrics.map(({ path }) => path.join('.'))).toContain(wpMarkers.sweepMetric);
    const paths = wpMarkers.metrics.map(({ path }) => path.join('.'));
    expect(new Set(paths).size).toBe(paths.length);
  });

  test('tell what a policy loses and what it keeps', async () => {
    const [lost, kept] = await Promise.all(['drop', 'pte-marker'].map(async (policy) => (await cellOf(`${SMALL} --policy ${policy} --workload snapshot`)).deterministic));
    expect([figureAt(lost, 'kept', 'entriesMax'), figureAt(lost, 'kept', 'tableMaxBytes')]).toEqual([0, 0]);
    expect([figureAt(lost, 'lostWrites') === 0, figureAt(kept, 'lostWrites')]).toEqual([false, 0]);
    // Everything that reclaim took while it was protected, and page tables of 4 KiB for it: the memory has four.
    expect(figureAt(kept, 'kept', 'entriesMax')).toBeGreaterThan(0);
    expect(figureAt(kept, 'kept', 'tableMaxBytes')).toBe(4 * 4096);
    expect(figureAt(kept, 'memory', 'pageTableMaxBytes')).toBe(4 * 4096);
  });

  test('count special cases by the place that met them: swap entries under markers, present ones and hints under PROTNONE', async () => {
    const placesOf = async (policy: string): Promise<readonly string[]> => {
      const { deterministic } = await cellOf(`${SMALL} --policy ${policy} --workload numa-balancing`);
      return Object.entries(valueAt(deterministic, ['specialCases']) as Readonly<Record<string, number>>).filter(([, count]) => count > 0).map(([place]) => place);
    };
    expect(await placesOf('drop')).toEqual([]);
    expect(await placesOf('pte-marker')).toEqual(['none', 'swap', 'fault']);
    expect(await placesOf('protnone-zero-page')).toEqual(['none', 'present', 'numa', 'gup', 'fault']);
  });
});
