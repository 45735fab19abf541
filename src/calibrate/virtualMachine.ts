/**
 * Virtual machines that are measured and run nothing: memory from address 0 on, and one vCPU that never enters the guest. KVM can be asked
 * from outside to fault pages into stage-2 for it, and to convert them.
 *
 * Source: virt/kvm/kvm_main.c (kvm_vcpu_pre_fault_memory, kvm_vm_set_mem_attributes), arch/x86/kvm/mmu/mmu.c
 * (kvm_arch_vcpu_pre_fault_memory: two-dimensional paging only; the guest's paging is off in a new vCPU, so that an address is what it says),
 * Documentation/virt/kvm/api.rst. KVM_SET_MEMORY_ATTRIBUTES2, which converts in place, is in no released kernel and not asked for.
 */
import { EAGAIN, EINTR, GuestMemfdFlag, Kvm, KvmExtension, MemoryAttributes, MemoryRegion, OpenFlag, PAGE_BYTES, PreFault, VmType, errnoName } from './abi.ts';
import type { VmTypeNumber } from './abi.ts';
import { KernelError, checked, createGuestMemfd } from './backing.ts';
import type { BackingName, Lack } from './backing.ts';
import type { Address, Libc } from './libc.ts';
import type { Scope } from './scope.ts';

/** What is measured of virtual machines: each needs what not every KVM has. */
export const VM_OPERATIONS = ['stage2.fault', 'stage2.punch', 'convert.private', 'convert.shared'] as const;
export type VmOperation = (typeof VM_OPERATIONS)[number];

export interface Machines {
  /** Those that this KVM can do. */
  readonly operations: readonly VmOperation[];
  /** The others, each once. */
  readonly lacks: readonly Lack[];
  /** A new machine, which ends with the scope. @throws KernelError */
  create(scope: Scope, type: VmTypeNumber): VirtualMachine;
}

export interface VirtualMachine {
  /** A new guest_memfd that this machine can have memory of; it is closed with the machine. @throws KernelError */
  createFile(pages: number, flags: number): number;
  /** Gives the guest its memory: that of a guest_memfd, and at the host's address what is shared where the file can only be private. @throws KernelError */
  setMemory(memory: { readonly pages: number; readonly fd: number; readonly hostAddress: Address }): void;
  /** Faults [page, page + pages) into stage-2. @throws KernelError */
  preFault(page: number, pages: number): void;
  /** Makes [page, page + pages) private, or shared. @throws KernelError */
  setPrivate(page: number, pages: number, isPrivate: boolean): void;
}

/** A guest_memfd that the host may map, and whose pages the guest uses without having asked for them. */
export const SHARED_FILE = GuestMemfdFlag.Mmap | GuestMemfdFlag.InitShared;
/** One that nobody can map. */
export const PRIVATE_FILE = 0;

/** A call that is broken off so many times in a row does not get on. */
const ATTEMPTS_MAX = 1000;

/** Asks KVM, once, what can be measured of its virtual machines beside files of this backing. Never fails: what is not there is a lack. */
export function openMachines(libc: Libc, scope: Scope, backing: BackingName): Machines {
  const kvm = libc.open('/dev/kvm', OpenFlag.ReadWrite | OpenFlag.CloseOnExec);
  if (kvm < 0) {
    const errno = libc.errno();
    return {
      operations: [],
      lacks: VM_OPERATIONS.map((operation) => ({ operation, why: `/dev/kvm cannot be opened (${errnoName(errno)})` })),
      create() {
        throw new KernelError('open of /dev/kvm', errno);
      },
    };
  }
  scope.defer(() => void libc.close(kvm));
  const faults = backing === 'guest_memfd' ? whyNoFaults(libc, kvm) : `a ${backing} is measured here: the memory whose stage-2 is measured is a guest_memfd's`;
  const conversions = whyNoConversions(libc, kvm);
  const lacks = VM_OPERATIONS.flatMap((operation) => {
    const why = operation.startsWith('stage2.') ? faults : conversions;
    return why === null ? [] : [{ operation, why }];
  });
  return {
    operations: VM_OPERATIONS.filter((operation) => !lacks.some((lack) => lack.operation === operation)),
    lacks,
    create: (inside, type) => createMachine(libc, kvm, inside, type),
  };
}

/** 0 too where the question is not known. */
const extension = (libc: Libc, fd: number, number: number): number => Math.max(0, libc.ioctl(fd, Kvm.CheckExtension, number));

function whyNoFaults(libc: Libc, kvm: number): string | null {
  if (extension(libc, kvm, KvmExtension.PreFaultMemory) > 0) return null;
  return 'KVM_CHECK_EXTENSION(KVM_CAP_PRE_FAULT_MEMORY) is 0: this KVM has no two-dimensional paging, or is older than Linux 6.11';
}

/** Attributes belong to a type of virtual machine: only one that has been made can say whether it has them. */
function whyNoConversions(libc: Libc, kvm: number): string | null {
  const types = extension(libc, kvm, KvmExtension.VmTypes);
  if ((types & (1 << VmType.SoftwareProtected)) === 0) {
    return `KVM_CHECK_EXTENSION(KVM_CAP_VM_TYPES) is ${types}: this KVM makes no virtual machine of the type KVM_X86_SW_PROTECTED_VM, which has private memory on any processor`;
  }
  const vm = createVm(libc, kvm, VmType.SoftwareProtected);
  if (vm < 0) return `KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM) answers ${errnoName(libc.errno())}`;
  const attributes = extension(libc, vm, KvmExtension.MemoryAttributes);
  libc.close(vm);
  return attributes & MemoryAttributes.private ? null : `KVM_CHECK_EXTENSION(KVM_CAP_MEMORY_ATTRIBUTES) of such a machine is ${attributes}: it does not keep what is private`;
}

/** A signal breaks it off. */
function createVm(libc: Libc, kvm: number, type: VmTypeNumber): number {
  for (let attempt = 1; ; attempt++) {
    const vm = libc.ioctl(kvm, Kvm.CreateVm, type);
    if (vm >= 0 || libc.errno() !== EINTR || attempt === ATTEMPTS_MAX) return vm;
  }
}

function createMachine(libc: Libc, kvm: number, scope: Scope, type: VmTypeNumber): VirtualMachine {
  const owned = (fd: number): number => {
    scope.defer(() => void libc.close(fd));
    return fd;
  };
  const vm = owned(checked(libc, type === VmType.Default ? 'KVM_CREATE_VM' : 'KVM_CREATE_VM(KVM_X86_SW_PROTECTED_VM)', createVm(libc, kvm, type)));
  const vcpu = owned(checked(libc, 'KVM_CREATE_VCPU', libc.ioctl(vm, Kvm.CreateVcpu, 0)));
  const preFault = new Uint8Array(PreFault.bytes);
  const preFaultWords = new DataView(preFault.buffer);
  const attributes = new Uint8Array(MemoryAttributes.bytes);
  const attributeWords = new DataView(attributes.buffer);
  return {
    createFile: (pages, flags) => owned(createGuestMemfd(libc, vm, pages, flags)),
    setMemory({ pages, fd, hostAddress }) {
      const region = new Uint8Array(MemoryRegion.bytes);
      const words = new DataView(region.buffer);
      words.setUint32(MemoryRegion.flags32, MemoryRegion.withGuestMemfd, true);
      setWord(words, MemoryRegion.size, pages * PAGE_BYTES);
      setWord(words, MemoryRegion.hostAddress, hostAddress);
      words.setUint32(MemoryRegion.guestMemfd32, fd, true);
      checked(libc, 'KVM_SET_USER_MEMORY_REGION2', libc.ioctlWith(vm, Kvm.SetUserMemoryRegion2, region));
    },
    preFault(page, pages) {
      setWord(preFaultWords, PreFault.address, page * PAGE_BYTES);
      setWord(preFaultWords, PreFault.size, pages * PAGE_BYTES);
      // It answers early where a signal waits, with the rest of the range in its block.
      for (let attempt = 1; wordOf(preFaultWords, PreFault.size) > 0; attempt++) {
        const isRefused = libc.ioctlWith(vcpu, Kvm.PreFaultMemory, preFault) < 0 && !isBrokenOff(libc.errno());
        if (isRefused || attempt > ATTEMPTS_MAX) throw new KernelError('KVM_PRE_FAULT_MEMORY', isRefused ? libc.errno() : EAGAIN);
      }
    },
    setPrivate(page, pages, isPrivate) {
      setWord(attributeWords, MemoryAttributes.address, page * PAGE_BYTES);
      setWord(attributeWords, MemoryAttributes.size, pages * PAGE_BYTES);
      setWord(attributeWords, MemoryAttributes.attributes, isPrivate ? MemoryAttributes.private : 0);
      for (let attempt = 1; libc.ioctlWith(vm, Kvm.SetMemoryAttributes, attributes) < 0; attempt++) {
        const errno = libc.errno();
        if (!isBrokenOff(errno) || attempt > ATTEMPTS_MAX) throw new KernelError('KVM_SET_MEMORY_ATTRIBUTES', errno);
      }
    },
  };
}

const isBrokenOff = (errno: number): boolean => errno === EINTR || errno === EAGAIN;

/** A word of 64 bits, of a number below 2^53, without a BigInt: these calls are timed. */
function setWord(words: DataView, offset: number, value: number): void {
  words.setUint32(offset, value >>> 0, true);
  words.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
}

const wordOf = (words: DataView, offset: number): number => words.getUint32(offset, true) + words.getUint32(offset + 4, true) * 0x1_0000_0000;
