/**
 * The world: all state of the simulated machine, positions and locals of its tasks included, in columns over one buffer.
 *
 * Nothing is allocated after `createWorld`. A world is copied, compared and hashed as one block. No time, no absolute
 * counter and no statistic lives in it; what a step did is told to the `meter`, which is not part of the buffer.
 */
import type { ArraysOf } from './columns.ts';
import { entryColumns } from './entries.ts';
import { fileColumns } from './file.ts';
import { folioColumns } from './folios.ts';
import { folioTypeColumns } from './folioType.ts';
import { lockColumns } from './locks.ts';
import { lruColumns } from './lru.ts';
import { Meter } from './meter.ts';
import { platformColumns } from './platform.ts';
import { privateColumns } from './privatePages.ts';
import { checkShape, sizesOf } from './shape.ts';
import type { Shape, Sizes } from './shape.ts';
import { slotColumns } from './slots.ts';
import { stage2Columns } from './stage2.ts';
import { taskColumns } from './tasks.ts';
import { layWorld } from './taskWorld.ts';
import type { TaskWorld } from './taskWorld.ts';
import { windowColumns } from './windows.ts';

/** Every column, in the order in which they lie in the buffer. */
export const worldColumns = {
  ...taskColumns,
  ...platformColumns,
  ...lockColumns,
  ...windowColumns,
  ...slotColumns,
  ...lruColumns,
  ...stage2Columns,
  ...fileColumns,
  ...folioColumns,
  ...folioTypeColumns,
  ...privateColumns,
  ...entryColumns,
} as const;

export type WorldColumns = ArraysOf<typeof worldColumns>;

export interface World extends WorldColumns, TaskWorld {
  readonly shape: Shape;
  readonly sizes: Sizes;
  readonly buffer: ArrayBuffer;
  /** The bytes of `entry`, four at a time. */
  readonly entryWords: Uint32Array;
  /** Not state: where steps tell the engine what they did. Replaced by engines. */
  meter: Meter;
}

/** A world of zeros: every page in the file's default state, nothing mapped, every task idle. @throws UserError for an impossible shape */
export function createWorld(shape: Shape, meter = new Meter()): World {
  checkShape(shape);
  const world = layWorld(worldColumns, shape, { sizes: sizesOf(shape), meter });
  const { byteOffset, length } = world.entry;
  return Object.assign(world, { entryWords: new Uint32Array(world.buffer, byteOffset, Math.ceil(length / 4)) });
}

/** Overwrites `to` with the state of `from`. Both have the same columns and the same shape. */
export function copyWorld(from: TaskWorld, to: TaskWorld): void {
  new Uint8Array(to.buffer).set(new Uint8Array(from.buffer));
}
