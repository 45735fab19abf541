/**
 * What the harness has to be told of a family: the parameters that its cells have, which runs a request is, and its metrics. Engines
 * have their own part of a family (src/simulate/family.ts, src/explore), and so do reports (src/report/families).
 *
 * Nothing in harness, reports or gate asks for a family by its name: they ask these facts.
 */
import type { OperationName } from '../../model/operations.ts';
import { checkActors } from '../../simulate/prepare.ts';
import type { BaseTally, FamilyTally, LockName } from '../../simulate/tally.ts';
import type { Actor, Workload } from '../../workloads/workload.ts';
import type { CellParams } from '../experiment.ts';
import { latencyMetrics, type Latency } from '../latencyMetrics.ts';
import { PRICE_METRICS, WORK_METRICS, figure, lockMetric, operation, operationsMetric } from '../metricLines.ts';
import type { Deterministic, Metric } from '../metrics.ts';

/** A parameter that a run may be given, beside its workload and seed: a field of `CellParams`. */
export type ParamName = keyof CellParams;

/** Values that a family gives to parameters which the user did not name. */
export type ParamDefaults = Partial<CellParams>;

/** What a user asked of the runs. */
export type RunRequest = { readonly [P in ParamName]?: CellParams[P] | undefined } & { readonly workloads?: readonly string[] | undefined };

export interface FamilyFacts {
  readonly name: string;
  /** What its policies argue about, as the end of "policies argue about ...". */
  readonly summary: string;
  /** Parameters of its cells, in the order of a record. */
  readonly params: readonly ParamName[];
  readonly defaults: ParamDefaults;
  /** Recorded guests that a request without workloads runs, too. */
  readonly defaultTraces: readonly string[];
  /** Runs that may share a headline: a table never mixes them. What each means, in the order of the tables. */
  readonly labels: Readonly<Record<string, string>>;
  readonly labelOf: (params: CellParams) => string;
  /** The parameters of the runs that a request makes of a workload, where they are no defaults: one set a run. @throws UserError */
  readonly modesOf: (request: RunRequest, workload: Workload) => readonly ParamDefaults[];
  /** Refuses what no world has room for. @throws UserError */
  readonly checkRoom: (params: CellParams, actors: readonly Actor[]) => void;
  /** Policies of a user's own modules are of this family. */
  readonly takesModules: boolean;
  /** Operations that its runs may charge. */
  readonly operations: readonly OperationName[];
  readonly metrics: readonly Metric[];
  /** Keys of its latencies. */
  readonly latencies: readonly string[];
  /** The figure of a sweep that names none: a path. */
  readonly sweepMetric: string;
  /** A sentence about figures that cannot be; undefined where there are none. */
  readonly contradictionIn: (deterministic: Deterministic) => string | undefined;
}

/** What a family beside conversions says of itself; the rest is the same for all of them. */
export interface FamilyWords {
  readonly name: string;
  readonly summary: string;
  /** Beside the memory and the number of accesses, which every cell has. */
  readonly params: readonly ParamName[];
  /** `memoryBytes`, `accesses` and each of `params` have one. */
  readonly defaults: ParamDefaults & Pick<CellParams, 'memoryBytes' | 'accesses'>;
  readonly latencies: readonly Latency[];
  readonly operations: readonly OperationName[];
  /** Locks that somebody may wait for. */
  readonly locks: readonly LockName[];
  /** Its own metrics, between the latencies and what all have. */
  readonly metrics: readonly Metric<FamilyTally>[];
  readonly sweepMetric: string;
  readonly checkRoom?: FamilyFacts['checkRoom'];
}

/** The facts of a family with one label, which is its name, and synthetic workloads. */
export function createFamilyFacts({ name, summary, params, defaults, latencies, operations, locks, metrics, sweepMetric, checkRoom = () => {} }: FamilyWords): FamilyFacts {
  return {
    name,
    summary,
    params: ['memoryBytes', ...params, 'accesses'],
    defaults,
    defaultTraces: [],
    labels: { [name]: summary },
    labelOf: () => name,
    modesOf: () => [{}],
    checkRoom: (params, actors) => {
      checkActors(actors);
      checkRoom(params, actors);
    },
    takesModules: false,
    operations,
    metrics: [
      ...WORK_METRICS,
      ...latencies.flatMap(latencyMetrics),
      ...metrics,
      figure<BaseTally>('bystanderNs', 'bystander time', 'ns', 'less', 'time that tasks lost to interrupts which others sent', ({ tally }) => tally.bystanderNs),
      lockMetric(locks),
      operation('tlb.flushes', 'TLB flushes', 'count', 'less', 'tlb.flush'),
      operation('tlb.ipis', 'TLB IPIs', 'count', 'less', 'tlb.ipi'),
      ...PRICE_METRICS,
      operationsMetric(operations),
    ],
    latencies: latencies.map(({ latency }) => latency),
    sweepMetric,
    contradictionIn: () => undefined,
  };
}
