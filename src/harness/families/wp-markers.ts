/** The family `wp-markers` in the harness: how write-protection by userfaultfd survives the zap of a shmem page. */
import { Op } from '../../model/operations.ts';
import type { OperationName } from '../../model/operations.ts';
import type { SpecialCase } from '../../model/shmem/kept.ts';
import type { FamilyTally } from '../../simulate/tally.ts';
import { counts, figure, operation } from '../metricLines.ts';
import { createFamilyFacts } from './family.ts';
import type { FamilyFacts } from './family.ts';

const MEBIBYTE = 1024 * 1024;
const PAGE_TABLE_BYTES = 4096;

/** Places that have to know of kept entries, in the order of the debate. */
const PLACES: readonly SpecialCase[] = ['none', 'swap', 'present', 'numa', 'fork', 'gup', 'pagemap', 'fault'];

const OPERATIONS: readonly OperationName[] = [
  'host.access', 'syscall', 'host.fault', 'lock.mmap', 'lock.invalidate', 'lock.folio', 'lock.iMmap', 'lock.pageTable', 'folio.alloc', 'folio.free', 'page.clear',
  'page.copy', 'pageCache.lookup', 'pageCache.insert', 'pageCache.remove', 'folio.put', 'folio.freeze', 'munmap', 'fork', 'fork.vma', 'rmap.walk', 'vma.visit', 'pte.check',
  'pte.zap', 'pte.set', 'tlb.flush', 'tlb.flushEntry', 'tlb.flushAll', 'tlb.ipi', 'tlb.interrupt', 'gup.slow', 'gup.grab', 'gup.release', 'access.done', 'work.done', 'access.failed', 'fork.pte', 'pte.protect',
  'wp.keep', 'pagemap.entry', 'uffd.event', 'uffd.wake', 'uffd.save', 'numa.hint', 'shmem.swapOut', 'shmem.swapIn', 'wp.event', 'wp.spurious', 'wp.lost', 'scan.missed',
  'fault.around', 'special.none', 'special.swap', 'special.present', 'special.numa', 'special.fork', 'special.gup', 'special.pagemap', 'special.fault',
];

const tables = (read: (tables: FamilyTally['gauges']['keptTables']) => number) => ({ tally }: { readonly tally: FamilyTally }): number => read(tally.gauges.keptTables) * PAGE_TABLE_BYTES;

export const wpMarkers: FamilyFacts = createFamilyFacts({
  name: 'wp-markers',
  summary: 'how write-protection by userfaultfd survives the zap of a shmem page',
  params: ['vcpus'],
  defaults: { memoryBytes: 64 * MEBIBYTE, vcpus: 2, accesses: 50_000 },
  locks: ['mmap', 'invalidate', 'folio', 'iMmap', 'pageTable'],
  latencies: [
    { latency: 'fault', title: 'fault', summary: 'from the exception to the end of the fault in the kernel, without the monitor' },
    { latency: 'userfault', title: 'write-protection fault', summary: 'from the event to the moment at which the writer goes on, the monitor\'s work included' },
    { latency: 'protect', title: 'write-protect', summary: 'UFFDIO_WRITEPROTECT of a range' },
    { latency: 'unprotect', title: 'un-protect', summary: 'the same, taking it away, the wake-ups included; the monitor\'s own calls are among them' },
    { latency: 'scan', title: 'scan', summary: 'PAGEMAP_SCAN of a range' },
    { latency: 'zap', title: 'zap', summary: 'MADV_DONTNEED of a range' },
    { latency: 'reclaim', title: 'reclaim', summary: 'memory pressure takes a range of pages' },
    { latency: 'punch', title: 'hole punch', summary: 'fallocate of a hole' },
    { latency: 'fork', title: 'fork', summary: 'from the call to the child\'s birth' },
    { latency: 'exit', title: 'exit', summary: 'a child gives its memory up' },
    { latency: 'numaScan', title: 'NUMA scan', summary: 'entries of a range become hints' },
    { latency: 'migrate', title: 'migration', summary: 'a page moves to another frame' },
  ],
  operations: OPERATIONS,
  sweepMetric: 'lostWrites',
  metrics: [
    operation('lostWrites', 'lost write-protections', 'count', 'less', 'wp.lost'),
    operation('missedWrites', 'writes missed by scans', 'count', 'less', 'scan.missed'),
    operation('events', 'write-protection events', 'count', 'neither', 'wp.event'),
    operation('spuriousEvents', 'spurious events', 'count', 'less', 'wp.spurious'),
    operation('faults', 'faults', 'count', 'less', 'host.fault'),
    operation('faultsAround', 'pages mapped around', 'count', 'neither', 'fault.around'),
    operation('swappedOut', 'pages swapped out', 'count', 'neither', 'shmem.swapOut'),
    operation('swappedIn', 'pages swapped in', 'count', 'neither', 'shmem.swapIn'),
    counts<FamilyTally>(
      ['specialCases', 'special cases', 'count', 'less', 'how often a place of the kernel met an entry that is kept for its bit, and had to know it, by place'],
      PLACES,
      ({ tally }) => PLACES.map((place) => tally.operations[Op[`special.${place}`]]),
    ),
    figure<FamilyTally>('kept.entriesMean', 'mean kept entries', 'count', 'less', 'entries that map nothing and are kept for their bit, over virtual time', ({ tally }) => tally.gauges.keptEntries.mean),
    figure<FamilyTally>('kept.entriesMax', 'most kept entries', 'count', 'less', 'the same at their most', ({ tally }) => tally.gauges.keptEntries.max),
    figure<FamilyTally>('kept.tableMeanBytes', 'mean page tables with kept entries', 'bytes', 'less', 'page tables that have such an entry, over virtual time', tables(({ mean }) => mean)),
    figure<FamilyTally>('kept.tableMaxBytes', 'most page tables with kept entries', 'bytes', 'less', 'the same at their most', tables(({ max }) => max)),
    figure<FamilyTally>('memory.pageTableMeanBytes', 'mean page tables', 'bytes', 'less', 'all page tables, over virtual time', ({ tally }) => tally.gauges.tables.mean * PAGE_TABLE_BYTES),
    figure<FamilyTally>('memory.pageTableMaxBytes', 'most page tables', 'bytes', 'less', 'the same at their most', ({ tally }) => tally.gauges.tables.max * PAGE_TABLE_BYTES),
    figure<FamilyTally>('protectedPages', 'pages protected at the end', 'pages', 'neither', 'pages of windows whose protection was promised and holds at the end', ({ tally }) => tally.figures.protectedPages),
  ],
});
