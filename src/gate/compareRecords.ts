/**
 * The gate on deterministic figures: two records of one experiment, figure by figure.
 *
 * Closed by default: every cell that the baseline's experiment promises has to be there, whole and once, on both sides; every figure
 * has to be the same, but for what a tolerance forgives. A figure that is better is told too, and is no PASS: the baseline has to follow.
 * Where the two were priced by different profiles nanoseconds cannot be compared, and counts still are.
 */
import { metricsOf } from '../harness/families/index.ts';
import { valueAt, type Deterministic, type Metric } from '../harness/metrics.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { verdictOf, type Finding, type Verdict } from './finding.ts';
import { EXACT, isTolerated, type Tolerances } from './tolerances.ts';
import type { WallClock } from './wallClock.ts';
import { expectedKeys, wholenessOf } from './wholeness.ts';

export interface Comparison {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  /** Cells and figures that were compared. */
  readonly cells: number;
  readonly figures: number;
  /** Where time was compared too. */
  readonly wallClock?: WallClock;
}

export function compareRecords(baseline: ResultsRecord, current: ResultsRecord, tolerances: Tolerances = EXACT): Comparison {
  const expected = expectedKeys(baseline);
  const before = wholenessOf(baseline, expected, 'the baseline');
  const after = wholenessOf(current, expected, 'the new run');
  const findings: Finding[] = [...before.findings, ...after.findings];
  const samePrices = baseline.experiment.costs.hash === current.experiment.costs.hash;
  if (!samePrices) findings.push({ kind: 'inconclusive', what: `${otherPrices(baseline, current)}: times were not compared` });
  const metrics = metricsOf(baseline.experiment.family).filter((metric) => samePrices || !dependsOnPrices(metric));
  let cells = 0;
  let figures = 0;
  for (const key of expected) {
    const [old, fresh] = [before.cells.get(key), after.cells.get(key)];
    if (old === undefined || fresh === undefined) continue;
    cells++;
    for (const metric of metrics) figures += compareMetric({ key, metric, tolerances, before: old.deterministic, after: fresh.deterministic }, findings);
  }
  return { verdict: verdictOf(findings, figures), findings, cells, figures };
}

/** A profile that was changed has the name that it had. */
function otherPrices({ experiment: { costs: before } }: ResultsRecord, { experiment: { costs: now } }: ResultsRecord): string {
  const nameOf = ({ name, hash }: typeof before): string => (before.name === now.name ? `${name} (${hash})` : name);
  return `priced by ${nameOf(now)}, the baseline by ${nameOf(before)}`;
}

const OF_PRICES: ReadonlySet<Metric['unit']> = new Set(['ns', 'histogram', 'per second', 'pages per second']);

/** Times, and what is a mean over time or a share of priced time. */
const dependsOnPrices = ({ unit, path }: Metric): boolean => OF_PRICES.has(unit) || path[0] === 'priceShare' || /Mean/.test(path[path.length - 1]);

interface Figures {
  readonly key: string;
  readonly metric: Metric;
  readonly tolerances: Tolerances;
  readonly before: Deterministic;
  readonly after: Deterministic;
}

/** Adds what differs to the findings. @returns the figures that were compared */
function compareMetric({ key, metric, tolerances, before, after }: Figures, findings: Finding[]): number {
  const path = metric.path.join('.');
  const tolerance = tolerances.get(path);
  const compare = (name: string, old: number | null, fresh: number | null): void => {
    if (old === fresh) return;
    const finding = { cell: key, metric: name, before: old, after: fresh, what: changeOf(name, old, fresh) };
    if (old !== null && fresh !== null && isTolerated(tolerance, old, fresh)) findings.push({ kind: 'within', ...finding });
    else findings.push({ kind: isBetter(metric, old, fresh) ? 'better' : 'fail', ...finding });
  };
  const [old, fresh] = [valueAt(before, metric.path), valueAt(after, metric.path)];
  switch (metric.kind) {
    case 'number':
      compare(path, old as number | null, fresh as number | null);
      return 1;
    case 'counts': {
      const [was, is] = [countsOf(old), countsOf(fresh)];
      const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
      for (const name of names) compare(`${path}.${name}`, was[name] ?? 0, is[name] ?? 0);
      return Math.max(1, names.length);
    }
    case 'pairs':
      // Percentiles tell most changes in words; this tells the others.
      if (JSON.stringify(old) !== JSON.stringify(fresh) && tolerance === undefined) findings.push({ kind: 'fail', cell: key, metric: path, what: `${path}: samples moved between buckets` });
      return 1;
  }
  metric satisfies never;
  return 0;
}

const countsOf = (value: unknown): Readonly<Record<string, number>> => (typeof value === 'object' && value !== null ? (value as Readonly<Record<string, number>>) : {});

function isBetter({ better }: Metric, before: number | null, after: number | null): boolean {
  if (before === null || after === null || better === 'neither') return false;
  return better === 'less' ? after < before : after > before;
}

function changeOf(name: string, before: number | null, after: number | null): string {
  if (before === null || after === null) return `${name}: ${before ?? 'no samples'} -> ${after ?? 'no samples'}`;
  return `${name}: ${before} -> ${after} (${changeText(before, after)})`;
}

/** `+2.5 %`, `-100 %`, `from 0`: the change in per cent of what was. */
export function changeText(before: number, after: number): string {
  if (before === 0) return 'from 0';
  const percent = ((after - before) / Math.abs(before)) * 100;
  const digits = Math.abs(percent) >= 9.95 ? 0 : Math.abs(percent) >= 0.095 ? 1 : 2;
  const text = percent.toFixed(digits);
  return Number(text) === 0 ? `${percent > 0 ? '+' : '-'}<0.01 %` : `${percent > 0 ? '+' : ''}${text} %`;
}
