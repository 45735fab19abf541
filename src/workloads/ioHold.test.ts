import { describe, expect, test } from 'vitest';
import { openStreams } from '../../test/tools/streams.ts';
import { workloads } from './index.ts';
import { withHoldsOf, withIoHold } from './ioHold.ts';
import type { StreamWorkload } from './streams.ts';
import { Access, createBatch } from './workload.ts';
import type { Actor, WorkloadOptions } from './workload.ts';

const HOLD_NS = 123_000;
const guests: readonly Partial<WorkloadOptions>[] = (['direct', 'buffered'] as const).flatMap((io) =>
  (['pool', 'direct'] as const).flatMap((dma) => (['explicit', 'lazy'] as const).map((conversion) => ({ io, dma, conversion, accessCount: 3000 }))));

describe.each((workloads as readonly StreamWorkload[]).map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
  test.each(guests)('with $io I/O, DMA by $dma and $conversion conversion: each I/O is held that long, and all else is as it was', async (guest) => {
    const { streams, opened } = await openStreams(workload, guest);
    const held = await openStreams(withIoHold(workload, HOLD_NS), guest);
    expect(held.streams).toEqual(streams.map((stream) => stream.map((access) => (access.kind === Access.Io ? { ...access, holdNs: HOLD_NS } : access))));
    expect({ ...held.opened, actors: [] }).toEqual({ ...opened, actors: [] });
    const { io = 'direct', dma = 'pool' } = guest;
    expect(streams.some((stream) => stream.some(({ kind }) => kind === Access.Io))).toBe(workload.holdsIo?.({ io, dma }) === true);
  });
});

test('an actor that answers later, as a reader of a file does, has its I/O held too, and nothing behind what it filled is touched', async () => {
  const late: Actor = {
    name: 'vcpu0',
    role: 'vcpu',
    process: 0,
    fill({ kind }) {
      kind.set([Access.Io, Access.PinShort, Access.Io]);
      return Promise.resolve(2);
    },
  };
  const batch = createBatch(3);
  expect(await withHoldsOf(late, 7).fill(batch)).toBe(2);
  expect([...batch.holdNs]).toEqual([7, 0, 0]);
});
