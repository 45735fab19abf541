/**
 * Locals that tasks of a world of processes need: above all what a task holds between two steps, so that references can be counted again
 * at every moment.
 */
import { column } from '../columns.ts';
import { clearCommonLocals, commonTaskColumns } from '../taskWorld.ts';
import { framesOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';

const tasks = ({ tasks: count }: MemoryShape): number => count;

export const memoryTaskColumns = {
  ...commonTaskColumns,
  /** A frame + 1 that it has allocated and not mapped yet, with one reference. */
  newFrame: column('u32', 'task', tasks, framesOf, 'frame'),
  /** A frame + 1 that it holds by one reference: a page that it copies, or looked up. */
  oldFrame: column('u32', 'task', tasks, framesOf, 'frame'),
  /** A frame + 1 of an entry that it has cleared, whose reference is its own now. */
  zapFrame: column('u32', 'task', tasks, framesOf, 'frame'),
  /** GUP-fast: a frame + 1 that it has tried, and how many references it took: 0, 1, or a pin. */
  grabFrame: column('u32', 'task', tasks, framesOf, 'frame'),
  grabbed: column('u16', 'task', tasks, () => GUP_PIN_COUNTING_BIAS),
  /** The entry as it was read: bits and target. */
  readEntry: column('u16', 'task', tasks, () => 0x3ff),
  readTarget: column('u32', 'task', tasks, (shape: MemoryShape) => Math.max(framesOf(shape), shape.swapSlots)),
  /** Another process that it works on: the child of a fork. */
  otherMm: column('u8', 'task', tasks, ({ mms }: MemoryShape) => Math.max(0, mms - 1), 'mm'),
} as const;

/** Bits of `flags` that both families know; the bits from `Own` on are each family's. Bit 0 is `TaskFlag.IrqOff`. */
export const MemoryFlag = {
  /** The access, the fault or the GUP is for writing. */
  Write: 1 << 1,
  /** Families' own bits begin here. */
  Own: 1 << 2,
} as const;

/** Puts all locals of a task back to zero; its mm and what it is stay. @throws Error where its access ends with a lock held, or with calls that CPUs have not answered */
export function clearMemoryTask(world: MemoryWorld, task: number): void {
  if (world.held[task] !== 0) throw new Error(`lock order: task ${task} ends its access, and holds ${world.held[task].toString(2)}`);
  if (world.callCount[task] !== 0) throw new Error(`task ${task} ends its access, and ${world.callCount[task]} of its calls are not acknowledged`);
  clearCommonLocals(world, task);
  world.newFrame[task] = 0;
  world.oldFrame[task] = 0;
  world.zapFrame[task] = 0;
  world.grabFrame[task] = 0;
  world.grabbed[task] = 0;
  world.readEntry[task] = 0;
  world.readTarget[task] = 0;
  world.otherMm[task] = 0;
}
