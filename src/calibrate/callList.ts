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
  /** It is not what is measured. */
  readonly isUntimed?: true;
}

export const madviseLine = (address: Address, bytes: number, advice: number): CallLine => ({ name: 'madvise', words: [X64Call.Madvise, address, bytes, advice] });
/** Maps a file at addresses that are reserved here: for children alone, as a hole in a file visits all of its mappings, ours too. */
export const mapLine = (address: Address, bytes: number, fd: number): CallLine => ({ name: 'mmap', words: [X64Call.Mmap, address, bytes, Protection.ReadWrite, MapFlag.Shared | MapFlag.Fixed, fd, 0] });
/** A load or store of each page. */
export const touchLine = (address: Address, bytes: number, isStore: boolean): CallLine => ({ name: 'a load or store', words: [isStore ? Line.Store : Line.Load, address, address + bytes] });
export const forkLine: CallLine = { name: 'clone', words: [X64Call.Clone] };
/** Waits for a child of a fork, which ends meanwhile: until then its mappings are there. */
export const waitLine: CallLine = { name: 'wait4', words: [X64Call.Wait4, -1, 0, WAIT_FOR_ANY_KIND, 0], isUntimed: true };
const clockLine = (into: Address): CallLine => ({ name: 'clock_gettime', words: [X64Call.ClockGettime, CLOCK_THREAD_CPUTIME_ID, into] });

/** The same lines, as preparation. */
export const untimed = (lines: readonly CallLine[]): readonly CallLine[] => lines.map((line) => ({ ...line, isUntimed: true }));

export interface CallListOptions {
  readonly libc: Libc;
  readonly routines: Routines;
  readonly scope: Scope;
  readonly lines: readonly CallLine[];
  /** What the child gets. */
  readonly shown: readonly Extent[];
}

/** Nanoseconds of the timed lines, in a new child each time. @throws KernelError for the first line that is refused */
export type CallList = () => number;

/** @throws KernelError where there is no memory for it */
export function openCallList({ libc, routines, scope, lines, shown }: CallListOptions): CallList {
  const stretches = stretchesOf(lines);
  const count = lines.length + 2 * stretches.length + 1;
  const clockBytes = 2 * stretches.length * Timespec.bytes;
  const { address, words } = mapShared(libc, scope, clockBytes + count * LINE_WORDS * 8);
  const all: readonly CallLine[] = [...withClocks(lines, stretches, address), { name: 'exit', words: [Line.Exit] }];
  const first = clockBytes / 8;
  for (const [at, line] of all.entries()) for (const [nth, word] of line.words.entries()) words[first + at * LINE_WORDS + nth] = BigInt(word);
  hideOwnMemory(libc, scope, [...routines.vital, ...shown, extentOf(address, words.byteLength)])();
  return () => {
    runChild(libc, routines, address + clockBytes);
    for (const [at, { name }] of all.entries()) {
      const answer = Number(words[first + at * LINE_WORDS + LINE_ANSWER]);
      if (answer < 0) throw new KernelError(name, -answer);
    }
    return stretches.reduce((sum, _, nth) => sum + nsAt(words, 2 * nth + 1) - nsAt(words, 2 * nth), 0);
  };
}

/** Timed lines in a row, from the first to the one behind the last. */
interface Stretch {
  readonly from: number;
  readonly to: number;
}

function stretchesOf(lines: readonly CallLine[]): readonly Stretch[] {
  const starts = lines.flatMap((line, at) => (line.isUntimed !== true && (at === 0 || lines[at - 1].isUntimed === true) ? [at] : []));
  return starts.map((from) => {
    const length = lines.slice(from).findIndex(({ isUntimed }) => isUntimed === true);
    return { from, to: length < 0 ? lines.length : from + length };
  });
}

/** A look at the clock before each stretch and behind it, one after the other into `clocks`. */
function withClocks(lines: readonly CallLine[], stretches: readonly Stretch[], clocks: Address): readonly CallLine[] {
  const starts = new Map(stretches.map(({ from }, nth) => [from, nth]));
  const ends = new Map(stretches.map(({ to }, nth) => [to, nth]));
  const look = (nth: number | undefined, isEnd: boolean): readonly CallLine[] => (nth === undefined ? [] : [clockLine(clocks + (2 * nth + (isEnd ? 1 : 0)) * Timespec.bytes)]);
  return [...lines.flatMap((line, at) => [...look(ends.get(at), true), ...look(starts.get(at), false), line]), ...look(ends.get(lines.length), true)];
}

/** Of one thread; it has not run for months. */
const nsAt = (words: BigInt64Array, clock: number): number => Number(words[2 * clock] * 1_000_000_000n + words[2 * clock + 1]);

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
