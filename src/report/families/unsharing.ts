/** The family `unsharing` in reports: what each policy promises, and what it costs. */
import { unsharing } from '../../harness/families/unsharing.ts';
import { SAFE_COLUMN, columnLines, workPerVirtualSecond, type Block, type Column } from '../columnLines.ts';
import { formatCount, formatFigure } from '../numbers.ts';
import { total, type Group, type SummaryRow } from '../rows.ts';
import type { FamilyReport } from './family.ts';

const { column, countColumn, latencyColumn } = columnLines(unsharing.metrics);

const MEBIBYTE = 1024 * 1024;

const PROMISE_COLUMNS: readonly Column[] = [
  countColumn(['pages', 'pinned'], 'pins.granted'),
  countColumn(['pins', 'refused'], 'pins.failed'),
  countColumn(['stale', 'reads'], 'pins.stale'),
  countColumn(['unpinned,', 'not exclusive'], 'pins.notExclusive'),
  SAFE_COLUMN,
];

const PRICE_COLUMNS: readonly Column[] = [
  column(['completed', 'work', 'pages/s'], 'workPerVirtualSecond', workPerVirtualSecond, formatFigure),
  latencyColumn(['pin', 'p50', 'us'], 'pin', 'p50'),
  latencyColumn(['pin', 'p99', 'us'], 'pin', 'p99'),
  latencyColumn(['write', 'fault', 'p50 us'], 'writeFault', 'p50'),
  latencyColumn(['fork', 'p50', 'us'], 'fork', 'p50'),
  countColumn(['faults'], 'faults'),
];

const COPY_COLUMNS: readonly Column[] = [
  countColumn(['copies', 'by fork'], 'copies.fork'),
  countColumn(['copies by', 'write faults'], 'copies.writeFault'),
  countColumn(['copies by', 'unsharing'], 'copies.unshare'),
  column(['copied', 'MiB'], 'copiedBytes.all', (row: SummaryRow) => (row.cells.length === 0 ? null : total(row, 'copiedBytes', 'all') / MEBIBYTE), formatFigure),
  countColumn(['pages', 'reused'], 'reused'),
  countColumn(['PMDs', 'split'], 'pmdSplits'),
];

const BLOCKS: readonly Block[] = [{ columns: PROMISE_COLUMNS }, { columns: PRICE_COLUMNS }, { columns: COPY_COLUMNS }];

export const unsharingReport: FamilyReport = {
  family: 'unsharing',
  blocks: BLOCKS,
  footerLines: (_record, groups) => getLines(groups),
};

/** Reads by FOLL_GET promise nothing, and are the same under every policy; no column says so. */
function getLines(groups: readonly Group[]): readonly string[] {
  const reads = groups.flatMap(({ rows }) => rows).reduce((sum, { cells }) => sum + total({ cells }, 'gets', 'stale'), 0);
  return reads === 0 ? [] : [`pages read through FOLL_GET (vmsplice) that were not what the process saw: ${formatCount(reads)} in all rows; a get promises no more`];
}
