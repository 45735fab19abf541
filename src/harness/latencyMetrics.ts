/** The nine metrics of one latency histogram. Percentiles are upper bucket edges, and null where the count is 0. */
import type { Histogram } from '../simulate/histogram.ts';
import type { Metric, MetricSource, NumberMetric, PairsMetric, Unit } from './metrics.ts';

/** Percentiles of a record, by the key that names each. */
export const PERCENTILES = { p50: 50, p90: 90, p99: 99, p999: 99.9 } as const;

export interface Latency {
  /** Its key in the tally and in records. */
  readonly latency: string;
  /** What a table or a chart calls it. */
  readonly title: string;
  /** From when to when it lasts. */
  readonly summary: string;
}

export function latencyMetrics({ latency, title, summary }: Latency): readonly Metric[] {
  const facts = (key: string, unit: Unit) => ({
    path: ['latencyNs', latency, key],
    name: `${title} ${key}`,
    unit,
    better: unit === 'ns' ? ('less' as const) : ('neither' as const),
    tolerance: 0,
    summary: `${summary}: ${key}`,
  });
  const number = (key: string, read: (histogram: Histogram) => number | null): NumberMetric => ({
    ...facts(key, key === 'count' ? 'count' : 'ns'),
    kind: 'number',
    nullable: key !== 'count',
    read: ({ tally }: MetricSource) => read(tally.latencyNs[latency]),
  });
  const buckets: PairsMetric = {
    ...facts('histogram', 'histogram'),
    kind: 'pairs',
    read: ({ tally }) => tally.latencyNs[latency].pairs(),
  };
  return [
    number('count', ({ count }) => count),
    number('mean', ({ meanNs }) => meanNs),
    number('min', ({ minNs }) => minNs),
    ...Object.entries(PERCENTILES).map(([key, percent]) => number(key, (histogram) => histogram.percentile(percent))),
    number('max', ({ maxNs }) => maxNs),
    buckets,
  ];
}
