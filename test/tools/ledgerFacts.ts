/** The made-up family of ledgerFamily.ts in the harness. */
import { createFamilyFacts, type FamilyFacts } from '../../src/harness/families/family.ts';
import { figure, operation } from '../../src/harness/metricLines.ts';
import type { FamilyTally } from '../../src/simulate/tally.ts';

export const ledgerFacts: FamilyFacts = createFamilyFacts({
  name: 'ledger',
  summary: 'how sums are kept',
  params: ['vcpus'],
  defaults: { memoryBytes: 9 * 4096, vcpus: 2, accesses: 60 },
  latencies: [
    { latency: 'add', title: 'addition', summary: 'one addition' },
    { latency: 'flush', title: 'flush', summary: 'one flush' },
  ],
  operations: ['pte.check', 'pte.set', 'tlb.flush', 'tlb.flushEntry', 'tlb.ipi', 'tlb.interrupt', 'access.done', 'work.done', 'access.orphan'],
  locks: ['pageTable'],
  metrics: [
    figure<FamilyTally>('sum', 'sum', 'count', 'more', 'what stands in the ledger', ({ tally }) => tally.figures.sum),
    operation('lost', 'lost additions', 'count', 'less', 'access.orphan'),
    figure<FamilyTally>('pagesMax', 'most pages', 'pages', 'neither', 'pages of the ledger that are not zero', ({ tally }) => tally.gauges.pages.max),
  ],
  sweepMetric: 'latencyNs.add.mean',
});
