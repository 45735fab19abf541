/** The columns of the conversion family's tables. */
import { CONVERSION_METRICS } from '../harness/families/conversionMetrics.ts';
import { figureAt } from '../harness/metrics.ts';
import type { Histogram } from '../simulate/histogram.ts';
import { SAFE_COLUMN, columnLines, ratio, workPerVirtualSecond, type Block, type Column } from './columnLines.ts';
import { ABSENT, formatCount, formatFigure, formatPercent } from './numbers.ts';
import { countsOf, latencies, total, type SummaryRow } from './rows.ts';

const { column, countColumn, countsColumn, betterOf } = columnLines(CONVERSION_METRICS);

/** What each policy costs those who do nothing wrong. */
export const COST_COLUMNS: readonly Column[] = [
  column(['completed', 'work', 'pages/s'], 'workPerVirtualSecond', workPerVirtualSecond, formatFigure),
  column(['accesses', 'completed', '%'], 'completed', (row) => ratio(total(row, 'completed'), total(row, 'accesses')), formatPercent),
  percentileColumn(['to-private', 'p50', 'us'], 50, 'p50'),
  percentileColumn(['to-private', 'p99', 'us'], 99, 'p99'),
  column(['granted', '%'], 'conversions.toPrivate.succeeded', perRequest('conversions', 'toPrivate', 'succeeded'), formatPercent),
  column(['VMAs', 'visited', '/request'], 'rmap.vmasVisited', perRequest('rmap', 'vmasVisited'), formatFigure),
  column(['entries', 'zapped', '/request'], 'rmap.entriesZapped', perRequest('rmap', 'entriesZapped'), formatFigure),
  countColumn(['TLB', 'flushes'], 'tlb.flushes'),
  countColumn(['TLB', 'IPIs'], 'tlb.ipis'),
  column(['bystander', 'time', '%'], 'bystanderNs', (row) => ratio(total(row, 'bystanderNs'), total(row, 'virtualNs')), formatPercent),
];

/** Whom each policy turns away, and what it lets through. */
export const CONTRACT_COLUMNS: readonly Column[] = [
  countColumn(['SIGBUS'], 'signals.SIGBUS'),
  countColumn(['SIGSEGV'], 'signals.SIGSEGV'),
  { ...countsColumn(['attempts', 'refused'], 'conversions.toPrivate.refused'), text: refusals },
  countsColumn(['mmap', 'failures'], 'errors.mmap'),
  countsColumn(['GUP', 'failures'], 'errors.gup'),
  countColumn(['degraded', 'accesses'], 'degraded'),
  { ...countColumn(['rogue', 'accesses'], 'safety.rogueAccesses'), text: (row) => noneSeen(row, 'rogueAccesses') },
  { ...countColumn(['exposures'], 'safety.exposures'), text: (row) => noneSeen(row, 'exposures') },
  SAFE_COLUMN,
];

/**
 * What each policy holds in memory, and what it leaves the guest of its large leaves. Means are over virtual time; every cell weighs the
 * same in them, and the most is that of the cell that had most.
 */
export const MEMORY_COLUMNS: readonly Column[] = [
  column(['huge', 'coverage', 'mean %'], 'memory.hugeCoverageMean', meanOf('hugeCoverageMean'), formatPercent),
  column(['guest TLB', 'misses', '% accesses'], 'guestTlbMisses', (row) => ratio(total(row, 'guestTlbMisses'), total(row, 'operations', 'guest.access')), formatPercent),
  column(['struct pages', 'no HVO', 'mean MiB'], 'memory.vmemmapMeanBytes', inMebibytes(meanOf('vmemmapMeanBytes')), formatFigure),
  column(['struct pages', 'with HVO', 'mean MiB'], 'memory.vmemmapHvoMeanBytes', inMebibytes(meanOf('vmemmapHvoMeanBytes')), formatFigure),
  column(['page tables', 'of the host', 'most MiB'], 'memory.pageTableMaxBytes', inMebibytes(mostOf('pageTableMaxBytes')), formatFigure),
  column(['guest memory', 'held twice', 'most MiB'], 'memory.doubleMaxBytes', inMebibytes(mostOf('doubleMaxBytes')), formatFigure),
  column(['peak', 'memory', 'MiB'], 'memory.peakBytes', inMebibytes(mostOf('peakBytes')), formatFigure),
];

/** What the conversions of some do to the work of others. */
export const INTERFERENCE_COLUMNS: readonly Column[] = [
  column(['blocked by', 'invalidate_lock', 'us/request'], 'lockBlockedNs', (row) => blockedUs(row, 'invalidate'), formatFigure),
  column(['blocked by', 'mmap_lock', 'us/request'], 'lockBlockedNs', (row) => blockedUs(row, 'mmap'), formatFigure),
  column(['interrupted', 'us/request'], 'bystanderNs', (row) => perConversionUs(row, total(row, 'bystanderNs')), formatFigure),
  column(['lost by others', 'us/conversion'], 'lostNsPerConversion', (row) => lostUs(row), formatFigure),
];

/** The tables of a group of rows, in their order. */
export const BLOCKS: readonly Block[] = [{ columns: COST_COLUMNS }, { columns: CONTRACT_COLUMNS }, { columns: MEMORY_COLUMNS, isShown: differInMemory }, { columns: INTERFERENCE_COLUMNS, isShown: someoneWaits }];

/**
 * Percentile over all requests. One that was given up is known to have lasted until then and no more, so the percentile lies
 * between two bounds: as if all of those had been granted at that moment, and as if they never had been. Where the bounds
 * differ, the lower one stands behind a `>`, and the upper one is what competes: giving up early must not pay.
 */
function percentileColumn(head: readonly string[], percent: number, key: 'p50' | 'p99'): Column {
  return {
    head,
    better: betterOf(`latencyNs.toPrivate.${key}`),
    figure: (row) => percentileBounds(row, percent)?.most ?? null,
    text(row) {
      const bounds = percentileBounds(row, percent);
      if (bounds === null) return ABSENT;
      return `${bounds.most > bounds.least ? '>' : ''}${formatFigure(bounds.least / 1000)}`;
    },
  };
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** All to-private requests of a row in one histogram: one that was given up counts with the time until then, which is the least it would have taken. */
export function requestLatencies(row: SummaryRow): Histogram {
  const known = REQUEST_LATENCIES.get(row);
  if (known !== undefined) return known;
  const requests = latencies({ cells: row.cells.filter(hasGivenUp) }, 'abandoned');
  requests.merge(latencies(row, 'toPrivate'));
  REQUEST_LATENCIES.set(row, requests);
  return requests;
}
/** Asked for often: a percentile at a time. */
const REQUEST_LATENCIES = new WeakMap<SummaryRow, Histogram>();

/** In ns; `most` is infinite where so many were given up. Null where there was no request. */
function percentileBounds(row: SummaryRow, percent: number): Bounds | null {
  const granted = latencies(row, 'toPrivate');
  const requests = requestLatencies(row);
  const least = requests.percentile(percent);
  if (least === null) return null;
  const rank = Math.ceil((percent * requests.count) / 100);
  let seen = 0;
  for (const [upperEdgeNs, count] of granted.pairs()) {
    seen += count;
    if (seen >= rank) return { least, most: upperEdgeNs };
  }
  return { least, most: Infinity };
}

function perRequest(...path: readonly string[]): (row: SummaryRow) => number | null {
  return (row) => ratio(total(row, ...path), total(row, 'conversions', 'toPrivate', 'requested'));
}

/** Small folios in one memory hold the same under every policy; large ones, and a second memory, are what a table is for. */
function differInMemory(rows: readonly SummaryRow[]): boolean {
  return rows.some((row) => total(row, 'memory', 'doubleMaxBytes') > 0 || row.cells.some(({ params: { folio } }) => folio !== '4K'));
}

type MemoryFigure = 'hugeCoverageMean' | 'vmemmapMeanBytes' | 'vmemmapHvoMeanBytes' | 'pageTableMaxBytes' | 'doubleMaxBytes' | 'peakBytes';

function meanOf(figure: MemoryFigure): Column['figure'] {
  return (row) => ratio(total(row, 'memory', figure), row.cells.length);
}

function mostOf(figure: MemoryFigure): Column['figure'] {
  return ({ cells }) => (cells.length === 0 ? null : Math.max(...cells.map(({ deterministic }) => figureAt(deterministic, 'memory', figure) ?? 0)));
}

function inMebibytes(bytes: Column['figure']): Column['figure'] {
  return (row) => {
    const figure = bytes(row);
    return figure === null ? null : figure / MEBIBYTE;
  };
}
const MEBIBYTE = 1 << 20;

/** Below a tenth of a microsecond a request the columns would say nothing. */
function someoneWaits(rows: readonly SummaryRow[]): boolean {
  return rows.some((row) => !row.isMeasure && (blockedUs(row, 'invalidate') ?? 0) + (blockedUs(row, 'mmap') ?? 0) >= 0.1);
}

const blockedNs = (row: SummaryRow, lock: 'invalidate' | 'mmap'): number => countsOf(row, 'lockBlockedNs')[lock] ?? 0;
const blockedUs = (row: SummaryRow, lock: 'invalidate' | 'mmap'): number | null => perConversionUs(row, blockedNs(row, lock));

const conversions = (row: SummaryRow, figure: 'requested' | 'succeeded'): number => total(row, 'conversions', 'toPrivate', figure) + total(row, 'conversions', 'toShared', figure);
const perConversionUs = (row: SummaryRow, ns: number): number | null => ratio(ns / 1000, conversions(row, 'requested'));
const lostUs = (row: SummaryRow): number | null => ratio(total(row, 'lostNs') / 1000, conversions(row, 'succeeded'));

/** `abandoned` holds requests of both directions: it counts only where one of the to-private ones is in it. */
function hasGivenUp(cell: SummaryRow['cells'][number]): boolean {
  const one = { cells: [cell] };
  return total(one, 'conversions', 'toPrivate', 'gaveUp') + total(one, 'conversions', 'toPrivate', 'timedOut') > 0;
}

/** `EAGAIN 12.3k`, `EPERM 4`: a line each, the most frequent first. */
function refusals(row: SummaryRow): string {
  if (row.cells.length === 0) return ABSENT;
  const refused = Object.entries(countsOf(row, 'conversions', 'toPrivate', 'refused'));
  if (refused.length === 0) return '0';
  return refused
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .map(([errno, count]) => `${errno} ${formatCount(count)}`)
    .join('\n');
}

/** A simulation shows that something happens, never that it cannot. */
function noneSeen(row: SummaryRow, figure: 'rogueAccesses' | 'exposures'): string {
  if (row.cells.length === 0) return ABSENT;
  const count = total(row, 'safety', figure);
  return count === 0 ? 'none seen' : formatCount(count);
}
