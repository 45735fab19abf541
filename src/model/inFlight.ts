/** In flight: what a task's locals and its next step say of entries and references that no column tells of. Only reads. */
import { EntryBit } from './entries.ts';
import type { StaleBit } from './entries.ts';
import { LockClass } from './locks.ts';
import { Gather, TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** Which mark a task's gather leaves: a zap under invalidate_lock has its own. */
export const staleBitOf = (world: World, task: number): StaleBit =>
  world.held[task] & (1 << LockClass.Invalidate) ? EntryBit.StaleZap : EntryBit.StaleMunmap;

/** Whether the gather that cleared the entry has seen the end of its flush. A mark without a gather counts as not flushed. */
export function isFlushed(world: World, stale: number, window: number, page: number): boolean {
  for (let task = 0; task < world.shape.tasks; task++) {
    if (world.gather[task] !== Gather.Flushed || world.walkWindow[task] !== window || staleBitOf(world, task) !== stale) continue;
    if (page >= world.gatherStart[task] && page < world.gatherEnd[task]) return true;
  }
  return false;
}

/** The pages [first, end) that GUP-fast has grabbed and found unchanged: it will succeed with them. `name` is the step that the task takes next. */
export function keptByGupFast(world: World, name: string, task: number): readonly [first: number, end: number] {
  const first = world.cursor[task];
  if ((world.flags[task] & TaskFlag.IrqOff) === 0) return [first, first];
  if (name === 'folio.subPin' || name === 'folio.put') return [first, world.walkCursor[task]];
  return [first, name === 'irq.on' || name === 'to irq.on' ? world.cursorEnd[task] : first];
}
