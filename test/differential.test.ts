/**
 * The model against an obviously right one: random streams of accesses through both, compared after every access.
 *
 * FOLIOBENCH_SOAK multiplies the number of streams, FOLIOBENCH_SEED starts elsewhere:
 *     FOLIOBENCH_SOAK=100 FOLIOBENCH_SEED=7 npx vitest run test/differential.test.ts
 */
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Op } from '../src/model/operations.ts';
import { DIRECTIONS } from '../src/simulate/tally.ts';
import { Access } from '../src/workloads/workload.ts';
import { runBoth, runModel } from './reference/runBoth.ts';
import type { BothOptions } from './reference/runBoth.ts';
import { streams } from './reference/streams.ts';
import type { Stream, StreamSize } from './reference/streams.ts';
import { flatCosts } from './tools/flatCosts.ts';

const SOAK = Number(process.env['FOLIOBENCH_SOAK'] ?? 1);
const SEED = Number(process.env['FOLIOBENCH_SEED'] ?? 1);
/** @returns how many streams ended alike in both: all of them, or the shrunk one that did not is thrown */
async function agreeing(size: StreamSize, numRuns: number, options: BothOptions = {}): Promise<number> {
  let agreed = 0;
  await fc.assert(
    fc.asyncProperty(streams(size), async (stream) => {
      await runBoth(stream, options);
      agreed++;
    }),
    { numRuns: numRuns * SOAK, seed: SEED },
  );
  return agreed;
}

describe('the model and the reference model agree after every access', () => {
  test('on small files of 4 KiB folios, with every kind of access', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [5, 12], counts: [1, 1, 2, 3, 12], accesses: 60 }, 300)).toBe(300 * SOAK);
  }, 60_000 * SOAK);

  test('on files of more than one page table', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [1030], places: [0, 1, 510, 511, 512, 513, 1023, 1024, 1029], counts: [1, 2, 512, 513, 1030], accesses: 20 }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);

  test('on 2 MiB memory, where split-4k has small folios and the others large ones', async () => {
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 2, 510, 511, 512, 513, 1023], counts: [1, 2, 3, 512, 1024], accesses: 20 }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);

  test('and every invariant holds after every step', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [3, 6], counts: [1, 2, 6], accesses: 15 }, 60, { everyStep: true })).toBe(60 * SOAK);
  }, 60_000 * SOAK);

  test('where PMDs of the host come and go under conversions, faults, forks and munmaps of a part', async () => {
    const kinds = [
      Access.HostRead, Access.HostWrite, Access.HostWrite, Access.ToShared, Access.ToShared, Access.ToPrivate, Access.PinShort, Access.Unpin, Access.Unmap, Access.Map, Access.Fork, Access.Punch,
    ];
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 511, 512], counts: [1, 2, 512, 512, 1024], accesses: 40, kinds }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);

  test('where large stage-2 leaves come and go under conversions', async () => {
    const kinds = [Access.GuestWrite, Access.GuestWrite, Access.ToShared, Access.ToPrivate, Access.Punch];
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 511, 512], counts: [1, 2, 512], accesses: 40, kinds }, 20)).toBe(20 * SOAK);
  }, 60_000 * SOAK);
});

describe('a random stream', () => {
  const size: StreamSize = { folioOrders: [0], pages: [5, 12], counts: [1, 2, 12], accesses: 80 };
  const property = (check: (stream: Stream) => Promise<void>): Promise<void> =>
    fc.assert(fc.asyncProperty(streams(size), check), { numRuns: 100 * SOAK, seed: SEED });

  test('counts the same whether hits are taken in a burst or step by step', async () => {
    let alike = 0;
    await property(async (stream) => {
      const burst = await runModel(atOnce(stream), { costs: flatCosts() });
      const stepped = await runModel(atOnce(stream), { costs: flatCosts(), onStep: () => undefined });
      // The deep comparison of the test runner prints more and takes 50 times as long.
      expect(isDeepStrictEqual(burst.tally, stepped.tally)).toBe(true);
      alike++;
    });
    expect(alike).toBe(100 * SOAK);
  });

  test('keeps its sums: phases are the latency, and every request ends in one of three ways', async () => {
    await property(async (stream) => {
      const { tally } = await runModel(atOnce(stream), { costs: flatCosts() });
      for (const direction of DIRECTIONS) {
        const { requested, succeeded, timedOut, gaveUp, phasesNs } = tally.conversions[direction];
        expect(succeeded + timedOut + gaveUp).toBe(requested);
        expect(tally.latencyNs[direction].count).toBe(succeeded);
        expect(phasesNs.reduce((sum, ns) => sum + ns, 0)).toBe(tally.latencyNs[direction].totalNs);
      }
      const { toPrivate, toShared } = tally.conversions;
      expect(tally.latencyNs.abandoned.count).toBe(toPrivate.timedOut + toPrivate.gaveUp + toShared.timedOut + toShared.gaveUp);
      expect(tally.operations[Op['access.done']] + tally.operations[Op['access.failed']]).toBe(tally.accesses);
    });
    expect.hasAssertions();
  });
});

const SLOT_KINDS: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice, Access.DeviceAccess, Access.Unpin]);

/** The same accesses, each as soon as its CPU is free: everything overlaps with everything, but each slot stays with one CPU. */
function atOnce(stream: Stream): Stream {
  const { cpus, accesses } = stream;
  return {
    ...stream,
    accesses: accesses.map((access) => ({
      ...access,
      cpu: SLOT_KINDS.has(access.kind) ? access.slot % cpus.length : access.cpu,
      holdNs: access.holdNs > 1000 ? 300_000 : access.holdNs,
      atNs: 0,
    })),
  };
}
