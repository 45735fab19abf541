import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a, scripted } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';
import { PHASES } from '../../model/operations.ts';

const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
/** Every page of [0, pages) is shared and touched through every one of `vmas` mappings. */
const sharedAndMapped = (pages: number, vmas: number, write = false): readonly ScriptedAccess[] => [
  a.toShared(0, pages),
  ...range(vmas).flatMap((window) => range(pages).map((page) => (write ? a.hostWrite(page, window) : a.hostRead(page, window)))),
];

describe('sigbus-on-fault', () => {
  describe('unmaps by itself', () => {
    test.each([
      { pages: 1, vmas: 1 },
      { pages: 8, vmas: 1 },
      { pages: 8, vmas: 16 },
      { pages: 3, vmas: 256 },
    ])('N = $pages requests of a page under V = $vmas VMAs visit N x V VMAs, zap N x V entries, flush N x V times', async ({ pages, vmas }) => {
      const { tally, ...outcome } = await runScript([...sharedAndMapped(pages, vmas), ...range(pages).map((page) => a.toPrivate(page))], { vmas });
      const counted = counts({ tally, ...outcome });
      expect(counted['rmap.walk']).toBe(pages);
      expect(counted['vma.visit']).toBe(pages * vmas);
      expect(counted['pte.zap']).toBe(pages * vmas);
      expect(counted['tlb.flush']).toBe(pages * vmas);
      expect(tally.conversions.toPrivate.succeeded).toBe(pages);
    });

    test('a VMA that never faulted is visited and neither zapped nor flushed', async () => {
      const counted = counts(await runScript([a.toShared(0), a.hostRead(0, 0), a.toPrivate(0)], { vmas: 16 }));
      expect(counted['vma.visit']).toBe(16);
      expect(counted['pte.zap']).toBe(1);
      expect(counted['tlb.flush']).toBe(1);
    });

    test.each([1, 512, 513, 1024])('a request for %i clean pages flushes once a VMA, for dirty ones once a page table of a VMA', async (pages) => {
      const vmas = 3;
      const tables = Math.ceil(pages / 512);
      const clean = counts(await runScript([...sharedAndMapped(pages, vmas), a.toPrivate(0, pages)], { vmas }));
      expect(clean['tlb.flush']).toBe(vmas);
      const dirty = counts(await runScript([...sharedAndMapped(pages, vmas, true), a.toPrivate(0, pages)], { vmas }));
      expect(dirty['tlb.flush']).toBe(vmas * tables);
      for (const counted of [clean, dirty]) {
        expect(counted['vma.visit']).toBe(vmas);
        expect(counted['pte.zap']).toBe(pages * vmas);
      }
    });

    test('a window with a hole in the range is two VMAs: two visits, two flushes', async () => {
      const counted = counts(await runScript([...sharedAndMapped(4, 1), a.unmap(1), a.toPrivate(0, 4)], { pages: 16 }));
      // One flush is the munmap's.
      expect(counted['vma.visit']).toBe(2);
      expect(counted['tlb.flush']).toBe(1 + 2);
      expect(counted['pte.zap']).toBe(4);
    });
  });

  describe('a request for the state that holds', () => {
    test('does nothing: no walk, no store, no check, not even where the page is pinned', async () => {
      const { tally } = await runScript([a.toPrivate(0), a.toShared(1), a.pinLong(0, 1), a.toShared(1), a.toPrivate(2, 3)]);
      const counted = counts({ tally, notes: [] });
      expect(counted['state.store']).toBe(1);
      expect(counted['rmap.walk']).toBeUndefined();
      expect(counted['folio.readRef']).toBeUndefined();
      expect(tally.conversions.toPrivate.succeeded).toBe(2);
      expect(tally.conversions.toShared.succeeded).toBe(2);
    });
  });

  describe('refuses with EAGAIN while somebody holds a folio', () => {
    const pinned = [a.toShared(0, 2), a.hostRead(0), a.pinLong(0, 0), a.hostRead(1), a.toPrivate(0, 2)] as const;

    test('and changes no attribute, but leaves the range unmapped: the next touches fault and succeed', async () => {
      const { tally } = await runScript([...pinned, a.hostRead(0), a.hostRead(1)]);
      const counted = counts({ tally, notes: [] });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 0, timedOut: 1 });
      expect(tally.conversions.toPrivate.refused[Errno.EAGAIN]).toBe(tally.conversions.toPrivate.retries + 1);
      expect(counted['state.store']).toBe(1); // the to-shared
      expect(counted['pte.zap']).toBe(2);
      expect(counted['host.fault']).toBe(4);
      expect(counted['signal.SIGBUS']).toBeUndefined();
      expect(counted['refused.ownPin']).toBe(tally.conversions.toPrivate.retries + 1);
    });

    test('a whole range is refused for one pinned page, and none of it converts', async () => {
      const { tally } = await runScript([a.toShared(0, 8), a.pinLong(0, 7), a.toPrivate(0, 8), ...range(8).map((page) => a.hostRead(page))]);
      expect(counts({ tally, notes: [] })['signal.SIGBUS']).toBeUndefined();
      expect(tally.conversions.toPrivate.timedOut).toBe(1);
    });

    test('the VMM rests 10 us, doubled up to 1 ms, and gives up after 100 ms of virtual time', async () => {
      // 10 + 20 + 40 + ... + 640 us are 7 rests and 1.27 ms; 98 of 1 ms follow; the next would end after the limit.
      const free = await runScript([a.toShared(0), a.pinLong(0, 0), a.toPrivate(0)], { costs: flatCosts(0) });
      expect(free.tally.conversions.toPrivate.retries).toBe(7 + 98);
      expect(free.tally.virtualNs).toBe(100_000_000);
      expect(free.tally.latencyNs.abandoned.totalNs).toBe(100_000_000);
    });

    test.each([
      // The pin ends just before the attempt at the sum of the first n rests.
      { holdNs: 5_000, retries: 1, latencyNs: 10_000 },
      { holdNs: 29_000, retries: 2, latencyNs: 30_000 },
      { holdNs: 69_000, retries: 3, latencyNs: 70_000 },
      { holdNs: 1_269_000, retries: 7, latencyNs: 1_270_000 },
      { holdNs: 2_269_000, retries: 8, latencyNs: 2_270_000 },
    ])('an I/O of $holdNs ns costs $retries retries and a latency of $latencyNs ns, all of it back-off', async ({ holdNs, retries, latencyNs }) => {
      const { tally } = await runScript([a.toShared(0), a.io(0, 1, holdNs), a.toPrivate(0)], { costs: flatCosts(0) });
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(latencyNs);
      expect(tally.conversions.toPrivate.phasesNs[PHASES.indexOf('backoff')]).toBe(latencyNs);
    });

    test('fresh folios sit in LRU batches: drained once in a request for the kernel, however many there are', async () => {
      const counted = counts(await runScript([...sharedAndMapped(20, 1), a.toPrivate(0, 20)]));
      expect(counted['lru.drainWork']).toBe(1);
      const refused = await runScript([...sharedAndMapped(20, 1), a.pinLong(0, 19), a.hostRead(0), a.toPrivate(0, 20)]);
      // The batch is empty after the first attempt.
      expect(counts(refused)['lru.drainWork']).toBe(1);
      expect(refused.tally.conversions.toPrivate.timedOut).toBe(1);
    });
  });

  describe('with large folios', () => {
    const large = { folioOrder: 9, pages: 1024 } as const;

    test('a pin on one page refuses each of its 512 pages, the others as a neighbour\'s', async () => {
      for (const page of [0, 1, 77, 511]) {
        const { tally } = await runScript([a.toShared(0, 1024), a.pinLong(0, 77), a.toPrivate(page)], large);
        expect(tally.conversions.toPrivate).toMatchObject({ timedOut: 1, succeeded: 0 });
        const counted = counts({ tally, notes: [] });
        expect(counted[page === 77 ? 'refused.ownPin' : 'refused.neighbourPin']).toBe(tally.conversions.toPrivate.retries + 1);
        expect(counted[page === 77 ? 'refused.neighbourPin' : 'refused.ownPin']).toBeUndefined();
      }
      const other = await runScript([a.toShared(0, 1024), a.pinLong(0, 77), a.toPrivate(512)], large);
      expect(other.tally.conversions.toPrivate.succeeded).toBe(1);
    });

    test('to convert 4 KiB of a folio that is mapped page by page costs 512 zaps and 511 refaults of neighbours', async () => {
      // The first touch comes while a page is private: a PMD (test/pmdMappings.test.ts) is not to be.
      const mapped = [a.toShared(1, 511), a.hostRead(1), a.toShared(0), ...range(512).map((page) => a.hostRead(page))];
      const script = [...mapped, a.toPrivate(5), ...range(512).filter((page) => page !== 5).map((page) => a.hostRead(page))];
      const counted = counts(await runScript(script, large));
      expect(counted['pte.zap']).toBe(512);
      expect(counted['pte.zapNeighbour']).toBe(511);
      expect(counted['fault.neighbour']).toBe(511);
    });
  });

  describe('what the host may do with a private page', () => {
    test('a load or store is SIGBUS, each time, until the page is shared again; no new mmap is needed', async () => {
      const counted = counts(await runScript([a.hostRead(0), a.hostWrite(0), a.toShared(0), a.hostRead(0), a.toPrivate(0), a.hostRead(0)]));
      expect(counted['signal.SIGBUS']).toBe(3);
      expect(counted['access.failed']).toBe(3);
      expect(counted['host.access']).toBe(1);
      expect(counted['mmap']).toBeUndefined();
    });

    test('GUP is EFAULT and no signal, of any kind and length', async () => {
      const { tally } = await runScript([a.toShared(0), a.pinShort(0, 0, 2), a.pinLong(1, 1), a.splice(2, 1), a.io(1), a.copy(1)]);
      const counted = counts({ tally, notes: [] });
      expect(tally.errors.gup[Errno.EFAULT]).toBe(5);
      expect(counted['signal.SIGBUS']).toBeUndefined();
      expect(counted['access.failed']).toBe(5);
      // The half that was pinned before the private page is let go.
      expect(counted['gup.release']).toBe(1);
    });

    test('mmap and munmap are never refused', async () => {
      const { tally } = await runScript([a.unmap(0, 8), a.hostRead(3), a.map(0, 8), a.hostRead(3)]);
      expect(tally.errors.mmap.every((count) => count === 0)).toBe(true);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'signal.SIGSEGV': 1, 'signal.SIGBUS': 1 });
    });
  });

  describe('which references each check believes', () => {
    const holders = [
      { holder: 'a short pin', take: a.pinShort(0, 0), pinned: true },
      { holder: 'a long-term pin', take: a.pinLong(0, 0), pinned: true },
      { holder: 'vmsplice', take: a.splice(0, 0), pinned: false },
    ] as const;
    for (const { holder, take, pinned } of holders) {
      for (const check of ['mapcount', 'mapped-or-pinned', 'refcount'] as const) {
        const refused = check === 'refcount' || (check === 'mapped-or-pinned' && pinned);
        test(`${check} ${refused ? 'refuses' : 'is blind to'} ${holder}${refused ? '' : ', and the device reaches private data'}`, async () => {
          const { tally } = await runScript([a.toShared(0), take, a.toPrivate(0), a.device(0), a.unpin(0), a.toPrivate(0)], { check });
          const counted = counts({ tally, notes: [] });
          expect(tally.conversions.toPrivate.succeeded).toBe(refused ? 1 : 2);
          expect(counted['access.exposed']).toBe(refused ? undefined : 1);
          // The use that is asked for, and the last one before the release.
          expect(counted['access.rogue']).toBe(refused ? undefined : 2);
        });
      }
    }
  });

  describe('in a lazy run', () => {
    const lazy = { conversion: 'lazy' } as const;

    test('the guest\'s first touch donates a page, and unmaps it from the host', async () => {
      const { tally } = await runScript([a.hostWrite(0), a.guestWrite(0), a.guestWrite(0), a.hostRead(0)], lazy);
      const counted = counts({ tally, notes: [] });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, pages: 1 });
      expect(counted).toMatchObject({ 'pte.zap': 1, 'stage2.fault': 1, 'guest.access': 2, 'signal.SIGBUS': 1 });
    });

    test('but not what the guest asked to share, until it asks for it back', async () => {
      const { tally } = await runScript([a.toShared(0), a.guestWrite(0), a.hostRead(0), a.toPrivate(0), a.hostRead(0)], lazy);
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1 });
      expect(counts({ tally, notes: [] })).toMatchObject({ 'host.access': 1, 'signal.SIGBUS': 1 });
    });

    test('a donation that is refused keeps the vCPU in its fault; given up, the guest goes on degraded and is not asked again', async () => {
      const { tally } = await runScript([a.pinLong(0, 0), a.guestWrite(0), a.guestWrite(0)], { ...lazy, costs: flatCosts(0) });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, timedOut: 1, retries: 105 });
      expect(tally.latencyNs.guestFault.totalNs).toBe(100_000_000);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'guest.access': 2, 'access.degraded': 2 });
    });
  });

  test('a request that leaves the file is EINVAL and is not tried again', async () => {
    const { tally } = await runScript([a.toShared(15, 2), a.toPrivate(16)], { pages: 16 });
    expect(tally.conversions.toShared).toMatchObject({ requested: 1, gaveUp: 1, retries: 0 });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, gaveUp: 1, retries: 0 });
    expect(tally.errors.convert[Errno.EINVAL]).toBe(2);
  });

  test('who pays: other CPUs of the mm for a flush of its entries, other vCPUs for the guest\'s', async () => {
    const convert = [a.toShared(0), a.hostRead(0), a.guestRead(0), a.toPrivate(0)];
    const rest = [{ ...a.guestRead(9), atNs: 0 }];
    const workload = scripted({
      actors: [
        { role: 'vcpu', process: 0, accesses: convert },
        { role: 'vcpu', process: 0, accesses: rest },
        { role: 'vmm', process: 0, accesses: [a.hostRead(8)] },
        { role: 'vmm', process: 1, accesses: [a.hostRead(8)] },
      ],
    });
    const counted = counts(await runScript(workload, { processes: 2, pages: 16 }));
    expect(counted['tlb.flush']).toBe(1);
    expect(counted['tlb.interrupt']).toBe(2); // the second vCPU and the VMM's thread share the mm
    expect(counted['stage2.kick']).toBe(1); // of the to-private; the to-shared found nothing mapped
    expect(counted['stage2.interrupt']).toBe(1); // only vCPUs are kicked
  });
});
