import { describe, expect, test } from 'vitest';
import { fakeKvm } from '../../test/support/fakeKvm.ts';
import type { FakeKvm, FakeKvmOptions } from '../../test/support/fakeKvm.ts';
import { reasonOf } from '../../test/support/refusal.ts';
import { Kvm, KvmExtension, VmType } from './abi.ts';
import type { VmTypeNumber } from './abi.ts';
import { createScope } from './scope.ts';
import { PRIVATE_FILE, SHARED_FILE, VM_OPERATIONS, openMachines } from './virtualMachine.ts';
import type { Machines, VirtualMachine } from './virtualMachine.ts';

const EPERM = 1, EINTR = 4, EAGAIN = 11, ENOMEM = 12, EOPNOTSUPP = 95;

const openOn = (options: FakeKvmOptions, backing: 'guest_memfd' | 'memfd' = 'guest_memfd'): Machines => openMachines(fakeKvm(options).libc, createScope(), backing);

/** A machine of one type with eight pages of a guest_memfd. */
function machineOn(options: FakeKvmOptions = {}, type: VmTypeNumber = VmType.SoftwareProtected): FakeKvm & { readonly machine: VirtualMachine } {
  const kvm = fakeKvm(options);
  const scope = createScope();
  const machine = openMachines(kvm.libc, scope, 'guest_memfd').create(scope, type);
  machine.setMemory({ pages: 8, fd: machine.createFile(8, type === VmType.Default ? SHARED_FILE : PRIVATE_FILE), hostAddress: 0x7f12_3456_7000 });
  kvm.asked.length = 0;
  return { ...kvm, machine };
}

/** Words of 64 bits as bytes. */
const bytes = (...words: readonly bigint[]): readonly number[] => [...new Uint8Array(BigUint64Array.from(words).buffer)];

describe('what can be measured of virtual machines', () => {
  test('is everything where KVM has two-dimensional paging and private memory', () => {
    expect([openOn({}).operations, openOn({}).lacks]).toEqual([VM_OPERATIONS, []]);
  });

  const CONVERSIONS = ['convert.private', 'convert.shared'];
  const STAGE2 = ['stage2.fault', 'stage2.punch'];
  const WITHOUT: readonly (readonly [string, FakeKvmOptions, readonly string[], string])[] = [
    ['paging is not two-dimensional', { extensions: { [KvmExtension.PreFaultMemory]: 0 } }, STAGE2, 'KVM_CHECK_EXTENSION(KVM_CAP_PRE_FAULT_MEMORY) is 0: this KVM has no two-dimensional paging, or is older than Linux 6.11'],
    ['no type of machine has private memory', { extensions: { [KvmExtension.VmTypes]: 1 } }, CONVERSIONS, 'KVM_CHECK_EXTENSION(KVM_CAP_VM_TYPES) is 1: this KVM makes no virtual machine of the type KVM_X86_SW_PROTECTED_VM, which has private memory on any processor'],
    ['such a machine is refused', { failures: { [Kvm.CreateVm]: [EPERM] } }, CONVERSIONS, 'KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM) answers EPERM'],
    ['it keeps no attributes', { extensions: { [KvmExtension.MemoryAttributes]: 0 } }, CONVERSIONS, 'KVM_CHECK_EXTENSION(KVM_CAP_MEMORY_ATTRIBUTES) of such a machine is 0: it does not keep what is private'],
    ['there is no KVM', { withoutKvm: true }, VM_OPERATIONS, '/dev/kvm cannot be opened (ENOENT)'],
  ];
  test.each(WITHOUT)('where %s is less, and each that is missing is told once, with what said so', (_case, options, missing, why) => {
    const { operations, lacks } = openOn(options);
    expect(lacks).toEqual(missing.map((operation) => ({ operation, why })));
    expect(operations).toEqual(VM_OPERATIONS.filter((operation) => !missing.includes(operation)));
  });

  test('is conversions alone where a memfd is measured', () => {
    const { operations, lacks } = openOn({}, 'memfd');
    expect([operations, lacks.map(({ operation }) => operation)]).toEqual([CONVERSIONS, STAGE2]);
  });

  test('is asked of a machine that is closed again at once', async () => {
    const kvm = fakeKvm();
    const scope = createScope();
    openMachines(kvm.libc, scope, 'guest_memfd');
    expect([kvm.asked.map(({ request, block }) => [request, block]), kvm.open()]).toEqual([[[Kvm.CreateVm, VmType.SoftwareProtected]], 1]);
    await scope.close();
    expect(kvm.open()).toBe(0);
  });

  test('and a machine that is wanted all the same is refused in words', () => {
    expect(reasonOf(() => openOn({ withoutKvm: true }).create(createScope(), VmType.Default))).toBe('open of /dev/kvm: ENOENT');
    expect(reasonOf(() => openOn({ extensions: { [KvmExtension.VmTypes]: 1 } }).create(createScope(), VmType.SoftwareProtected))).toBe('KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM): EINVAL');
  });
});

test('a machine is made with a vCPU and a slot of a guest_memfd, and closed with its scope', async () => {
  const kvm = fakeKvm({ extensions: { [KvmExtension.VmTypes]: 1 }, failures: { [Kvm.CreateVm]: [EINTR] } });
  const scope = createScope();
  const machine = openMachines(kvm.libc, scope, 'guest_memfd').create(scope, VmType.Default);
  const fd = machine.createFile(8, SHARED_FILE);
  machine.setMemory({ pages: 8, fd, hostAddress: 0x7f12_3456_7000 });
  expect(kvm.asked.map(({ request, block }) => [request.toString(16), block])).toEqual([
    ['ae01', VmType.Default],
    ['ae01', VmType.Default], // a signal broke the first one off
    ['ae41', 0],
    ['c040aed4', bytes(0x8000n, 3n, 0n, 0n, 0n, 0n, 0n, 0n)],
    // Slot 0 with KVM_MEM_GUEST_MEMFD, from address 0 on, and from the begin of the file.
    ['40a0ae49', bytes(4n << 32n, 0n, 0x8000n, 0x7f12_3456_7000n, 0n, BigInt(fd), ...Array.from({ length: 14 }, () => 0n))],
  ]);
  await scope.close();
  expect(kvm.open()).toBe(0);
});

describe('stage-2 faults', () => {
  test('are asked for with address, size and no flags', () => {
    const { machine, asked } = machineOn();
    machine.preFault(2, 3);
    expect(asked.map(({ request, block, leaves }) => [request.toString(16), block, leaves])).toEqual([['c040aed5', bytes(0x2000n, 0x3000n, 0n, 0n, 0n, 0n, 0n, 0n), 3]]);
  });

  test('that were answered early are asked for again, for the rest of the range', () => {
    const { machine, asked } = machineOn({ pagesPerCall: 3 });
    machine.preFault(0, 8);
    expect(asked.map(({ block, leaves }) => [(block as readonly number[])[1], (block as readonly number[])[9], leaves])).toEqual([[0x00, 0x80, 3], [0x30, 0x50, 3], [0x60, 0x20, 2]]);
  });

  test('that were broken off are asked for again as they were, and others are refused', () => {
    const { machine, asked } = machineOn({ failures: { [Kvm.PreFaultMemory]: [EINTR, EAGAIN] } });
    machine.preFault(1, 2);
    expect(asked.map(({ leaves }) => leaves)).toEqual([0, 0, 2]);
    expect(asked[1].block).toEqual(asked[0].block);
    expect(reasonOf(() => machine.preFault(7, 2))).toBe('KVM_PRE_FAULT_MEMORY: EFAULT');
    expect(reasonOf(() => machineOn({ failures: { [Kvm.PreFaultMemory]: [EOPNOTSUPP] } }).machine.preFault(0, 1))).toBe('KVM_PRE_FAULT_MEMORY: EOPNOTSUPP');
  });

  test('that never get on come to an end', () => {
    expect(reasonOf(() => machineOn({ pagesPerCall: 0 }).machine.preFault(0, 1))).toBe('KVM_PRE_FAULT_MEMORY: EAGAIN');
    const always = Array.from({ length: 2000 }, () => EINTR);
    expect(reasonOf(() => machineOn({ failures: { [Kvm.PreFaultMemory]: always } }).machine.preFault(0, 1))).toBe('KVM_PRE_FAULT_MEMORY: EAGAIN');
    expect(reasonOf(() => machineOn({ failures: { [Kvm.SetMemoryAttributes]: always } }).machine.setPrivate(0, 1, true))).toBe('KVM_SET_MEMORY_ATTRIBUTES: EINTR');
    expect(openOn({ failures: { [Kvm.CreateVm]: always } }).lacks[0].why).toBe('KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM) answers EINTR');
  });
});

describe('attributes', () => {
  test('are set with address, size, the one attribute or none, and no flags', () => {
    const { machine, asked } = machineOn();
    machine.setPrivate(1, 4, true);
    machine.setPrivate(2, 1, false);
    expect(asked.map(({ request, block, converted }) => [request.toString(16), block, converted])).toEqual([
      ['4020aed2', bytes(0x1000n, 0x4000n, 8n, 0n), 4],
      ['4020aed2', bytes(0x2000n, 0x1000n, 0n, 0n), -1],
    ]);
  });

  test('clear the leaves of what they convert', () => {
    const { machine, asked } = machineOn();
    machine.preFault(0, 8);
    machine.setPrivate(0, 4, true);
    machine.setPrivate(0, 8, true);
    expect(asked.map(({ leaves }) => leaves)).toEqual([8, -4, -4]);
  });

  test('that were broken off are set again, and others are refused', () => {
    const { machine, asked } = machineOn({ failures: { [Kvm.SetMemoryAttributes]: [EINTR, ENOMEM] } });
    expect(reasonOf(() => machine.setPrivate(0, 1, true))).toBe('KVM_SET_MEMORY_ATTRIBUTES: ENOMEM');
    expect(asked).toHaveLength(2);
    expect(reasonOf(() => machineOn({}, VmType.Default).machine.setPrivate(0, 1, true))).toBe('KVM_SET_MEMORY_ATTRIBUTES: ENOTTY');
  });

  test('of an address above 4 GiB go into both halves of a word', () => {
    const { machine, asked } = machineOn();
    machine.setPrivate(0x12_3456_789, 1, false);
    expect(asked[0].block).toEqual(bytes(0x12_3456_789_000n, 0x1000n, 0n, 0n));
  });
});
