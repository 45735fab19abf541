import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';

const policy = 'sigsegv-on-fault';

describe('sigsegv-on-fault', () => {
  test('a load or store of a private page is SIGSEGV, each time, until the page is shared again', async () => {
    const counted = counts(await runScript([a.hostRead(0), a.hostWrite(0), a.toShared(0), a.hostRead(0), a.toPrivate(0), a.hostRead(0)], { policy }));
    expect(counted['signal.SIGSEGV']).toBe(3);
    expect(counted['signal.SIGBUS']).toBeUndefined();
    expect(counted['access.failed']).toBe(3);
    expect(counted['host.access']).toBe(1);
  });

  test('beyond the end of the file it stays SIGBUS', async () => {
    // The window ends with the file; an mmap that reaches further makes a VMA there.
    const counted = counts(await runScript([a.map(0, 18), a.hostRead(17)], { policy, pages: 16 }));
    expect(counted['signal.SIGBUS']).toBe(1);
    expect(counted['signal.SIGSEGV']).toBeUndefined();
  });

  test('GUP and read(2) are EFAULT and no signal, of any kind and length', async () => {
    const { tally } = await runScript([a.toShared(0), a.pinShort(0, 0, 2), a.pinLong(1, 1), a.splice(2, 1), a.io(1), a.copy(1)], { policy });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(5);
    expect(counts({ tally, notes: [] })['signal.SIGSEGV']).toBeUndefined();
  });

  test('but for the name of the signal every operation is charged as often as by sigbus-on-fault, and takes as long', async () => {
    const script: readonly ScriptedAccess[] = [
      a.toShared(0, 8), ...[0, 1, 2, 3].map((page) => a.hostWrite(page)), a.io(2), a.pinShort(0, 5), a.toPrivate(4, 4), a.unpin(0), a.toPrivate(0, 8), a.hostRead(3), a.guestWrite(3), a.copy(3),
    ];
    const [segv, bus] = [await runScript(script, { policy }), await runScript(script)];
    const { 'signal.SIGSEGV': own, ...rest } = counts(segv);
    const { 'signal.SIGBUS': other, ...same } = counts(bus);
    expect([own, other]).toEqual([1, 1]);
    expect(rest).toEqual(same);
    expect(segv.tally.virtualNs).toBe(bus.tally.virtualNs);
  });
});
