/**
 * Locks: words in columns, in one order, outermost first; acquiring against it throws.
 *
 *     mmap_lock -> invalidate_lock -> folio lock -> i_mmap_rwsem -> page-table lock -> mmu_lock
 *
 * Source: mm/rmap.c's header and Documentation/mm/process_addrs; the KVM part virt/kvm/guest_memfd.c.
 * A lock that cannot be had leaves the world unchanged and names itself in `meter.waitOn`; engines keep the queues.
 * Differs from Linux: rwsems, spinlocks and the folio lock's wait queue are all words with a queue, woken in the order of
 * waiting; a new reader passes a writer that waits, where an rwsem makes it queue; a VMA lock is not
 * modelled, because guest_memfd has no `map_pages` and every fault ends up under mmap_lock.
 */
import { column } from './columns.ts';
import { WAIT_KINDS } from './meter.ts';
import { Flow } from './step.ts';
import type { FlowKind } from './step.ts';
import type { TaskWorld } from './taskWorld.ts';

export const LockClass = { Mmap: 0, Invalidate: 1, Folio: 2, IMmap: 3, PageTable: 4, Mmu: 5 } as const;

/** Words of the class of invalidate_lock: the file's own; where private pages have a memory of their own also slots_lock, and that memory's. */
export const InvalidateWord = { File: 0, Slots: 1, Private: 2 } as const;

/** 0 is free; WRITER is held exclusively; else the number of readers. */
export const WRITER = 0xffff;

export const lockColumns = {
  mmapLock: column('u16', 'mm', ({ mms }) => mms, () => WRITER),
  invalidateLock: column('u16', 'world', ({ keeps }) => (keeps === 'separate-memory' ? Object.keys(InvalidateWord).length : 1), () => WRITER),
  iMmapLock: column('u16', 'world', () => 1, () => WRITER),
  mmuLock: column('u16', 'world', () => 1, () => WRITER),
} as const;

/** The engines' number of a lock. */
export const lockId = (lockClass: number, index: number): number => index * WAIT_KINDS + lockClass;
export const lockClassOf = (waitOn: number): number => waitOn % WAIT_KINDS;

/** Throws where a lock of this class or of an inner one is already held. */
export function checkOrder(world: TaskWorld, task: number, lockClass: number): void {
  if (world.held[task] >> lockClass !== 0) {
    throw new Error(`lock order: task ${task} takes class ${lockClass} while it holds ${world.held[task].toString(2)}`);
  }
}

export function noteHeld(world: TaskWorld, task: number, lockClass: number): void {
  world.held[task] |= 1 << lockClass;
}

/** @throws Error where the task does not hold a lock of this class */
export function noteReleased(world: TaskWorld, task: number, lockClass: number, index: number): void {
  if ((world.held[task] & (1 << lockClass)) === 0) throw new Error(`lock order: task ${task} releases class ${lockClass}, which it does not hold`);
  world.held[task] &= ~(1 << lockClass);
  world.meter.release(lockId(lockClass, index));
}

/** Waits for a lock: the answer of a step that could not go on. */
export function waitFor(world: TaskWorld, waitOn: number): FlowKind {
  world.meter.waitOn = waitOn;
  return Flow.Wait;
}

export function acquireWrite(world: TaskWorld, task: number, words: Uint16Array | Uint8Array, index: number, lockClass: number, writer = WRITER): FlowKind {
  checkOrder(world, task, lockClass);
  if (words[index] !== 0) return waitFor(world, lockId(lockClass, index));
  words[index] = writer;
  noteHeld(world, task, lockClass);
  return Flow.Next;
}

export function acquireRead(world: TaskWorld, task: number, words: Uint16Array, index: number, lockClass: number): FlowKind {
  checkOrder(world, task, lockClass);
  if (words[index] === WRITER) return waitFor(world, lockId(lockClass, index));
  words[index]++;
  noteHeld(world, task, lockClass);
  return Flow.Next;
}

export function releaseWrite(world: TaskWorld, task: number, words: Uint16Array | Uint8Array, index: number, lockClass: number): void {
  words[index] = 0;
  noteReleased(world, task, lockClass, index);
}

export function releaseRead(world: TaskWorld, task: number, words: Uint16Array, index: number, lockClass: number): void {
  words[index]--;
  noteReleased(world, task, lockClass, index);
}

/** A writer becomes a reader without letting another writer in. */
export function downgrade(world: TaskWorld, words: Uint16Array, index: number, lockClass: number): void {
  words[index] = 1;
  world.meter.release(lockId(lockClass, index));
}
