import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { brokenAnonymous, recountReferences } from '../../model/anonymous/invariants.ts';
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import type { AnonymousWorld } from '../../model/anonymous/world.ts';
import { Op } from '../../model/operations.ts';
import type { OperationName } from '../../model/operations.ts';
import { put } from '../../workloads/synthetic/stream.ts';
import { unsharingWorkloads } from '../../workloads/unsharing/index.ts';
import { deviceReads, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from '../../workloads/unsharing/rounds.ts';
import type { Part, RoundActor } from '../../workloads/unsharing/rounds.ts';
import type { Workload } from '../../workloads/workload.ts';
import type { FamilyRunOptions } from '../family.ts';
import { unsharingFamily } from './unsharing.ts';

const PAGES = 1024;
/** Pages that are pinned. */
const N = 24;

const workloadOf = (actors: readonly RoundActor[]): Workload => ({
  name: 'made-up',
  summary: 'for a test',
  open: (options) => openRounds({ workload: 'made-up', options, slots: 2, slotPages: N, actors }),
});

const optionsOf = (policy: string, workload: Workload, more: Partial<FamilyRunOptions> = {}): FamilyRunOptions => ({
  policy,
  workload,
  costs: flatCosts(100),
  folioOrder: 0,
  options: { pageCount: PAGES, accessCount: 1, seed: 1, vcpus: 1, processes: 2, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
  ...more,
});

/** One round of these actors under a policy, as counts of operations and the tally. */
async function round(policy: string, actors: readonly RoundActor[], more: Partial<FamilyRunOptions> = {}) {
  const { tally } = await unsharingFamily.run(optionsOf(policy, workloadOf(actors), more));
  return { tally, count: (name: OperationName): number => tally.operations[Op[name]] };
}

const idleChild = inParts('child', 1, [reads(0, 1), exits]);
const pinned = (...more: readonly Part[]): readonly RoundActor[] => [
  inParts('parent', 0, [writes(0, N), forks(1), takes(AnonymousAccess.PinLongRead, 0, 0, N), ...more]),
  // The child stays until the parent has done everything: it reads for longer than that takes.
  inParts('child', 1, [[5000, (batch, at) => put(batch, at, AnonymousAccess.Read, 0)], exits]),
];

describe('n pages that are pinned for reading behind a fork', () => {
  test('are n copies under unshare-and-pin, and none at the writes that follow', async () => {
    const { count, tally } = await round('unshare-and-pin', pinned(writes(0, N), deviceReads(0), unpins(0)));
    expect([count('copy.unshare'), count('copy.writeFault'), count('copy.fork'), count('pin.done'), count('pin.stale')]).toEqual([N, 0, 0, N, 0]);
    expect([tally.latencyNs.pin.count, tally.latencyNs.writeFault.count, tally.latencyNs.fork.count]).toEqual([1, 2 * N, 1]);
    // First writes map zeroed pages; those behind the pin find exclusive ones, and reuse them.
    expect([count('page.clear'), count('fault.reuse')]).toEqual([N, N]);
  });

  test('are n copies at the writes under ignore-and-pin, and n stale reads', async () => {
    const { count } = await round('ignore-and-pin', pinned(writes(0, N), deviceReads(0, 3), unpins(0)));
    expect([count('copy.unshare'), count('copy.writeFault'), count('pin.stale'), count('unpin.notExclusive')]).toEqual([0, N, 3 * N, N]);
  });

  test('are one refused pin under fail-to-pin', async () => {
    const { count, tally } = await round('fail-to-pin', pinned(writes(0, N), deviceReads(0), unpins(0)));
    expect([count('pin.failed'), count('pin.done'), count('copy.unshare'), count('copy.writeFault'), count('pin.stale'), count('access.failed')]).toEqual([1, 0, 0, N, 0, 1]);
    expect([tally.latencyNs.pin.count, tally.errors.gup[3]]).toEqual([0, 1]);
  });
});

describe('pages that are a process\'s own', () => {
  const alone = [inParts('alone', 0, [writes(0, N), takes(AnonymousAccess.PinLongRead, 0, 0, N), writes(0, N), deviceReads(0), unpins(0)])];
  test.each(['ignore-and-pin', 'fail-to-pin', 'unshare-and-pin'])('are pinned by GUP-fast without a copy under %s', async (policy) => {
    const { count } = await round(policy, alone);
    expect([count('pin.done'), count('pin.failed'), count('pin.stale'), count('page.copy'), count('gup.slow'), count('irq.toggle'), count('gup.fast'), count('host.fault')]).toEqual([N, 0, 0, 0, 0, 1, N, N]);
  });

  test('cost what their operations cost, to the nanosecond', async () => {
    const { tally } = await round('unshare-and-pin', [inParts('alone', 0, [writes(0, 1)])]);
    // A fault: exception, mmap_lock, the entry read, a folio, zeros, the table's lock, the entry; then the store.
    expect([tally.virtualNs, tally.latencyNs.writeFault.maxNs]).toEqual([800, 800]);
  });

  test('that are pinned when their process forks are copied by the fork', async () => {
    const { count } = await round('ignore-and-pin', [inParts('parent', 0, [writes(0, N), takes(AnonymousAccess.PinRead, 0, 0, N), forks(1), writes(0, N), deviceReads(0), unpins(0)]), idleChild]);
    expect([count('copy.fork'), count('copy.writeFault'), count('fault.reuse'), count('pin.stale')]).toEqual([N, 0, 0, 0]);
  });
});

const POLICIES = ['ignore-and-pin', 'fail-to-pin', 'unshare-and-pin'];

/** Reclaim takes pages [0, count), one after the other. */
const swapsOut = (count: number): Part => [count, (batch, at, nth) => put(batch, at, AnonymousAccess.SwapOut, nth)];
const sends = [takes(AnonymousAccess.PinRead, 0, 0, N), writes(0, N), deviceReads(0), unpins(0)];

describe('n pages that reclaim has taken to swap', () => {
  test.each(POLICIES)('are read by the pin, and exclusive again without a copy, where they were their process\'s own under %s', async (policy) => {
    const { count } = await round(policy, [inParts('alone', 0, [writes(0, N), swapsOut(N), ...sends])]);
    expect([count('swap.write'), count('swap.read'), count('lock.folio'), count('vma.visit')]).toEqual([N, N, 2 * N, N]);
    // They come back writable: only the first writes fault.
    expect([count('page.copy'), count('pin.done'), count('pin.stale'), count('host.fault')]).toEqual([0, N, 0, N]);
  });

  test('are read and then copied by the pin where a fork has shared them, and unmapped from both processes', async () => {
    const child = inParts('child', 1, [[5000, (batch, at) => put(batch, at, AnonymousAccess.Read, 2 * N)], exits]);
    const { count } = await round('unshare-and-pin', [inParts('parent', 0, [writes(0, N), forks(1), swapsOut(N), ...sends]), child]);
    expect([count('swap.write'), count('swap.read'), count('vma.visit'), count('pte.zap') >= 2 * N]).toEqual([N, N, 2 * N, true]);
    expect([count('copy.unshare'), count('copy.writeFault'), count('pin.stale')]).toEqual([N, 0, 0]);
  });

  test('are none where they are pinned: reclaim finds the pin behind its flush, and puts the entry back', async () => {
    const { count } = await round('unshare-and-pin', [inParts('alone', 0, [writes(0, N), takes(AnonymousAccess.PinRead, 0, 0, N), swapsOut(N), writes(0, N), deviceReads(0), unpins(0)])]);
    expect([count('pte.zap'), count('swap.write'), count('swap.read'), count('pin.stale'), count('host.fault')]).toEqual([N, 0, 0, 0, N]);
  });
});

test('a flush interrupts the other thread of the process, and what that loses is told', async () => {
  const thread = inParts('thread', 0, [[900, (batch, at) => put(batch, at, AnonymousAccess.Read, 2 * N)]]);
  const { count, tally } = await round('unshare-and-pin', [inParts('parent', 0, [writes(0, N), forks(1)]), thread, inParts('child', 1, [exits])]);
  expect([count('tlb.ipi'), count('tlb.interrupt'), tally.bystanderNs]).toEqual([1, 1, 100]);
});

describe('pages of a restored image, which nobody has written', () => {
  /** Pages of the buffer, and sends of it in a round. */
  const [BUFFER, SENDS] = [32, 4];
  const image = async (policy: string) => {
    const workload = unsharingWorkloads.find(({ name }) => name === 'restored-image');
    if (workload === undefined) throw new Error('no such workload');
    const { tally } = await unsharingFamily.run(optionsOf(policy, workload));
    return (...names: readonly OperationName[]): readonly number[] => names.map((name) => tally.operations[Op[name]]);
  };

  test('are copied once by a long-term pin under unshare-and-pin, and by the first writes under the others, which the pin does not see or was refused', async () => {
    const figures = ['copy.unshare', 'copy.writeFault', 'pin.done', 'pin.failed', 'pin.stale'] as const;
    expect((await image('unshare-and-pin'))(...figures)).toEqual([BUFFER, 0, BUFFER, 0, 0]);
    expect((await image('ignore-and-pin'))(...figures)).toEqual([0, BUFFER, BUFFER, 0, SENDS * BUFFER]);
    expect((await image('fail-to-pin'))(...figures)).toEqual([0, BUFFER, 0, 1, 0]);
  });

  test('come into the page cache once each, however often they are looked up', async () => {
    const [inserted, found, faults] = (await image('ignore-and-pin'))('pageCache.insert', 'pageCache.lookup', 'host.fault');
    expect([inserted > BUFFER, inserted <= found, found <= faults]).toEqual([true, true, true]);
  });
});

test('memory-pressure swaps what the process pins between its sends, under every policy', async () => {
  const workload = unsharingWorkloads.find(({ name }) => name === 'memory-pressure');
  if (workload === undefined) throw new Error('no such workload');
  for (const policy of POLICIES) {
    const { tally } = await unsharingFamily.run({ ...optionsOf(policy, workload), options: { ...optionsOf(policy, workload).options, accessCount: 4000 } });
    const { operations, bystanderNs, lockBlockedNs } = tally;
    // Nothing is read that was not written; a page of two processes may be written once and read once.
    expect([operations[Op['swap.read']] > 0, operations[Op['swap.write']] >= operations[Op['swap.read']], bystanderNs > 0, lockBlockedNs[0] > 0, lockBlockedNs[4] > 0]).toEqual([true, true, true, true, true]);
  }
});

describe.each(unsharingWorkloads.map((workload) => [workload.name, workload] as const))('the workload %s', (_name, workload) => {
  test.each(POLICIES)('comes to its end under %s, and its counts are right then', async (policy) => {
    const worlds: AnonymousWorld[] = [];
    const options = { ...optionsOf(policy, workload, { onStep: (world) => void (worlds[0] = world as AnonymousWorld) }), folioOrder: 0 };
    const { tally } = await unsharingFamily.run({ ...options, options: { ...options.options, pageCount: 512, accessCount: 1 } });
    const count = (name: OperationName): number => tally.operations[Op[name]];
    expect(tally.completed + count('access.failed')).toBe(tally.accesses);
    expect(policy === 'ignore-and-pin' ? undefined : brokenAnonymous(worlds[0])).toBeUndefined();
    expect([...recountReferences(worlds[0])]).toEqual([...worlds[0].frameRefs]);
    expect([...worlds[0].slotCount].every((held) => held === 0)).toBe(true);
    const never: Readonly<Record<string, readonly OperationName[]>> = {
      'ignore-and-pin': ['pin.failed', 'copy.unshare'],
      'fail-to-pin': ['pin.stale', 'pin.lost', 'copy.unshare', 'unpin.notExclusive'],
      'unshare-and-pin': ['pin.stale', 'pin.lost', 'pin.failed', 'unpin.notExclusive'],
    };
    expect(never[policy].filter((name) => count(name) > 0)).toEqual([]);
  });

  test('gives the same figures once more, and others with another seed or other accesses', async () => {
    const figures = async (change: object) => {
      const options = optionsOf('unshare-and-pin', workload);
      return (await unsharingFamily.run({ ...options, options: { ...options.options, pageCount: 512, accessCount: 1, ...change } })).tally;
    };
    expect(await figures({})).toEqual(await figures({}));
    expect((await figures({ accessCount: 8000 })).accesses).toBeGreaterThan((await figures({})).accesses);
  });
});

test('huge pages are there from the first write where the run asks for them, and small memory is refused', async () => {
  const { count } = await round('unshare-and-pin', pinned(writes(0, N), deviceReads(0), unpins(0)), { folioOrder: 9 });
  // One folio of 512 pages is cleared; the pin takes its PMD to pieces, and copies what it pins.
  expect([count('page.clear'), count('pmd.split'), count('copy.unshare'), count('copy.writeFault')]).toEqual([512, 1, N, 0]);
  const small = optionsOf('unshare-and-pin', unsharingWorkloads[0]);
  await expect(unsharingFamily.run({ ...small, options: { ...small.options, pageCount: 100 } })).rejects.toThrow('does not fit 100 pages');
});
