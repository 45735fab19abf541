/**
 * Three routines that no program with a runtime can have, as machine code in a page of its own: a fork whose child runs nothing but them,
 * a load that may end in SIGBUS, and the handler of that signal.
 *
 * A child of a process with several threads has one of them, and whatever the others held stays held: it must not run anything of libc or
 * of Node. This one makes one load, or none, and ends. No signal tells us of its end (`clone` with flags 0), so that Node's own handler
 * of SIGCHLD does not run; its page tables are copied as those of any fork. A handler in Node would run long after the load that it is for;
 * this one steps over it.
 *
 * Source: kernel/fork.c (kernel_clone), arch/x86/entry/syscalls/syscall_64.tbl (56 clone, 231 exit_group), arch/x86/include/uapi/asm/ucontext.h.
 */
import { CORE_LIMIT, MapFlag, NO_CORE, PAGE_BYTES, Protection, SigAction, Signal, errnoName } from './abi.ts';
import { KernelError, checked } from './backing.ts';
import { MAP_FAILED } from './libc.ts';
import type { Address, Libc } from './libc.ts';
import { extentOf } from './ownMemory.ts';
import type { Extent } from './ownMemory.ts';
import type { Scope } from './scope.ts';

export interface Routines {
  /**
   * Forks; the child loads the byte at the address, or nothing where it is 0, and ends with that byte as its exit code.
   * @returns the child's process, or the errno below 0; it is to be waited for
   */
  fork(address: Address): number;
  /** The byte at the address, or -1 where the load ended in SIGBUS: only while `catchBusErrors` is in force. */
  load(address: Address): number;
  /** From now on until the scope ends a load of `load` that ends in SIGBUS is stepped over. */
  catchBusErrors(scope: Scope): void;
  /**
   * What a child cannot live without: the routines, and the block of the thread that forks, into which the kernel writes the CPU at
   * every return to user space (kernel/rseq.c) and ends by SIGSEGV whoever has none.
   */
  readonly vital: readonly Extent[];
}

const FORK = [
  0x49, 0x89, 0xf9, //             mov r9, rdi      the address
  0x31, 0xff, //                   xor edi, edi     flags: nothing is shared, nobody is told
  0x31, 0xf6, //                   xor esi, esi     stack: where ours is
  0x31, 0xd2, //                   xor edx, edx
  0x45, 0x31, 0xd2, //             xor r10d, r10d
  0x45, 0x31, 0xc0, //             xor r8d, r8d
  0xb8, 56, 0, 0, 0, //            mov eax, clone
  0x0f, 0x05, //                   syscall
  0x85, 0xc0, //                   test eax, eax
  0x75, 0x10, //                   jnz parent
  0x4d, 0x85, 0xc9, //             test r9, r9
  0x74, 0x04, //                   jz end
  0x41, 0x0f, 0xb6, 0x39, //       movzx edi, byte [r9]
  0xb8, 231, 0, 0, 0, //      end: mov eax, exit_group
  0x0f, 0x05, //                   syscall
  0xc3, //                 parent: ret
];

const LOAD = [
  0x48, 0x83, 0xc8, 0xff, //       or rax, -1
  0x0f, 0xb6, 0x07, //             movzx eax, byte [rdi]
  0xc3, //                         ret
];

/** Called with the signal, what it says of itself, and the registers of the load in rdx: it goes on 3 bytes further on, where `LOAD` returns. */
const STEP_OVER = [
  0x48, 0x83, 0x82, 0xa8, 0, 0, 0, 3, // add qword [rdx + 168], 3     rip in struct ucontext
  0xc3, //                               ret                          to the sigreturn of libc
];

const THREAD_BLOCK = [
  0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, // mov rax, fs:[0]   it begins with its own address
  0xc3, //                                     ret
];

const AT = { fork: 0, load: 64, stepOver: 128, threadBlock: 192 } as const;

/** The routines, until the scope ends; or why there are none here: another processor, or a kernel that executes nothing that was written (SELinux: execmem). */
export function openRoutines(libc: Libc, scope: Scope, architecture: string = process.arch): Routines | string {
  if (architecture !== 'x64') return `takes a few bytes of machine code, which are written for x86-64 and not for ${architecture}`;
  const page = libc.mmap(0, PAGE_BYTES, Protection.ReadWrite, MapFlag.Private | MapFlag.Anonymous, -1, 0);
  if (page === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  scope.defer(() => void libc.munmap(page, PAGE_BYTES));
  const memory = libc.view(page, PAGE_BYTES);
  memory.set(FORK, AT.fork);
  memory.set(LOAD, AT.load);
  memory.set(STEP_OVER, AT.stepOver);
  memory.set(THREAD_BLOCK, AT.threadBlock);
  if (libc.mprotect(page, PAGE_BYTES, Protection.ReadExecute) < 0) return `mprotect(PROT_EXEC): ${errnoName(libc.errno())}`;
  return {
    fork: libc.routine(page + AT.fork),
    load: libc.routine(page + AT.load),
    catchBusErrors: (until) => catchBusErrors(libc, until, page + AT.stepOver),
    vital: [extentOf(page, PAGE_BYTES), extentOf(libc.routine(page + AT.threadBlock)(0), 1)],
  };
}

function catchBusErrors(libc: Libc, scope: Scope, handler: Address): void {
  const before = new BigUint64Array(SigAction.words);
  checked(libc, 'sigaction', libc.sigactionOf(Signal.Bus, 0, before));
  const action = new BigUint64Array(SigAction.words);
  action[SigAction.handler] = BigInt(handler);
  action[SigAction.flags] = BigInt(SigAction.WithContext);
  checked(libc, 'sigaction', libc.sigaction(Signal.Bus, action, 0));
  scope.defer(() => void libc.sigaction(Signal.Bus, before, 0));
}

/** How a child ended: the byte that it loaded, or the signal that it died of. */
export type ChildEnding = { readonly byte: number } | { readonly signal: number };

/** Waits for a child of `fork`. @throws KernelError where it is not ours */
export function waitForChild(libc: Libc, child: number): ChildEnding {
  const status = new Int32Array(1);
  checked(libc, 'wait4', libc.wait4(child, status, WAIT_FOR_ANY_KIND, 0));
  // As WIFSIGNALED, WTERMSIG and WEXITSTATUS have it.
  const signal = status[0] & 0x7f;
  return signal === 0 ? { byte: (status[0] >> 8) & 0xff } : { signal };
}

/** Who dies until the scope ends leaves no file behind. */
export function leaveNoCores(libc: Libc, scope: Scope): void {
  const before = new BigUint64Array(2);
  checked(libc, 'getrlimit', libc.getrlimit(CORE_LIMIT, before));
  // A limit of 0 stays: no file is made then either.
  if (libc.setrlimit(CORE_LIMIT, BigUint64Array.of(NO_CORE[0], before[1])) === 0) scope.defer(() => void libc.setrlimit(CORE_LIMIT, before));
}

/** __WALL: also children whose end nobody is told of. */
const WAIT_FOR_ANY_KIND = 0x4000_0000;
