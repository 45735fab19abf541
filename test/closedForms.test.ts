/** What holds whatever the policy: mappings, forks and holes, each with the formula or the exact numbers that follow from it. */
import { describe, expect, test } from 'vitest';
import { PageBit, isPrivate } from '../src/model/file.ts';
import { inMm } from '../src/model/windows.ts';
import type { World } from '../src/model/world.ts';
import { counts, runScript } from './tools/runScript.ts';
import type { ScriptOptions } from './tools/runScript.ts';
import { a } from './tools/scripted.ts';
import type { ScriptedAccess } from './tools/scripted.ts';

const POLICIES = ['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k'];

/** Runs the script and shows the world as it stands at the end. */
async function worldAfter(script: readonly ScriptedAccess[], options: ScriptOptions): Promise<{ readonly world: World; readonly counted: ReturnType<typeof counts> }> {
  const seen: World[] = [];
  const outcome = await runScript(script, { ...options, onStep: (world) => (seen[0] = world) });
  return { world: seen[0], counted: counts(outcome) };
}

describe('what a flush and a GUP are charged as', () => {
  const touched = (pages: number, vmas = 1): readonly ScriptedAccess[] => [
    a.toShared(0, pages),
    ...Array.from({ length: vmas }, (_, window) => Array.from({ length: pages }, (_page, page) => a.hostRead(page, window))).flat(),
  ];

  test.each([1, 2, 33, 34, 512, 513])('a flush of %i entries invalidates each of them up to 33, and from there on all at once: for each VMA', async (pages) => {
    const vmas = 3;
    const counted = counts(await runScript([...touched(pages, vmas), a.toPrivate(0, pages)], { vmas }));
    expect([counted['tlb.flush'], counted['tlb.flushEntry'], counted['tlb.flushAll']]).toEqual(pages <= 33 ? [vmas, vmas * pages, undefined] : [vmas, undefined, vmas]);
  });

  test('what lies between two entries is flushed with them', async () => {
    const near = counts(await runScript([a.toShared(0, 64), a.hostRead(10), a.hostRead(20), a.toPrivate(0, 64)]));
    expect([near['tlb.flushEntry'], near['tlb.flushAll']]).toEqual([11, undefined]);
    const far = counts(await runScript([a.toShared(0, 64), a.hostRead(10), a.hostRead(50), a.toPrivate(0, 64)]));
    expect([far['tlb.flushEntry'], far['tlb.flushAll']]).toEqual([undefined, 1]);
  });

  test.each([1, 5, 16])('a GUP of %i pages without entries tries the fast path once, takes mmap_lock once, faults each page in, and raises no exception', async (pages) => {
    const setup = [a.toShared(0, 16)];
    const before = counts(await runScript(setup));
    const after = counts(await runScript([...setup, a.pinShort(0, 0, pages)]));
    const added = (name: keyof typeof after): number => (after[name] ?? 0) - (before[name] ?? 0);
    expect([added('gup.fast'), added('irq.toggle'), added('lock.mmap'), added('gup.slow'), added('pte.set'), added('host.fault')]).toEqual([1, 1, 1, pages, pages, 0]);
  });

  test('who gives a buffer back does not use it; the data of a pipe is read', async () => {
    const deviceAccesses = async (take: ScriptedAccess) => counts(await runScript([a.toShared(0, 4), take, a.unpin(0)]))['device.access'];
    expect(await deviceAccesses(a.pinLong(0, 0, 4))).toBeUndefined();
    expect(await deviceAccesses(a.pinShort(0, 0, 4))).toBeUndefined();
    expect(await deviceAccesses(a.splice(0, 0, 4))).toBe(4);
  });
});

describe.each(POLICIES)('under %s', (policy) => {
  test('fork copies V VMAs and no entry: the child faults V times for the page, and leaves nothing behind', async () => {
    const vmas = 5;
    const script = [a.toShared(0, 16), ...[0, 1, 2, 3, 4].map((window) => a.hostRead(3, window)), a.fork(3)];
    const { world, counted } = await worldAfter(script, { policy, pages: 16, vmas });
    expect(counted['fork.vma']).toBe(vmas);
    expect(counted['pte.set']).toBe(2 * vmas);
    expect(counted['pte.zap']).toBe(vmas); // the child's, at its exit
    // The parent's mm is flushed once at fork, and each of the child's mappings once at its exit.
    expect(counted['tlb.flush']).toBe(1 + vmas);
    expect(world.mapcount[3]).toBe(vmas);
    expect(world.childAlive[0]).toBe(0);
  });

  test('a child inherits the holes of its parent\'s mapping', async () => {
    const { counted } = await worldAfter([a.toShared(0, 16), a.hostRead(8), a.unmap(0, 4), a.fork(1), a.fork(5)], { policy, pages: 16 });
    expect(counted['signal.SIGSEGV']).toBe(1);
    expect(counted['host.access']).toBe(2);
  });

  test('a hole takes a folio away whoever holds it, and keeps the shareability of its pages', async () => {
    const { world, counted } = await worldAfter([a.toShared(0, 16), a.hostWrite(3), a.pinLong(0, 3), a.punch(3)], { policy, pages: 16 });
    expect(world.pageState[3] & PageBit.Present).toBe(0);
    expect(isPrivate(world, 3)).toBe(false);
    expect(counted['pageCache.remove']).toBe(1);
    // The LRU batch holds the old frame, and so does the pin where there is one: nothing is freed yet.
    expect(counted['folio.free']).toBeUndefined();
  });

  test('after the hole the index has a new folio, and who held the old one can no longer reach the page', async () => {
    const script = [a.toShared(0, 16), a.hostWrite(3), a.pinLong(0, 3), a.punch(3), a.hostWrite(3), a.toPrivate(3), a.device(0), a.unpin(0)];
    const { world, counted } = await worldAfter(script, { policy, pages: 16 });
    expect(isPrivate(world, 3)).toBe(true);
    expect(counted['page.clear']).toBe(2);
    expect(counted['access.exposed']).toBeUndefined();
    expect(counted['access.rogue']).toBeUndefined();
  });

  test('a private page that is punched stays private', async () => {
    const { world } = await worldAfter([a.guestWrite(3), a.punch(0, 16), a.guestRead(3)], { policy, pages: 16 });
    expect(isPrivate(world, 3)).toBe(true);
  });

  test('unmapping a range and mapping it again leaves one VMA, whatever was mapped in between', async () => {
    const script = [a.toShared(0, 16), a.hostRead(15), a.unmap(2, 3), a.unmap(8), a.unmap(0, 16), a.map(4, 4), a.map(0, 16), a.hostRead(2), a.hostRead(8)];
    const { world, counted } = await worldAfter(script, { policy, pages: 16 });
    expect(world.windowVmas[0]).toBe(1);
    expect(Array.from({ length: 16 }, (_, page) => inMm(world, 0, page))).not.toContain(false);
    expect(counted['signal.SIGSEGV']).toBeUndefined();
  });
});
