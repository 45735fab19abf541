import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withRequestPages, withRequestsOf } from './requestPages.ts';
import { workloads } from './index.ts';
import { Access, createBatch } from './workload.ts';
import type { Actor, Batch, WorkloadOptions } from './workload.ts';

interface Taken {
  readonly kind: number;
  readonly page: number;
  readonly count: number;
  readonly atNs: number;
}

/** A stream of these accesses, a few a batch; later, where a reader of a file would be. */
function streamOf(accesses: readonly Taken[], perBatch = 3, later = false): Actor {
  let at = 0;
  return {
    name: 'vcpu0',
    role: 'vcpu',
    process: 0,
    fill(batch) {
      const part = accesses.slice(at, at + perBatch);
      at += part.length;
      for (const [place, access] of part.entries()) {
        batch.kind[place] = access.kind;
        batch.page[place] = access.page;
        batch.count[place] = access.count;
        batch.atNs[place] = access.atNs;
      }
      return later ? Promise.resolve(part.length) : part.length;
    },
  };
}

async function drain(actor: Actor, batch: Batch = createBatch(5)): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (;;) {
    const filled = await actor.fill(batch);
    if (filled === 0) return taken;
    for (let place = 0; place < filled; place++) taken.push({ kind: batch.kind[place], page: batch.page[place], count: batch.count[place], atNs: batch.atNs[place] });
  }
}

const access = (kind: number, page: number, count = 1, atNs = 0): Taken => ({ kind, page, count, atNs });
const requests = (taken: readonly Taken[], kind: number): readonly Taken[] => taken.filter((one) => one.kind === kind);
/** Every page of every request with its kind, in order, between what is no request. */
const flat = (taken: readonly Taken[]): readonly (readonly number[])[] =>
  taken.flatMap(({ kind, page, count, atNs }) => (kind >= Access.ToShared && kind <= Access.ToPrivate ? Array.from({ length: count }, (_, nth) => [kind, page + nth, atNs]) : [[kind, page, atNs, count]]));

describe('requests of at most so many pages', () => {
  test('are a long one cut from its first page on', async () => {
    expect(await drain(withRequestsOf(streamOf([access(Access.ToPrivate, 10, 512)]), 200))).toEqual([
      access(Access.ToPrivate, 10, 200), access(Access.ToPrivate, 210, 200), access(Access.ToPrivate, 410, 112),
    ]);
  });

  test('are adjacent ones of a burst put together, across batches too', async () => {
    const burst = Array.from({ length: 10 }, (_, nth) => access(Access.ToShared, 100 + nth));
    expect(await drain(withRequestsOf(streamOf(burst), 4))).toEqual([access(Access.ToShared, 100, 4), access(Access.ToShared, 104, 4), access(Access.ToShared, 108, 2)]);
  });

  test.each([
    ['another kind', access(Access.ToPrivate, 2)],
    ['a page further on', access(Access.ToShared, 3)],
    ['a later time', access(Access.ToShared, 2, 1, 7)],
  ])('end a burst at %s', async (_, other) => {
    expect(await drain(withRequestsOf(streamOf([access(Access.ToShared, 1), other]), 64))).toEqual([access(Access.ToShared, 1), other]);
  });

  test('end a burst at any other access, which keeps its place', async () => {
    const stream = [access(Access.ToShared, 1), access(Access.HostWrite, 1), access(Access.ToShared, 2)];
    expect(await drain(withRequestsOf(streamOf(stream), 64))).toEqual(stream);
  });

  test('convert the same pages in the same order, whatever the number, in ceil(pages / number) requests a burst', async () => {
    const anAccess = fc.record({ kind: fc.constantFrom(Access.ToShared, Access.ToPrivate, Access.GuestWrite), page: fc.integer({ min: 0, max: 6 }), count: fc.integer({ min: 1, max: 5 }), atNs: fc.constantFrom(0, 0, 0, 9) });
    await fc.assert(
      fc.asyncProperty(fc.array(anAccess, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 7 }), fc.boolean(), async (stream, most, perBatch, later) => {
        const cut = await drain(withRequestsOf(streamOf(stream, perBatch, later), most), createBatch(perBatch));
        expect(flat(cut)).toEqual(flat(stream));
        const whole = await drain(withRequestsOf(streamOf(stream), 1_000_000));
        expect(Math.max(0, ...cut.filter(({ kind }) => kind !== Access.GuestWrite).map(({ count }) => count))).toBeLessThanOrEqual(most);
        for (const kind of [Access.ToShared, Access.ToPrivate]) {
          expect(requests(cut, kind).length).toBe(requests(whole, kind).reduce((sum, { count }) => sum + Math.ceil(count / most), 0));
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  const options: WorkloadOptions = {
    pageCount: 4096, accessCount: 3000, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed',
  };

  test.each(workloads.map((workload) => [workload.name, workload] as const))('leave what %s asks for as it is', async (_, workload) => {
    const plain = await workload.open(options);
    const cut = await withRequestPages(workload, 3).open(options);
    for (const [nth, actor] of plain.actors.entries()) expect(flat(await drain(cut.actors[nth], createBatch(100)))).toEqual(flat(await drain(actor, createBatch(100))));
  });
});
