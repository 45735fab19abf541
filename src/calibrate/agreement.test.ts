import { describe, expect, test } from 'vitest';
import { parseLitmus } from '../explore/parseLitmus.ts';
import { Access } from '../workloads/workload.ts';
import { openModel, randomSequence, sequenceOf } from './agreement.ts';
import { NOT_RUNNABLE, formatAgreement } from './agreementText.ts';
import { RUNNABLE } from './kernelFile.ts';
import type { HostOperation } from './kernelFile.ts';

const operation = (some: Partial<HostOperation> & Pick<HostOperation, 'kind'>): HostOperation => ({ page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0, ...some });

test('the operations that the kernel is asked are these; one less is a loss', () => {
  expect(Object.values(RUNNABLE).toSorted()).toEqual([
    'access (what a pipe holds is looked at)', 'allocate', 'copy', 'fork (a child for each mapping, which loads the page)', 'host read', 'host write', 'mmap', 'munmap', 'pin long-term', 'punch', 'unpin', 'vmsplice',
  ]);
  expect(NOT_RUNNABLE).toHaveLength(11);
});

describe('the model, asked operation by operation', () => {
  test('answers with the content, and with the signal or errno that the kernel has', () => {
    const ask = openModel({ name: 'one', pages: 4, windows: 1, shared: true, slots: 1, operations: [] });
    expect(ask(operation({ kind: Access.HostWrite, page: 2, value: 7 }))).toEqual({ errno: 'OK', value: -1 });
    expect(ask(operation({ kind: Access.Splice, page: 2 })).errno).toBe('OK');
    expect(ask(operation({ kind: Access.HostRead, page: 2 }))).toEqual({ errno: 'OK', value: 7 });
    ask(operation({ kind: Access.Punch, page: 2 }));
    expect(ask(operation({ kind: Access.HostRead, page: 2 }))).toEqual({ errno: 'OK', value: 0 });
    ask(operation({ kind: Access.Unmap, page: 2 }));
    expect(ask(operation({ kind: Access.HostRead, page: 2 })).errno).toBe('SIGSEGV');
    expect(ask(operation({ kind: Access.Copy, page: 1, count: 2 })).errno).toBe('EFAULT');
  });
  test('answers for a fork what its child meets with: the content, or the signal that it dies of', () => {
    const ask = openModel({ name: 'one', pages: 4, windows: 2, shared: true, slots: 1, operations: [] });
    ask(operation({ kind: Access.HostWrite, page: 2, value: 7 }));
    expect(ask(operation({ kind: Access.Fork, page: 2 }))).toEqual({ errno: 'OK', value: 7 });
    ask(operation({ kind: Access.Unmap, page: 2, window: 1 }));
    expect(ask(operation({ kind: Access.Fork, page: 2 }))).toEqual({ errno: 'SIGSEGV', value: 7 });
    ask(operation({ kind: Access.Unmap, page: 0, count: 4, window: 1 })); // a child without a mapping has nothing to load from
    expect(ask(operation({ kind: Access.Fork, page: 2 }))).toEqual({ errno: 'OK', value: 7 });
    const askPrivate = openModel({ name: 'one', pages: 4, windows: 1, shared: false, slots: 1, operations: [] });
    expect(askPrivate(operation({ kind: Access.Fork })).errno).toBe('SIGBUS');
  });
  test('of a private file faults nobody in', () => {
    const ask = openModel({ name: 'one', pages: 4, windows: 1, shared: false, slots: 1, operations: [] });
    expect(ask(operation({ kind: Access.HostRead })).errno).toBe('SIGBUS');
    expect(ask(operation({ kind: Access.PinLong })).errno).toBe('EFAULT');
    expect(ask(operation({ kind: Access.Allocate, count: 4 })).errno).toBe('OK');
  });
});

describe('a litmus file becomes a sequence', () => {
  const text = (operations: string): string =>
    `name: some-question\nquestion: Does it?\nsource: nobody\nworld:\n  pages: 2\n  start: shared\nthreads:\n  vmm:\n${operations}expect:\n  all: proved\n`;
  const sequenceFrom = (operations: string) => sequenceOf(parseLitmus(text(operations), 'some-question.litmus.yaml'));
  test('up to what takes a guest or a conversion', () => {
    expect(sequenceFrom('    - host write 0 0xA\n    - punch 0\n    - host read 0\n')?.operations.map(({ kind }) => kind)).toEqual([Access.HostWrite, Access.Punch, Access.HostRead]);
    expect(sequenceFrom('    - host write 0 0xA\n    - to-private 0\n    - host read 0\n')?.operations).toHaveLength(1);
  });
  test('or none', () => expect(sequenceFrom('    - to-private 0\n    - host read 0\n')).toBe(null));
});

test('a random sequence is that of its seed, and stays inside of its file', () => {
  expect(randomSequence(5, 40)).toEqual(randomSequence(5, 40));
  expect(randomSequence(6, 40)).not.toEqual(randomSequence(5, 40));
  for (let seed = 0; seed < 50; seed++) for (const { page, count } of randomSequence(seed, 40).operations) expect(page + count <= 8 && count > 0).toBe(true);
});

test('a disagreement is told with both answers', () => {
  const one = { sequence: 'random 7', index: 2, operation: operation({ kind: Access.Punch, page: 1, count: 3, window: 1 }), model: { errno: 'OK', value: -1 }, kernel: { errno: 'EINVAL', value: -1 } } as const;
  expect(formatAgreement({ sequences: 9, operations: 90, disagreements: [one] }, 'guest_memfd').split('\n').slice(0, 2)).toEqual([
    "the kernel's guest_memfd and the model, asked the same: 90 operations in 9 sequences, 1 sequences do not agree",
    '  random 7, operation 3, punch of pages 1..3 through mapping 1: the model says OK, the kernel EINVAL',
  ]);
  expect(formatAgreement({ sequences: 9, operations: 90, disagreements: [] }, 'memfd')).toMatch(/^the kernel's memfd and the model, asked the same: 90 operations in 9 sequences, all answers agree\n/);
});
