/** The family `wp-markers` in reports: what each policy costs, and what it loses, keeps and has to know. */
import { wpMarkers } from '../../harness/families/wp-markers.ts';
import { figureAt } from '../../harness/metrics.ts';
import { SAFE_COLUMN, columnLines, ratio, workPerVirtualSecond } from '../columnLines.ts';
import type { Column } from '../columnLines.ts';
import { formatFigure } from '../numbers.ts';
import { total } from '../rows.ts';
import type { SummaryRow } from '../rows.ts';
import type { FamilyReport } from './family.ts';

const { column, countColumn, countsColumn, latencyColumn, mostColumn } = columnLines(wpMarkers.metrics);

const KIBIBYTES = 1 / 1024;

const COST: readonly Column[] = [
  column(['completed', 'work', 'pages/s'], 'workPerVirtualSecond', workPerVirtualSecond, formatFigure),
  countColumn(['faults'], 'faults'),
  latencyColumn(['fault', 'p50', 'us'], 'fault', 'p50'),
  latencyColumn(['fault', 'p99', 'us'], 'fault', 'p99'),
  latencyColumn(['wp fault', 'p50', 'us'], 'userfault', 'p50'),
  latencyColumn(['zap', 'p99', 'us'], 'zap', 'p99'),
  latencyColumn(['reclaim', 'p99', 'us'], 'reclaim', 'p99'),
  latencyColumn(['fork', 'p50', 'us'], 'fork', 'p50'),
  latencyColumn(['fork', 'p99', 'us'], 'fork', 'p99'),
];

const LOSSES: readonly Column[] = [
  countColumn(['lost', 'protections'], 'lostWrites'),
  countColumn(['missed', 'by scans'], 'missedWrites'),
  countColumn(['events'], 'events'),
  countColumn(['spurious', 'events'], 'spuriousEvents'),
  column(['kept', 'entries', 'mean'], 'kept.entriesMean', mean('kept', 'entriesMean'), formatFigure),
  mostColumn(['kept', 'entries', 'most'], 'kept.entriesMax'),
  column(['their', 'tables', 'mean KiB'], 'kept.tableMeanBytes', (row) => scaled(mean('kept', 'tableMeanBytes')(row)), formatFigure),
  mostColumn(['their', 'tables', 'most KiB'], 'kept.tableMaxBytes', KIBIBYTES),
  countsColumn(['special', 'cases'], 'specialCases'),
  SAFE_COLUMN,
];

/** How often each place had to know of kept entries. */
const PLACES: readonly Column[] = [
  placeColumn(['empty?'], 'none'),
  placeColumn(['swap', 'entry?'], 'swap'),
  placeColumn(['present?'], 'present'),
  placeColumn(['NUMA', 'hint?'], 'numa'),
  placeColumn(['fork'], 'fork'),
  placeColumn(['GUP'], 'gup'),
  placeColumn(['pagemap'], 'pagemap'),
  placeColumn(['fault'], 'fault'),
];

export const wpMarkersReport: FamilyReport = {
  family: 'wp-markers',
  blocks: [{ columns: COST }, { columns: LOSSES }, { columns: PLACES }],
  footerLines: () => [
    'lost protections: pages that were written while they were write-protected, and the monitor was not told; a page counts once until it is protected again',
    'missed by scans: written pages that a scan left out; of a page that was reclaimed meanwhile PAGEMAP_SCAN says nothing under any policy',
    'special cases: how often a place of the kernel met an entry that is kept for its bit and had to know it; they count, and have no price',
  ],
};

/** Every cell weighs the same. */
function mean(...path: readonly string[]): (row: SummaryRow) => number | null {
  return ({ cells }) => ratio(cells.reduce((sum, { deterministic }) => sum + (figureAt(deterministic, ...path) ?? 0), 0), cells.length);
}

function scaled(bytes: number | null): number | null {
  return bytes === null ? null : bytes * KIBIBYTES;
}

function placeColumn(head: readonly string[], place: string): Column {
  return column(head, 'specialCases', (row) => (row.cells.length === 0 ? null : total(row, 'specialCases', place)), (count) => String(count));
}
