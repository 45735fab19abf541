/**
 * Steps that take and drop the locks of a world of processes, outermost first:
 *
 *     mmap_lock -> (family's own: inode, invalidate_lock) -> folio lock -> rmap lock (i_mmap, anon_vma) -> page-table lock
 *
 * Source: the header of mm/rmap.c. Each word is as in src/model/locks.ts.
 */
import { column } from '../columns.ts';
import { LockClass, WRITER, acquireRead, acquireWrite, checkOrder, lockId, noteHeld, noteReleased, releaseRead, releaseWrite, waitFor } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow } from '../step.ts';
import type { FlowKind, Run } from '../step.ts';
import { TableBit, tableAt } from './entries.ts';
import { FrameBit, headOf } from './frames.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

export const memoryLockColumns = {
  mmapLock: column('u16', 'mm', ({ mms }: MemoryShape) => mms, () => WRITER),
  /** i_mmap_rwsem and the lock of the anon_vma: one word, since all windows of a family are of one tree. */
  rmapLock: column<'u16', MemoryShape>('u16', 'world', () => 1, () => WRITER),
} as const;

type MemoryRun = Run<MemoryWorld>;

const charged = (world: MemoryWorld, flow: FlowKind, operation: number): FlowKind => {
  if (flow === Flow.Next) world.meter.charge(operation);
  return flow;
};

export const readLockMmap: MemoryRun = (world, task) => charged(world, acquireRead(world, task, world.mmapLock, world.mm[task], LockClass.Mmap), Op['lock.mmap']);
export const readUnlockMmap: MemoryRun = (world, task) => {
  releaseRead(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  return Flow.Next;
};
export const writeLockMmap: MemoryRun = (world, task) => charged(world, acquireWrite(world, task, world.mmapLock, world.mm[task], LockClass.Mmap), Op['lock.mmap']);
export const writeUnlockMmap: MemoryRun = (world, task) => {
  releaseWrite(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  return Flow.Next;
};

export const readLockRmap: MemoryRun = (world, task) => charged(world, acquireRead(world, task, world.rmapLock, 0, LockClass.IMmap), Op['lock.iMmap']);
export const readUnlockRmap: MemoryRun = (world, task) => {
  releaseRead(world, task, world.rmapLock, 0, LockClass.IMmap);
  return Flow.Next;
};
export const writeLockRmap: MemoryRun = (world, task) => charged(world, acquireWrite(world, task, world.rmapLock, 0, LockClass.IMmap), Op['lock.iMmap']);
export const writeUnlockRmap: MemoryRun = (world, task) => {
  releaseWrite(world, task, world.rmapLock, 0, LockClass.IMmap);
  return Flow.Next;
};

/** Takes the lock of the page table of a page of a window. */
export function lockTable(world: MemoryWorld, task: number, window: number, page: number): FlowKind {
  checkOrder(world, task, LockClass.PageTable);
  const table = tableAt(world, window, page);
  if (world.table[table] & TableBit.Locked) return waitFor(world, lockId(LockClass.PageTable, table));
  world.table[table] |= TableBit.Locked;
  noteHeld(world, task, LockClass.PageTable);
  world.meter.charge(Op['lock.pageTable']);
  return Flow.Next;
}

/** @throws Error where it is not locked */
export function unlockTable(world: MemoryWorld, task: number, window: number, page: number): void {
  const table = tableAt(world, window, page);
  if ((world.table[table] & TableBit.Locked) === 0) throw new Error(`page table ${table} is unlocked, and nobody has locked it`);
  world.table[table] &= ~TableBit.Locked;
  noteReleased(world, task, LockClass.PageTable, table);
}

/** Page-table lock of the entry of (`window`, `page`) of the task. */
export const lockEntry: MemoryRun = (world, task) => lockTable(world, task, world.window[task], world.page[task]);
export const unlockEntry: MemoryRun = (world, task) => {
  unlockTable(world, task, world.window[task], world.page[task]);
  return Flow.Next;
};

/** Takes the lock of the folio of a frame. @throws Error where a step has no frame in its hands */
export function lockFrame(world: MemoryWorld, task: number, frame: number): FlowKind {
  if (frame < 0) throw new Error('a step locks no frame');
  const head = headOf(world, frame);
  checkOrder(world, task, LockClass.Folio);
  if (world.frameFlags[head] & FrameBit.Locked) return waitFor(world, lockId(LockClass.Folio, head));
  world.frameFlags[head] |= FrameBit.Locked;
  noteHeld(world, task, LockClass.Folio);
  world.meter.charge(Op['lock.folio']);
  return Flow.Next;
}

export function unlockFrame(world: MemoryWorld, task: number, frame: number): void {
  const head = headOf(world, frame);
  dropFolioLock(world, head);
  noteReleased(world, task, LockClass.Folio, head);
}

/** Drops the bit of a lock that was tried for, which is none of those that the task is noted to hold. @throws Error where it is not locked (folio_unlock asks so) */
export function dropFolioLock(world: MemoryWorld, head: number): void {
  if (!(world.frameFlags[head] & FrameBit.Locked)) throw new Error(`the folio of frame ${head} is unlocked, and nobody has locked it`);
  world.frameFlags[head] &= ~FrameBit.Locked;
}
