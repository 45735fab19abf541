/**
 * Numbers of the kernel's interface that libc has no words for.
 *
 * Source: include/uapi/linux/kvm.h, falloc.h, io_uring.h, include/uapi/asm-generic/mman-common.h, include/linux/kvm_host.h.
 * They are the same on x86-64 and arm64.
 */
export const PAGE_BYTES = 4096;

export const OpenFlag = { ReadWrite: 2, CloseOnExec: 0o2000000 } as const;
export const Protection = { None: 0, ReadWrite: 3, ReadExecute: 5 } as const;
export const MapFlag = { Shared: 1, Private: 2, Fixed: 0x10, Anonymous: 0x20 } as const;

export const Advice = { DontNeed: 4, DontFork: 10, DoFork: 11, NoHugePage: 15, PopulateRead: 22, PopulateWrite: 23 } as const;

/** `Hole` is FALLOC_FL_PUNCH_HOLE with the FALLOC_FL_KEEP_SIZE that it asks for. guest_memfd takes no other two. */
export const Allocate = { KeepSize: 1, Hole: 3 } as const;

export const Kvm = {
  CreateVm: 0xae01,
  CheckExtension: 0xae03,
  /** Takes struct kvm_create_guest_memfd: size, flags and six reserved words of 64 bits each. */
  CreateGuestMemfd: 0xc040aed4,
  CreateVcpu: 0xae41,
  SetUserMemoryRegion2: 0x40a0ae49,
  SetMemoryAttributes: 0x4020aed2,
  /** Of a vCPU. What it has not done it leaves in its block: the rest of the range. */
  PreFaultMemory: 0xc040aed5,
} as const;
export const GUEST_MEMFD_REQUEST_BYTES = 64;

export const KvmExtension = { MemoryAttributes: 233, GuestMemfd: 234, VmTypes: 235, PreFaultMemory: 236, GuestMemfdFlags: 244 } as const;

/** KVM_X86_DEFAULT_VM and KVM_X86_SW_PROTECTED_VM, whose memory is private by KVM's word alone; KVM_CAP_VM_TYPES has a bit for each. */
export const VmType = { Default: 0, SoftwareProtected: 1 } as const;
export type VmTypeNumber = (typeof VmType)[keyof typeof VmType];

/** struct kvm_userspace_memory_region2: offsets of what is not 0 in a slot 0 from address 0 on. Words of 64 bits but for those of 32 that say so. */
export const MemoryRegion = { bytes: 160, flags32: 4, size: 16, hostAddress: 24, guestMemfd32: 40, withGuestMemfd: 4 } as const;

/** struct kvm_pre_fault_memory. */
export const PreFault = { bytes: 64, address: 0, size: 8 } as const;

/** struct kvm_memory_attributes; `private` is KVM_MEMORY_ATTRIBUTE_PRIVATE, the only attribute that there is. */
export const MemoryAttributes = { bytes: 32, address: 0, size: 8, attributes: 16, private: 8 } as const;

/** GUEST_MEMFD_FLAG_*: the host may map it; every page starts shared. */
export const GuestMemfdFlag = { Mmap: 1, InitShared: 2 } as const;

/** Time that this thread ran: none passes while the CPU is somebody else's. */
export const CLOCK_THREAD_CPUTIME_ID = 3;
/** struct timespec of 64-bit systems as 32-bit words, of which the low ones hold all that we ask. */
export const Timespec = { bytes: 16, words: 4, seconds: 0, nanoseconds: 2 } as const;

export const Signal = { Bus: 7, Segmentation: 11 } as const;
/** struct sigaction of libc on 64-bit systems as 64-bit words: the handler, 16 words of a mask, the flags, and libc's own way back. */
export const SigAction = { words: 19, handler: 0, flags: 17, WithContext: 4 } as const;

/** RLIMIT_CORE; struct rlimit is two 64-bit words, the limit in force and the most that it may be. */
export const CORE_LIMIT = 4;
/** One byte: too little for a file, and the one size at which no program that waits for dumps is started either (fs/coredump.c). */
export const NO_CORE = BigUint64Array.of(1n, 1n);

export const Fcntl = { SetPipeSize: 1031 } as const;

/** System calls that libc has no function for; 425 and above have one number on all architectures. */
export const Syscall = { IoUringSetup: 425, IoUringRegister: 427 } as const;
/** System calls of x86-64 by number, for machine code. Source: arch/x86/entry/syscalls/syscall_64.tbl. */
export const X64Call = { Mmap: 9, Madvise: 28, Clone: 56, Wait4: 61, ClockGettime: 228, Fallocate: 285 } as const;
export const IO_URING_PARAMS_BYTES = 120;
export const IoUringRegister = { Buffers: 0, UnregisterBuffers: 1 } as const;

/** Names of the errors that a measurement can end in; others are told by their number. */
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM', 2: 'ENOENT', 4: 'EINTR', 7: 'E2BIG', 9: 'EBADF', 11: 'EAGAIN', 12: 'ENOMEM', 13: 'EACCES', 14: 'EFAULT', 16: 'EBUSY', 19: 'ENODEV',
  22: 'EINVAL', 23: 'ENFILE', 24: 'EMFILE', 25: 'ENOTTY', 38: 'ENOSYS', 95: 'EOPNOTSUPP', 105: 'ENOBUFS',
};
export const EINTR = 4;
export const EAGAIN = 11;
export const EFAULT = 14;
export const errnoName = (errno: number): string => ERRNO_NAMES[errno] ?? `errno ${errno}`;
