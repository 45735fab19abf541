/**
 * A small catalogue for tests: two policies, two measures, one workload, one trace, and an engine that answers by
 * arithmetic. Nothing here is simulated; what is tested with it is the harness, the reports and the command line.
 */
import { ERRNOS, type ErrnoName } from '../../src/model/errno.ts';
import { Op, OPERATIONS, PHASES } from '../../src/model/operations.ts';
import { UserError } from '../../src/model/userError.ts';
import { CHECKS } from '../../src/policies/policy.ts';
import type { CostProfile } from '../../src/simulate/costs.ts';
import { Histogram } from '../../src/simulate/histogram.ts';
import { LOCKS, type ConversionTally, type Tally } from '../../src/simulate/tally.ts';
import type { Workload } from '../../src/workloads/workload.ts';
import type { Catalogue, EngineOptions } from '../../src/harness/catalogue.ts';

const idle = { actors: [], slots: 1, slotPages: 1, ioDepth: 1, launch: [], notes: [] };

export const fakeWorkload = (name: string, memoryPages?: number): Workload => ({
  name,
  summary: `stands for ${name}`,
  ...(memoryPages === undefined ? {} : { memoryPages }),
  open({ pageCount }) {
    if (pageCount < 2048) throw new UserError({ what: `${name} needs at least 2048 pages`, why: `got ${pageCount}`, fix: 'use --memory 8MiB or more' });
    return idle;
  },
});

export const fakeCosts: CostProfile = {
  name: 'fake',
  machine: 'none',
  kernel: 'none',
  hypervisor: 'none',
  method: 'made up',
  date: '2026-01-01',
  hash: '0123456789ab',
  prices: [
    { operation: 'vm.exit', index: Op['vm.exit'], ns: 1000, lowNs: 1000, highNs: 1000, source: 'published', reference: 'made up' },
    { operation: 'pte.zap', index: Op['pte.zap'], ns: 50, lowNs: 20, highNs: 80, source: 'estimated', reference: 'made up' },
  ],
  priceNs: Float64Array.from(OPERATIONS, ({ name }) => (name === 'vm.exit' ? 1000 : name === 'pte.zap' ? 50 : 0)),
};

export const fakeCatalogue: Catalogue = {
  family: 'conversion',
  policies: [
    { name: 'null', summary: 'nothing', checks: [], reference: 'null' },
    { name: 'lower-bound', summary: 'the least', checks: [], reference: 'lower-bound' },
    { name: 'sigbus-on-fault', summary: 'SIGBUS', checks: CHECKS },
    { name: 'refuse-mmap', summary: 'refuse', checks: [] },
  ],
  workloads: [fakeWorkload('sequential'), fakeWorkload('zipf')],
  traceNames: () => ['boot-512m', 'file-1g-swiotlb'],
  async checkTrace() {},
  async openTrace(nameOrPath) {
    if (nameOrPath === 'boot-512m' || nameOrPath === 'file-1g-swiotlb') return fakeWorkload(nameOrPath, nameOrPath === 'boot-512m' ? 131_072 : 262_144);
    throw new UserError({ what: `cannot read ${nameOrPath}`, why: 'there is no such file', fix: 'name a trace' });
  },
  costProfiles: () => [fakeCosts],
  loadCostProfile(nameOrPath) {
    if (nameOrPath === 'fake') return fakeCosts;
    throw new UserError({ what: `unknown cost profile "${nameOrPath}"`, why: 'known is fake', fix: 'pick it' });
  },
  defaultCosts: 'fake',
  run: async (options) => ({ tally: fakeTally(options), notes: [`ran ${options.policy}`] }),
};

/**
 * Every figure follows from the seed and the policy: `refuse-mmap` refuses each second request and completes half of the
 * accesses; the others grant all. A to-private conversion takes 1000 ns plus the seed.
 */
export function fakeTally({ policy, options: { seed, accessCount } }: Pick<EngineOptions, 'policy' | 'options'>): Tally {
  const refuses = policy === 'refuse-mmap';
  const converts = policy !== 'null';
  const requested = converts ? 10 : 0;
  const succeeded = refuses ? 5 : requested;
  const operations = new Float64Array(OPERATIONS.length);
  operations[Op['vm.exit']] = 10;
  operations[Op['pte.zap']] = converts ? 10 * seed : 0;
  operations[Op['vma.visit']] = converts ? 10 : 0;
  operations[Op['rmap.walk']] = converts ? 10 : 0;
  operations[Op['tlb.flush']] = converts ? 20 : 0;
  operations[Op['signal.SIGBUS']] = policy === 'sigbus-on-fault' ? 3 : 0;
  const accesses = accessCount === 0 ? 1000 : accessCount;
  return {
    accesses,
    completed: refuses ? accesses / 2 : accesses,
    work: refuses ? accesses / 2 : accesses,
    virtualNs: accesses * (policy === 'lower-bound' ? 5 : 10),
    operations,
    conversions: {
      toPrivate: {
        ...emptyConversions(),
        requested,
        pages: requested,
        succeeded,
        gaveUp: requested - succeeded,
        refused: errnos({ EBUSY: requested - succeeded }),
        phasesNs: Float64Array.from(PHASES, (phase) => (phase === 'exit' ? succeeded * (1000 + seed) : 0)),
      },
      toShared: emptyConversions(),
    },
    latencyNs: {
      toPrivate: histogramOf(Array.from({ length: succeeded }, () => 1000 + seed)),
      toShared: histogramOf([]),
      kernel: histogramOf([]),
      abandoned: histogramOf(Array.from({ length: requested - succeeded }, () => 50_000)),
      hostFault: histogramOf([]),
      guestFault: histogramOf([]),
      io: histogramOf([]),
      reconstruct: histogramOf([]),
    },
    bystanderNs: converts ? accesses / 10 : 0,
    lostNs: 0,
    lockBlockedNs: Float64Array.from(LOCKS, (lock) => (lock === 'invalidate' ? seed : 0)),
    errors: { mmap: errnos(refuses ? { EPERM: 7 } : {}), gup: errnos({}), convert: errnos({ EBUSY: requested - succeeded }) },
    rmapNs: 500,
    largePages: { inPieces: 0, heldApart: 0 },
    memory: {
      vmemmapBytes: 64,
      vmemmapMeanBytes: 64,
      vmemmapHvoMeanBytes: 64,
      vmemmapHvoEndBytes: 64,
      pageTableBytes: 4096,
      pageTableMaxBytes: 4096,
      doubleMaxBytes: 0,
      doubleMeanBytes: 0,
      peakBytes: 8192,
      stage2Leaves4K: 2,
      stage2Leaves2M: 0,
      stage2Leaves1G: 0,
      hugeCoverage: 0,
      hugeCoverageMean: 0,
    },
  };
}

export function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ns of values) histogram.record(ns);
  return histogram;
}

function errnos(counts: Readonly<Partial<Record<ErrnoName, number>>>): Float64Array {
  return Float64Array.from(ERRNOS, (errno) => counts[errno] ?? 0);
}

const emptyConversions = (): ConversionTally => ({
  requested: 0,
  pages: 0,
  succeeded: 0,
  timedOut: 0,
  gaveUp: 0,
  retries: 0,
  refused: errnos({}),
  phasesNs: new Float64Array(PHASES.length),
});
