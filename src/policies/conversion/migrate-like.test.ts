import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a, scripted } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';
import { MIGRATION_PASSES } from '../../model/tasks.ts';

const policy = 'migrate-like';
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const sharedAndMapped = (pages: number, vmas: number): readonly ScriptedAccess[] => [
  a.toShared(0, pages),
  ...range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window))),
];
/** The first pass finds new folios in an LRU batch, and drains it: what comes after that is counted alone. */
const drained = [a.toPrivate(0), a.toShared(0)];

describe('migrate-like', () => {
  test.each([
    { pages: 1, vmas: 1 },
    { pages: 8, vmas: 1 },
    { pages: 8, vmas: 16 },
    { pages: 3, vmas: 64 },
  ])('N = $pages pages in one request under V = $vmas VMAs: two walks a folio, N x V entries replaced and none put back, N x V flushes', async ({ pages, vmas }) => {
    // The pages are no longer in a batch when the host maps them.
    const before = [a.toShared(0, pages), ...range(pages).map((page) => a.hostRead(page)), a.toPrivate(0, pages), ...sharedAndMapped(pages, vmas)];
    const [base, all] = [counts(await runScript(before, { policy, vmas })), counts(await runScript([...before, a.toPrivate(0, pages)], { policy, vmas }))];
    const added = (name: keyof typeof all): number => (all[name] ?? 0) - (base[name] ?? 0);
    expect(added('rmap.walk')).toBe(2 * pages);
    expect(added('vma.visit')).toBe(2 * pages * vmas);
    expect(added('pte.zap')).toBe(pages * vmas);
    expect(added('tlb.flush')).toBe(pages * vmas);
    expect(added('pte.set')).toBe(0);
    expect(added('folio.readRef')).toBe(pages);
    expect(added('lock.folio')).toBe(pages);
    expect(added('state.store')).toBe(1);
  });

  test('a page that nobody has mapped costs its two walks', async () => {
    const counted = counts(await runScript([a.toShared(0), a.guestWrite(0), ...drained], { policy, vmas: 16 }));
    expect(counted['pte.zap']).toBeUndefined();
    expect(counted['tlb.flush']).toBeUndefined();
    // The new folio is in an LRU batch: one pass more.
    expect(counted['rmap.walk']).toBe(4);
  });

  describe('a refusal', () => {
    const held = [a.toShared(0, 2), a.hostRead(0), a.hostRead(1), a.toPrivate(0, 2), a.toShared(0, 2), a.hostRead(0), a.hostRead(1), a.splice(0, 0)];

    test('comes after ten passes, and gives the host its entries back: the next touches need no fault', async () => {
      const before = counts(await runScript(held, { policy, costs: flatCosts(0) }));
      const { tally } = await runScript([...held, a.toPrivate(0, 2), a.hostRead(0), a.hostRead(1)], { policy, costs: flatCosts(0) });
      const counted = counts({ tally, notes: [] });
      const attempts = tally.conversions.toPrivate.retries + 1;
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, timedOut: 1, retries: 105 });
      expect(tally.conversions.toPrivate.refused[Errno.EAGAIN]).toBe(attempts);
      const added = (name: keyof typeof counted): number => (counted[name] ?? 0) - (before[name] ?? 0);
      expect(added('pte.zap')).toBe(2 * MIGRATION_PASSES * attempts);
      expect(added('pte.set')).toBe(2 * MIGRATION_PASSES * attempts);
      // The first folio fails each pass, and the second is not asked.
      expect(added('folio.readRef')).toBe(MIGRATION_PASSES * attempts);
      expect(added('host.fault')).toBe(0);
      expect(added('host.access')).toBe(2);
      expect(counted['refused.ownPin']).toBe(attempts);
    });

    test('drains the LRU batches once in a request for the kernel', async () => {
      const fresh = await runScript([a.toShared(0, 20), ...range(20).map((page) => a.hostRead(page)), a.toPrivate(0, 20)], { policy });
      expect(counts(fresh)['lru.drainWork']).toBe(1);
      expect(fresh.tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
    });
  });

  test('a short pin is over before the VMM asks again, a long-term one is refused', async () => {
    const { tally } = await runScript([a.toShared(0), a.pinLong(0, 0), a.io(0, 1, 5_000), a.toPrivate(0)], { policy, costs: flatCosts(0) });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(1);
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 1 });
  });

  test('of a large folio that is mapped page by page the pages that stay shared are mapped again: no neighbour faults', async () => {
    const large = { policy, folioOrder: 9, pages: 1024 } as const;
    const mapped = [a.toShared(1, 511), a.hostRead(1), a.toShared(0), ...range(512).map((page) => a.hostRead(page))];
    const script = [...mapped, a.toPrivate(5), ...range(512).filter((page) => page !== 5).map((page) => a.hostRead(page))];
    const counted = counts(await runScript(script, large));
    expect(counted).toMatchObject({ 'pte.zap': 512, 'pte.zapNeighbour': 511, 'pte.set': 512 + 511, 'host.fault': 512 });
    expect(counted['fault.neighbour']).toBeUndefined();
  });

  test('the host meets SIGBUS at a private page, and GUP EFAULT', async () => {
    const { tally } = await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0), a.hostWrite(0), a.pinShort(0, 0), a.copy(0)], { policy });
    expect(counts({ tally, notes: [] })['signal.SIGBUS']).toBe(1);
    expect(tally.errors.gup[Errno.EFAULT]).toBe(2);
  });

  test('those who meet a migration entry wait until the folio is unlocked, and all of them go on then', async () => {
    const readers = range(3).map(() => ({ role: 'vmm', accesses: range(1000).map((nth) => ({ ...a.hostRead(0), atNs: 100 * nth })) }) as const);
    const vcpu = { role: 'vcpu', accesses: range(5).flatMap(() => [a.toShared(0), a.hostRead(0), a.toPrivate(0)]) } as const;
    const { tally } = await runScript(scripted({ actors: [vcpu, ...readers] }), { policy, pages: 16, costs: flatCosts(64) });
    const counted = counts({ tally, notes: [] });
    expect(tally.accesses).toBe(5 * 3 + 3 * 1000);
    expect((counted['host.access'] ?? 0) + (counted['signal.SIGBUS'] ?? 0)).toBe(5 + 3 * 1000);
    // More than one waited at a time: each got SIGBUS from the page that had turned private.
    expect(counted['signal.SIGBUS']).toBeGreaterThan(5);
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 5, timedOut: 0 });
  });
});
