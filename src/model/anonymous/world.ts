/**
 * The world of the family `unsharing`: processes with private mappings of anonymous memory, of the zero page and of a memfd.
 *
 * Beside what all worlds of processes have: what GUP-fast has read of the fork's sequence, and where its batch begins.
 */
import { column } from '../columns.ts';
import type { ArraysOf } from '../columns.ts';
import { reserveZeroPage } from '../memory/frames.ts';
import type { MemoryShape } from '../memory/shape.ts';
import { clearMemoryTask } from '../memory/tasks.ts';
import { memoryColumns } from '../memory/world.ts';
import type { MemoryWorld } from '../memory/world.ts';
import { Meter } from '../meter.ts';
import type { Run as AnyRun, Step as AnyStep } from '../step.ts';
import { layWorld } from '../taskWorld.ts';

const tasks = ({ tasks: count }: MemoryShape): number => count;

export const anonymousColumns = {
  ...memoryColumns,
  /** GUP-fast: the fork's sequence before it began. */
  readSequence: column('u8', 'task', tasks, () => 0xff),
  /** GUP-fast: pages that the buffer had before this batch. */
  fastStart: column('u16', 'task', tasks, ({ slotPages }: MemoryShape) => slotPages),
  /** The window that a walk over processes is at. */
  walkWindow: column('u16', 'task', tasks, ({ windows }: MemoryShape) => windows, 'window'),
} as const;

export interface AnonymousWorld extends ArraysOf<typeof anonymousColumns>, MemoryWorld {
  readonly buffer: ArrayBuffer;
  meter: Meter;
}

export type Run = AnyRun<AnonymousWorld>;
export type Step = AnyStep<AnonymousWorld>;

/** A world with nothing but the zero page: no process is alive. @throws UserError where a column cannot hold what the shape asks for */
export function createAnonymousWorld(shape: MemoryShape, meter = new Meter()): AnonymousWorld {
  const world: AnonymousWorld = layWorld(anonymousColumns, shape, { meter });
  reserveZeroPage(world);
  return world;
}

/** Puts all locals of a task back to zero; its mm and what it is stay. */
export function clearAnonymousTask(world: AnonymousWorld, task: number): void {
  clearMemoryTask(world, task);
  world.readSequence[task] = 0;
  world.fastStart[task] = 0;
  world.walkWindow[task] = 0;
}
