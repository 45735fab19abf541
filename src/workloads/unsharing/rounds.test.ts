import { describe, expect, test } from 'vitest';
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { createBatch } from '../workload.ts';
import type { Batch, Workload, WorkloadOptions } from '../workload.ts';
import { unsharingWorkloads } from './index.ts';

const OPTIONS: WorkloadOptions = { pageCount: 2048, accessCount: 6000, seed: 1, vcpus: 1, processes: 4, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' };

interface Stream {
  readonly process: number;
  readonly kinds: readonly number[];
  readonly pages: readonly number[];
  readonly batches: readonly Batch[];
}

async function streamsOf(workload: Workload, change: Partial<WorkloadOptions> = {}): Promise<readonly Stream[]> {
  const { actors } = await workload.open({ ...OPTIONS, ...change });
  const streams: Stream[] = [];
  for (const actor of actors) {
    const [kinds, pages]: [number[], number[]] = [[], []];
    const batch = createBatch(100);
    for (let count = await actor.fill(batch); count > 0; count = await actor.fill(batch)) {
      kinds.push(...batch.kind.subarray(0, count));
      pages.push(...batch.page.subarray(0, count));
    }
    streams.push({ process: actor.process, kinds, pages, batches: [batch] });
  }
  return streams;
}

const countOf = (numbers: readonly number[], wanted: number): number => numbers.filter((one) => one === wanted).length;

test('the workloads of the family unsharing are named once, and each says who suffers', () => {
  const names = unsharingWorkloads.map(({ name }) => name);
  expect(names).toEqual(['fork-server', 'snapshot-by-fork', 'registered-buffers', 'rdma-reader', 'restored-image', 'vmsplice-pipe', 'many-children', 'huge-pages', 'memory-pressure']);
  expect(unsharingWorkloads.every(({ summary }) => summary.endsWith('.') && summary.length < 160)).toBe(true);
});

describe.each(unsharingWorkloads.map((workload) => [workload.name, workload] as const))('the workload %s', (_name, workload) => {
  test('forks a process as often as that exits, and empties what it fills', async () => {
    const streams = await streamsOf(workload);
    for (const { process, kinds } of streams) {
      const forked = streams.reduce((sum, stream) => sum + stream.kinds.filter((kind, at) => kind === AnonymousAccess.Fork && stream.pages[at] === process).length, 0);
      expect(countOf(kinds, AnonymousAccess.Exit)).toBe(process === 0 ? 0 : forked);
      const filled = kinds.filter((kind) => kind >= AnonymousAccess.PinRead && kind <= AnonymousAccess.Splice).length;
      expect(countOf(kinds, AnonymousAccess.Unpin)).toBe(filled);
    }
  });

  test('does whole rounds, about as many accesses as were asked for, inside its memory', async () => {
    const [few, many] = [await streamsOf(workload, { accessCount: 1 }), await streamsOf(workload, { accessCount: 40_000 })];
    const total = (streams: readonly Stream[]): number => streams.reduce((sum, { kinds }) => sum + kinds.length, 0);
    expect(total(many) % total(few)).toBe(0);
    expect(total(many)).toBeLessThanOrEqual(40_000);
    expect(total(many)).toBeGreaterThan(40_000 - total(few));
    const beyond = many.flatMap(({ pages, kinds }) => pages.filter((page, at) => kinds[at] !== AnonymousAccess.Fork && page >= OPTIONS.pageCount));
    expect(beyond).toEqual([]);
  });

  test('is the same with the same seed', async () => {
    const [one, other] = [await streamsOf(workload), await streamsOf(workload)];
    expect(one.map(({ kinds, pages }) => [kinds, pages])).toEqual(other.map(({ kinds, pages }) => [kinds, pages]));
  });
});
