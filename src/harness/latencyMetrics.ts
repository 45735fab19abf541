/** The nine metrics of one latency histogram. Percentiles are upper bucket edges, and null where the count is 0. */
import type { Histogram } from '../simulate/histogram.ts';
import type { LatencyName } from '../simulate/tally.ts';
import type { Metric, MetricSource, NumberMetric, PairsMetric, Unit } from './metrics.ts';

/** Percentiles of a record, by the key that names each. */
export const PERCENTILES = { p50: 50, p90: 90, p99: 99, p999: 99.9 } as const;

const LATENCY_NAMES: Readonly<Record<LatencyName, string>> = {
  toPrivate: 'to-private latency',
  toShared: 'to-shared latency',
  kernel: 'conversion ioctl',
  abandoned: 'time until given up',
  hostFault: 'host fault',
  guestFault: 'guest fault',
  io: 'I/O set-up',
  reconstruct: 'large page in pieces',
};

export function latencyMetrics(latency: LatencyName, summary: string): readonly Metric[] {
  const facts = (key: string, unit: Unit) => ({
    path: ['latencyNs', latency, key],
    name: `${LATENCY_NAMES[latency]} ${key}`,
    unit,
    better: unit === 'ns' ? ('less' as const) : ('neither' as const),
    tolerance: 0,
    family: 'conversion' as const,
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
