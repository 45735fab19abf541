/**
 * Three routines that no program with a runtime can have, as machine code in a page of its own: a child that makes the system calls of a
 * list and nothing else, a load that may end in SIGBUS, and the handler of that signal.
 *
 * The child of a process with several threads has one of them, and whatever the others held stays held: it must not run anything of libc
 * or of Node. This one runs the list and ends. No signal tells us of its end (`clone` with flags 0), so that Node's own handler of
 * SIGCHLD does not run. A handler of SIGBUS in Node would run long after the load that it is for; this one steps over it.
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
   * Forks; the child runs the list at the address. One line of it has eight words of 64 bits: the number of a system call, its six arguments,
   * and room for its answer; or, in place of a number, what `Line` has. The child of a `clone` ends at once.
   * @returns the child's process, or the errno below 0; it is to be waited for
   */
  start(list: Address): number;
  /** The byte at the address, or -1 where the load ended in SIGBUS: only while `catchBusErrors` is in force. */
  load(address: Address): number;
  /** From now on until the scope ends a load of `load` that ends in SIGBUS is stepped over. */
  catchBusErrors(scope: Scope): void;
  /**
   * What a child cannot live without: the routines, and the block of the thread that forks, into which the kernel writes the CPU at
   * a return to user space (kernel/rseq.c) and ends by SIGSEGV whoever has none.
   */
  readonly vital: readonly Extent[];
}

/** Lines of a list that are no system call, by their first word. */
export const Line = {
  /** Ends the child with the exit code of the first argument. */
  Exit: -1,
  /** Loads a byte of each page from the first argument to the second. */
  Load: -2,
  /** Stores one there. */
  Store: -3,
  /** Ends the child with the byte at the first argument as its exit code. */
  ExitWithByte: -4,
} as const;
export const LINE_WORDS = 8;
export const LINE_ANSWER = 7;

const START = [
  0x49, 0x89, 0xf9, //                         mov r9, rdi        the list
  0x31, 0xff, //                               xor edi, edi       flags: nothing is shared, nobody is told
  0x31, 0xf6, //                               xor esi, esi       stack: where ours is
  0x31, 0xd2, //                               xor edx, edx
  0x45, 0x31, 0xd2, //                         xor r10d, r10d
  0x45, 0x31, 0xc0, //                         xor r8d, r8d
  0xb8, 56, 0, 0, 0, //                        mov eax, clone
  0x0f, 0x05, //                               syscall
  0x85, 0xc0, //                               test eax, eax
  0x75, 126, //                                jnz return         the parent
  0x4d, 0x89, 0xcc, //                         mov r12, r9
  0x49, 0x8b, 0x04, 0x24, //             next: mov rax, [r12]
  0x49, 0x8b, 0x7c, 0x24, 8, //                mov rdi, [r12 + 8]
  0x49, 0x8b, 0x74, 0x24, 16, //               mov rsi, [r12 + 16]
  0x49, 0x8b, 0x54, 0x24, 24, //               mov rdx, [r12 + 24]
  0x4d, 0x8b, 0x54, 0x24, 32, //               mov r10, [r12 + 32]
  0x4d, 0x8b, 0x44, 0x24, 40, //               mov r8, [r12 + 40]
  0x4d, 0x8b, 0x4c, 0x24, 48, //               mov r9, [r12 + 48]
  0x48, 0x85, 0xc0, //                         test rax, rax
  0x78, 24, //                                 js own
  0x0f, 0x05, //                               syscall
  0x41, 0x83, 0x3c, 0x24, 56, //               cmp dword [r12], clone
  0x75, 4, //                                  jne keep
  0x85, 0xc0, //                               test eax, eax
  0x74, 64, //                                 jz exit            a child's child; rdi is 0
  0x49, 0x89, 0x44, 0x24, 56, //         keep: mov [r12 + 56], rax
  0x49, 0x83, 0xc4, 64, //            advance: add r12, 64
  0xeb, 193, //                                jmp next
  0x48, 0xff, 0xc0, //                    own: inc rax
  0x74, 48, //                                 jz exit
  0x48, 0xff, 0xc0, //                         inc rax
  0x74, 10, //                                 jz load
  0x48, 0xff, 0xc0, //                         inc rax
  0x74, 21, //                                 jz store
  0x0f, 0xb6, 0x3f, //                         movzx edi, byte [rdi]
  0xeb, 33, //                                 jmp exit
  0x8a, 0x07, //                         load: mov al, [rdi]
  0x48, 0x81, 0xc7, 0, 0x10, 0, 0, //          add rdi, 4096
  0x48, 0x39, 0xf7, //                         cmp rdi, rsi
  0x72, 242, //                                jb load
  0xeb, 214, //                                jmp advance
  0xc6, 0x07, 1, //                     store: mov byte [rdi], 1
  0x48, 0x81, 0xc7, 0, 0x10, 0, 0, //          add rdi, 4096
  0x48, 0x39, 0xf7, //                         cmp rdi, rsi
  0x72, 241, //                                jb store
  0xeb, 197, //                                jmp advance
  0xb8, 231, 0, 0, 0, //                 exit: mov eax, exit_group
  0x0f, 0x05, //                               syscall
  0xc3, //                             return: ret
];

const LOAD = [
  0x48, 0x83, 0xc8, 0xff, // or rax, -1
  0x0f, 0xb6, 0x07, //       movzx eax, byte [rdi]
  0xc3, //                   ret
];

/** Called with the signal, what it says of itself, and the registers of the load in rdx: it goes on 3 bytes further on, where `LOAD` returns. */
const STEP_OVER = [
  0x48, 0x83, 0x82, 0xa8, 0, 0, 0, 3, // add qword [rdx + 168], 3     rip in struct ucontext
  0xc3, //                               ret                          to the sigreturn of libc
];

const THREAD_BLOCK = [
  0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, // mov rax, fs:[0]        it begins with its own address
  0xc3, //                                     ret
];

/** Where each begins in the page. */
const AT = { start: 0, load: 256, stepOver: 320, threadBlock: 384 } as const;

/** The routines, until the scope ends; or why there are none here: another processor, or a kernel that executes nothing that was written (SELinux: execmem). */
export function openRoutines(libc: Libc, scope: Scope, architecture: string = process.arch): Routines | string {
  if (architecture !== 'x64') return `takes a few bytes of machine code, which are written for x86-64 and not for ${architecture}`;
  const page = libc.mmap(0, PAGE_BYTES, Protection.ReadWrite, MapFlag.Private | MapFlag.Anonymous, -1, 0);
  if (page === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  scope.defer(() => void libc.munmap(page, PAGE_BYTES));
  const memory = libc.view(page, PAGE_BYTES);
  memory.set(START, AT.start);
  memory.set(LOAD, AT.load);
  memory.set(STEP_OVER, AT.stepOver);
  memory.set(THREAD_BLOCK, AT.threadBlock);
  if (libc.mprotect(page, PAGE_BYTES, Protection.ReadExecute) < 0) return `mprotect(PROT_EXEC): ${errnoName(libc.errno())}`;
  return {
    start: libc.routine(page + AT.start),
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

/** How a child ended: the byte that is its exit code, or the signal that it died of. */
export type ChildEnding = { readonly byte: number } | { readonly signal: number };

/** Waits for a child of `start`. @throws KernelError where it is not ours */
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
export const WAIT_FOR_ANY_KIND = 0x4000_0000;
