import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SMALL_GUEST, formFaults, interpret, kindCounts, openStreams, textOf } from '../../../test/tools/streams.ts';
import { allConvert, standardMix, workloads } from '../index.ts';
import { Access } from '../workload.ts';
import type { Workload, WorkloadOptions } from '../workload.ts';

const all: readonly Workload[] = [...workloads, standardMix, allConvert];
const everyPattern = all.map((workload) => [workload.name, workload] as const);

/** Guests of every size and form that a pattern has to take. */
const guests: fc.Arbitrary<Partial<WorkloadOptions>> = fc.record({
  pageCount: fc.oneof(fc.integer({ min: 2048, max: 5000 }), fc.constantFrom(2048, 8192, 65_536, 262_144)),
  accessCount: fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 6000 })),
  seed: fc.maxSafeNat(),
  vcpus: fc.integer({ min: 1, max: 9 }),
  processes: fc.integer({ min: 1, max: 4 }),
  windowsPerProcess: fc.integer({ min: 1, max: 5 }),
  conversion: fc.constantFrom('explicit', 'lazy'),
  dma: fc.constantFrom('pool', 'direct'),
  io: fc.constantFrom('direct', 'buffered'),
});

describe('the list of workloads', () => {
  test('has the patterns of the documents, in their order, each with a sentence', () => {
    expect(workloads.map(({ name }) => name)).toEqual([
      'sequential', 'uniform', 'zipf', 'hot-set', 'strided', 'bounce-ring', 'balloon', 'kexec', 'ping-pong', 'sparse-sharing',
      'dma-storm', 'fixed-buffers', 'many-mappings', 'misbehaving-vmm', 'converters', 'read-only-ring',
    ]);
    for (const { summary } of all) expect(summary).toMatch(/^[A-Z].{20,140}\.$/);
  });
});

describe.each(everyPattern)('%s', (name, workload) => {
  test('does exactly the accesses that it is asked for, over all actors, in any guest', async () => {
    await fc.assert(
      fc.asyncProperty(guests, async (guest) => {
        const { opened, streams } = await openStreams(workload, guest);
        expect(streams.reduce((sum, { length }) => sum + length, 0)).toBe(guest.accessCount);
        expect(opened.actors.filter(({ role }) => role === 'vcpu')).toHaveLength(guest.vcpus ?? 0);
        // The engine numbers vCPUs first, and all of them run in process 0.
        expect(opened.actors.slice(0, guest.vcpus).every(({ role, process }) => role === 'vcpu' && process === 0)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
  test('writes every column, stays inside the file, and fills and empties slots in turn', async () => {
    await fc.assert(
      fc.asyncProperty(guests, async (guest) => {
        const { opened, streams } = await openStreams(workload, guest);
        const options = { ...SMALL_GUEST, ...guest };
        const slotsSeen = new Map<number, number>();
        for (const [actor, stream] of streams.entries()) {
          expect(formFaults(stream, opened, options)).toEqual([]);
          for (const { kind, slot } of stream) {
            if (kind < Access.PinShort || kind > Access.Unpin) continue;
            expect(slotsSeen.get(slot) ?? actor).toBe(actor);
            slotsSeen.set(slot, actor);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
  test('is the same whatever the length of the batches', async () => {
    await fc.assert(
      fc.asyncProperty(guests, fc.integer({ min: 1, max: 200 }), async (guest, batchLength) => {
        const whole = await openStreams(workload, guest);
        const parts = await openStreams(workload, guest, batchLength);
        expect(parts.streams).toEqual(whole.streams);
      }),
      { numRuns: 10 },
    );
  });
  test('is the same again for a seed', async () => {
    const once = await openStreams(workload, { seed: 5 });
    expect((await openStreams(workload, { seed: 5 })).streams).toEqual(once.streams);
  });
  test('refuses a guest that is too small, with the least that would do', async () => {
    await expect(async () => workload.open({ ...SMALL_GUEST, pageCount: 2047 })).rejects.toThrow(/2047 pages[^]*at least 2048[^]*--memory 8MiB/);
    await expect(async () => workload.open({ ...SMALL_GUEST, vcpus: 64 })).rejects.toThrow(new RegExp(`${name}[^]*at least 4[0-9]{3} pages`));
  });
});

describe.each(everyPattern.filter(([name]) => name !== 'misbehaving-vmm'))('the VMM of %s', (_, workload) => {
  test('touches and pins only what the guest asked to share before, in the same stream and where it is mapped', async () => {
    await fc.assert(
      fc.asyncProperty(guests, async (guest) => {
        const { opened, streams } = await openStreams(workload, guest);
        const owner = new Map<number, number>();
        for (const [actor, stream] of streams.entries()) {
          if (opened.actors[actor].role !== 'vcpu') continue;
          const { faults, converted } = interpret(stream, { ...SMALL_GUEST, ...guest });
          expect(faults).toEqual([]);
          for (const page of converted) {
            expect(owner.get(page) ?? actor).toBe(actor);
            owner.set(page, actor);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe('seeds', () => {
  const fixed = new Set(['sequential', 'ping-pong', 'all-convert']);
  test.each(everyPattern.filter(([name]) => !fixed.has(name)))('%s differs by seed', async (_, workload) => {
    const [one, two] = await Promise.all([1, 2].map((seed) => openStreams(workload, { seed })));
    expect(two.streams).not.toEqual(one.streams);
  });
  test.each(everyPattern.filter(([name]) => fixed.has(name)))('%s is the same walk whatever the seed', async (_, workload) => {
    const [one, two] = await Promise.all([1, 2].map((seed) => openStreams(workload, { seed })));
    expect(two.streams).toEqual(one.streams);
  });
});

describe('at seed 1, in 8 MiB with two mappings', () => {
  test.each(everyPattern)('%s begins with these accesses, goes on with these other than the guest\'s own, and has so many of each kind', async (_, workload) => {
    const { opened, streams } = await openStreams(workload, { windowsPerProcess: 2 });
    const text = streams.map((stream, actor) => ({
      actor: opened.actors[actor].name,
      first: stream.slice(0, 6).map(textOf).join(', '),
      others: stream.filter(({ kind }) => kind > Access.GuestWrite).slice(0, 12).map(textOf).join(', '),
      kinds: kindCounts(stream),
    }));
    expect(text).toMatchSnapshot();
  });
});
