import { describe, expect, test } from 'vitest';
import { WpKind } from '../../model/shmem/tasks.ts';
import { createBatch } from '../workload.ts';
import type { Batch, WorkloadOptions } from '../workload.ts';
import { WpAccess, isAsync } from './access.ts';
import { wpMarkerWorkloads } from './index.ts';

const options: WorkloadOptions = { pageCount: 4096, accessCount: 20_000, seed: 3, vcpus: 2, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' };

type Told = readonly [kind: number, page: number, count: number, slot: number];

async function accessesOf(fill: (batch: Batch) => number | Promise<number>): Promise<readonly Told[]> {
  const batch = createBatch(512);
  const told: Told[] = [];
  for (;;) {
    const count = await fill(batch);
    if (count === 0) return told;
    for (let at = 0; at < count; at++) told.push([batch.kind[at], batch.page[at], batch.count[at], batch.slot[at]]);
  }
}

async function streamsOf(name: string, asked: Partial<WorkloadOptions> = {}): Promise<Readonly<Record<string, readonly Told[]>>> {
  const workload = wpMarkerWorkloads.find((one) => one.name === name);
  const opened = await workload?.open({ ...options, ...asked });
  const streams: Record<string, readonly Told[]> = {};
  for (const actor of opened?.actors ?? []) streams[actor.name] = await accessesOf((batch) => actor.fill(batch));
  return streams;
}

const kindsOf = (streams: Readonly<Record<string, readonly Told[]>>): ReadonlySet<number> => new Set(Object.values(streams).flatMap((told) => told.map(([kind]) => kind)));
const countOf = (told: readonly Told[], kind: number): number => told.filter(([one]) => one === kind).length;

describe('accesses of wp-markers', () => {
  test('are the kinds that the model knows', () => {
    expect(Object.values(WpAccess)).toEqual(Object.values(WpKind));
    expect(Object.keys(WpAccess)).toEqual(Object.keys(WpKind));
  });
});

describe.each(wpMarkerWorkloads.map(({ name }) => name))('%s', (name) => {
  test('makes as many accesses as it is asked for, within the memory, the same for a seed', async () => {
    const streams = await streamsOf(name);
    const all = Object.values(streams).flat();
    expect(all.length).toBe(options.accessCount);
    expect(all.every(([, page, count]) => page + count <= options.pageCount && count >= 1)).toBe(true);
    expect(await streamsOf(name)).toEqual(streams);
    expect(await streamsOf(name, { seed: 4 })).not.toEqual(streams);
  });

  test('protects memory and writes it', async () => {
    const kinds = kindsOf(await streamsOf(name));
    expect([WpAccess.Write, WpAccess.Protect].every((kind) => kinds.has(kind))).toBe(true);
  });

  test('does not fit where there is no room', () => {
    expect(() => wpMarkerWorkloads.find((one) => one.name === name)?.open({ ...options, pageCount: 100 })).toThrow('does not fit a guest of 100 pages');
  });
});

describe('the workloads of wp-markers', () => {
  test('have each path of the kernel in one of them', async () => {
    const all = new Set<number>();
    for (const { name } of wpMarkerWorkloads) for (const kind of kindsOf(await streamsOf(name))) all.add(kind);
    // A scan that protects nothing, and the bit alone, are for litmus files.
    expect(Object.entries(WpAccess).filter(([, kind]) => !all.has(kind)).map(([kind]) => kind)).toEqual(['Scan', 'ReadBit']);
  });

  test('end each birth with a death', async () => {
    const { server, child } = await streamsOf('fork-server');
    const births = countOf(server, WpAccess.Fork) + countOf(server, WpAccess.ForkWithEvents);
    expect([births > 50, countOf(child, WpAccess.Exit)]).toEqual([true, births]);
    expect(child[child.length - 1][0]).toBe(WpAccess.Exit);
  });

  test('are asynchronous where they say so', async () => {
    const told = await Promise.all(wpMarkerWorkloads.map(async (workload) => [workload.name, isAsync(await workload.open(options))]));
    expect(told.filter(([, is]) => is).map(([name]) => name)).toEqual(['dirty-tracking']);
  });
});
