/**
 * The conversion family: how shared memory of a guest becomes private, and back.
 *
 * Its runs have three labels, which the mails disagree about and a headline never mixes. The default run: all synthetic workloads as
 * guests run today, two recorded guests under every label, and two synthetic guests lazily, so that `lazy donation` does not stand on
 * recorded guests alone.
 */
import { checkMappings } from '../../model/shape.ts';
import { checkActors, windowsOf } from '../../simulate/prepare.ts';
import { LATENCIES } from '../../simulate/tally.ts';
import { contradictsDirect } from '../../workloads/traces/requests.ts';
import type { CellParams } from '../experiment.ts';
import { PAGE_BYTES } from '../sizes.ts';
import { CONVERSION_METRICS, CONVERSION_OPERATIONS, contradictionInConversions } from './conversionMetrics.ts';
import type { FamilyFacts, ParamDefaults, RunRequest } from './family.ts';

/** Recorded guests of the default run: a boot, and a day's work with its I/O. */
export const DEFAULT_TRACES: readonly string[] = ['boot-512m', 'file-1g-swiotlb'];
/** Synthetic guests that the default run shows lazily too: a steady one, and one that lives on shared pages. */
export const LAZY_SYNTHETIC: readonly string[] = ['zipf', 'bounce-ring'];

const AS_TODAY: ParamDefaults = { conversion: 'explicit', dma: 'pool' };
const LAZY_DONATION: ParamDefaults = { conversion: 'lazy', dma: 'pool' };
const COUNTERFACTUAL: ParamDefaults = { conversion: 'explicit', dma: 'direct' };

const LABELS = {
  'as today': 'the guest asks for each conversion and bounces its DMA through a shared pool',
  'lazy donation': `a guest's first touch makes a page private; DMA bounces through a shared pool`,
  counterfactual: 'no pool: the guest shares each DMA buffer in place and takes it back',
} as const;

function labelOf({ dma, conversion }: Pick<CellParams, 'dma' | 'conversion'>): keyof typeof LABELS {
  if (dma === 'direct') return 'counterfactual';
  return conversion === 'lazy' ? 'lazy donation' : 'as today';
}

export const conversion: FamilyFacts = {
  name: 'conversion',
  summary: 'how shared memory of a guest becomes private, and back',
  params: ['memoryBytes', 'folio', 'vcpus', 'processes', 'vmas', 'conversion', 'dma', 'io', 'pace', 'accesses', 'platform', 'vmm', 'requestPages', 'ioHoldUs', 'convertShare'],
  defaults: { memoryBytes: 1024 * 1024 * 1024, folio: '4K', vcpus: 2, processes: 1, vmas: 1, io: 'direct', pace: 'closed', accesses: 100_000 },
  defaultTraces: DEFAULT_TRACES,
  labels: LABELS,
  labelOf,
  /** A user who names a conversion or a DMA mode gets that one alone. */
  modesOf({ conversion: asked, dma, workloads }: RunRequest, workload) {
    if (workload.hasRequests === true && dma === 'direct') throw contradictsDirect(workload.name);
    if (asked !== undefined || dma !== undefined) return [{ conversion: asked ?? 'explicit', dma: dma ?? 'pool' }];
    if (workload.memoryPages !== undefined) return workload.hasRequests === true ? [AS_TODAY, LAZY_DONATION] : [AS_TODAY, LAZY_DONATION, COUNTERFACTUAL];
    const isHeadline = workloads === undefined || workloads.includes('all');
    return isHeadline && LAZY_SYNTHETIC.includes(workload.name) ? [AS_TODAY, LAZY_DONATION] : [AS_TODAY];
  },
  checkRoom({ memoryBytes, processes = 1, vmas = 1 }, actors) {
    checkActors(actors);
    checkMappings({ pages: memoryBytes / PAGE_BYTES, windows: windowsOf({ processes, windowsPerProcess: vmas }, actors) });
  },
  takesModules: true,
  operations: CONVERSION_OPERATIONS,
  metrics: CONVERSION_METRICS,
  latencies: LATENCIES,
  sweepMetric: 'latencyNs.toPrivate.mean',
  contradictionIn: contradictionInConversions,
};
