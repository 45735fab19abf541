/**
 * A real file, worked on operation by operation in the words of the litmus language: what the kernel answers.
 *
 * A page that a load or a store would die on is asked for first with MADV_POPULATE_*, which takes the same fault and answers what it
 * ended in: EFAULT for SIGBUS, EINVAL (no access allowed) or ENOMEM (no mapping) for SIGSEGV. Where a window has nothing mapped, its
 * addresses are kept by a mapping without any access, so that nobody else comes to lie there.
 */
import type { ErrnoName } from '../model/errno.ts';
import { TaskFlag } from '../model/tasks.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import { Advice, Allocate, IO_URING_PARAMS_BYTES, IoUringRegister, MapFlag, OpenFlag, PAGE_BYTES, Protection, Signal, Syscall, errnoName } from './abi.ts';
import { KernelError, allocate, checked } from './backing.ts';
import { openLoader } from './callList.ts';
import type { Ending } from './drive.ts';
import { MAP_FAILED } from './libc.ts';
import type { Address, Libc } from './libc.ts';
import type { ChildEnding, Routines } from './machineCode.ts';
import { extentOf } from './ownMemory.ts';
import type { Scope } from './scope.ts';

export interface HostOperation {
  readonly kind: AccessKind;
  readonly page: number;
  readonly count: number;
  readonly slot: number;
  readonly window: number;
  readonly value: number;
  readonly flags: number;
}

/** What the kernel can be asked without a guest and without a conversion. */
export const RUNNABLE: Readonly<Partial<Record<AccessKind, string>>> = {
  [Access.HostRead]: 'host read',
  [Access.HostWrite]: 'host write',
  [Access.PinLong]: 'pin long-term',
  [Access.Splice]: 'vmsplice',
  [Access.DeviceAccess]: 'access (what a pipe holds is looked at)',
  [Access.Unpin]: 'unpin',
  [Access.Copy]: 'copy',
  [Access.Punch]: 'punch',
  [Access.Unmap]: 'munmap',
  [Access.Map]: 'mmap',
  [Access.Allocate]: 'allocate',
  [Access.Fork]: 'fork (a child for each mapping, which loads the page)',
};

/** Flags that have a meaning here: GUP by one path only, or for reading, cannot be asked for. */
const FLAGS_RUNNABLE = TaskFlag.Unaligned | TaskFlag.CopyOnWrite;
export const isRunnable = ({ kind, flags }: Pick<HostOperation, 'kind' | 'flags'>): boolean => RUNNABLE[kind] !== undefined && (flags & ~FLAGS_RUNNABLE) === 0;

export interface KernelFile {
  /** @throws KernelError where the kernel refuses what has nothing to do with the model */
  perform(operation: HostOperation): Ending;
}

interface Options {
  readonly libc: Libc;
  readonly scope: Scope;
  /** Null where there are none: then it cannot be asked for forks. */
  readonly routines: Routines | null;
  readonly fd: number;
  /** Pages that operations may name, beyond the end of the file too. */
  readonly reach: number;
  readonly pages: number;
  readonly windows: number;
  /** Each window maps the file from the start. */
  readonly mapped: boolean;
}

const OK: Ending = { errno: 'OK', value: -1 };

/** What holds references of a slot. */
interface Held {
  readonly release: () => void;
  /** The first byte of what it holds, which stays there; -1 where it cannot be looked at. */
  readonly peek: () => number;
}

export function openKernelFile({ libc, scope, routines, fd, reach, pages, windows, mapped }: Options): KernelFile {
  const reachBytes = reach * PAGE_BYTES;
  const bases = Array.from({ length: windows }, () => {
    const base = mapOrThrow(libc, 0, reachBytes, RESERVED, -1);
    scope.defer(() => void libc.munmap(base, reachBytes));
    if (mapped) mapOrThrow(libc, base, pages * PAGE_BYTES, SHARED_AT, fd);
    return base;
  });
  const isMapped = bases.map(() => Array.from({ length: reach }, (_, page) => mapped && page < pages));
  const noteMapped = ({ window, page, count }: HostOperation, now: boolean): void => void isMapped[window].fill(now, page, page + count);
  const load = routines === null ? null : openLoader({ libc, routines, scope, shown: bases.map((base) => extentOf(base, reachBytes)) });
  const held = new Map<number, Held>();
  scope.defer(() => {
    for (const { release } of held.values()) release();
  });
  const at = ({ window, page }: HostOperation): Address => bases[window] + page * PAGE_BYTES;
  const failed = (): Ending => ({ errno: asErrno(errnoName(libc.errno())), value: -1 });
  const answer = (value: number): Ending => (value < 0 ? failed() : OK);

  /** What a load or a store of the page would end in. */
  const fault = (operation: HostOperation, write: boolean): Ending => {
    if (libc.madvise(at(operation), PAGE_BYTES, write ? Advice.PopulateWrite : Advice.PopulateRead) === 0) return OK;
    return { errno: errnoName(libc.errno()) === 'EFAULT' ? 'SIGBUS' : 'SIGSEGV', value: -1 };
  };
  const ranged = ({ page, count, flags }: HostOperation): readonly [offset: number, bytes: number] => [page * PAGE_BYTES + (flags & TaskFlag.Unaligned ? 1 : 0), count * PAGE_BYTES];

  const perform: Readonly<Partial<Record<AccessKind, (operation: HostOperation) => Ending>>> = {
    [Access.HostRead](operation) {
      const ending = fault(operation, false);
      return ending.errno === 'OK' ? { errno: 'OK', value: libc.view(at(operation), 1)[0] } : ending;
    },
    [Access.HostWrite](operation) {
      const ending = fault(operation, true);
      if (ending.errno === 'OK' && operation.value !== 0) libc.view(at(operation), 1)[0] = operation.value;
      return ending;
    },
    [Access.Punch]: (operation) => answer(libc.fallocate(fd, Allocate.Hole, ...ranged(operation))),
    [Access.Allocate]: (operation) => answer(allocate(libc, fd, ...ranged(operation))),
    [Access.Unmap](operation) {
      noteMapped(operation, false);
      return answer(libc.mmap(at(operation), operation.count * PAGE_BYTES, Protection.None, MapFlag.Private | MapFlag.Anonymous | MapFlag.Fixed, -1, 0));
    },
    [Access.Map](operation) {
      const sharing = operation.flags & TaskFlag.CopyOnWrite ? MapFlag.Private : MapFlag.Shared;
      const ending = answer(libc.mmap(at(operation), operation.count * PAGE_BYTES, Protection.ReadWrite, sharing | MapFlag.Fixed, fd, operation.page * PAGE_BYTES));
      if (ending.errno === 'OK') noteMapped(operation, true);
      return ending;
    },
    /** Through a pipe, which has a page of its own for each page. */
    [Access.Copy](operation) {
      const bytes = operation.count * PAGE_BYTES;
      const pipe = openPipe(libc);
      try {
        if (libc.write(pipe.into, at(operation), bytes) !== bytes) return { errno: 'EFAULT', value: -1 };
        return { errno: 'OK', value: firstByte(libc, pipe.out) };
      } finally {
        pipe.close();
      }
    },
    [Access.Splice](operation) {
      const bytes = operation.count * PAGE_BYTES;
      const pipe = openPipe(libc);
      const taken = libc.vmsplice(pipe.into, BigUint64Array.of(BigInt(at(operation)), BigInt(bytes)), 1, 0);
      if (taken === bytes) {
        held.set(operation.slot, { release: pipe.close, peek: () => peekInto(libc, pipe.out) });
        return OK;
      }
      pipe.close();
      return { errno: 'EFAULT', value: -1 };
    },
    [Access.PinLong](operation) {
      const ring = checked(libc, 'io_uring_setup', libc.ioUringSetup(Syscall.IoUringSetup, 1, new Uint8Array(IO_URING_PARAMS_BYTES)));
      const vector = BigUint64Array.of(BigInt(at(operation)), BigInt(operation.count * PAGE_BYTES));
      const ending = answer(libc.ioUringRegister(Syscall.IoUringRegister, ring, IoUringRegister.Buffers, vector, 1));
      if (ending.errno === 'OK') held.set(operation.slot, { release: () => void libc.close(ring), peek: () => -1 });
      else libc.close(ring);
      return ending;
    },
    [Access.DeviceAccess]: ({ slot }) => ({ errno: 'OK', value: held.get(slot)?.peek() ?? -1 }),
    /** Through a mapping without a page a child has nothing to load from. */
    [Access.Fork]({ page }) {
      const loads = bases.flatMap((base, window) => (load !== null && isMapped[window].includes(true) ? [endingOf(load(base + page * PAGE_BYTES))] : []));
      return { errno: worstOf(loads.map(({ errno }) => errno)), value: loads.findLast(({ value }) => value >= 0)?.value ?? -1 };
    },
    [Access.Unpin]({ slot }) {
      held.get(slot)?.release();
      held.delete(slot);
      return OK;
    },
  };
  return {
    perform(operation) {
      const run = perform[operation.kind];
      if (run === undefined) throw new Error(`the kernel cannot be asked for an access of kind ${operation.kind}`);
      return run(operation);
    },
  };
}

/** How children ended, in one word: the signal that any of them died of, SIGSEGV before SIGBUS. */
export const worstOf = (errnos: readonly ErrnoName[]): ErrnoName => (['SIGSEGV', 'SIGBUS'] as const).find((signal) => errnos.includes(signal)) ?? 'OK';

/** What a child that loads a byte ends in. */
function endingOf(end: ChildEnding): Ending {
  if ('byte' in end) return { errno: 'OK', value: end.byte };
  if (end.signal !== Signal.Bus && end.signal !== Signal.Segmentation) throw new Error(`a child died of signal ${end.signal}`);
  return { errno: end.signal === Signal.Bus ? 'SIGBUS' : 'SIGSEGV', value: -1 };
}

const RESERVED = { protection: Protection.None, flags: MapFlag.Private | MapFlag.Anonymous } as const;
const SHARED_AT = { protection: Protection.ReadWrite, flags: MapFlag.Shared | MapFlag.Fixed } as const;

function mapOrThrow(libc: Libc, address: Address, bytes: number, { protection, flags }: { readonly protection: number; readonly flags: number }, fd: number): Address {
  const mapped = libc.mmap(address, bytes, protection, flags, fd, 0);
  if (mapped === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  return mapped;
}

function openPipe(libc: Libc): { readonly out: number; readonly into: number; readonly close: () => void } {
  const ends = new Int32Array(2);
  checked(libc, 'pipe', libc.pipe(ends, OpenFlag.CloseOnExec));
  return {
    out: ends[0],
    into: ends[1],
    close() {
      libc.close(ends[0]);
      libc.close(ends[1]);
    },
  };
}

function firstByte(libc: Libc, fd: number): number {
  const byte = new Uint8Array(1);
  checked(libc, 'read', libc.readInto(fd, byte, 1));
  return byte[0];
}

/** The first byte in a pipe, of which a copy is taken out by another. */
function peekInto(libc: Libc, fd: number): number {
  const copy = openPipe(libc);
  try {
    checked(libc, 'tee', libc.tee(fd, copy.into, PAGE_BYTES, 0));
    return firstByte(libc, copy.out);
  } finally {
    copy.close();
  }
}

/** @throws Error for an errno that the model does not know */
function asErrno(name: string): ErrnoName {
  const known: readonly ErrnoName[] = ['EAGAIN', 'EBUSY', 'EFAULT', 'EINVAL', 'ENODEV', 'ENOMEM', 'EPERM'];
  const found = known.find((one) => one === name);
  if (found === undefined) throw new Error(`the kernel answered ${name}, which the model does not have`);
  return found;
}
