/** Every operation of the language: what it means, and what is said of one that is wrong. */
import { describe, expect, test } from 'vitest';
import { TaskFlag } from '../model/tasks.ts';
import { Access } from '../workloads/workload.ts';
import type { LitmusOperation } from './litmus.ts';
import { mistakeIn } from './litmusYaml.ts';
import { KINDS, OPERATIONS } from './litmusOperations.ts';
import { readOperation } from './operationWords.ts';

/** Reads an operation in a file of four pages, with two mappings a process; `first` and `second` are the buffers 0 and 1. */
const read = (text: string, role: 'vcpu' | 'vmm' = 'vcpu'): LitmusOperation => {
  const buffers = ['first', 'second'];
  const slotOf = (name: string): number => (buffers.includes(name) ? buffers.indexOf(name) : buffers.push(name) - 1);
  return readOperation(text, { line: 7, pages: 4, windowsPerProcess: 2, role, slotOf, mistake: (complaint) => mistakeIn('x.litmus.yaml')(7, complaint) }, { operations: OPERATIONS, kinds: KINDS });
};
const plain = { page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0, line: 7 };
const complaintOf = (text: string, role?: 'vcpu' | 'vmm'): string => {
  try {
    read(text, role);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('an operation', () => {
  test.each<[string, Partial<LitmusOperation>]>([
    ['guest read 3', { kind: Access.GuestRead, page: 3 }],
    ['guest read any', { kind: Access.GuestRead, page: 'any' }],
    ['guest write 0', { kind: Access.GuestWrite }],
    ['guest write 0 0xB', { kind: Access.GuestWrite, value: 11 }],
    ['guest write any 255', { kind: Access.GuestWrite, page: 'any', value: 255 }],
    ['host read 1', { kind: Access.HostRead, page: 1 }],
    ['host read 15 through 1', { kind: Access.HostRead, page: 15, window: 1 }],
    ['host write 1 7 through 1', { kind: Access.HostWrite, page: 1, value: 7, window: 1 }],
    ['host write 1 through 1', { kind: Access.HostWrite, page: 1, window: 1 }],
    ['to-private 0', { kind: Access.ToPrivate }],
    ['to-private 1..3', { kind: Access.ToPrivate, page: 1, count: 3 }],
    ['to-shared file', { kind: Access.ToShared, count: 4 }],
    ['pin 0 as first', { kind: Access.PinShort }],
    ['pin 0..1 as second short write', { kind: Access.PinShort, count: 2, slot: 1 }],
    ['pin any as second long-term slow', { kind: Access.PinLong, page: 'any', slot: 1, flags: TaskFlag.SlowOnly }],
    ['pin 0 as third long-term read fast', { kind: Access.PinLong, slot: 2, flags: TaskFlag.ReadOnly | TaskFlag.FastOnly }],
    ['pin 0 as first get read', { kind: Access.Splice, flags: TaskFlag.ReadOnly }],
    ['vmsplice 0..1 as second', { kind: Access.Splice, count: 2, slot: 1 }],
    ['access second', { kind: Access.DeviceAccess, slot: 1 }],
    ['unpin second', { kind: Access.Unpin, slot: 1 }],
    ['io 0..1', { kind: Access.Io, count: 2 }],
    ['copy 3', { kind: Access.Copy, page: 3 }],
    ['punch 0', { kind: Access.Punch }],
    ['punch 2..15', { kind: Access.Punch, page: 2, count: 14 }],
    ['punch bytes 4096+8192', { kind: Access.Punch, page: 1, count: 2 }],
    ['punch bytes 0+4095', { kind: Access.Punch, flags: TaskFlag.Unaligned }],
    ['punch bytes 4095+4096', { kind: Access.Punch, count: 2, flags: TaskFlag.Unaligned }],
    ['punch bytes 4096+0', { kind: Access.Punch, page: 1, flags: TaskFlag.Unaligned }],
    ['allocate 4', { kind: Access.Allocate, page: 4 }],
    ['allocate bytes 1+1', { kind: Access.Allocate, flags: TaskFlag.Unaligned }],
    ['mmap 0..15', { kind: Access.Map, count: 16 }],
    ['mmap 0 private through 1', { kind: Access.Map, window: 1, flags: TaskFlag.CopyOnWrite }],
    ['munmap file through 1', { kind: Access.Unmap, count: 4, window: 1 }],
    ['fork', { kind: Access.Fork }],
    ['fork reads 2', { kind: Access.Fork, page: 2 }],
    ['close', { kind: Access.Close }],
    ['secondary map 3', { kind: Access.SecondaryMap, page: 3 }],
    ['secondary access any', { kind: Access.SecondaryAccess, page: 'any' }],
  ])('"%s"', (text, expected) => expect(read(text)).toEqual({ ...plain, text, ...expected }));

  test.each([
    ['to-private 0..1 => EAGAIN at 1', { errno: 'EAGAIN', at: 1 }],
    ['to-shared 0 => OK', { errno: 'OK' }],
    ['host read 0 => SIGBUS', { errno: 'SIGBUS' }],
    ['host read 0 => 0xB', { errno: 'OK', value: 11 }],
    ['guest read 0 =>0', { errno: 'OK', value: 0 }],
    ['access first => 255', { errno: 'OK', value: 255 }],
    ['copy 0 => 3', { errno: 'OK', value: 3 }],
    ['fork reads 1 => 3', { errno: 'OK', value: 3 }],
  ])('"%s" says how it must end', (text, expected) => {
    const operation = read(text);
    expect(operation.expected).toEqual(expected);
    expect(operation.text).toBe(text.split('=>')[0].trim());
  });

  test('may have more blanks than it needs', () => expect(read('  to-private   0..1  ').text).toBe('to-private 0..1'));

  test('has a form that starts with its words', () => {
    expect(OPERATIONS.filter(({ words, form }) => form !== words && !form.startsWith(`${words} `))).toEqual([]);
  });
});

describe('an operation that is wrong is told', () => {
  test('with the nearest one', () => {
    expect(complaintOf('to-privat 0')).toBe(
      'x.litmus.yaml:7: unknown operation "to-privat 0"\n' +
        '  why: the operations are guest read, guest write, host read, host write, to-private, to-shared, to-read-only, pin, vmsplice, access, unpin, io, copy, punch, ' +
        'allocate, mmap, munmap, fork, close, secondary map, secondary access\n' +
        '  fix: did you mean "to-private"?',
    );
    expect(complaintOf('guest reed 0')).toContain('did you mean "guest read"?');
    expect(complaintOf('zzzzzzzz')).toContain('litmus/README.md has an example of each');
  });

  test('with its form', () => {
    expect(complaintOf('pin 0 buffer')).toBe(
      'x.litmus.yaml:7: malformed operation "pin 0 buffer"\n' +
        '  why: "as" is expected in place of "buffer"\n' +
        '  fix: its form is: pin RANGE as NAME [short|long-term|get] [read|write] [fast|slow]',
    );
  });

  test.each([
    ['to-private', 'the range of pages is missing'],
    ['host read', 'the page is missing'],
    ['host read 0..1', '"0..1" is no page'],
    ['host read file', '"file" is no page'],
    ['to-private 1..0', 'the range 1..0 ends before it begins'],
    ['to-private 0-1', '"0-1" is no range of pages'],
    ['to-private 0 1', 'it does not go on with "1"'],
    ['pin 0 as', 'the name of the buffer is missing'],
    ['pin 0 as 7', '"7" is no name of a buffer'],
    ['pin 0 as first slow short', 'it does not go on with "short"'],
    ['punch bytes 0..1', '"0..1" is no range of bytes'],
    ['fork 1', 'it does not go on with "1"'],
    ['close 1', 'it does not go on with "1"'],
    ['host read 0 through', 'the number of the mapping is missing'],
    ['host read 0 through x', '"x" is no number of a mapping'],
    ['host read 0 => OK => OK', 'it has more than one =>'],
    ['host read 4 => SIGBUS x', 'behind SIGBUS goes nothing, or: at PAGE'],
    ['to-private 0 => EAGAIN at', 'behind EAGAIN goes nothing, or: at PAGE'],
    ['host read 0 => 1 at 0', 'nothing goes behind a value'],
    ['host read 0 =>', 'nothing stands behind the => of "host read 0"'],
    ['host write 0 => 1', '"host write 0" reads nothing'],
    ['close => 1', '"close" reads nothing'],
    ['host read 0 => 256', '"256" is no value'],
    ['host read 0 => 1x', '"1x" is no value'],
    ['guest write 0 0', '"0" is no value'],
    ['guest write 0 0x100', '"0x100" is no value'],
    ['host read 0 => SIGBUSS', 'did you mean "SIGBUS"?'],
    ['host read 0 => SIGBUS at 0', '"host read 0" has no error offset'],
    ['to-private 0 => OK at 0', '"OK at" is no result'],
    ['to-private 0 => EAGAIN at 4', 'page 4 is beyond the end of the file'],
    ['to-private 4', 'page 4 is beyond the end of the file\n  why: the file has 4 pages, 0 to 3\n  fix: use a smaller page, or set `pages: 5` in `world`'],
    ['to-private 0..9', 'page 9 is beyond the end of the file\n  why: the file has 4 pages, 0 to 3\n  fix: use a smaller page; a file has up to 8'],
    ['pin 4 as first', 'page 4 is beyond the end of the file'],
    ['copy 4', 'page 4 is beyond the end of the file'],
    ['secondary map 4', 'page 4 is beyond the end of the file'],
    ['guest read 4', 'page 4 is beyond the end of the file'],
    ['mmap 0..16', 'page 16 is too far beyond the end of the file'],
    ['host read 16', 'page 16 is too far beyond the end of the file'],
    ['punch bytes 65535+2', 'page 16 is too far beyond the end of the file'],
    ['host read 0 through 2', 'there is no mapping number 2\n  why: each process has 2, from 0\n  fix: set `windows: 3` in `world`'],
  ])('"%s": %s', (text, expected) => expect(complaintOf(text)).toContain(expected));

  test('where a host thread runs the guest', () => {
    expect(complaintOf('guest read 0', 'vmm')).toContain('"guest read 0" is no operation of a host thread');
    expect(complaintOf('to-private 0', 'vmm')).toBe('none');
  });
});
