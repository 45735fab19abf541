import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';
import { PHASES } from '../../model/operations.ts';

const policy = 'folio-mmapped';
const VMM = PHASES.indexOf('vmm');

describe('folio-mmapped', () => {
  describe('nothing private is ever covered by a VMA', () => {
    test('so the host has no mapping at the start of an explicit run: a touch is SIGSEGV, GUP is EFAULT', async () => {
      const { tally } = await runScript([a.hostRead(0), a.pinShort(0, 0)], { policy });
      expect(counts({ tally, notes: [] })).toMatchObject({ 'signal.SIGSEGV': 1, 'access.failed': 2 });
      expect(tally.errors.gup[Errno.EFAULT]).toBe(1);
    });

    test('mmap over a private page is EPERM; over shared ones it succeeds', async () => {
      const { tally } = await runScript([a.toShared(0, 4), a.unmap(0, 4), a.map(0, 5), a.map(0, 4), a.hostRead(3)], { policy });
      expect(tally.errors.mmap[Errno.EPERM]).toBe(1);
      expect(counts({ tally, notes: [] })['host.access']).toBe(1);
    });

    test('the VMM maps what became shared, and unmaps it before it becomes private: the host needs no signal', async () => {
      const { tally } = await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0), a.toShared(0), a.hostRead(0)], { policy });
      const counted = counts({ tally, notes: [] });
      expect(counted).toMatchObject({ 'host.access': 2, 'host.fault': 2, munmap: 1, mmap: 2, 'vma.insert': 2, 'vma.remove': 1 });
      expect(counted['signal.SIGBUS']).toBeUndefined();
      expect(counted['signal.SIGSEGV']).toBeUndefined();
    });
  });

  describe('the kernel\'s question is cheap and the VMM\'s dance is not', () => {
    /** One page becomes private and shared again under `vmas` mappings. */
    const thereAndBack = async (vmas: number) => {
      const { tally } = await runScript([a.toShared(0), a.toPrivate(0), a.toShared(0)], { policy, vmas });
      return { tally, counted: counts({ tally, notes: [] }) };
    };

    test.each([1, 2, 16, 256])('V = %i: the lookup is one search of an empty tree and finds nothing; munmap and mmap are V each', async (vmas) => {
      const { counted } = await thereAndBack(vmas);
      expect(counted['vma.lookup']).toBe(1);
      expect(counted['vma.visit']).toBeUndefined();
      expect(counted['munmap']).toBe(vmas);
      expect(counted['mmap']).toBe(2 * vmas);
    });

    test.each([
      { vmas: 1, levels: 1 },
      { vmas: 2, levels: 2 },
      { vmas: 16, levels: 5 },
      { vmas: 256, levels: 9 },
    ])('V = $vmas other VMAs in the file: the lookup is a path of 1 + log2 V = $levels levels in the tree', async ({ vmas, levels }) => {
      // Page 8 stays shared and mapped V times while page 0 becomes private.
      const counted = counts(await runScript([a.toShared(0), a.toShared(8), a.toPrivate(0)], { policy, vmas }));
      expect(counted['vma.lookup']).toBe(levels);
      expect(counted['vma.visit']).toBeUndefined();
    });

    test('the vmm phase of both directions is linear in V', async () => {
      const phases = await Promise.all([1, 2, 3, 64].map(async (vmas) => {
        const { toPrivate, toShared } = (await thereAndBack(vmas)).tally.conversions;
        return { toPrivate: toPrivate.phasesNs[VMM], toShared: toShared.phasesNs[VMM] };
      }));
      for (const direction of ['toPrivate', 'toShared'] as const) {
        const [one, two, three, many] = phases.map((phase) => phase[direction]);
        const each = two - one;
        expect(each).toBeGreaterThan(0);
        expect(three).toBe(one + 2 * each);
        expect(many).toBe(one + 63 * each);
      }
    });

    test('every process is asked by message, its own thread is not', async () => {
      const counted = counts(await runScript([a.toShared(0), a.toPrivate(0)], { policy, processes: 3, vmas: 2 }));
      expect(counted['ipc']).toBe(2 * 2); // two other processes, once to map and once to unmap, whatever their number of windows
    });
  });

  test('alternating pages split the mapping to one VMA a page', async () => {
    const { tally } = await runScript([a.toShared(0, 16), ...[1, 3, 5, 7].map((page) => a.toPrivate(page))], { policy, pages: 16 });
    const counted = counts({ tally, notes: [] });
    expect(counted['vma.split']).toBe(4 * 2);
    expect(counted['vma.remove']).toBe(4);
  });

  test('an mm has at most 65530 VMAs, all its mappings together: beyond, munmap is ENOMEM and the VMM gives the request up', async () => {
    // Each odd page splits the VMA that covers it: one more VMA in each of the two mappings.
    const vmas = 2;
    const splits = (65_530 - vmas) / vmas;
    const pages = 2 * (splits + 1) + 2;
    const script = [a.toShared(0, pages), ...Array.from({ length: splits + 1 }, (_, at) => a.toPrivate(2 * at + 1))];
    const { tally } = await runScript(script, { policy, vmas, pages });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: splits + 1, succeeded: splits, gaveUp: 1 });
    // The dance ends at the first mapping that cannot be split; the kernel is not asked.
    expect(tally.errors.mmap[Errno.ENOMEM]).toBe(1);
    expect(tally.errors.convert[Errno.EPERM]).toBe(0);
  });

  test('after munmap only the references tell of a user: the checks differ as everywhere', async () => {
    const script = [a.toShared(0), a.splice(0, 0), a.toPrivate(0), a.unpin(0), a.toPrivate(0)];
    for (const { check, exposed, refused } of [{ check: 'mapcount', exposed: 1, refused: 0 }, { check: 'mapped-or-pinned', exposed: 1, refused: 0 }, { check: 'refcount', exposed: undefined, refused: 106 }] as const) {
      const { tally } = await runScript(script, { policy, check, costs: flatCosts(0) });
      expect(counts({ tally, notes: [] })['access.exposed']).toBe(exposed);
      expect(tally.conversions.toPrivate.refused[Errno.EAGAIN]).toBe(refused);
    }
  });

  test('a 2 MiB folio is unmapped whole, and what stays shared of it is mapped again in pieces', async () => {
    const counted = counts(await runScript([a.toShared(0, 512), a.hostRead(3), a.toPrivate(5)], { policy, folioOrder: 9, pages: 1024 }));
    expect(counted).toMatchObject({ munmap: 1, mmap: 1 + 2, 'pte.zap': 1, 'vma.insert': 1 + 2 });
    expect(counted['pte.zapNeighbour']).toBeUndefined(); // the VMM did it, not the kernel
  });

  describe('in a lazy run', () => {
    test('everything is mapped at the start, and a donation unmaps its page in every process first', async () => {
      const { tally } = await runScript([a.hostRead(0), a.guestWrite(0), a.hostRead(0), a.hostRead(1)], { policy, conversion: 'lazy', processes: 2 });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1 });
      expect(counts({ tally, notes: [] })).toMatchObject({ munmap: 2, ipc: 1, 'vma.split': 2, 'signal.SIGSEGV': 1, 'host.access': 2 });
    });
  });
});
