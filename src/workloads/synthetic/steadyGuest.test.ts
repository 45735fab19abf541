import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openStreams } from '../../../test/tools/streams.ts';
import { workloads } from '../index.ts';
import type { StreamOptions, StreamWorkload } from '../streams.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { CONVERT_SHARE_MAX, STEADY_MIX, steadyMixOf } from './steadyGuest.ts';

const ACCESSES = 20_000;
const takers = (workloads as readonly StreamWorkload[]).filter(({ drawsConversions }) => drawsConversions === true);

/** Of one vCPU with room to share and to take back: requests, accesses of the host, I/O, and the guest's own. */
async function countsOf(workload: Workload, options: Partial<StreamOptions>): Promise<readonly number[]> {
  const { streams: [stream] } = await openStreams(workload, { pageCount: 16_384, accessCount: ACCESSES, vcpus: 1, ...options });
  const of = (...kinds: readonly number[]): number => stream.filter(({ kind }) => kinds.includes(kind)).length;
  return [of(Access.ToShared, Access.ToPrivate), of(Access.HostRead, Access.HostWrite), of(Access.Io), of(Access.GuestRead, Access.GuestWrite)];
}

test('the steady guests that say so draw a share of conversions', () => expect(takers.map(({ name }) => name)).toEqual(['uniform', 'zipf', 'hot-set']));

describe.each(takers.map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
  test('with the share that it has anyway is the same stream', async () => {
    const [{ streams: plain }, { streams: asked }] = [await openStreams(workload), await openStreams(workload, { convertShare: 2 })];
    expect(asked).toEqual(plain);
  });

  test('with any share converts so often, within six standard deviations; host and I/O keep theirs', async () => {
    const near = (count: number, percent: number): void => {
      const mean = (ACCESSES * percent) / 100;
      expect(Math.abs(count - mean)).toBeLessThan(6 * Math.sqrt(mean) + 2);
    };
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10 * CONVERT_SHARE_MAX }), fc.nat({ max: 1000 }), async (tenths, seed) => {
        const [requests, host, io, own] = await countsOf(workload, { convertShare: tenths / 10, seed });
        near(requests, tenths / 10);
        near(host, 8);
        near(io, 4);
        expect(own).toBe(ACCESSES - requests - host - io);
      }),
      { numRuns: 12 },
    );
  });

  test('with the largest share has no access of its own', async () => expect((await countsOf(workload, { convertShare: CONVERT_SHARE_MAX }))[3]).toBe(0));
});

test('20 000 accesses of one seed are so many requests, accesses of the host, I/Os, and accesses of the guest itself', async () => {
  const [uniform] = takers;
  expect(await countsOf(uniform, { convertShare: 0.5 })).toEqual([108, 1603, 815, 17_474]);
  expect(await countsOf(uniform, {})).toEqual([418, 1587, 807, 17_188]);
  expect(await countsOf(uniform, { convertShare: 32 })).toEqual([6435, 1589, 792, 11_184]);
});

test('the mix is that of the other steady guests where no share is asked for', () => expect(steadyMixOf({})).toBe(STEADY_MIX));
