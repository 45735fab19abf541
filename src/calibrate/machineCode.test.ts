/** Machine code runs where this machine is x86-64, Linux and has koffi; else those tests are skipped, with the reason in their name. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { MapFlag, PAGE_BYTES, Protection } from './abi.ts';
import { openLibc } from './libc.ts';
import type { Address, Libc } from './libc.ts';
import { leaveNoCores, openRoutines, waitForChild } from './machineCode.ts';
import type { Routines } from './machineCode.ts';
import { extentOf, hideOwnMemory, ownMappings } from './ownMemory.ts';
import { createScope, withScope } from './scope.ts';
import type { Scope } from './scope.ts';

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

test('what is a process\'s own is all of its mappings but those that the kernel gave it', () => {
  const smaps = [
    '00400000-00401000 r-xp 00000000 08:01 12                         /usr/bin/node',
    'Size:                  4 kB',
    'VmFlags: rd ex mr mw me sd ',
    '7ffd0000-7ffd4000 rw-p 00000000 00:00 0 ',
    'VmFlags: rd wr mr mw me dc nr sd ',
    '7ffe1000-7ffe5000 r--p 00000000 00:00 0                          [vvar]',
    'VmFlags: rd mr pf io de dd sd ',
    '',
  ];
  expect(ownMappings(smaps.join('\n'))).toEqual([{ start: 0x40_0000, end: 0x40_1000, hidden: false }, { start: 0x7ffd_0000, end: 0x7ffd_4000, hidden: true }]);
});

const opened = await openLibc().catch((error: unknown) => (error instanceof UserError ? error.what : String(error)));
const here = typeof opened === 'string' ? opened : openRoutines(opened, createScope());
const reason = typeof here === 'string' ? ` (skipped: ${here})` : '';

describe.skipIf(typeof here === 'string')(`on this processor${reason}`, () => {
  const libc = opened as Libc;
  const openHere = (scope: Scope): Routines => openRoutines(libc, scope) as Routines;
  function mapPages(scope: Scope, pages: number, protection: number): Address {
    const address = libc.mmap(0, pages * PAGE_BYTES, protection, MapFlag.Shared | MapFlag.Anonymous, -1, 0);
    scope.defer(() => void libc.munmap(address, pages * PAGE_BYTES));
    return address;
  }

  test('a child ends with the byte that it loaded, or with 0 where it loads none', () =>
    withScope((scope) => {
      const { fork } = openHere(scope);
      const address = mapPages(scope, 1, Protection.ReadWrite);
      libc.view(address, 1)[0] = 77;
      expect([fork(address), fork(0)].map((child) => waitForChild(libc, child))).toEqual([{ byte: 77 }, { byte: 0 }]);
    }));

  test('a child without our memory lives on what it is shown, and dies of what it is not', () =>
    withScope((scope) => {
      leaveNoCores(libc, scope);
      const { fork, vital } = openHere(scope);
      const [shown, hidden] = [mapPages(scope, 1, Protection.ReadWrite), mapPages(scope, 1, Protection.ReadWrite)];
      libc.view(shown, 1)[0] = 5;
      hideOwnMemory(libc, scope, [...vital, extentOf(shown, PAGE_BYTES)])();
      expect([fork(shown), fork(hidden)].map((child) => waitForChild(libc, child))).toEqual([{ byte: 5 }, { signal: 11 }]);
    }));

  test('and behind that everything that went to children before does so again', async () => {
    const own = () => ownMappings(readFileSync('/proc/self/smaps', 'utf8'));
    const before = new Set(own().filter(({ hidden }) => !hidden).map(({ start }) => start));
    const hiddenNow = (): number => own().filter(({ start, hidden }) => hidden && before.has(start)).length;
    expect(before.size).toBeGreaterThan(10);
    await withScope((scope) => {
      hideOwnMemory(libc, scope, openHere(scope).vital)();
      expect(hiddenNow()).toBeGreaterThan(before.size - 5);
    });
    expect(hiddenNow()).toBe(0);
  });

  test('a load that ends in SIGBUS is stepped over while that is asked for, and others answer their byte', async () => {
    await withScope((scope) => {
      const routines = openHere(scope);
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
