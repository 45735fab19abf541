import { describe, expect, test } from 'vitest';
import { recordOf } from '../../../test/tools/cells.ts';
import { groupCells } from '../rows.ts';
import { unsharingReport } from './unsharing.ts';

const SMALL = '--family unsharing --memory 4MiB --accesses 1000';
const groupsOf = async (workloads: string) => {
  const record = await recordOf(`${SMALL} --workload ${workloads}`);
  return { record, groups: groupCells(record, 'label') };
};

describe('the tables of unsharing', () => {
  test('are what a policy promises, what it costs, and what it copies', () => {
    expect(unsharingReport.blocks.map(({ columns }) => columns.map(({ head }) => head.join(' ')))).toEqual([
      ['pages pinned', 'pins refused', 'stale reads', 'unpinned, not exclusive', 'safe'],
      ['completed work pages/s', 'pin p50 us', 'pin p99 us', 'write fault p50 us', 'fork p50 us', 'faults'],
      ['copies by fork', 'copies by write faults', 'copies by unsharing', 'copied MiB', 'pages reused', 'PMDs split'],
    ]);
  });

  test('have a figure for each row, and none where no cell has one', async () => {
    const { groups: [{ rows }] } = await groupsOf('fork-server,memory-pressure');
    const [ignores, fails, unshares] = rows;
    expect(rows.map(({ policy }) => policy)).toEqual(['ignore-and-pin', 'fail-to-pin', 'unshare-and-pin']);
    const [[, refused, stale], , [, byFaults, byUnsharing, copied]] = unsharingReport.blocks.map(({ columns }) => columns);
    const isSome = ({ figure }: typeof refused): readonly boolean[] => rows.map((row) => Number(figure(row)) > 0);
    expect([isSome(refused), isSome(stale), isSome(byUnsharing), isSome(byFaults)]).toEqual([[false, true, false], [true, false, false], [false, false, true], [true, true, true]]);
    // 256 pages are a MiB; nothing else copies in these workloads.
    const pages = Number(byFaults.figure(unshares)) + Number(byUnsharing.figure(unshares));
    expect([Number(copied.figure(unshares)), copied.figure(ignores), copied.figure(fails)]).toEqual([pages / 256, Number(byFaults.figure(ignores)) / 256, Number(byFaults.figure(fails)) / 256]);
    const none = { ...ignores, cells: [] };
    for (const { columns } of unsharingReport.blocks) expect(columns.every(({ figure }) => figure(none) === null)).toBe(true);
  });

  test('say under them what was read by FOLL_GET, where anything was', async () => {
    const piped = await groupsOf('vmsplice-pipe');
    const [line, ...others] = unsharingReport.footerLines(piped.record, piped.groups);
    expect([line.startsWith('pages read through FOLL_GET (vmsplice) that were not what the process saw: '), others]).toEqual([true, []]);
    const served = await groupsOf('fork-server');
    expect(unsharingReport.footerLines(served.record, served.groups)).toEqual([]);
  });
});
