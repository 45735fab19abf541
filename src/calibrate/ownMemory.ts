/**
 * What of this process's memory a child gets: one that measures, only what it needs. Node has some hundred mappings of its own with some ten
 * thousand page-table entries, which a fork would copy.
 *
 * Source: mm/madvise.c (MADV_DONTFORK, which sets VM_DONTCOPY), kernel/fork.c (dup_mmap).
 */
import { readFileSync } from 'node:fs';
import { Advice } from './abi.ts';
import type { Address, Libc } from './libc.ts';
import type { Scope } from './scope.ts';

/** Memory from its first byte to the one behind its last. */
export interface Extent {
  readonly start: Address;
  readonly end: Address;
}

export const extentOf = (address: Address, bytes: number): Extent => ({ start: address, end: address + bytes });

export interface OwnMapping extends Extent {
  /** Children do not get it: V8 asks for that for its heap. */
  readonly hidden: boolean;
}

/**
 * Mappings of a process that are its own: not those that the kernel gave it ([vdso], [vvar]), which MADV_DOFORK refuses.
 * @param smaps text of /proc/PID/smaps
 */
export function ownMappings(smaps: string): readonly OwnMapping[] {
  // Of each mapping a line of its addresses comes first, and one of its flags last.
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((text) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (?!.*\[v)/.exec(text);
    return match === null ? [] : [{ start: Number.parseInt(match[1], 16), end: Number.parseInt(match[2], 16), hidden: /^VmFlags:.* dc\b/m.test(text) }];
  });
}

/** Keeps everything from children until the scope ends, but for what overlaps one of `shown`; called again it does so for what is new. */
export function hideOwnMemory(libc: Libc, scope: Scope, shown: readonly Extent[]): () => void {
  const hidden: Extent[] = [];
  // Where they lie then: a stack that has grown meanwhile has grown hidden.
  scope.defer(() => advise(libc, readOwnMappings().filter((one) => hidden.some((other) => overlap(one, other))), Advice.DoFork));
  return () => {
    const visible = readOwnMappings().filter((one) => !one.hidden && !shown.some((other) => overlap(one, other)));
    advise(libc, visible, Advice.DontFork);
    hidden.push(...visible);
  };
}

const readOwnMappings = (): readonly OwnMapping[] => ownMappings(readFileSync('/proc/self/smaps', 'utf8'));
const overlap = (one: Extent, other: Extent): boolean => one.start < other.end && other.start < one.end;

function advise(libc: Libc, extents: readonly Extent[], advice: number): void {
  for (const { start, end } of extents) libc.madvise(start, end - start, advice);
}
