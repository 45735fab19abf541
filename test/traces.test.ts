/**
 * The recorded guests that we ship, to the last access. The figures were counted by another program from the unzipped files;
 * those by operation and actor also stand in traces/README.md.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { OP_NAMES, RecordOp } from '../src/workloads/traces/format.ts';
import { openTraceFile } from '../src/workloads/traces/reader.ts';
import { checkTrace, openTrace, traceNames } from '../src/workloads/traces/trace.ts';
import { Access, createBatch, type WorkloadOptions } from '../src/workloads/workload.ts';
import { OPTIONS } from './support/traceFiles.ts';

const FOLDER = join(import.meta.dirname, '..', 'traces');

interface Counts {
  readonly accesses: number;
  readonly pages: number;
}

/** Accesses and the pages in them, by actor and kind. */
async function countsOf(name: string, options: Partial<WorkloadOptions>) {
  const opened = await (await openTrace(name)).open({ ...OPTIONS, ...options });
  const kinds = Object.fromEntries(Object.entries(Access).map(([kind, index]) => [index, kind]));
  const counts: Record<string, Counts> = {};
  const batch = createBatch();
  let lastNs = 0;
  for (const actor of opened.actors) {
    for (let length = await actor.fill(batch); length > 0; length = await actor.fill(batch)) {
      for (let i = 0; i < length; i++) {
        const key = `${actor.name} ${kinds[batch.kind[i]]}`;
        const { accesses, pages } = counts[key] ?? { accesses: 0, pages: 0 };
        counts[key] = { accesses: accesses + 1, pages: pages + batch.count[i] };
        lastNs = Math.max(lastNs, batch.atNs[i]);
      }
    }
  }
  return { counts, lastNs, launch: opened.launch, notes: opened.notes };
}

const each = (accesses: number): Counts => ({ accesses, pages: accesses });

describe('the folder of traces', () => {
  test('holds the traces that have a name, and their partners', () => {
    const files = readdirSync(FOLDER).filter((file) => file.endsWith('.csv.gz'));
    expect(files.filter((file) => !file.endsWith('-dma.csv.gz')).sort()).toEqual(traceNames().map((name) => `${name}.csv.gz`).sort());
    expect(files.filter((file) => file.endsWith('-dma.csv.gz'))).toEqual(['file-1g-swiotlb-dma.csv.gz']);
  });
  test('speaks in its README of nothing else', () => {
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    for (const name of traceNames()) expect(readme).toContain(`\`${name}\``);
  });
  test.each(traceNames())('%s is whole', async (name) => {
    await expect(checkTrace(name)).resolves.toBeUndefined();
  });
});

describe('the records of', () => {
  const rows: readonly (readonly [name: string, records: number, byOp: Readonly<Record<string, number>>, host: number, vcpu0: number, vcpu1: number])[] = [
    ['boot-512m', 26_342, { 'first-touch-read': 18, 'first-touch-write': 26_324 }, 2765, 19_454, 4123],
    ['arm64-boot-512m', 18_257, { 'first-touch-write': 18_257 }, 8953, 6726, 2578],
    ['file-1g', 160_049, { 'first-touch-read': 18, 'first-touch-write': 160_031 }, 2765, 67_204, 90_080],
    ['file-1g-noinit', 159_813, { 'first-touch-read': 18, 'first-touch-write': 159_795 }, 42_913, 90_757, 26_143],
    ['file-1g-swiotlb', 182_998, { 'first-touch-read': 18, 'first-touch-write': 182_980 }, 2765, 145_881, 34_352],
  ];
  test.each(rows)('%s', async (name, records, byOp, host, vcpu0, vcpu1) => {
    const read = await recordsOf(name);
    expect(read).toEqual({ records, byOp, byActor: [host, 0, vcpu0, vcpu1] });
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    for (const cell of [`host ${host}<br>vcpu0 ${vcpu0}<br>vcpu1 ${vcpu1}`, Object.entries(byOp).map(([op, count]) => `${op} ${count}`).join('<br>')]) expect(readme).toContain(cell);
  });
  test('file-1g-swiotlb-dma', async () => {
    expect(await recordsOf('file-1g-swiotlb-dma')).toEqual({ records: 49_706, byOp: { 'coherent-alloc': 4, 'dma-map': 24_851, 'dma-unmap': 24_851 }, byActor: [0, 49_706] });
  });

  async function recordsOf(name: string) {
    const reader = await openTraceFile(join(FOLDER, `${name}.csv.gz`));
    const byOp: Record<string, number> = {};
    const byActor: number[] = [];
    let total = 0;
    for (let records = await reader.read(); records !== null; records = await reader.read()) {
      total += records.count;
      for (let i = 0; i < records.count; i++) {
        byOp[OP_NAMES[records.op[i]]] = (byOp[OP_NAMES[records.op[i]]] ?? 0) + 1;
        while (byActor.length <= records.actor[i]) byActor.push(0);
        byActor[records.actor[i]]++;
        if (records.op[i] <= RecordOp.FirstTouchRead && records.pageCount[i] !== 1) throw new Error('a first touch of many pages');
      }
    }
    return { records: total, byOp, byActor };
  }
});

const X86_LAUNCH_1G = [[256, 2009], [258_024, 1], [261_373, 723], [262_112, 32]];

describe('what the guests do', () => {
  test('boot-512m: all of it but the launch image is touched by vCPUs, whatever DMA is', async () => {
    for (const dma of ['pool', 'direct'] as const) {
      const { counts, launch } = await countsOf('boot-512m', { dma });
      expect(counts).toEqual({ 'vcpu0 GuestWrite': each(19_436), 'vcpu0 GuestRead': each(18), 'vcpu1 GuestWrite': each(4123) });
      expect(launch).toEqual([[256, 2009], [126_952, 1], [130_317, 755]]); // 2765 pages
    }
  });
  test('arm64-boot-512m: a launch image of 8953 pages', async () => {
    const { counts, launch } = await countsOf('arm64-boot-512m', {});
    expect(counts).toEqual({ 'vcpu0 GuestWrite': each(6726), 'vcpu1 GuestWrite': each(2578) });
    expect(launch).toEqual([[0, 1], [512, 8046], [32_768, 650], [33_792, 256]]);
  });
  test('file-1g: the guest zeroes its pages, so the host touches nothing first after launch', async () => {
    const { counts, launch, notes } = await countsOf('file-1g', { dma: 'direct' });
    expect(counts).toEqual({ 'vcpu0 GuestWrite': each(67_186), 'vcpu0 GuestRead': each(18), 'vcpu1 GuestWrite': each(90_080) });
    expect(launch).toEqual(X86_LAUNCH_1G);
    expect(notes).toEqual(['counterfactual: DMA without a bounce pool']);
  });
  test('file-1g-noinit: 40148 host touches become guest writes, or I/O in place', async () => {
    const vcpus = { 'vcpu0 GuestWrite': each(90_739), 'vcpu0 GuestRead': each(18), 'vcpu1 GuestWrite': each(26_143) };
    const pool = await countsOf('file-1g-noinit', { dma: 'pool' });
    expect(pool.counts).toEqual({ ...vcpus, 'driver GuestWrite': each(40_148) });
    expect(pool.notes[1]).toBe('inferred: 40148 host touches became guest accesses (the copy out of a bounce pool)');
    const direct = await countsOf('file-1g-noinit', { dma: 'direct' });
    expect(direct.counts).toEqual({ ...vcpus, 'driver ToShared': each(40_148), 'driver HostWrite': each(40_148), 'driver ToPrivate': each(40_148) });
    expect(direct.notes[1]).toBe('inferred: 40148 host touches became to-shared, host access, to-private');
    expect(direct.launch).toEqual(X86_LAUNCH_1G);
  });

  const vcpus = { 'vcpu0 GuestWrite': each(145_863), 'vcpu0 GuestRead': each(18), 'vcpu1 GuestWrite': each(34_352) };
  const unpin: Counts = { accesses: 24_851, pages: 0 }; // by slot
  test('file-1g-swiotlb with its pool: five requests of the guest in all, the pool and four virtqueues', async () => {
    const { counts, launch } = await countsOf('file-1g-swiotlb', { dma: 'pool' });
    expect(counts).toEqual({ ...vcpus, 'driver ToShared': { accesses: 5, pages: 16_384 + 4 * 2 }, 'driver PinShort': { accesses: 24_851, pages: 179_872 }, 'driver Unpin': unpin });
    expect(launch).toEqual(X86_LAUNCH_1G);
  });
  test('file-1g-swiotlb without a pool: a storm of 40258 requests; what is never taken back are the virtqueues', async () => {
    const { counts } = await countsOf('file-1g-swiotlb', { dma: 'direct' });
    expect(counts).toEqual({
      ...vcpus,
      'driver ToShared': { accesses: 20_131, pages: 175_148 },
      'driver PinShort': { accesses: 24_851, pages: 179_864 },
      'driver Unpin': unpin,
      'driver ToPrivate': { accesses: 20_131 - 4, pages: 175_148 - 4 * 2 },
    });
  });
  test('file-1g-swiotlb with buffered I/O: one copy a transfer, and no pin', async () => {
    const { counts } = await countsOf('file-1g-swiotlb', { io: 'buffered' });
    expect(counts).toEqual({ ...vcpus, 'driver ToShared': { accesses: 5, pages: 16_392 }, 'driver Copy': { accesses: 24_851, pages: 179_872 } });
  });
  test('file-1g-swiotlb at its own pace ends 64.14 s after the last page of its launch image', async () => {
    expect((await countsOf('file-1g-swiotlb', { pace: 'recorded' })).lastNs).toBe(64_140_582_266);
    expect((await countsOf('file-1g-swiotlb', { pace: 'closed' })).lastNs).toBe(0);
  });
});
