import { describe, expect, test } from 'vitest';
import { SMALL_GUEST } from '../../test/tools/streams.ts';
import { openTrace, workloads } from './index.ts';
import { statisticsOf } from './statistics.ts';
import type { StreamStatistics } from './statistics.ts';
import { Access } from './workload.ts';
import type { Actor } from './workload.ts';

type Written = readonly [kind: number, page: number, count?: number, more?: { readonly slot?: number; readonly holdNs?: number; readonly atNs?: number }];

/** An actor that does what is written down, three accesses a batch. */
function scripted(accesses: readonly Written[]): Actor {
  let given = 0;
  return {
    name: 'scripted',
    role: 'vcpu',
    process: 0,
    async fill(batch) {
      const part = accesses.slice(given, given + 3);
      for (const [i, [kind, page, count = 1, { slot = 0, holdNs = 0, atNs = 0 } = {}]] of part.entries()) {
        batch.kind[i] = kind;
        batch.page[i] = page;
        batch.count[i] = count;
        batch.slot[i] = slot;
        batch.holdNs[i] = holdNs;
        batch.atNs[i] = atNs;
      }
      given += part.length;
      return part.length;
    },
  };
}

const read = (...streams: readonly (readonly Written[])[]): Promise<StreamStatistics> =>
  statisticsOf({ actors: streams.map(scripted), launch: [] }, { pageCount: 2048, accessNs: 100 });

const write = (page: number, atNs = 0): Written => [Access.GuestWrite, page, 1, { atNs }];

describe('first touches', () => {
  test('count a page once, whoever touches it, and compare it with the one before', async () => {
    const found = await read([write(10), write(11), write(11), [Access.HostRead, 12], write(11), write(11), write(30), write(29)]);
    expect(found).toMatchObject({ accesses: 8, touchedPages: 5, firstTouches: 5, nextPage: 2 / 5, previousPage: 1 / 5, adjacentOwn: 3 / 5 });
  });
  test('are interleaved by time: two actors in turn, each next to its own last page', async () => {
    const found = await read([write(0), write(1), write(2)], [write(600), write(601), write(602)]);
    expect(found).toMatchObject({ firstTouches: 6, nextPage: 0, adjacentOwn: 4 / 6, recentRegion: 4 / 6 });
  });
  test('keep the recorded order where accesses have a time', async () => {
    const found = await read([write(0, 1000), write(1, 2000), write(2, 3000)], [write(600, 5000), write(601, 6000), write(602, 7000)]);
    expect(found).toMatchObject({ nextPage: 4 / 6, adjacentOwn: 4 / 6 });
  });
  test('fill regions; the launch image counts for a region and not for the order', async () => {
    const touchAll = Array.from({ length: 512 }, (_, page) => write(page));
    expect(await read([...touchAll, write(700)])).toMatchObject({ regions: 4, regionsTouched: 2, regionsFull: 1 });
    const launched = await statisticsOf({ actors: [scripted([write(511), write(510)])], launch: [[0, 511]] }, { pageCount: 2048 });
    expect(launched).toMatchObject({ touchedPages: 512, firstTouches: 1, regionsFull: 1 });
  });
  test('a touch after a hole was punched is counted apart', async () => {
    expect(await read([write(1), write(2), [Access.Punch, 0, 2], write(1), write(1), write(2)])).toMatchObject({ firstTouches: 2, touchesAfterPunch: 1 });
  });
});

describe('requests', () => {
  test('are counted with their pages, and those beyond the end of the file are not', async () => {
    const found = await read([[Access.ToShared, 0, 512], [Access.ToShared, 5], [Access.ToPrivate, 3, 2], [Access.ToShared, 2048]]);
    expect(found).toMatchObject({ accesses: 4, toShared: { requests: 2, pages: 513, pagesMax: 512 }, toPrivate: { requests: 1, pages: 2, pagesMax: 2 } });
  });
});

describe('I/O', () => {
  test('holds its pages for its time: one that comes 100 ns later overlaps one of 101 ns and not one of 100 ns', async () => {
    const after = (holdNs: number) => read([[Access.Io, 8, 4, { holdNs }], [Access.Io, 11, 1, { holdNs }]]);
    expect((await after(101)).io).toMatchObject({ requests: 2, pages: 5, overlapping: 1 / 2, reused: 1 / 5, distinctPages: 4, pagesLiveMax: 5 });
    expect((await after(100)).io).toMatchObject({ overlapping: 0, pagesLiveMax: 4 });
  });
  test('of a pin lasts until its unpin', async () => {
    const pin = [Access.PinShort, 8, 2, { slot: 3 }] as const;
    const unpin = [Access.Unpin, 8, 2, { slot: 3 }] as const;
    expect((await read([pin, [Access.Copy, 9]])).io.overlapping).toBe(1 / 2);
    expect((await read([pin, unpin, [Access.Copy, 9]])).io.overlapping).toBe(0);
  });
  test('has percentiles of its sizes by rank', async () => {
    const sizes = [1, 1, 1, 1, 1, 2, 3, 4, 32, 64];
    const { io } = await read(sizes.map((count, place): Written => [Access.Io, place * 64, count]));
    expect([io.pagesP50, io.pagesP90, io.pagesMax]).toEqual([1, 32, 64]);
  });
});

describe('the patterns and the recorded guests', () => {
  const statisticsOfPattern = async (name: string): Promise<StreamStatistics> => {
    const options = { ...SMALL_GUEST, pageCount: 262_144, accessCount: 100_000, vcpus: 1 };
    const workload = workloads.find((each) => each.name === name);
    if (workload === undefined) throw new Error(`no workload ${name}`);
    return statisticsOf(await workload.open(options), options);
  };
  test('sequential is next-page throughout; uniform never', async () => {
    expect((await statisticsOfPattern('sequential')).nextPage).toBeGreaterThan(0.9999);
    expect((await statisticsOfPattern('uniform')).nextPage).toBeLessThan(0.0001);
  });
  test('bounce-ring has half pages of two transfers, as the recorded DMA has', async () => {
    const { accesses, io } = await statisticsOfPattern('bounce-ring');
    expect(accesses).toBe(100_000);
    expect(io).toMatchObject({ pagesP50: 1, pagesP90: 32, pagesMax: 64 });
    expect(io.overlapping).toBeGreaterThan(0.05);
    expect(io.overlapping).toBeLessThan(0.2);
  });
  test('boot-512m: 87.4 % next-page and 54 regions touched, 49 full, as its README says', async () => {
    const trace = await openTrace('boot-512m');
    const options = { ...SMALL_GUEST, pageCount: trace.memoryPages ?? 0, pace: 'recorded' } as const;
    const found = await statisticsOf(await trace.open(options), options);
    expect(found).toMatchObject({ touchedPages: 26_342, regions: 256, regionsTouched: 54, regionsFull: 49 });
    expect(Math.abs(found.nextPage - 0.874)).toBeLessThan(0.03);
  });
});
