import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';

const policy = 'disallow-gup';

describe('disallow-gup', () => {
  test('long-term pins and gets of shared pages are EFAULT, and leave no reference behind', async () => {
    const { tally } = await runScript([a.toShared(0, 2), a.hostRead(0), a.pinLong(0, 0), a.splice(1, 0), a.splice(2, 1), a.toPrivate(0, 2)], { policy });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(3);
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
    const counted = counts({ tally, notes: [] });
    expect(counted['gup.release']).toBeUndefined();
    // The fast path takes a reference before it is refused, where there is an entry.
    expect(counted).toMatchObject({ 'gup.grab': 1, 'gup.undo': 1 });
  });

  test('short I/O goes through a bounce buffer: one copy a page, no pin, and the page may convert at once', async () => {
    const { tally } = await runScript([a.toShared(0, 4), a.io(0, 4, 1_000_000), a.pinShort(0, 0, 2), a.toPrivate(0, 4), a.device(0), a.unpin(0)], { policy });
    const counted = counts({ tally, notes: [] });
    expect(counted['page.copy']).toBe(6);
    expect(counted['gup.grab']).toBeUndefined();
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
    expect(counted['access.exposed']).toBeUndefined();
    expect(counted['access.rogue']).toBeUndefined();
    expect(tally.latencyNs.io.count).toBe(2);
  });

  test('the copy goes through the mapping: a private page is EFAULT and no signal', async () => {
    const { tally } = await runScript([a.toShared(0), a.io(0, 2), a.copy(1)], { policy });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(2);
    expect(counts({ tally, notes: [] })).toMatchObject({ 'access.failed': 2, 'page.copy': 1 });
    expect(counts({ tally, notes: [] })['signal.SIGBUS']).toBeUndefined();
  });

  test('in a lazy run as well: nothing that the host did keeps a donation waiting', async () => {
    const { tally } = await runScript([a.pinLong(0, 0), a.io(0, 1, 1_000_000), a.guestWrite(0)], { policy, conversion: 'lazy' });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, retries: 0 });
  });

  test('loads, stores and mmap are as under sigbus-on-fault', async () => {
    const script = [a.toShared(0, 4), a.hostWrite(0), a.hostRead(1), a.unmap(2), a.map(2), a.toPrivate(0, 4), a.hostRead(0)];
    const { tally } = await runScript(script, { policy });
    expect(counts({ tally, notes: [] })).toEqual(counts(await runScript(script, { policy: 'sigbus-on-fault' })));
  });
});
