/**
 * libc, called from this process through koffi: the one place that reaches the kernel.
 *
 * koffi is an optional dependency and is loaded only here, when somebody measures. A call through it costs 30 to 60 ns, which the
 * measuring loop takes off again by a paired call that does nothing (`nothing`).
 *
 * Addresses are numbers: user space ends below 2^53 on every machine that we run on.
 */
import { UserError } from '../model/userError.ts';
import { PAGE_BYTES } from './abi.ts';

export type Address = number;

/** Answers are those of the C functions: below 0 (or `MAP_FAILED`) means that `errno()` says why. */
export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  read(fd: number, address: Address, bytes: number): number;
  readInto(fd: number, bytes: Uint8Array, count: number): number;
  write(fd: number, address: Address, bytes: number): number;
  fcntl(fd: number, command: number, value: number): number;
  pipe(ends: Int32Array, flags: number): number;
  ioctl(fd: number, request: number, value: number): number;
  ioctlWith(fd: number, request: number, block: Uint8Array): number;
  mmap(address: Address, bytes: number, protection: number, flags: number, fd: number, offset: number): Address;
  munmap(address: Address, bytes: number): number;
  madvise(address: Address, bytes: number, advice: number): number;
  mprotect(address: Address, bytes: number, protection: number): number;
  fallocate(fd: number, mode: number, offset: number, bytes: number): number;
  memfdCreate(name: string, flags: number): number;
  ftruncate(fd: number, bytes: number): number;
  vmsplice(fd: number, vectors: BigUint64Array, count: number, flags: number): number;
  tee(from: number, to: number, bytes: number, flags: number): number;
  /** A system call by its number, with a pointer as its second or third argument. */
  ioUringSetup(number: number, entries: number, parameters: Uint8Array): number;
  ioUringRegister(number: number, fd: number, operation: number, argument: BigUint64Array | null, count: number): number;
  getppid(): number;
  gettid(): number;
  clockGettime(clock: number, time: Int32Array): number;
  getrlimit(resource: number, limits: BigUint64Array): number;
  setrlimit(resource: number, limits: BigUint64Array): number;
  sigaction(signal: number, action: BigUint64Array, before: Address): number;
  /** What is done at a signal, into `before`. */
  sigactionOf(signal: number, action: Address, before: BigUint64Array): number;
  wait4(process: number, status: Int32Array, options: number, usage: Address): number;
  schedGetAffinity(thread: number, bytes: number, mask: Uint8Array): number;
  schedSetAffinity(thread: number, bytes: number, mask: Uint8Array): number;
  /** A call that does nothing, as dear as the others: what a paired run measures. */
  nothing(a: number, b: number, c: number, d: number): number;
  errno(): number;
  /** The machine code at an address, as a function of C that takes an address and answers a word. */
  routine(at: Address): (argument: Address) => number;
  /** The memory at an address. It must not be touched once it is unmapped. */
  view(address: Address, bytes: number): Uint8Array;
}

/** What mmap answers when it fails: -1 as an address. */
export const MAP_FAILED = -1;

type Foreign = (...values: readonly unknown[]) => unknown;
interface Koffi {
  load(path: string | null): { func(definition: string): Foreign };
  proto(definition: string): unknown;
  decode(address: Address, type: unknown): Foreign;
  errno(): number;
  view(address: Address, bytes: number): ArrayBuffer;
}

const STILL_WORKS = 'compare, explore and all other commands work without it';

/** @throws UserError where this is no Linux of 64 bits with pages of 4 KiB, or where koffi is not installed */
export async function openLibc(platform: string = process.platform, load: () => Promise<Koffi> = loadKoffi): Promise<Libc> {
  if (platform !== 'linux') {
    throw new UserError({
      what: `foliobench cannot measure on ${platform}`,
      why: `prices come from Linux's guest_memfd or memfd, which ${platform} does not have`,
      fix: `run it on Linux, or use a profile of results/costs; ${STILL_WORKS}`,
    });
  }
  const koffi = await load().catch((error: unknown) => {
    throw new UserError({
      what: 'foliobench cannot reach the kernel\'s system calls',
      why: `the optional package koffi cannot be loaded: ${String(error instanceof Error ? error.message : error).split('\n')[0]}`,
      fix: `install it with "npm install koffi", or use a profile of results/costs; ${STILL_WORKS}`,
    });
  });
  const libc = bind(koffi);
  const pageBytes = libc.pageBytes();
  if (pageBytes !== PAGE_BYTES) {
    throw new UserError({
      what: `foliobench cannot measure with pages of ${pageBytes} bytes`,
      why: 'a page of the model has 4096',
      fix: `run it on a kernel with pages of 4 KiB; ${STILL_WORKS}`,
    });
  }
  return libc;
}

/** Its types are not asked for, so that foliobench compiles without it. */
async function loadKoffi(): Promise<Koffi> {
  const module = (await import('koffi' as string)) as { readonly default: Koffi };
  return module.default;
}

function bind(koffi: Koffi): Libc & { readonly pageBytes: () => number } {
  // This process has a libc already, under whatever name.
  const library = koffi.load(null);
  const bound = <T>(definition: string): T => library.func(definition) as T;
  const mmap = bound<(...values: readonly number[]) => number | bigint>('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, int64_t offset)');
  return {
    pageBytes: bound('int getpagesize()'),
    open: bound('int open(const char *path, int flags)'),
    close: bound('int close(int fd)'),
    read: bound('intptr_t read(int fd, uintptr_t address, size_t bytes)'),
    readInto: bound('intptr_t read(int fd, _Out_ uint8_t *bytes, size_t count)'),
    write: bound('intptr_t write(int fd, uintptr_t address, size_t bytes)'),
    fcntl: bound('int fcntl(int fd, int command, intptr_t value)'),
    pipe: bound('int pipe2(_Out_ int *ends, int flags)'),
    ioctl: bound('int ioctl(int fd, unsigned long request, uintptr_t value)'),
    ioctlWith: bound('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *block)'),
    // A failure is 2^64 - 1, which koffi gives as a bigint.
    mmap: (...values) => {
      const address = mmap(...values);
      return typeof address === 'number' ? address : MAP_FAILED;
    },
    munmap: bound('int munmap(uintptr_t address, size_t bytes)'),
    madvise: bound('int madvise(uintptr_t address, size_t bytes, int advice)'),
    mprotect: bound('int mprotect(uintptr_t address, size_t bytes, int protection)'),
    fallocate: bound('int fallocate(int fd, int mode, int64_t offset, int64_t bytes)'),
    memfdCreate: bound('int memfd_create(const char *name, uint flags)'),
    ftruncate: bound('int ftruncate(int fd, int64_t bytes)'),
    vmsplice: bound('intptr_t vmsplice(int fd, uint64_t *vectors, size_t count, uint flags)'),
    tee: bound('intptr_t tee(int from, int to, size_t bytes, uint flags)'),
    ioUringSetup: bound('long syscall(long number, uint entries, _Inout_ uint8_t *parameters)'),
    ioUringRegister: bound('long syscall(long number, int fd, uint operation, uint64_t *argument, uint count)'),
    getppid: bound('int getppid()'),
    gettid: bound('int gettid()'),
    clockGettime: bound('int clock_gettime(int clock, _Out_ int32_t *time)'),
    getrlimit: bound('int getrlimit(int resource, _Out_ uint64_t *limits)'),
    setrlimit: bound('int setrlimit(int resource, uint64_t *limits)'),
    sigaction: bound('int sigaction(int signal, uint64_t *action, uintptr_t before)'),
    sigactionOf: bound('int sigaction(int signal, uintptr_t action, _Out_ uint64_t *before)'),
    wait4: bound('int wait4(int process, _Out_ int *status, int options, uintptr_t usage)'),
    schedGetAffinity: bound('int sched_getaffinity(int thread, size_t bytes, _Out_ uint8_t *mask)'),
    schedSetAffinity: bound('int sched_setaffinity(int thread, size_t bytes, uint8_t *mask)'),
    // Copies nothing, and knows it at once.
    nothing: bound('uintptr_t memccpy(uintptr_t to, uintptr_t from, int stop, size_t bytes)'),
    errno: () => koffi.errno(),
    routine: (at) => koffi.decode(at, koffi.proto('intptr_t (uintptr_t argument)')) as (argument: Address) => number,
    view: (address, bytes) => new Uint8Array(koffi.view(address, bytes)),
  };
}
