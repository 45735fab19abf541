/** The ground of an experiment: a file and its mappings in this process, and what is done to all of it between two runs. */
import { Advice, Allocate, MapFlag, PAGE_BYTES, Protection } from './abi.ts';
import { KernelError, allocate, checked } from './backing.ts';
import type { Bench } from './experiments.ts';
import { MAP_FAILED } from './libc.ts';
import type { Address, Libc } from './libc.ts';
import type { Place } from './points.ts';
import type { Scope } from './scope.ts';

/** MADV_POPULATE_* makes entries that are writable, clean ones or dirty ones. */
export const populating = (dirty: boolean): number => (dirty ? Advice.PopulateWrite : Advice.PopulateRead);

export interface Ground {
  readonly fd: number;
  /** Of the whole file. */
  readonly bytes: number;
  readonly windows: readonly Address[];
}

/** A file for a batch of calls and its mappings in this process. */
export function openGround({ libc, backing, scope }: Bench, { pages, vmas }: Place, calls: number): Ground {
  const bytes = pages * calls * PAGE_BYTES;
  const fd = backing.createFile(pages * calls);
  scope.defer(() => void libc.close(fd));
  const windows = Array.from({ length: vmas }, () => map(libc, scope, fd, bytes));
  return { fd, bytes, windows };
}

export function map(libc: Libc, scope: Scope, fd: number, bytes: number): Address {
  const address = libc.mmap(0, bytes, Protection.ReadWrite, MapFlag.Shared, fd, 0);
  if (address === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  scope.defer(() => void libc.munmap(address, bytes));
  return address;
}

export const allocateAll = (libc: Libc, { fd, bytes }: Ground): void => void checked(libc, 'fallocate', allocate(libc, fd, 0, bytes));
export const punchAll = (libc: Libc, { fd, bytes }: Ground): void => void checked(libc, 'fallocate(PUNCH_HOLE)', libc.fallocate(fd, Allocate.Hole, 0, bytes));
export const unmapEntries = (libc: Libc, address: Address, bytes: number): void => void checked(libc, 'madvise(DONTNEED)', libc.madvise(address, bytes, Advice.DontNeed));

export function touchAll(libc: Libc, { windows, bytes }: Ground, dirty: boolean): void {
  for (const address of windows) checked(libc, 'madvise(POPULATE)', libc.madvise(address, bytes, populating(dirty)));
}

/** Addresses at which nothing is, and nothing else will be. */
export function reserve(libc: Libc, scope: Scope, bytes: number): Address {
  const address = libc.mmap(0, bytes, Protection.None, MapFlag.Private | MapFlag.Anonymous, -1, 0);
  if (address === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  scope.defer(() => void libc.munmap(address, bytes));
  return address;
}
