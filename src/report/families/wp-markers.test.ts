import { describe, expect, test } from 'vitest';
import { recordOf } from '../../../test/tools/cells.ts';
import { groupCells } from '../rows.ts';
import { wpMarkersReport } from './wp-markers.ts';

const rowsOf = async () => groupCells(await recordOf('--family wp-markers --memory 8MiB --accesses 1000 --workload snapshot,sparse-database'), 'label')[0].rows;

describe('the tables of wp-markers', () => {
  test('are what a policy costs, what it loses and keeps, and which places had to know', () => {
    expect(wpMarkersReport.blocks.map(({ columns }) => columns.map(({ head }) => head.join(' ')))).toEqual([
      ['completed work pages/s', 'faults', 'fault p50 us', 'fault p99 us', 'wp fault p50 us', 'zap p99 us', 'reclaim p99 us', 'fork p50 us', 'fork p99 us'],
      ['lost protections', 'missed by scans', 'events', 'spurious events', 'kept entries mean', 'kept entries most', 'their tables mean KiB', 'their tables most KiB', 'special cases', 'safe'],
      ['empty?', 'swap entry?', 'present?', 'NUMA hint?', 'fork', 'GUP', 'pagemap', 'fault'],
    ]);
  });

  test('have a figure for each row, and none where no cell has one', async () => {
    const rows = await rowsOf();
    expect(rows.map(({ policy }) => policy)).toEqual(['drop', 'pte-marker', 'protnone-zero-page']);
    const [, [lost, , , , mean, most, tables, , special]] = wpMarkersReport.blocks.map(({ columns }) => columns);
    const [drop, marker] = rows;
    expect([lost.figure(drop) === 0, lost.figure(marker), mean.figure(drop), tables.figure(drop), special.figure(drop)]).toEqual([false, 0, 0, 0, 0]);
    // Means over the cells of a row; the most of any of them.
    expect(Number(most.figure(marker))).toBeGreaterThan(Number(mean.figure(marker)));
    const none = { ...drop, cells: [] };
    for (const { columns } of wpMarkersReport.blocks) expect(columns.every(({ figure }) => figure(none) === null)).toBe(true);
  });

  test('come with what their words mean', async () => {
    const record = await recordOf('--family wp-markers --memory 8MiB --accesses 100 --workload snapshot');
    expect(wpMarkersReport.footerLines(record, []).map((line) => line.split(':')[0])).toEqual(['lost protections', 'missed by scans', 'special cases']);
  });
});
