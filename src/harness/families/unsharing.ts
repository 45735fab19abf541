/** The family `unsharing`: what GUP does when it pins a page for reading that may be shared. */
import { Op, OPERATIONS, type OperationName } from '../../model/operations.ts';
import { figure, operation } from '../metricLines.ts';
import type { Metric } from '../metrics.ts';
import type { FamilyTally } from '../../simulate/tally.ts';
import { PAGE_BYTES } from '../sizes.ts';
import { createFamilyFacts, type FamilyFacts } from './family.ts';

const COPIES = ['copy.fork', 'copy.writeFault', 'copy.unshare', 'copy.collapse'] as const satisfies readonly OperationName[];

const copied = (name: string, title: string, operations: readonly OperationName[]): Metric<FamilyTally> =>
  figure<FamilyTally>(`copiedBytes.${name}`, title, 'bytes', 'less', `bytes copied: ${operations.map((one) => OPERATIONS[Op[one]].summary).join('; ')}`, ({ tally }) =>
    operations.reduce((sum, one) => sum + tally.operations[Op[one]], 0) * PAGE_BYTES);

const UNSHARING_OPERATIONS: readonly OperationName[] = [
  'host.access', 'device.access', 'syscall', 'host.fault', 'lock.mmap', 'lock.folio', 'lock.pageTable', 'irq.toggle', 'folio.alloc', 'folio.free', 'page.clear', 'page.copy',
  'pageCache.lookup', 'pageCache.insert', 'folio.readRef', 'folio.put', 'munmap', 'fork', 'fork.vma', 'vma.visit', 'pte.check', 'pte.zap', 'pte.set', 'tlb.flush', 'tlb.flushEntry', 'tlb.flushAll', 'tlb.ipi', 'tlb.interrupt',
  'gup.fast', 'gup.slow', 'gup.grab', 'gup.undo', 'gup.release', 'access.done', 'work.done', 'access.failed',
  'fork.pte', 'pte.protect', 'pmd.split', 'swap.write', 'swap.read', ...COPIES, 'fault.reuse', 'pin.done', 'pin.failed', 'pin.stale', 'get.stale', 'unpin.notExclusive',
];

export const unsharing: FamilyFacts = createFamilyFacts({
  name: 'unsharing',
  summary: 'what becomes of a pin for reading of a page that a fork has shared',
  params: ['folio', 'processes'],
  defaults: { memoryBytes: 16 * 1024 * 1024, folio: '4K', processes: 2, accesses: 20_000 },
  latencies: [
    { latency: 'pin', title: 'pin', summary: 'from the call to the references on all pages, of those that were granted' },
    { latency: 'writeFault', title: 'write fault', summary: 'a store that faulted, to its end' },
    { latency: 'fork', title: 'fork', summary: 'from the call to the birth of the child' },
  ],
  operations: UNSHARING_OPERATIONS,
  locks: ['mmap', 'folio', 'pageTable'],
  metrics: [
    operation('pins.granted', 'pages pinned', 'pages', 'more', 'pin.done'),
    operation('pins.failed', 'pins refused', 'count', 'less', 'pin.failed'),
    operation('pins.stale', 'stale reads', 'pages', 'less', 'pin.stale'),
    operation('pins.notExclusive', 'unpinned, not exclusive', 'pages', 'less', 'unpin.notExclusive'),
    operation('gets.stale', 'stale reads by get', 'pages', 'neither', 'get.stale'),
    operation('copies.fork', 'copies by fork', 'pages', 'less', 'copy.fork'),
    operation('copies.writeFault', 'copies by write faults', 'pages', 'less', 'copy.writeFault'),
    operation('copies.unshare', 'copies by unsharing', 'pages', 'less', 'copy.unshare'),
    operation('copies.collapse', 'copies by collapse', 'pages', 'less', 'copy.collapse'),
    copied('fork', 'bytes copied by fork', ['copy.fork']),
    copied('writeFault', 'bytes copied by write faults', ['copy.writeFault']),
    copied('unshare', 'bytes copied by unsharing', ['copy.unshare']),
    copied('all', 'bytes copied', COPIES),
    operation('faults', 'faults', 'count', 'less', 'host.fault'),
    operation('reused', 'pages reused', 'pages', 'more', 'fault.reuse'),
    operation('pmdSplits', 'PMDs split', 'count', 'less', 'pmd.split'),
    operation('swapReads', 'pages read from swap', 'pages', 'less', 'swap.read'),
  ],
  sweepMetric: 'latencyNs.pin.mean',
});
