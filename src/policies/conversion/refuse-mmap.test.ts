import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';

const policy = 'refuse-mmap';

describe('refuse-mmap', () => {
  test('mmap is EBUSY while any page of the file is private, wherever it is', async () => {
    const { tally } = await runScript([a.map(0, 8), a.toShared(0, 15), a.map(0, 8), a.toShared(15), a.map(0, 8)], { policy, pages: 16 });
    expect(tally.errors.mmap[Errno.EBUSY]).toBe(2);
    expect(counts({ tally, notes: [] })).toMatchObject({ mmap: 3, 'vma.insert': 1 });
  });

  test('the VMM tries to map again at each access; until all is shared each one fails, without a signal', async () => {
    const { tally } = await runScript([a.toShared(0), a.hostRead(0), a.hostRead(0), a.io(0), a.copy(0), a.toShared(0, 16), a.hostRead(0), a.hostRead(0)], { policy, pages: 16 });
    const counted = counts({ tally, notes: [] });
    expect(tally.errors.mmap[Errno.EBUSY]).toBe(4);
    expect(tally.errors.gup[Errno.EFAULT]).toBe(0); // nothing was asked of GUP
    expect(counted).toMatchObject({ 'access.failed': 4, 'host.access': 2, 'vma.insert': 1 });
    expect(counted['signal.SIGBUS']).toBeUndefined();
  });

  test('the first to-private needs an empty i_mmap: the VMM unmaps every mapping of every process before it', async () => {
    const { tally } = await runScript([a.toShared(0, 16), a.hostRead(0, 0), a.hostRead(0, 1), a.toPrivate(3), a.toPrivate(4)], { policy, pages: 16, vmas: 2, processes: 2 });
    const counted = counts({ tally, notes: [] });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 2, succeeded: 2, retries: 0 });
    // Only what was mapped is unmapped, and the second request finds nothing to do.
    expect(counted).toMatchObject({ munmap: 2, 'vma.remove': 2, 'pte.zap': 2 });
    expect(counted['vma.visit']).toBeUndefined();
  });

  test('in a lazy run every process is mapped at the start, and the first donation ends that', async () => {
    const { tally } = await runScript([a.hostRead(1), a.guestWrite(0), a.guestWrite(1), a.hostRead(2)], { policy, pages: 16, vmas: 2, processes: 3, conversion: 'lazy' });
    expect(counts({ tally, notes: [] })).toMatchObject({ munmap: 6, ipc: 2, 'access.failed': 1 });
    expect(tally.errors.mmap[Errno.EBUSY]).toBe(1);
    expect(tally.conversions.toPrivate.succeeded).toBe(2);
  });

  test('a page that is pinned still refuses: references outlive the mapping', async () => {
    const { tally } = await runScript([a.toShared(0, 16), a.pinLong(0, 0), a.toPrivate(0), a.toPrivate(1)], { policy, pages: 16 });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 2, timedOut: 1, succeeded: 1 });
    expect(counts({ tally, notes: [] })['refused.ownPin']).toBe(tally.conversions.toPrivate.retries + 1);
  });

  test('windows that were unmapped piece by piece count as unmapped', async () => {
    const { tally } = await runScript([a.toShared(0, 16), a.hostRead(0), a.unmap(0, 8), a.unmap(8, 8), a.toPrivate(0)], { policy, pages: 16 });
    expect(counts({ tally, notes: [] })['munmap']).toBe(2); // the VMM has nothing left to unmap
    expect(tally.conversions.toPrivate.succeeded).toBe(1);
  });
});
