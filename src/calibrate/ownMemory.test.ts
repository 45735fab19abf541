import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasMachineCode, libcHere, routinesHere, withoutMachineCode } from '../../test/support/machineCode.ts';
import { hideOwnMemory, ownMappings } from './ownMemory.ts';
import { withScope } from './scope.ts';

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

describe.skipIf(!hasMachineCode)(`memory that is kept from children${withoutMachineCode}`, () => {
  const libc = libcHere();
  test('goes to them again when the scope ends', async () => {
    const own = () => ownMappings(readFileSync('/proc/self/smaps', 'utf8'));
    const before = new Set(own().filter(({ hidden }) => !hidden).map(({ start }) => start));
    const hiddenNow = (): number => own().filter(({ start, hidden }) => hidden && before.has(start)).length;
    expect(before.size).toBeGreaterThan(10);
    await withScope((scope) => {
      hideOwnMemory(libc, scope, routinesHere(scope).vital)();
      expect(hiddenNow()).toBeGreaterThan(before.size - 5);
    });
    expect(hiddenNow()).toBe(0);
  });
});
