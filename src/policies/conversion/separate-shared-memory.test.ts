import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import type { ScriptOptions } from '../../../test/tools/runScript.ts';
import { a, scripted } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { PageBit } from '../../model/file.ts';
import { PHASES } from '../../model/operations.ts';
import type { OperationName } from '../../model/operations.ts';
import { VMM_STRATEGIES } from '../../model/request.ts';
import { PLATFORM_NAMES } from '../../model/platform.ts';
import type { World } from '../../model/world.ts';
import { loadCostProfile } from '../../simulate/costs.ts';

const policy = 'separate-shared-memory';
const PAGE_BYTES = 4096;
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const guestWrites = (pages: number): readonly ScriptedAccess[] => range(pages).map((page) => a.guestWrite(page));
const hostWrites = (pages: number, vmas = 1): readonly ScriptedAccess[] => range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window)));

/** What the accesses behind a beginning charge. */
async function added(begin: readonly ScriptedAccess[], then: readonly ScriptedAccess[], options: ScriptOptions = {}): Promise<(name: OperationName) => number> {
  const [base, all] = [counts(await runScript(begin, { policy, ...options })), counts(await runScript([...begin, ...then], { policy, ...options }))];
  return (name) => (all[name] ?? 0) - (base[name] ?? 0);
}

describe('separate-shared-memory', () => {
  test.each([
    { pages: 1, vmas: 1 },
    { pages: 8, vmas: 16 },
    { pages: 1025, vmas: 2 },
  ])('to-private of N = $pages pages under V = $vmas VMAs: 1 store, N leaves, and a punch: 1 walk, V VMAs, N x V entries, N folios freed', async ({ pages, vmas }) => {
    const shared = [a.toShared(0, pages), ...guestWrites(pages), ...hostWrites(pages, vmas)];
    // Folios that are in LRU batches would be orphans and not free: 31 other ones drain the batch.
    const drained = range(31).map((page) => a.hostWrite(2048 + page));
    const there = await added([...shared, ...drained], [a.toPrivate(0, pages)], { vmas });
    expect([there('state.store'), there('stage2.zap'), there('folio.readRef')]).toEqual([1, pages, 0]);
    expect([there('rmap.walk'), there('vma.visit'), there('pte.zap')]).toEqual([1, vmas, pages * vmas]);
    expect([there('pageCache.remove'), there('folio.free'), there('folio.alloc'), there('page.clear')]).toEqual([pages, pages, 0, 0]);
    // The ioctl, and one fallocate.
    expect([there('syscall'), there('user.exit'), there('lock.invalidate')]).toEqual([2, 1, 2]);
  });

  test.each([1, 8, 1025])('and back of N = %i pages that the guest has written: 1 store, N leaves, N pages out of guest_memfd, and no walk', async (pages) => {
    const back = await added([a.toShared(0, pages), ...hostWrites(pages), a.toPrivate(0, pages), ...guestWrites(pages)], [a.toShared(0, pages)]);
    expect([back('state.store'), back('stage2.zap'), back('pageCache.remove'), back('folio.free')]).toEqual([1, pages, pages, pages]);
    expect([back('rmap.walk'), back('pte.zap'), back('folio.alloc'), back('page.clear'), back('syscall')]).toEqual([0, 0, 0, 0, 2]);
  });

  test('each page that is touched after a conversion is allocated, zeroed and inserted, in either memory', async () => {
    const there = await added([a.toShared(0, 8), ...guestWrites(8), a.toPrivate(0, 8)], guestWrites(8));
    expect([there('folio.alloc'), there('page.clear'), there('pageCache.insert'), there('stage2.map')]).toEqual([8, 8, 8, 8]);
    const back = await added([...guestWrites(8), a.toShared(0, 8)], guestWrites(8));
    expect([back('folio.alloc'), back('page.clear'), back('pageCache.insert'), back('stage2.map')]).toEqual([8, 8, 8, 8]);
  });

  test('a request for what is already so stores nothing and zaps nothing, and the VMM punches all the same', async () => {
    const again = await added([a.toPrivate(0, 4)], [a.toPrivate(0, 4)]);
    expect([again('state.store'), again('stage2.zap'), again('syscall'), again('pageCache.remove')]).toEqual([0, 0, 2, 0]);
  });

  test('the time of the punches is the VMM\'s', async () => {
    const { tally } = await runScript([a.toShared(0, 4), ...hostWrites(4), a.toPrivate(0, 4)], { policy });
    const { phasesNs } = tally.conversions.toPrivate;
    // Walks and flushes are part of the punch, and of nothing else.
    expect(phasesNs[PHASES.indexOf('rmap')]).toBe(0);
    expect(phasesNs[PHASES.indexOf('vmm')]).toBeGreaterThan(0);
  });
});

describe('what the host does', () => {
  test('at an index that the guest has private is fine, and another page: no signal, no refusal, nothing rogue and nothing exposed', async () => {
    const script = [a.guestWrite(0), a.hostWrite(0), a.hostRead(0), a.pinShort(0, 0), a.device(0), a.unpin(0), a.copy(0), a.pinLong(1, 0), a.splice(2, 0), a.guestWrite(0)];
    const { tally } = await runScript(script, { policy });
    expect(counts({ tally, notes: [] })['access.done']).toBe(script.length);
    expect(['access.rogue', 'access.exposed', 'access.failed', 'access.orphan'].map((name) => counts({ tally, notes: [] })[name as OperationName])).toEqual([undefined, undefined, undefined, undefined]);
    expect(tally.memory.doubleMaxBytes).toBe(PAGE_BYTES);
  });

  test('never holds a conversion up: whoever has a pin goes on with a page that is nobody\'s, and each access is counted', async () => {
    for (const hold of [a.pinShort(0, 0, 2), a.pinLong(0, 0, 2), a.splice(0, 0, 2)]) {
      const { tally } = await runScript([a.toShared(0, 2), hold, a.device(0), a.toPrivate(0, 2), a.device(0), a.device(0), a.unpin(0)], { policy });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, retries: 0 });
      // Two accesses of two pages, and unpinning touches them once more.
      expect(counts({ tally, notes: [] })).toMatchObject({ 'access.orphan': 6 });
      expect(counts({ tally, notes: [] })['access.rogue']).toBeUndefined();
    }
  });

  test('to a punched page is lost under every policy, where it holds the page', async () => {
    const { tally } = await runScript([a.toShared(0), a.pinLong(0, 0), a.punch(0), a.device(0)], { policy: 'sigbus-on-fault' });
    expect(counts({ tally, notes: [] })).toMatchObject({ 'access.orphan': 1 });
  });
});

describe('double memory', () => {
  /** Pages in the page cache and private pages at the end. */
  async function endOf(script: readonly ScriptedAccess[], options: ScriptOptions = {}) {
    let last: World | undefined;
    const { tally } = await runScript(script, {
      policy,
      ...options,
      onStep(world) {
        last = world;
      },
    });
    const states = [...(last?.pageState ?? [])];
    return { memory: tally.memory, present: states.filter((state) => state & PageBit.Present).length, ownPages: states.filter((state) => state & PageBit.PrivatePresent).length };
  }

  test('of a conversion in one request is none where nobody touches the range before the punch', async () => {
    const { memory, present, ownPages } = await endOf([a.toShared(0, 512), ...hostWrites(512), a.toPrivate(0, 512), ...guestWrites(512)]);
    expect([memory.doubleMaxBytes, present, ownPages]).toEqual([0, 0, 512]);
  });

  test('of a conversion in one request is at most its pages, where another vCPU touches them between the store and the punch', async () => {
    const N = 512;
    const actors = [
      { role: 'vcpu', accesses: [a.toShared(0, N), ...guestWrites(N), { ...a.toPrivate(0, N), atNs: 1_000_000 }] },
      // As soon as the attribute is stored, private pages come in, a page every 3 us, while the VMM unmaps N entries and frees N folios.
      { role: 'vcpu', accesses: range(N).map((page) => ({ ...a.guestWrite(N - 1 - page), atNs: 1_005_000 + 3_000 * page })) },
    ] as const;
    const { memory } = (await runScript(scripted({ actors }), { policy, costs: loadCostProfile('published-x86') })).tally;
    expect(memory.doubleMaxBytes % PAGE_BYTES).toBe(0);
    expect([memory.doubleMaxBytes > 0, memory.doubleMaxBytes <= N * PAGE_BYTES]).toEqual([true, true]);
  });

  test('of a page that is private in a shared folio of 2 MiB is that page, for as long as it is private: the punch of a part gives nothing back', async () => {
    const { memory, present, ownPages } = await endOf([a.toShared(0, 512), a.hostWrite(0), a.toPrivate(5), a.guestWrite(5), a.guestWrite(6)], { folioOrder: 9 });
    expect([memory.doubleMaxBytes, present, ownPages]).toEqual([PAGE_BYTES, 1, 1]);
    const again = await endOf([a.toShared(0, 512), a.hostWrite(0), a.toPrivate(5), a.guestWrite(5), a.toShared(5)], { folioOrder: 9 });
    expect([again.memory.doubleMaxBytes, again.ownPages]).toEqual([PAGE_BYTES, 0]);
  });

  test('goes with a request for the whole folio', async () => {
    const { present, ownPages } = await endOf([a.toShared(0, 512), a.hostWrite(0), a.toPrivate(0, 512), a.guestWrite(5)], { folioOrder: 9 });
    expect([present, ownPages]).toEqual([0, 1]);
  });

  test('of a balloon that punches is none: it gives both back', async () => {
    const { present, ownPages } = await endOf([...guestWrites(4), ...hostWrites(4), a.punch(0, 4)]);
    expect([present, ownPages]).toEqual([0, 0]);
  });
});

describe('stage-2', () => {
  test('has large leaves over shared memory only: pages of guest_memfd are of 4 KiB', async () => {
    const { tally } = await runScript([...guestWrites(512), a.toShared(512, 512), a.guestWrite(512)], { policy, folioOrder: 9 });
    expect([tally.memory.stage2Leaves4K, tally.memory.stage2Leaves2M]).toEqual([512, 1]);
  });
});

describe('the policy runs', () => {
  test.each(VMM_STRATEGIES)('with a VMM that would %s', async (vmm) => {
    const { tally } = await runScript([a.toShared(0), a.pinLong(0, 0), a.toPrivate(0)], { policy, vmm });
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
  });

  test.each(PLATFORM_NAMES)('on %s', async (platform) => {
    const { tally } = await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0)], { policy, platform });
    expect(tally.conversions.toPrivate.succeeded).toBe(1);
  });

  test('where the guest donates: its fault asks the VMM, which gives back what the host has touched', async () => {
    const { tally } = await runScript([a.hostWrite(0), a.guestWrite(0), a.guestWrite(0)], { policy, conversion: 'lazy' });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1 });
    // The folio is in an LRU batch and lives on there until that is full.
    expect(counts({ tally, notes: [] })).toMatchObject({ 'folio.alloc': 2, 'page.clear': 2, 'pageCache.remove': 1 });
    expect(tally.memory.doubleMaxBytes).toBe(0);
  });
});
