/**
 * Locals of the tasks of this world, and what their accesses want.
 *
 * An access of kind `Fork` names its child process in `slot`. While a task has a folio locked, `grabFrame` is that frame + 1; `oldFrame`
 * is one that it holds a reference on.
 */
import { clearMemoryTask } from '../memory/tasks.ts';
import type { ShmemWorld } from './world.ts';

/** Access kinds that the model tells apart; the values are those of the family's `WpAccess`. */
export const WpKind = {
  Read: 1,
  Write: 2,
  Protect: 3,
  Unprotect: 4,
  Scan: 5,
  ScanProtect: 6,
  DontNeed: 7,
  Reclaim: 8,
  Punch: 9,
  Fork: 10,
  ForkWithEvents: 11,
  Exit: 12,
  NumaScan: 13,
  Migrate: 14,
  Pin: 15,
  Unpin: 16,
  ReadBit: 17,
} as const;

/** Bits of `flags` beside those that all worlds have. */
export const WpFlag = {
  /** The chunk, or the range, changed an entry that TLBs may hold. */
  Changed: 1 << 5,
  /** The range had a page that was in use. */
  Busy: 1 << 6,
  /** Its fault has queued a userfault. */
  InUserfault: 1 << 7,
} as const;

export const wantsWrite = ({ kind }: ShmemWorld, task: number): boolean => kind[task] === WpKind.Write;

/** Place of the entry of the task's page. */
export const ownEntry = ({ window, page, shape }: ShmemWorld, task: number): number => window[task] * shape.pages + page[task];

/** Puts all locals of a task back to zero; its mm and what it is stay. */
export function clearShmemTask(world: ShmemWorld, task: number): void {
  clearMemoryTask(world, task);
  world.walkWindow[task] = 0;
  world.walkCursor[task] = 0;
  world.walkStart[task] = 0;
  world.walkEnd[task] = 0;
  world.userfault[task] = 0;
  world.found[task] = 0;
}
