/**
 * How columns of the summary tables are written down. Which way is better comes from the registry of a family's metrics; what a column
 * adds to it is how the figure is taken of a whole row, and its place on paper.
 */
import { figureAt, type Metric } from '../harness/metrics.ts';
import { ABSENT, formatCount, formatFigure, formatPercent } from './numbers.ts';
import { latencies, total, totalOf, type SummaryRow } from './rows.ts';

export interface Column {
  /** Lines of the header; the last one is the unit, where there is one. */
  readonly head: readonly string[];
  readonly better: 'less' | 'more' | 'neither';
  /** The figure that is compared; null where the row has none. */
  readonly figure: (row: SummaryRow) => number | null;
  readonly text: (row: SummaryRow) => string;
}

/** Columns that stand side by side: a table, however it is drawn. */
export interface Block {
  readonly columns: readonly Column[];
  /** Whether the rows have anything to say in it; default: always. */
  readonly isShown?: (rows: readonly SummaryRow[]) => boolean;
}

/** Lines of columns for the metrics of one family. */
export interface ColumnLines {
  /** @param metric its path; it says which way is better */
  readonly column: (head: readonly string[], metric: string, figure: Column['figure'], format: (figure: number) => string) => Column;
  /** The sum of a count over the cells of a row. */
  readonly countColumn: (head: readonly string[], metric: string) => Column;
  /** The sum of all counts of a section such as `errors.mmap`. */
  readonly countsColumn: (head: readonly string[], metric: string) => Column;
  /** One count for each of another: the sums of the row are divided. */
  readonly perColumn: (head: readonly string[], metric: string, per: string) => Column;
  /** One count as per cent of another. */
  readonly shareColumn: (head: readonly string[], metric: string, whole: string) => Column;
  /** A percentile of a latency, in microseconds. */
  readonly latencyColumn: (head: readonly string[], latency: string, key: 'p50' | 'p99') => Column;
  /** The most that any cell of the row had, in the unit that `scale` of it makes. */
  readonly mostColumn: (head: readonly string[], metric: string, scale?: number) => Column;
  readonly betterOf: (metric: string) => Column['better'];
}

const PERCENT_OF = { p50: 50, p99: 99 } as const;

/** @throws Error from a line about a metric that there is not */
export function columnLines(metrics: readonly Metric[]): ColumnLines {
  const betterOf = (path: string): Column['better'] => {
    const metric = metrics.find((candidate) => candidate.path.join('.') === path);
    if (metric === undefined) throw new Error(`no metric ${path}`);
    return metric.better;
  };
  const column: ColumnLines['column'] = (head, metric, figure, format) => ({
    head,
    better: betterOf(metric),
    figure,
    text(row) {
      const value = figure(row);
      return value === null ? ABSENT : format(value);
    },
  });
  const totalAt = (row: SummaryRow, metric: string): number => total(row, ...metric.split('.'));
  const ifAny = (row: SummaryRow, figure: (row: SummaryRow) => number): number | null => (row.cells.length === 0 ? null : figure(row));
  return {
    betterOf,
    column,
    countColumn: (head, metric) => column(head, metric, (row) => ifAny(row, () => totalAt(row, metric)), formatCount),
    countsColumn: (head, metric) => column(head, metric, (row) => ifAny(row, () => totalOf(row, ...metric.split('.'))), formatCount),
    perColumn: (head, metric, per) => column(head, metric, (row) => ratio(totalAt(row, metric), totalAt(row, per)), formatFigure),
    shareColumn: (head, metric, whole) => column(head, metric, (row) => ratio(totalAt(row, metric), totalAt(row, whole)), formatPercent),
    latencyColumn(head, latency, key) {
      const figure = (row: SummaryRow): number | null => latencies(row, latency).percentile(PERCENT_OF[key]);
      return column(head, `latencyNs.${latency}.${key}`, figure, (ns) => formatFigure(ns / 1000));
    },
    mostColumn: (head, metric, scale = 1) =>
      column(head, metric, (row) => ifAny(row, ({ cells }) => Math.max(...cells.map(({ deterministic }) => figureAt(deterministic, ...metric.split('.')) ?? 0)) * scale), formatFigure),
  };
}

/**
 * Every workload weighs the same, as if each ran for one virtual second: in a ratio of sums, one workload in which a policy
 * waits for a long-lived pin would be the whole figure.
 */
export function workPerVirtualSecond(row: SummaryRow): number | null {
  const rates = row.cells.map(({ deterministic }) => figureAt(deterministic, 'workPerVirtualSecond')).filter((rate) => rate !== null);
  return ratio(rates.reduce((sum, rate) => sum + rate, 0), rates.length);
}

export const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** Verdicts come from exhaustive exploration, never from what a simulation happened to see. */
export const SAFE_COLUMN: Column = { head: ['safe'], better: 'neither', figure: () => null, text: safeText };

/** In the width that the table has left: the name of a litmus goes on below, broken at its hyphens. */
function safeText({ safe }: SummaryRow): string {
  const lines = [''];
  for (const part of safe.match(/[^ -]+[ -]?/g) ?? []) {
    const last = lines[lines.length - 1];
    if (`${last}${part}`.trimEnd().length <= SAFE_WIDTH) lines[lines.length - 1] = `${last}${part}`;
    else lines.push(part);
  }
  // The table puts room for a mark behind the last line; the others stand as far to the left.
  return lines.map((line) => line.trimEnd()).filter((line) => line !== '').join(' \n');
}
const SAFE_WIDTH = 14;
