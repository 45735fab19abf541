/**
 * Rows of a comparison: the cells of one policy under one check, merged over workloads and seeds.
 *
 * Counts add up and histograms merge bucket by bucket. A ratio is taken of the sums, but for completed work, where every
 * cell weighs the same (columns.ts).
 */
import { chosenText } from '../harness/choices.ts';
import type { Experiment, Row } from '../harness/experiment.ts';
import { familyNamed, labelOf } from '../harness/families/index.ts';
import { figureAt, type Deterministic } from '../harness/metrics.ts';
import type { CellResult, ResultsRecord, SucceededCell } from '../harness/record.ts';
import { nothingChecked, type Safety } from '../harness/verdicts.ts';
import { Histogram, type BucketPair } from '../simulate/histogram.ts';

export interface SummaryRow extends Row {
  readonly family: string;
  /** A measure stands beside the policies and competes with none: the harness itself, or what no safe policy can beat. */
  readonly isMeasure: boolean;
  readonly cells: readonly SucceededCell[];
  /** Cells of this row that failed, or that had not been run when the record was written. */
  readonly missing: number;
  /** What exploration says of this policy under this check: `proved`, `broken: NAME`, `stale`, `not checked`. */
  readonly safe: string;
}

/** What one table shows: rows that were given the same requests, and so can be compared. */
export interface Group {
  readonly label: string;
  /** What its runs have in common, in words. */
  readonly meaning: string;
  /** Workloads that the rows are merged over. */
  readonly workloads: readonly string[];
  readonly rows: readonly SummaryRow[];
}

/** Rows that stand beside the policies: the harness itself, and what no safe policy can beat. */
export const MEASURES: ReadonlySet<string> = new Set(['null', 'lower-bound']);

/** One group a label, or one a label and workload; labels and workloads in the order of the plan. */
export function groupCells({ experiment, cells }: ResultsRecord, by: 'label' | 'workload', safety: Safety = nothingChecked): readonly Group[] {
  return Object.entries(familyNamed(experiment.family).labels).flatMap(([label, meaning]) => {
    const workloads = workloadsOf(experiment, label);
    const sets = by === 'workload' ? workloads.map((workload) => [workload]) : workloads.length > 0 ? [workloads] : [];
    return sets.map((set) => ({ label, meaning, workloads: set, rows: experiment.rows.map((row) => ({ ...summarize(row, experiment, cells, label, set), safe: safetyOfRow(row, experiment.family, safety) })) }));
  });
}

const workloadsOf = ({ family, runs }: Experiment, label: string): readonly string[] => [
  ...new Set(runs.filter(({ params }) => labelOf({ family, params }) === label).map(({ workload }) => workload)),
];

function summarize({ policy, check, choices }: Row, { family, runs, seeds }: Experiment, all: readonly CellResult[], label: string, workloads: readonly string[]): Omit<SummaryRow, 'safe'> {
  const isShown = (workload: string, params: CellResult['params']) => labelOf({ family, params }) === label && workloads.includes(workload);
  const planned = runs
    .filter(({ workload, params }) => isShown(workload, params))
    .reduce((count, { params }) => count + (params.accesses === null ? 1 : seeds.length), 0);
  const cells = all
    .filter((cell) => isOfRow(cell, { policy, check, ...(choices === undefined ? {} : { choices }) }) && isShown(cell.workload, cell.params))
    .filter((cell) => cell.status === 'ok');
  return { family, policy, check, ...(choices === undefined ? {} : { choices }), isMeasure: MEASURES.has(policy), cells, missing: planned - cells.length };
}

/** Rows of one policy under one check differ in what was chosen. */
const isOfRow = (cell: Row, row: Row): boolean => cell.policy === row.policy && cell.check === row.check && chosenText(cell.choices ?? {}) === chosenText(row.choices ?? {});

/** A measure is no proposal: nobody asks whether it is safe. What is committed was found with the defaults of every choice. */
const safetyOfRow = ({ policy, check, choices }: Row, family: string, safety: Safety): string => (MEASURES.has(policy) || choices !== undefined ? nothingChecked(policy, check) : safety(policy, check, family));

/** Sum of a figure over the cells of a row. */
export function total({ cells }: Pick<SummaryRow, 'cells'>, ...path: readonly string[]): number {
  return cells.reduce((sum, { deterministic }) => sum + (figureAt(deterministic, ...path) ?? 0), 0);
}

/** Sum of all counts of a section such as `errors.mmap`. */
export function totalOf({ cells }: Pick<SummaryRow, 'cells'>, ...path: readonly string[]): number {
  return Object.values(countsOf({ cells }, ...path)).reduce((sum, count) => sum + count, 0);
}

/** The counts of a section by key, summed over the cells of a row. */
export function countsOf({ cells }: Pick<SummaryRow, 'cells'>, ...path: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { deterministic } of cells) {
    for (const [key, count] of Object.entries(sectionAt(deterministic, path))) counts[key] = (counts[key] ?? 0) + Number(count);
  }
  return counts;
}

function sectionAt(deterministic: Deterministic, path: readonly string[]): Deterministic {
  return path.reduce((section, key) => section[key] as Deterministic, deterministic);
}

/** The latencies of a row in one histogram. */
export function latencies({ cells }: Pick<SummaryRow, 'cells'>, ...names: readonly string[]): Histogram {
  const merged = new Histogram();
  for (const { deterministic } of cells) {
    for (const name of names) merged.merge(readHistogram(sectionAt(deterministic, ['latencyNs', name])));
  }
  return merged;
}

function readHistogram({ histogram, min, mean, max }: Deterministic): Histogram {
  const summary = min === null ? null : { minNs: Number(min), meanNs: Number(mean), maxNs: Number(max) };
  return Histogram.fromPairs(histogram as readonly BucketPair[], summary);
}
