/**
 * Lists of system calls, loads and stores that a child runs which has nothing but what it is shown: no heap, no other thread, no libc.
 *
 * A fork copies all mappings of a process. Those of Node are some hundred, and their number changes with its heap; here it is the list,
 * a page of machine code and the files that are measured. The time is the child's own, from line to line.
 */
import { CLOCK_THREAD_CPUTIME_ID, MapFlag, PAGE_BYTES, Protection, Timespec, X64Call } from './abi.ts';
import { KernelError } from './backing.ts';
import { MAP_FAILED } from './libc.ts';
import type { Address, Libc } from './libc.ts';
import { LINE_ANSWER, LINE_WORDS, Line, WAIT_FOR_ANY_KIND, waitForChild } from './machineCode.ts';
import type { Routines } from './machineCode.ts';
import { extentOf, hideOwnMemory } from './ownMemory.ts';
import type { Extent } from './ownMemory.ts';
import type { Scope } from './scope.ts';

export interface CallLine {
  /** For the message where it is refused. */
  readonly name: string;
  /** A number of a system call or of `Line`, and up to six arguments. */
  readonly words: readonly number[];
}

export const madviseLine = (address: Address, bytes: number, advice: number): CallLine => ({ name: 'madvise', words: [X64Call.Madvise, address, bytes, advice] });
export const forkLine: CallLine = { name: 'clone', words: [X64Call.Clone] };
/** Waits for a child of a fork; as many as there were forks. */
const waitLine: CallLine = { name: 'wait4', words: [X64Call.Wait4, -1, 0, WAIT_FOR_ANY_KIND, 0] };
const clockLine = (into: Address): CallLine => ({ name: 'clock_gettime', words: [X64Call.ClockGettime, CLOCK_THREAD_CPUTIME_ID, into] });

export interface CallListOptions {
  readonly libc: Libc;
  readonly routines: Routines;
  readonly scope: Scope;
  readonly before: readonly CallLine[];
  readonly timed: readonly CallLine[];
  /** What the child gets. */
  readonly shown: readonly Extent[];
}

/** Nanoseconds of the timed lines, in a new child each time. @throws KernelError for the first line that is refused */
export type CallList = () => number;

/** @throws KernelError where there is no memory for it */
export function openCallList({ libc, routines, scope, before, timed, shown }: CallListOptions): CallList {
  const forks = [...before, ...timed].filter((line) => line === forkLine).length;
  const count = before.length + timed.length + forks + 3;
  const { address, words } = mapShared(libc, scope, 2 * Timespec.bytes + count * LINE_WORDS * 8);
  const [begin, end] = [address, address + Timespec.bytes];
  const lines: readonly CallLine[] = [...before, clockLine(begin), ...timed, clockLine(end), ...Array.from({ length: forks }, () => waitLine), { name: 'exit', words: [Line.Exit] }];
  const first = (2 * Timespec.bytes) / 8;
  for (const [at, line] of lines.entries()) for (const [nth, word] of line.words.entries()) words[first + at * LINE_WORDS + nth] = BigInt(word);
  hideOwnMemory(libc, scope, [...routines.vital, ...shown, extentOf(address, words.byteLength)])();
  return () => {
    runChild(libc, routines, address + first * 8);
    for (const [at, { name }] of lines.entries()) {
      const answer = Number(words[first + at * LINE_WORDS + LINE_ANSWER]);
      if (answer < 0) throw new KernelError(name, -answer);
    }
    return Number((words[2] - words[0]) * 1_000_000_000n + words[3] - words[1]);
  };
}

/** A child that loads the byte at an address of the mappings that it is shown: which, or the signal that it dies of. */
export function openLoader({ libc, routines, scope, shown }: Pick<CallListOptions, 'libc' | 'routines' | 'scope' | 'shown'>): (address: Address) => ReturnType<typeof waitForChild> {
  const { address, words } = mapShared(libc, scope, LINE_WORDS * 8);
  const hide = hideOwnMemory(libc, scope, [...routines.vital, ...shown, extentOf(address, words.byteLength)]);
  return (from) => {
    hide();
    words[0] = BigInt(Line.ExitWithByte);
    words[1] = BigInt(from);
    return waitForChild(libc, startChild(routines, address));
  };
}

function runChild(libc: Libc, routines: Routines, list: Address): void {
  const ending = waitForChild(libc, startChild(routines, list));
  if ('signal' in ending) throw new Error(`a child died of signal ${ending.signal}`);
}

function startChild(routines: Routines, list: Address): number {
  const child = routines.start(list);
  if (child < 0) throw new KernelError('clone', -child);
  return child;
}

/** Memory that children see, and write for us. */
export function mapShared(libc: Libc, scope: Scope, bytes: number): { readonly address: Address; readonly words: BigInt64Array } {
  const size = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  const address = libc.mmap(0, size, Protection.ReadWrite, MapFlag.Shared | MapFlag.Anonymous, -1, 0);
  if (address === MAP_FAILED) throw new KernelError('mmap', libc.errno());
  scope.defer(() => void libc.munmap(address, size));
  const memory = libc.view(address, size);
  return { address, words: new BigInt64Array(memory.buffer, memory.byteOffset, size / 8) };
}
