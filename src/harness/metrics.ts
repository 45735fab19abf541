/**
 * Metrics: what a record says about a cell, field by field, and how each field is read from a tally.
 *
 * Each family has one registry of them (families/), which generates the `deterministic` part of its records, their JSON Schema, the
 * table columns, the CSV and the gate. To add a metric: its line in the registry, then `npm run schema`.
 *
 * Fields whose keys are errnos, locks or operations are `counts`: a key that is absent counts zero, so that no record
 * carries a hundred zeros. There is no field that nothing can feed: tests name a run that feeds each one.
 */
import type { CostProfile } from '../simulate/costs.ts';
import type { BaseTally } from '../simulate/tally.ts';

export type Unit = 'accesses' | 'requests' | 'pages' | 'pages per second' | 'ns' | 'bytes' | 'share' | 'per second' | 'count' | 'histogram';

/** What a metric is read from. */
export interface MetricSource<T extends BaseTally = BaseTally> {
  readonly tally: T;
  readonly costs: CostProfile;
}

export interface MetricFacts {
  /** Keys from `deterministic` to the field. */
  readonly path: readonly string[];
  /** What a table or a chart calls it. */
  readonly name: string;
  readonly unit: Unit;
  readonly better: 'less' | 'more' | 'neither';
  /** Relative change that a gate forgives by default; deterministic figures are exact. */
  readonly tolerance: number;
  readonly summary: string;
}

// `read` is a method, so that a metric of a family's own tally is one of the registry that everybody sees.
export interface NumberMetric<T extends BaseTally = BaseTally> extends MetricFacts {
  readonly kind: 'number';
  /** True where the figure does not exist for an empty sample, and is null then. */
  readonly nullable: boolean;
  read(source: MetricSource<T>): number | null;
}

export interface CountsMetric<T extends BaseTally = BaseTally> extends MetricFacts {
  readonly kind: 'counts';
  readonly keys: readonly string[];
  /** One value a key, in the order of `keys`. */
  read(source: MetricSource<T>): ArrayLike<number>;
}

export interface PairsMetric<T extends BaseTally = BaseTally> extends MetricFacts {
  readonly kind: 'pairs';
  read(source: MetricSource<T>): readonly (readonly [number, number])[];
}

export type Metric<T extends BaseTally = BaseTally> = NumberMetric<T> | CountsMetric<T> | PairsMetric<T>;

/** The `deterministic` part of a record: figures in a tree of sections. */
export interface Deterministic {
  readonly [key: string]: MetricValue | Deterministic;
}
export type MetricValue = number | null | readonly (readonly [number, number])[];

/** Everything that a registry says about one run, as the `deterministic` part of its record. */
export function readDeterministic(metrics: readonly Metric[], source: MetricSource): Deterministic {
  const root: MutableSection = {};
  for (const metric of metrics) {
    const section = sectionAt(root, metric.path.slice(0, -1));
    section[metric.path[metric.path.length - 1]] = valueOf(metric, source);
  }
  return root;
}

type MutableSection = { [key: string]: MetricValue | MutableSection };

function sectionAt(root: MutableSection, path: readonly string[]): MutableSection {
  let section = root;
  for (const key of path) section = (section[key] ??= {}) as MutableSection;
  return section;
}

function valueOf(metric: Metric, source: MetricSource): MetricValue | MutableSection {
  switch (metric.kind) {
    case 'number': return metric.read(source);
    case 'pairs': return metric.read(source);
    case 'counts': {
      const values = metric.read(source);
      return Object.fromEntries(metric.keys.map((key, index) => [key, values[index]] as const).filter(([, value]) => value > 0));
    }
  }
  metric satisfies never;
}

/** The figure at a path of a record's `deterministic` part; 0 for an absent key of a `counts` field, null for an empty sample. */
export function figureAt(deterministic: Deterministic, ...path: readonly string[]): number | null {
  let value: MetricValue | Deterministic = deterministic;
  for (const key of path) {
    if (value === null || typeof value === 'number' || Array.isArray(value)) throw new Error(`no field ${path.join('.')} in the record`);
    value = (value as Deterministic)[key] ?? (key in value ? null : 0);
  }
  if (typeof value === 'object' && value !== null) throw new Error(`${path.join('.')} is a section, not a figure`);
  return value;
}

/** What stands at a path of a record that anybody may have written; undefined where nothing does. */
export function valueAt(deterministic: Deterministic, path: readonly string[]): unknown {
  let value: unknown = deterministic;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  return value;
}
