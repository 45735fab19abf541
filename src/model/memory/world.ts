/**
 * A world of processes: all columns that the families beside guest_memfd's share. A family adds its own and lays them together.
 */
import type { ArraysOf } from '../columns.ts';
import { Meter } from '../meter.ts';
import { layWorld } from '../taskWorld.ts';
import type { TaskWorld } from '../taskWorld.ts';
import { memoryEntryColumns } from './entries.ts';
import { memoryFileColumns } from './files.ts';
import { frameColumns, reserveZeroPage } from './frames.ts';
import { memoryLockColumns } from './locks.ts';
import { processColumns } from './processes.ts';
import type { MemoryShape } from './shape.ts';
import { memorySlotColumns } from './slots.ts';
import { memoryTaskColumns } from './tasks.ts';
import { memoryWindowColumns } from './windows.ts';

export const memoryColumns = {
  ...memoryTaskColumns,
  ...processColumns,
  ...memoryLockColumns,
  ...memoryWindowColumns,
  ...memorySlotColumns,
  ...memoryFileColumns,
  ...frameColumns,
  ...memoryEntryColumns,
} as const;

export interface MemoryWorld extends ArraysOf<typeof memoryColumns>, TaskWorld {
  readonly shape: MemoryShape;
  readonly buffer: ArrayBuffer;
  meter: Meter;
}

/** A world of nothing but the shared columns, with the zero page in its place: no process is alive. For tests, and as a pattern. */
export function createMemoryWorld(shape: MemoryShape, meter = new Meter()): MemoryWorld {
  const world: MemoryWorld = layWorld(memoryColumns, shape, { meter });
  reserveZeroPage(world);
  return world;
}
