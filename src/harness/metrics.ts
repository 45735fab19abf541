/**
 * The one registry of metrics: what a record says about a cell, field by field, and how each field is read from a tally.
 *
 * It generates the `deterministic` part of a record, its JSON Schema, the table columns, and later the CSV and the gate.
 * To add a metric: its line here, then `npm run schema`.
 *
 * Fields whose keys are errnos, locks or operations are `counts`: a key that is absent counts zero, so that no record
 * carries a hundred zeros. There is no field that nothing can feed: `test/fields.json` names a run that feeds each one.
 */
import { Errno, ERRNOS, type ErrnoName } from '../model/errno.ts';
import { Op, OPERATIONS, PHASES, type OperationName, type Phase } from '../model/operations.ts';
import { PRICE_SOURCES, type CostProfile } from '../simulate/costs.ts';
import { LATENCIES, LOCKS, type Direction, type LatencyName, type Tally } from '../simulate/tally.ts';
import type { Family } from './experiment.ts';
import { latencyMetrics } from './latencyMetrics.ts';
import { priceShare } from './priceShare.ts';

export type Unit = 'accesses' | 'requests' | 'pages' | 'pages per second' | 'ns' | 'bytes' | 'share' | 'per second' | 'count' | 'histogram';

/** What a metric is read from. */
export interface MetricSource {
  readonly tally: Tally;
  readonly costs: CostProfile;
}

interface MetricFacts {
  /** Keys from `deterministic` to the field. */
  readonly path: readonly string[];
  /** What a table or a chart calls it. */
  readonly name: string;
  readonly unit: Unit;
  readonly better: 'less' | 'more' | 'neither';
  /** Relative change that a gate forgives by default; deterministic figures are exact. */
  readonly tolerance: number;
  /** The family whose records carry it. */
  readonly family: Family | 'all';
  readonly summary: string;
}

export interface NumberMetric extends MetricFacts {
  readonly kind: 'number';
  /** True where the figure does not exist for an empty sample, and is null then. */
  readonly nullable: boolean;
  readonly read: (source: MetricSource) => number | null;
}

export interface CountsMetric extends MetricFacts {
  readonly kind: 'counts';
  readonly keys: readonly string[];
  /** One value a key, in the order of `keys`. */
  readonly read: (source: MetricSource) => ArrayLike<number>;
}

export interface PairsMetric extends MetricFacts {
  readonly kind: 'pairs';
  readonly read: (source: MetricSource) => readonly (readonly [number, number])[];
}

export type Metric = NumberMetric | CountsMetric | PairsMetric;

/** The `deterministic` part of a record: figures in a tree of sections. */
export interface Deterministic {
  readonly [key: string]: MetricValue | Deterministic;
}
export type MetricValue = number | null | readonly (readonly [number, number])[];

type Better = MetricFacts['better'];
type Facts = readonly [path: string, name: string, unit: Unit, better: Better, summary: string];

const facts = ([path, name, unit, better, summary]: Facts): MetricFacts => ({
  path: path.split('.'),
  name,
  unit,
  better,
  tolerance: 0,
  family: 'conversion',
  summary,
});

const figure = (...line: [...Facts, (source: MetricSource) => number]): NumberMetric => {
  const [path, name, unit, better, summary, read] = line;
  return { ...facts([path, name, unit, better, summary]), kind: 'number', nullable: false, read };
};

/** A figure that is the count of one operation. */
const operation = (path: string, name: string, unit: Unit, better: Better, operationName: OperationName): NumberMetric => {
  const index = Op[operationName];
  return figure(path, name, unit, better, OPERATIONS[index].summary, ({ tally }) => tally.operations[index]);
};

const counts = (
  line: Facts,
  keys: readonly string[],
  read: (source: MetricSource) => ArrayLike<number>,
): CountsMetric => ({ ...facts(line), kind: 'counts', keys, read });

/**
 * Counts by errno, with the errnos that a policy of today can answer as its keys. Another one has no field, and is told
 * aloud: a record must not lose it.
 */
const errnos = (line: Facts, names: readonly ErrnoName[], read: (source: MetricSource) => ArrayLike<number>): CountsMetric =>
  counts(line, names, (source) => {
    const values = read(source);
    const lost = ERRNOS.find((name) => values[Errno[name]] > 0 && !names.includes(name));
    if (lost !== undefined) throw new Error(`the registry has no field ${line[0]}.${lost}, and ${values[Errno[lost]]} were counted`);
    return names.map((name) => values[Errno[name]]);
  });

/** To-private waits for a reference (EAGAIN) or is in the way of a mapping; to-shared is refused beyond the end of the file only. */
const REFUSALS_OF: Readonly<Record<Direction, readonly ErrnoName[]>> = { toPrivate: ['EAGAIN', 'EBUSY', 'EPERM'], toShared: ['EINVAL'] };

/** Phases that something feeds: to-shared never walks an rmap or backs off, and waits for a reference only to split a folio, under a policy of today. */
const PHASES_OF: Readonly<Record<Direction, readonly Phase[]>> = {
  toPrivate: PHASES,
  toShared: PHASES.filter((phase) => phase !== 'rmap' && phase !== 'backoff'),
};
const DIRECTION_NAMES: Readonly<Record<Direction, string>> = { toPrivate: 'to-private', toShared: 'to-shared' };

function conversionMetrics(direction: Direction): readonly Metric[] {
  const path = `conversions.${direction}`;
  const name = DIRECTION_NAMES[direction];
  const common: readonly Metric[] = [
    figure(`${path}.requested`, `${name} requests`, 'requests', 'neither', `the guest's requests to convert a range; = succeeded + timedOut + gaveUp`, ({ tally }) => tally.conversions[direction].requested),
    figure(`${path}.pages`, `${name} pages`, 'pages', 'neither', 'pages in those requests', ({ tally }) => tally.conversions[direction].pages),
    figure(`${path}.succeeded`, `${name} succeeded`, 'requests', 'more', 'requests that were granted in the end', ({ tally }) => tally.conversions[direction].succeeded),
    figure(`${path}.gaveUp`, `${name} given up`, 'requests', 'less', 'requests that ended without another attempt', ({ tally }) => tally.conversions[direction].gaveUp),
  ];
  const refused = errnos([`${path}.refused`, `${name} refusals`, 'count', 'less', 'attempts refused, by errno'], REFUSALS_OF[direction], ({ tally }) => tally.conversions[direction].refused);
  if (direction === 'toShared') return [...common, refused];
  return [
    ...common,
    figure(`${path}.timedOut`, `${name} timed out`, 'requests', 'less', 'requests given up after the time limit of the VMM', ({ tally }) => tally.conversions[direction].timedOut),
    figure(`${path}.retries`, `${name} retries`, 'count', 'less', `attempts beyond each request's first`, ({ tally }) => tally.conversions[direction].retries),
    refused,
    operation(`${path}.refusedBy.ownPin`, 'refused by own pin', 'count', 'less', 'refused.ownPin'),
    operation(`${path}.refusedBy.neighbourPin`, `refused by neighbour's pin`, 'count', 'less', 'refused.neighbourPin'),
    operation(`${path}.refusedBy.mapping`, 'refused by mapping', 'count', 'less', 'refused.mapping'),
    operation(`${path}.refusedBy.transient`, 'refused by transient reference', 'count', 'less', 'refused.transient'),
  ];
}

const phaseMetrics = (direction: Direction): readonly Metric[] =>
  PHASES_OF[direction].map((phase) => {
    const index = PHASES.indexOf(phase);
    const name = `${DIRECTION_NAMES[direction]} ${phase}`;
    return figure(`phasesNs.${direction}.${phase}`, name, 'ns', 'less', `part of the latency of the requests that succeeded: ${phase}`, ({ tally }) => tally.conversions[direction].phasesNs[index]);
  });

const LATENCY_SUMMARIES: Readonly<Record<LatencyName, string>> = {
  toPrivate: `from the guest's request to the vCPU's resume, retries and waits included, of requests that succeeded`,
  toShared: `from the guest's request to the vCPU's resume, of requests that succeeded`,
  kernel: 'the conversion ioctl alone, each attempt',
  abandoned: 'from the request to the moment it was given up',
  hostFault: `a host access that faulted, to the end of the fault`,
  guestFault: `a guest access that faulted in stage-2, to the vCPU's resume`,
  io: 'from an I/O request to a usable buffer, by pin or by copy',
  reconstruct: 'from the split of a large page to its merge, of those that were merged',
};

const perSecond = (count: number, { virtualNs }: Tally): number | null => (virtualNs === 0 ? null : (count / virtualNs) * 1e9);

const GUEST_WALKS = ['guest.tlbMiss4K', 'guest.tlbMiss2M', 'guest.tlbMiss1G'] as const satisfies readonly OperationName[];

function lostPerConversion({ lostNs, conversions: { toPrivate, toShared } }: Tally): number | null {
  const granted = toPrivate.succeeded + toShared.succeeded;
  return granted === 0 ? null : lostNs / granted;
}

export const METRICS: readonly Metric[] = [
  figure('accesses', 'accesses', 'accesses', 'neither', `accesses taken from the workload's streams`, ({ tally }) => tally.accesses),
  figure('completed', 'completed', 'accesses', 'more', 'accesses that completed; the others ended in a signal or an error and were dropped', ({ tally }) => tally.completed),
  figure('work', 'work', 'pages', 'more', 'pages of work that were done: a load or store is one, an I/O as many as it has pages, a conversion none', ({ tally }) => tally.work),
  figure('virtualNs', 'virtual time', 'ns', 'less', 'virtual time at which the last actor was done', ({ tally }) => tally.virtualNs),
  { ...facts(['completedPerVirtualSecond', 'completed accesses per second', 'per second', 'more', 'completed accesses per second of virtual time']), kind: 'number', nullable: true, read: ({ tally }) => perSecond(tally.completed, tally) },
  { ...facts(['workPerVirtualSecond', 'completed work', 'pages per second', 'more', 'pages of work per second of virtual time']), kind: 'number', nullable: true, read: ({ tally }) => perSecond(tally.work, tally) },
  ...conversionMetrics('toPrivate'),
  ...conversionMetrics('toShared'),
  ...LATENCIES.flatMap((name) => latencyMetrics(name, LATENCY_SUMMARIES[name])),
  ...phaseMetrics('toPrivate'),
  ...phaseMetrics('toShared'),
  figure('bystanderNs', 'bystander time', 'ns', 'less', 'time that tasks lost to interrupts which others sent', ({ tally }) => tally.bystanderNs),
  figure('lostNs', 'time lost by others', 'ns', 'less', 'time that tasks at no conversion of their own lost: to interrupts which others sent, waiting for locks, and for the end of a migration or of a draining', ({ tally }) => tally.lostNs),
  { ...facts(['lostNsPerConversion', 'time lost by others a conversion', 'ns', 'less', 'the same for each granted conversion, of both directions']), kind: 'number', nullable: true, read: ({ tally }) => lostPerConversion(tally) },
  counts(['lockBlockedNs', 'lock waits', 'ns', 'less', 'time that tasks waited, by lock'], LOCKS, ({ tally }) => tally.lockBlockedNs),
  operation('degraded', 'degraded accesses', 'accesses', 'less', 'access.degraded'),
  operation('rmap.walks', 'rmap walks', 'count', 'less', 'rmap.walk'),
  operation('rmap.vmasVisited', 'VMAs visited', 'count', 'less', 'vma.visit'),
  operation('rmap.entriesChecked', 'entries checked', 'count', 'less', 'pte.check'),
  operation('rmap.entriesZapped', 'entries zapped', 'count', 'less', 'pte.zap'),
  operation('rmap.neighbourZaps', 'neighbour zaps', 'count', 'less', 'pte.zapNeighbour'),
  operation('rmap.neighbourRefaults', 'neighbour refaults', 'count', 'less', 'fault.neighbour'),
  figure('rmap.ns', 'rmap time', 'ns', 'less', 'time charged by rmap walks, wherever they were charged', ({ tally }) => tally.rmapNs),
  operation('tlb.flushes', 'TLB flushes', 'count', 'less', 'tlb.flush'),
  operation('tlb.ipis', 'TLB IPIs', 'count', 'less', 'tlb.ipi'),
  operation('signals.SIGBUS', 'SIGBUS', 'count', 'less', 'signal.SIGBUS'),
  operation('signals.SIGSEGV', 'SIGSEGV', 'count', 'less', 'signal.SIGSEGV'),
  errnos(['errors.mmap', 'mmap failures', 'count', 'less', 'calls of mmap and munmap that failed, by errno'], ['EBUSY', 'ENOMEM', 'EPERM'], ({ tally }) => tally.errors.mmap),
  errnos(['errors.gup', 'GUP failures', 'count', 'less', 'gets and pins that failed, by errno'], ['EBUSY', 'EFAULT'], ({ tally }) => tally.errors.gup),
  errnos(['errors.convert', 'conversion failures', 'count', 'less', 'conversion calls that failed, both directions, by errno'], [...REFUSALS_OF.toPrivate, ...REFUSALS_OF.toShared], ({ tally }) => tally.errors.convert),
  operation('safety.rogueAccesses', 'rogue accesses', 'accesses', 'less', 'access.rogue'),
  operation('safety.exposures', 'exposures', 'count', 'less', 'access.exposed'),
  operation('orphanAccesses', 'orphan accesses', 'accesses', 'less', 'access.orphan'),
  figure('largePages.inPieces', 'large pages in pieces', 'count', 'less', 'large pages that are in pieces of 4 KiB at the end', ({ tally }) => tally.largePages.inPieces),
  figure('largePages.heldApart', 'large pages held apart', 'count', 'less', 'those of them of which a buffer holds a piece: they cannot be put together or given back', ({ tally }) => tally.largePages.heldApart),
  figure('memory.vmemmapBytes', 'vmemmap', 'bytes', 'less', 'struct pages of the populated memory at its largest, without HVO', ({ tally }) => tally.memory.vmemmapBytes),
  figure('memory.vmemmapMeanBytes', 'mean vmemmap', 'bytes', 'less', 'struct pages of the populated memory without HVO, over virtual time', ({ tally }) => tally.memory.vmemmapMeanBytes),
  figure('memory.vmemmapHvoMeanBytes', 'mean vmemmap with HVO', 'bytes', 'less', 'the same where each large folio in one piece keeps one page of them', ({ tally }) => tally.memory.vmemmapHvoMeanBytes),
  figure('memory.vmemmapHvoEndBytes', 'vmemmap with HVO', 'bytes', 'less', 'the same at the end', ({ tally }) => tally.memory.vmemmapHvoEndBytes),
  figure('memory.pageTableBytes', 'host page tables', 'bytes', 'less', 'host page tables at the end', ({ tally }) => tally.memory.pageTableBytes),
  figure('memory.pageTableMaxBytes', 'most host page tables', 'bytes', 'less', 'host page tables at their largest', ({ tally }) => tally.memory.pageTableMaxBytes),
  figure('memory.doubleMaxBytes', 'most double memory', 'bytes', 'less', 'memory that stands twice for one piece of guest memory, at its largest', ({ tally }) => tally.memory.doubleMaxBytes),
  figure('memory.doubleMeanBytes', 'mean double memory', 'bytes', 'less', 'the same over virtual time', ({ tally }) => tally.memory.doubleMeanBytes),
  figure('memory.peakBytes', 'peak memory', 'bytes', 'less', 'highest total of populated guest memory, its struct pages without HVO, and host page tables', ({ tally }) => tally.memory.peakBytes),
  figure('memory.stage2Leaves.4K', '4K stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 4 KiB at the end', ({ tally }) => tally.memory.stage2Leaves4K),
  figure('memory.stage2Leaves.2M', '2M stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 2 MiB at the end', ({ tally }) => tally.memory.stage2Leaves2M),
  figure('memory.stage2Leaves.1G', '1G stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 1 GiB at the end', ({ tally }) => tally.memory.stage2Leaves1G),
  figure('memory.hugeCoverageMean', 'mean huge coverage', 'share', 'more', 'share of the stage-2 mapped bytes that large leaves map, over virtual time', ({ tally }) => tally.memory.hugeCoverageMean),
  figure('memory.hugeCoverage', 'huge coverage', 'share', 'more', 'share of the stage-2 mapped bytes that large leaves map, at the end; 0 where nothing is mapped', ({ tally }) => tally.memory.hugeCoverage),
  figure('guestTlbMisses', 'guest TLB misses', 'count', 'less', 'guest accesses that walked the tables, to a stage-2 leaf of whatever size', ({ tally }) =>
    GUEST_WALKS.reduce((sum, operationName) => sum + tally.operations[Op[operationName]], 0)),
  ...PRICE_SOURCES.map((source) =>
    figure(`priceShare.${source}`, `${source} prices`, 'share', 'neither', `share of the priced time that rests on ${source} prices`, ({ tally, costs }) => priceShare(tally.operations, costs)[source]),
  ),
  counts(['operations', 'operations', 'count', 'neither', 'how often each operation was charged'], OPERATIONS.map(({ name }) => name), ({ tally }) => tally.operations),
];

/** Everything that the registry says about one run, as the `deterministic` part of its record. */
export function readDeterministic(source: MetricSource): Deterministic {
  const root: MutableSection = {};
  for (const metric of METRICS) {
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
