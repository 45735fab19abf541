import { describe, expect, test } from 'vitest';
import { hasMachineCode, libcHere, routinesHere, withoutMachineCode } from '../../test/support/machineCode.ts';
import { MapFlag, PAGE_BYTES, Protection } from './abi.ts';
import type { Address, Libc } from './libc.ts';
import { openRoutines, waitForChild } from './machineCode.ts';
import { createScope, withScope } from './scope.ts';

/** What the tests need of libc, as a kernel that executes nothing which was written. */
const refusing = {
  mmap: () => 4096,
  munmap: () => 0,
  mprotect: () => -1,
  errno: () => 13,
  view: () => new Uint8Array(PAGE_BYTES),
} as unknown as Libc;

test('on another processor there is no machine code, and it says so', () => {
  expect(openRoutines(refusing, createScope(), 'arm64')).toBe('takes a few bytes of machine code, which are written for x86-64 and not for arm64');
});

test('where a kernel executes nothing that was written there is none, and the page is given back', async () => {
  const freed: Address[] = [];
  const answer = await withScope((scope) => openRoutines({ ...refusing, munmap: (address) => freed.push(address) }, scope, 'x64'));
  expect([answer, freed]).toEqual(['mprotect(PROT_EXEC): EACCES', [4096]]);
});

test.each([[0x4d00, { byte: 77 }], [0, { byte: 0 }], [7, { signal: 7 }], [0x8b, { signal: 11 }]])('the end of a child, %i, is %j', (status, end) => {
  const libc = { wait4: (_process: number, into: Int32Array) => ((into[0] = status), 1) } as unknown as Libc;
  expect(waitForChild(libc, 1)).toEqual(end);
});

describe.skipIf(!hasMachineCode)(`the machine code${withoutMachineCode}`, () => {
  const libc = libcHere();
  test('a load that ends in SIGBUS is stepped over while that is asked for, and others answer their byte', async () => {
    await withScope((scope) => {
      const routines = routinesHere(scope);
      const fd = libc.memfdCreate('foliobench', 1);
      scope.defer(() => void libc.close(fd));
      libc.ftruncate(fd, PAGE_BYTES);
      const address = libc.mmap(0, 2 * PAGE_BYTES, Protection.ReadWrite, MapFlag.Shared, fd, 0);
      scope.defer(() => void libc.munmap(address, 2 * PAGE_BYTES));
      libc.view(address, 1)[0] = 200;
      routines.catchBusErrors(scope);
      expect([routines.load(address), routines.load(address + PAGE_BYTES), routines.load(address)]).toEqual([200, -1, 200]);
    });
    const now = new BigUint64Array(19);
    libc.sigactionOf(7, 0, now);
    expect(now[0]).toBe(0n); // the default again
  });
});
