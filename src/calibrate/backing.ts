/**
 * The files that are measured: a guest_memfd where KVM gives one that can be mapped, else a memfd.
 *
 * Source: virt/kvm/guest_memfd.c (GUEST_MEMFD_FLAG_MMAP since 6.18), mm/shmem.c. Both take the fault, rmap and truncate paths of
 * core-mm; guest_memfd's punch hole unmaps folio by folio, a memfd's the whole range first.
 */
import { UserError } from '../model/userError.ts';
import { Allocate, EINTR, GUEST_MEMFD_REQUEST_BYTES, GuestMemfdFlag, Kvm, KvmExtension, OpenFlag, PAGE_BYTES, errnoName } from './abi.ts';
import type { Libc } from './libc.ts';
import type { Scope } from './scope.ts';

export const BACKINGS = ['guest_memfd', 'memfd'] as const;
export type BackingName = (typeof BACKINGS)[number];

export interface Backing {
  readonly name: BackingName;
  /** A new file, every page of which the host may map; the caller closes it. @throws KernelError */
  createFile(pages: number): number;
  /** A file whose pages are all private; null where the backing has no such thing. */
  createPrivateFile(pages: number): number | null;
  /** What is not there of what one would rather have (what KVM lacks beside files: src/calibrate/virtualMachine.ts). */
  readonly lacks: readonly Lack[];
}

/** Something that this machine cannot do, and what was asked to know it. */
export interface Lack {
  readonly operation: string;
  readonly why: string;
}

/** A system call that failed where it should not have: a place that cannot be measured, or the end of the command where nothing can. */
export class KernelError extends UserError {
  /** In short: `mmap: ENOMEM`. */
  readonly reason: string;

  constructor(call: string, errno: number) {
    const name = errnoName(errno);
    super({
      what: `the kernel refuses ${call}`,
      why: `it answers ${name}`,
      fix: 'ask for the permission or the memory that it takes, or run without the limits of a container; compare, explore and all other commands work without it',
    });
    this.name = 'KernelError';
    this.reason = `${call}: ${name}`;
  }
}

/** Answers the value of a call, or throws what it failed with. */
export function checked(libc: Libc, call: string, value: number): number {
  if (value < 0) throw new KernelError(call, libc.errno());
  return value;
}

/**
 * fallocate without a hole. A guest_memfd breaks it off where anything wants the thread's attention, such as the end of an io_uring
 * (kvm_gmem_allocate asks signal_pending), and then it is asked again, as any program does.
 */
export function allocate(libc: Libc, fd: number, offset: number, bytes: number): number {
  for (;;) {
    const answer = libc.fallocate(fd, Allocate.KeepSize, offset, bytes);
    if (answer >= 0 || libc.errno() !== EINTR) return answer;
  }
}

export interface OpenedBacking {
  readonly backing: Backing;
  /** Why it is not the one that one would rather have. */
  readonly note: string | null;
}

/**
 * Opens the backing that was asked for, or the best that there is.
 * @throws UserError where the one that was asked for cannot be had
 */
export function openBacking(libc: Libc, scope: Scope, wanted: BackingName | undefined): OpenedBacking {
  if (wanted === 'memfd') return { backing: openMemfd(libc, []), note: null };
  const opened = openGuestMemfd(libc, scope);
  if (typeof opened !== 'string') return { backing: opened, note: null };
  if (wanted === 'guest_memfd') {
    throw new UserError({
      what: 'there is no guest_memfd here that the host can map',
      why: opened,
      fix: 'use Linux 6.18 or newer with KVM and access to /dev/kvm, or measure a memfd with --backing memfd',
    });
  }
  return { backing: openMemfd(libc, [{ operation: 'guest_memfd', why: opened }]), note: `a memfd is measured in place of a guest_memfd: ${opened}` };
}

/** The backing, or why there is none. */
function openGuestMemfd(libc: Libc, scope: Scope): Backing | string {
  const kvm = libc.open('/dev/kvm', OpenFlag.ReadWrite | OpenFlag.CloseOnExec);
  if (kvm < 0) return `/dev/kvm cannot be opened (${errnoName(libc.errno())})`;
  scope.defer(() => void libc.close(kvm));
  const vm = libc.ioctl(kvm, Kvm.CreateVm, 0);
  if (vm < 0) return `KVM makes no virtual machine (${errnoName(libc.errno())})`;
  scope.defer(() => void libc.close(vm));
  const has = (extension: number): number => Math.max(0, libc.ioctl(vm, Kvm.CheckExtension, extension));
  const sharedFlags = GuestMemfdFlag.Mmap | GuestMemfdFlag.InitShared;
  if ((has(KvmExtension.GuestMemfdFlags) & sharedFlags) !== sharedFlags) return 'this KVM has no guest_memfd that starts shared and can be mapped';
  const create = (pages: number, flags: number): number => createGuestMemfd(libc, vm, pages, flags);
  return { name: 'guest_memfd', createFile: (pages) => create(pages, sharedFlags), createPrivateFile: (pages) => create(pages, GuestMemfdFlag.Mmap), lacks: [] };
}

/** A new guest_memfd of a virtual machine; the caller closes it. @throws KernelError */
export function createGuestMemfd(libc: Libc, vm: number, pages: number, flags: number): number {
  const request = new Uint8Array(GUEST_MEMFD_REQUEST_BYTES);
  new DataView(request.buffer).setBigUint64(0, BigInt(pages * PAGE_BYTES), true);
  new DataView(request.buffer).setBigUint64(8, BigInt(flags), true);
  return checked(libc, 'KVM_CREATE_GUEST_MEMFD', libc.ioctlWith(vm, Kvm.CreateGuestMemfd, request));
}

function openMemfd(libc: Libc, lacks: readonly Lack[]): Backing {
  return {
    name: 'memfd',
    createFile(pages) {
      const fd = checked(libc, 'memfd_create', libc.memfdCreate('foliobench', 1));
      checked(libc, 'ftruncate', libc.ftruncate(fd, pages * PAGE_BYTES));
      return fd;
    },
    createPrivateFile: () => null,
    lacks,
  };
}
