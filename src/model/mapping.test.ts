import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { brokenInvariant } from './invariants.ts';
import type { Shape } from './shape.ts';
import { TaskFlag } from './tasks.ts';
import { WindowFlag } from './windows.ts';

const copyOnWrite = (page: number, count = 1): ScriptedAccess => ({ ...a.map(page, count), flags: TaskFlag.CopyOnWrite });

/** A machine with a file of four pages, and how the accesses ended on it. */
function run(accesses: readonly ScriptedAccess[], { policy = 'sigbus-on-fault', ...shape }: Partial<Shape> & { readonly policy?: string } = {}) {
  const machine = new Machine({ policy: policyNamed(policy), threads: [{ role: 'vmm', accesses: [a.fork(0)] }], shape: { pages: 4, ...shape } });
  const results = accesses.map((access) => machine.runAlone(0, access));
  expect(brokenInvariant(machine.world, machine.host.program)).toBeUndefined();
  return { results: results.join(' '), flags: machine.world.windowFlags[0], vmas: machine.world.windowVmas[0] };
}

describe('mmap', () => {
  test('with MAP_PRIVATE is EINVAL and changes nothing', () => {
    expect(run([a.unmap(0, 4), copyOnWrite(0, 4), a.hostRead(0)])).toEqual({ results: 'OK EINVAL SIGSEGV', flags: 0, vmas: 0 });
  });

  test('of a file without the MMAP flag is ENODEV, whatever else is wrong with it', () => {
    expect(run([a.map(0, 4), copyOnWrite(0, 4), a.hostRead(0)], { mmapAllowed: false })).toEqual({ results: 'ENODEV ENODEV SIGSEGV', flags: 0, vmas: 0 });
  });

  test.each(['folio-mmapped', 'refuse-mmap'])('is refused for such a reason before %s is asked', (policy) => {
    expect(run([a.toPrivate(0), a.unmap(0, 4), a.map(0), copyOnWrite(0)], { policy }).results).toBe(`OK OK ${policy === 'folio-mmapped' ? 'EPERM' : 'EBUSY'} EINVAL`);
    expect(run([a.map(0)], { policy, mmapAllowed: false, initShared: false }).results).toBe('ENODEV');
  });
});

describe('a host access beyond the end of the file', () => {
  test('is SIGSEGV where the mapping ends with the file', () => {
    expect(run([a.hostRead(4), a.hostWrite(9), a.copy(4), a.fork(9)]).results).toBe('SIGSEGV SIGSEGV EFAULT OK');
  });

  test('is SIGBUS where the mapping reaches further, and the pages in the file are there', () => {
    expect(run([a.unmap(0, 4), a.map(0, 16), a.hostWrite(4), a.copy(4), a.hostWrite(3), a.hostRead(3)])).toEqual({
      results: 'OK OK SIGBUS EFAULT OK OK', flags: WindowFlag.Linked | WindowFlag.InIMmap | WindowFlag.BeyondEnd, vmas: 1,
    });
  });

  test('is SIGBUS where only a part beyond the end is mapped, and no page of the file is', () => {
    expect(run([a.unmap(0, 4), a.map(6, 2), a.hostRead(6), a.hostRead(3)])).toEqual({ results: 'OK OK SIGBUS SIGSEGV', flags: WindowFlag.BeyondEnd, vmas: 0 });
  });

  test('is SIGSEGV again after a munmap that reaches beyond the end, or that empties the window', () => {
    expect(run([a.map(2, 4), a.unmap(4, 2), a.hostRead(4), a.hostRead(3)]).results).toBe('OK OK SIGSEGV OK');
    expect(run([a.map(2, 4), a.unmap(3, 3), a.hostRead(4), a.hostRead(2)])).toMatchObject({ results: 'OK OK SIGSEGV OK', vmas: 1 });
    expect(run([a.map(2, 4), a.unmap(2, 1), a.hostRead(4)])).toMatchObject({ results: 'OK OK SIGBUS', vmas: 2 });
    expect(run([a.map(2, 4), a.unmap(0, 4), a.hostRead(4)])).toEqual({ results: 'OK OK SIGSEGV', flags: 0, vmas: 0 });
  });

  test('stays SIGBUS where the rest of the window is unmapped and mapped again', () => {
    expect(run([a.map(0, 6), a.unmap(1, 1), a.map(1, 1), a.hostRead(5)])).toMatchObject({ results: 'OK OK OK SIGBUS', vmas: 1 });
  });
});
