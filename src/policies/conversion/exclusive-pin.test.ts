import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, policyNamed, runScript } from '../../../test/tools/runScript.ts';
import { smallLitmus } from '../../../test/tools/smallLitmus.ts';
import { a } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { checkLitmus } from '../../explore/checkLitmus.ts';
import { Errno } from '../../model/errno.ts';
import { withChoices } from '../choices.ts';

const policy = 'exclusive-pin';
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const sharedAndMapped = (pages: number, vmas: number): readonly ScriptedAccess[] => [
  a.toShared(0, pages),
  ...range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window))),
];

describe('exclusive-pin', () => {
  test.each([
    { pages: 1, vmas: 1 },
    { pages: 8, vmas: 16 },
    { pages: 3, vmas: 256 },
    { pages: 1025, vmas: 2 },
  ])('takes N = $pages pins for a request of N pages, whatever V = $vmas mappings there are: no walk, no zap, no flush', async ({ pages, vmas }) => {
    const script = sharedAndMapped(pages, vmas);
    const [before, after] = [counts(await runScript(script, { policy, vmas })), counts(await runScript([...script, a.toPrivate(0, pages)], { policy, vmas }))];
    expect(after['gup.grab']).toBe(pages);
    expect(after['state.store']).toBe(2);
    // The to-shared at the start dropped the pins of pages that were private.
    expect(before['gup.release']).toBe(pages);
    expect(after['gup.release']).toBe(pages);
    for (const none of ['rmap.walk', 'vma.visit', 'pte.zap', 'tlb.flush', 'folio.readRef', 'lru.drainWork'] as const) expect(after[none]).toBeUndefined();
  });

  test('there and back needs no new fault: the entry was never gone', async () => {
    const counted = counts(await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0), a.toShared(0), a.hostWrite(0)], { policy }));
    expect(counted).toMatchObject({ 'host.fault': 1, 'pte.set': 1, 'gup.grab': 1, 'gup.release': 2 });
  });

  test('a host access to a private page is SIGSEGV whether there is an entry or not, GUP that pins is EBUSY, a copy by the kernel EFAULT', async () => {
    const { tally } = await runScript([a.hostRead(0), a.toShared(1), a.hostWrite(1), a.toPrivate(1), a.hostWrite(1), a.pinShort(0, 1), a.pinLong(1, 1), a.io(1), a.copy(1)], { policy });
    const counted = counts({ tally, notes: [] });
    expect(counted['signal.SIGSEGV']).toBe(2);
    expect(counted['signal.SIGBUS']).toBeUndefined();
    expect(tally.errors.gup[Errno.EBUSY]).toBe(3);
    expect(tally.errors.gup[Errno.EFAULT]).toBe(1);
    expect(counted['access.failed']).toBe(6);
    expect(counted['access.rogue']).toBeUndefined();
    expect(counted['access.exposed']).toBeUndefined();
  });

  test('a GUP that is refused in the middle of its range lets go of what it has pinned', async () => {
    const { tally } = await runScript([a.toShared(0, 4), ...range(4).map((page) => a.hostRead(page)), a.toPrivate(2), a.pinShort(0, 0, 4), a.toPrivate(0, 4)], { policy });
    expect(tally.errors.gup[Errno.EBUSY]).toBe(1);
    expect(tally.conversions.toPrivate.succeeded).toBe(2);
  });

  describe('is refused with EBUSY while a pin exists', () => {
    test('which undoes what was pinned of the range, changes no attribute, and is tried again as EAGAIN elsewhere', async () => {
      const { tally } = await runScript([a.toShared(0, 8), a.hostRead(0), a.pinLong(0, 5), a.toPrivate(0, 8), a.hostRead(0)], { policy, costs: flatCosts(0) });
      const counted = counts({ tally, notes: [] });
      const attempts = tally.conversions.toPrivate.retries + 1;
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 0, timedOut: 1, retries: 105 });
      expect(tally.conversions.toPrivate.refused[Errno.EBUSY]).toBe(attempts);
      // 5 pages before the pinned one, each attempt; the pin itself is one more, and the to-shared released 8.
      expect(counted['gup.grab']).toBe(5 * attempts + 1);
      expect(counted['gup.release']).toBe(5 * attempts + 8);
      expect(counted['refused.ownPin']).toBe(attempts);
      expect(counted['host.access']).toBe(2);
    });

    test('of any page of a large folio, as a neighbour\'s', async () => {
      const { tally } = await runScript([a.toShared(0, 1024), a.pinLong(0, 77), a.toPrivate(5), a.toPrivate(512)], { policy, folioOrder: 9, pages: 1024 });
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, timedOut: 1 });
      expect(counts({ tally, notes: [] })['refused.neighbourPin']).toBe(tally.conversions.toPrivate.retries + 1);
    });
  });

  test('neither sees a get that was there before nor stops one that comes after: both users reach private data', async () => {
    const { tally } = await runScript([a.toShared(0, 2), a.splice(0, 0), a.toPrivate(0, 2), a.splice(1, 1), a.device(0), a.device(1), a.unpin(0), a.unpin(1)], { policy });
    const counted = counts({ tally, notes: [] });
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
    expect(counted['access.exposed']).toBe(2);
    expect(counted['access.rogue']).toBe(4);
  });
});

describe('the assumption that mappings of private pages are harmless', () => {
  const reachable = withChoices(policyNamed(policy), { mappings: 'reachable' });
  const litmus = smallLitmus({ world: '{ pages: 1 }', threads: { vcpu: ['host write 0', 'to-private 0', 'host write 0'] } });

  test('holds on pKVM, where the access ends as a signal', () => {
    expect(checkLitmus({ litmus, policy: policyNamed(policy), check: undefined })).toMatchObject({ safety: 'proved' });
  });

  test('taken away, a page that the host has touched is exposed with the store, and the next access reaches it', async () => {
    const { verdict, counterexample } = checkLitmus({ litmus, policy: reachable, check: undefined });
    expect(verdict).toBe('broken');
    expect(counterexample?.what).toBe('page 0 is private and within reach by (a) a present page-table entry of the host');
    const counted = counts(await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0), a.hostWrite(0)], { policy: reachable }));
    expect(counted).toMatchObject({ 'access.exposed': 1, 'access.rogue': 1, 'host.access': 2 });
    expect(counted['signal.SIGSEGV']).toBeUndefined();
  });

  test('is no help against a get, which is an exposure either way', () => {
    const spliced = smallLitmus({ world: '{ pages: 1 }', threads: { vcpu: ['vmsplice 0 as pipe', 'to-private 0', 'access pipe'] } });
    for (const one of [policyNamed(policy), reachable]) expect(checkLitmus({ litmus: spliced, policy: one, check: undefined }).verdict).toBe('broken');
  });
});
