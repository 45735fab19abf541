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
