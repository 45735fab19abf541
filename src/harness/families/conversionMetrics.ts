/**
 * The metrics of the conversion family. To add one: its line here, then `npm run schema`; `test/fields.json` names a run that feeds each.
 */
import type { ErrnoName } from '../../model/errno.ts';
import { Op, OPERATIONS, PHASES, type OperationName, type Phase } from '../../model/operations.ts';
import { DIRECTIONS, LATENCIES, LOCKS, type Direction, type LatencyName, type Tally } from '../../simulate/tally.ts';
import { latencyMetrics } from '../latencyMetrics.ts';
import { PRICE_METRICS, WORK_METRICS, errnos, figure, lockMetric, nullable, operation, operationsMetric } from '../metricLines.ts';
import { valueAt, type Deterministic, type Metric } from '../metrics.ts';

/** To-private waits for a reference (EAGAIN) or is in the way of a mapping; to-shared is refused beyond the end of the file only. */
const REFUSALS_OF: Readonly<Record<Direction, readonly ErrnoName[]>> = { toPrivate: ['EAGAIN', 'EBUSY', 'EPERM'], toShared: ['EINVAL'] };

/** Phases that something feeds: to-shared never walks an rmap or backs off, and waits for a reference only to split a folio, under a policy of today. */
const PHASES_OF: Readonly<Record<Direction, readonly Phase[]>> = {
  toPrivate: PHASES,
  toShared: PHASES.filter((phase) => phase !== 'rmap' && phase !== 'backoff'),
};
const DIRECTION_NAMES: Readonly<Record<Direction, string>> = { toPrivate: 'to-private', toShared: 'to-shared' };

function conversionMetrics(direction: Direction): readonly Metric<Tally>[] {
  const path = `conversions.${direction}`;
  const name = DIRECTION_NAMES[direction];
  const common: readonly Metric<Tally>[] = [
    figure<Tally>(`${path}.requested`, `${name} requests`, 'requests', 'neither', `the guest's requests to convert a range; = succeeded + timedOut + gaveUp`, ({ tally }) => tally.conversions[direction].requested),
    figure<Tally>(`${path}.pages`, `${name} pages`, 'pages', 'neither', 'pages in those requests', ({ tally }) => tally.conversions[direction].pages),
    figure<Tally>(`${path}.succeeded`, `${name} succeeded`, 'requests', 'more', 'requests that were granted in the end', ({ tally }) => tally.conversions[direction].succeeded),
    figure<Tally>(`${path}.gaveUp`, `${name} given up`, 'requests', 'less', 'requests that ended without another attempt', ({ tally }) => tally.conversions[direction].gaveUp),
  ];
  const refused = errnos<Tally>([`${path}.refused`, `${name} refusals`, 'count', 'less', 'attempts refused, by errno'], REFUSALS_OF[direction], ({ tally }) => tally.conversions[direction].refused);
  if (direction === 'toShared') return [...common, refused];
  return [
    ...common,
    figure<Tally>(`${path}.timedOut`, `${name} timed out`, 'requests', 'less', 'requests given up after the time limit of the VMM', ({ tally }) => tally.conversions[direction].timedOut),
    figure<Tally>(`${path}.retries`, `${name} retries`, 'count', 'less', `attempts beyond each request's first`, ({ tally }) => tally.conversions[direction].retries),
    refused,
    operation(`${path}.refusedBy.ownPin`, 'refused by own pin', 'count', 'less', 'refused.ownPin'),
    operation(`${path}.refusedBy.neighbourPin`, `refused by neighbour's pin`, 'count', 'less', 'refused.neighbourPin'),
    operation(`${path}.refusedBy.mapping`, 'refused by mapping', 'count', 'less', 'refused.mapping'),
    operation(`${path}.refusedBy.transient`, 'refused by transient reference', 'count', 'less', 'refused.transient'),
  ];
}

const phaseMetrics = (direction: Direction): readonly Metric<Tally>[] =>
  PHASES_OF[direction].map((phase) => {
    const index = PHASES.indexOf(phase);
    const name = `${DIRECTION_NAMES[direction]} ${phase}`;
    return figure<Tally>(`phasesNs.${direction}.${phase}`, name, 'ns', 'less', `part of the latency of the requests that succeeded: ${phase}`, ({ tally }) => tally.conversions[direction].phasesNs[index]);
  });

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

const GUEST_WALKS = ['guest.tlbMiss4K', 'guest.tlbMiss2M', 'guest.tlbMiss1G'] as const satisfies readonly OperationName[];

function lostPerConversion({ lostNs, conversions: { toPrivate, toShared } }: Tally): number | null {
  const granted = toPrivate.succeeded + toShared.succeeded;
  return granted === 0 ? null : lostNs / granted;
}

/** What a conversion may charge, in the order of the list: what other families have added stands behind it. */
export const CONVERSION_OPERATIONS: readonly OperationName[] = OPERATIONS.slice(0, Op['refused.transient'] + 1).map(({ name }) => name);

export const CONVERSION_METRICS: readonly Metric<Tally>[] = [
  ...WORK_METRICS,
  ...conversionMetrics('toPrivate'),
  ...conversionMetrics('toShared'),
  ...LATENCIES.flatMap((name) => latencyMetrics({ latency: name, title: LATENCY_NAMES[name], summary: LATENCY_SUMMARIES[name] })),
  ...phaseMetrics('toPrivate'),
  ...phaseMetrics('toShared'),
  figure<Tally>('bystanderNs', 'bystander time', 'ns', 'less', 'time that tasks lost to interrupts which others sent', ({ tally }) => tally.bystanderNs),
  figure<Tally>('lostNs', 'time lost by others', 'ns', 'less', 'time that tasks at no conversion of their own lost: to interrupts which others sent, waiting for locks, and for the end of a migration or of a draining', ({ tally }) => tally.lostNs),
  nullable<Tally>('lostNsPerConversion', 'time lost by others a conversion', 'ns', 'less', 'the same for each granted conversion, of both directions', ({ tally }) => lostPerConversion(tally)),
  lockMetric(LOCKS),
  operation('degraded', 'degraded accesses', 'accesses', 'less', 'access.degraded'),
  operation('rmap.walks', 'rmap walks', 'count', 'less', 'rmap.walk'),
  operation('rmap.vmasVisited', 'VMAs visited', 'count', 'less', 'vma.visit'),
  operation('rmap.entriesChecked', 'entries checked', 'count', 'less', 'pte.check'),
  operation('rmap.entriesZapped', 'entries zapped', 'count', 'less', 'pte.zap'),
  operation('rmap.neighbourZaps', 'neighbour zaps', 'count', 'less', 'pte.zapNeighbour'),
  operation('rmap.neighbourRefaults', 'neighbour refaults', 'count', 'less', 'fault.neighbour'),
  figure<Tally>('rmap.ns', 'rmap time', 'ns', 'less', 'time charged by rmap walks, wherever they were charged', ({ tally }) => tally.rmapNs),
  operation('tlb.flushes', 'TLB flushes', 'count', 'less', 'tlb.flush'),
  operation('tlb.ipis', 'TLB IPIs', 'count', 'less', 'tlb.ipi'),
  operation('signals.SIGBUS', 'SIGBUS', 'count', 'less', 'signal.SIGBUS'),
  operation('signals.SIGSEGV', 'SIGSEGV', 'count', 'less', 'signal.SIGSEGV'),
  errnos<Tally>(['errors.mmap', 'mmap failures', 'count', 'less', 'calls of mmap and munmap that failed, by errno'], ['EBUSY', 'ENOMEM', 'EPERM'], ({ tally }) => tally.errors.mmap),
  errnos<Tally>(['errors.gup', 'GUP failures', 'count', 'less', 'gets and pins that failed, by errno'], ['EBUSY', 'EFAULT'], ({ tally }) => tally.errors.gup),
  errnos<Tally>(['errors.convert', 'conversion failures', 'count', 'less', 'conversion calls that failed, both directions, by errno'], [...REFUSALS_OF.toPrivate, ...REFUSALS_OF.toShared], ({ tally }) => tally.errors.convert),
  operation('safety.rogueAccesses', 'rogue accesses', 'accesses', 'less', 'access.rogue'),
  operation('safety.exposures', 'exposures', 'count', 'less', 'access.exposed'),
  operation('orphanAccesses', 'orphan accesses', 'accesses', 'less', 'access.orphan'),
  figure<Tally>('largePages.inPieces', 'large pages in pieces', 'count', 'less', 'large pages that are in pieces of 4 KiB at the end', ({ tally }) => tally.largePages.inPieces),
  figure<Tally>('largePages.heldApart', 'large pages held apart', 'count', 'less', 'those of them of which a buffer holds a piece: they cannot be put together or given back', ({ tally }) => tally.largePages.heldApart),
  figure<Tally>('memory.vmemmapBytes', 'vmemmap', 'bytes', 'less', 'struct pages of the populated memory at its largest, without HVO', ({ tally }) => tally.memory.vmemmapBytes),
  figure<Tally>('memory.vmemmapMeanBytes', 'mean vmemmap', 'bytes', 'less', 'struct pages of the populated memory without HVO, over virtual time', ({ tally }) => tally.memory.vmemmapMeanBytes),
  figure<Tally>('memory.vmemmapHvoMeanBytes', 'mean vmemmap with HVO', 'bytes', 'less', 'the same where each large folio in one piece keeps one page of them', ({ tally }) => tally.memory.vmemmapHvoMeanBytes),
  figure<Tally>('memory.vmemmapHvoEndBytes', 'vmemmap with HVO', 'bytes', 'less', 'the same at the end', ({ tally }) => tally.memory.vmemmapHvoEndBytes),
  figure<Tally>('memory.pageTableBytes', 'host page tables', 'bytes', 'less', 'host page tables at the end', ({ tally }) => tally.memory.pageTableBytes),
  figure<Tally>('memory.pageTableMaxBytes', 'most host page tables', 'bytes', 'less', 'host page tables at their largest', ({ tally }) => tally.memory.pageTableMaxBytes),
  figure<Tally>('memory.doubleMaxBytes', 'most double memory', 'bytes', 'less', 'memory that stands twice for one piece of guest memory, at its largest', ({ tally }) => tally.memory.doubleMaxBytes),
  figure<Tally>('memory.doubleMeanBytes', 'mean double memory', 'bytes', 'less', 'the same over virtual time', ({ tally }) => tally.memory.doubleMeanBytes),
  figure<Tally>('memory.peakBytes', 'peak memory', 'bytes', 'less', 'highest total of populated guest memory, its struct pages without HVO, and host page tables', ({ tally }) => tally.memory.peakBytes),
  figure<Tally>('memory.stage2Leaves.4K', '4K stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 4 KiB at the end', ({ tally }) => tally.memory.stage2Leaves4K),
  figure<Tally>('memory.stage2Leaves.2M', '2M stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 2 MiB at the end', ({ tally }) => tally.memory.stage2Leaves2M),
  figure<Tally>('memory.stage2Leaves.1G', '1G stage-2 leaves', 'count', 'neither', 'stage-2 leaves of 1 GiB at the end', ({ tally }) => tally.memory.stage2Leaves1G),
  figure<Tally>('memory.hugeCoverageMean', 'mean huge coverage', 'share', 'more', 'share of the stage-2 mapped bytes that large leaves map, over virtual time', ({ tally }) => tally.memory.hugeCoverageMean),
  figure<Tally>('memory.hugeCoverage', 'huge coverage', 'share', 'more', 'share of the stage-2 mapped bytes that large leaves map, at the end; 0 where nothing is mapped', ({ tally }) => tally.memory.hugeCoverage),
  figure<Tally>('guestTlbMisses', 'guest TLB misses', 'count', 'less', 'guest accesses that walked the tables, to a stage-2 leaf of whatever size', ({ tally }) =>
    GUEST_WALKS.reduce((sum, operationName) => sum + tally.operations[Op[operationName]], 0)),
  ...PRICE_METRICS,
  operationsMetric(CONVERSION_OPERATIONS),
];

/** Requests of a direction are those that ended, in one way or another. @returns a sentence where they are not */
export function contradictionInConversions(deterministic: Deterministic): string | undefined {
  for (const direction of DIRECTIONS) {
    const of = (name: string): number => Number(valueAt(deterministic, ['conversions', direction, name]) ?? 0);
    if (of('requested') !== of('succeeded') + of('timedOut') + of('gaveUp')) return `conversions.${direction}: requested is not succeeded + timedOut + gaveUp`;
  }
  return undefined;
}
