import { describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { KernelError, allocate, checked, openBacking } from './backing.ts';
import { hypervisorOf } from './calibrate.ts';
import type { OpenedBacking } from './backing.ts';
import type { Libc } from './libc.ts';
import { createScope } from './scope.ts';

const ENOENT = 2, EINTR = 4, EACCES = 13;

/** A libc of a machine, as far as opening a file takes it. */
function fakeLibc(some: Partial<Libc>): Libc {
  return { open: () => 7, close: () => 0, ioctl: () => 3, ioctlWith: () => 9, memfdCreate: () => 5, ftruncate: () => 0, errno: () => ENOENT, ...some } as Libc;
}

const openOn = (some: Partial<Libc>, wanted?: 'guest_memfd' | 'memfd'): OpenedBacking => openBacking(fakeLibc(some), createScope(), wanted);

describe('what is measured', () => {
  test('is a guest_memfd where KVM has one that can be mapped', () => {
    const { backing, note } = openOn({});
    expect([backing.name, note, backing.createFile(4), backing.createPrivateFile(4)]).toEqual(['guest_memfd', null, 9, 9]);
  });

  test('is asked of the kernel with its size and its flags: mapped and shared, or mapped and private', () => {
    const asked: (readonly bigint[])[] = [];
    const { backing } = openOn({ ioctlWith: (_fd, _request, block) => (asked.push([...new BigUint64Array(block.buffer)].slice(0, 3)), 9) });
    backing.createFile(4);
    backing.createPrivateFile(2);
    expect(asked).toEqual([[16384n, 3n, 0n], [8192n, 1n, 0n]]);
  });

  const WITHOUT: readonly (readonly [string, Partial<Libc>, string])[] = [
    ['there is no KVM', { open: () => -1 }, '/dev/kvm cannot be opened (ENOENT)'],
    ['it may not be used', { open: () => -1, errno: () => EACCES }, '/dev/kvm cannot be opened (EACCES)'],
    ['its guest_memfd cannot be mapped', { ioctl: () => 1 }, 'this KVM has no guest_memfd that starts shared and can be mapped'],
  ];
  test.each(WITHOUT)('is a memfd where %s, and the note says why', (_case, some, why) => {
    const { backing, note } = openOn(some);
    expect([backing.name, backing.createPrivateFile(1), note]).toEqual(['memfd', null, `a memfd is measured in place of a guest_memfd: ${why}`]);
    expect(backing.lacks).toEqual([{ operation: 'guest_memfd', why }]);
    expect(() => openOn(some, 'guest_memfd')).toThrow(UserError);
  });

  test('is a memfd without a note where one was asked for', () => expect(openOn({}, 'memfd')).toMatchObject({ backing: { name: 'memfd', lacks: [] }, note: null }));
});

test('a refused system call says which, and why', () => {
  expect(() => checked(fakeLibc({ errno: () => EACCES }), 'mmap', -1)).toThrow(KernelError);
  const error = new KernelError('mmap', EACCES);
  expect([error.reason, error.what, error.why]).toEqual(['mmap: EACCES', 'the kernel refuses mmap', 'it answers EACCES']);
});

test('an allocation that was broken off is asked for again', () => {
  const answers = [-1, -1, 0];
  expect(allocate(fakeLibc({ fallocate: () => answers.shift() ?? -2, errno: () => EINTR }), 5, 0, 4096)).toBe(0);
  expect(answers).toEqual([]);
  expect(allocate(fakeLibc({ fallocate: () => -1 }), 5, 0, 4096)).toBe(-1);
});

test('x86 tells that it runs in a virtual machine', () => {
  expect(hypervisorOf('flags\t\t: fpu hypervisor pcid\n')).toMatch(/^this kernel runs in a virtual machine/);
  expect(hypervisorOf('flags\t\t: fpu pcid\n')).toBe('none: bare metal');
  expect(hypervisorOf('Features\t: fp asimd\n')).toBe('unknown');
});
