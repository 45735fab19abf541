/**
 * What every world has, whatever it is a world of: tasks with their positions and locals, over one buffer.
 *
 * Engines, programs, locks and cross calls know no more than this. The world of guest_memfd (world.ts) has the columns of files,
 * folios and mappings beside them; a family of policies that argues about other memory brings columns of its own.
 */
import { bytesOf, checkMaxima, column, layColumns } from './columns.ts';
import type { ArraysOf, Columns } from './columns.ts';
import type { Meter } from './meter.ts';
import { PAGES_BEYOND_END_MAX } from './shape.ts';
import { DEPTH_MAX } from './step.ts';

/** The sizes that the tasks of a world follow from. */
export interface TaskShape {
  /** Pages that an access may name; a few beyond them may be named, too. */
  readonly pages: number;
  /** Mappings, by whatever the family calls them. */
  readonly windows: number;
  readonly mms: number;
  /** CPUs, one an actor of the workload; the first `vcpus` of them run the guest. */
  readonly cpus: number;
  readonly vcpus: number;
  /** Tasks: one a CPU, and then those of the family. */
  readonly tasks: number;
  /** Buffers that can be held by reference. */
  readonly slots: number;
  /** Flushes reach other CPUs by broadcast (TLBI, INVLPGB) and not by interrupts that wait for GUP-fast. */
  readonly broadcastFlush: boolean;
}

const tasks = ({ tasks: count }: TaskShape): number => count;
/** What the caller names may lie beyond the end. */
const named = ({ pages: count }: TaskShape): number => count + PAGES_BEYOND_END_MAX;

export const ATTEMPTS_MAX = 7;

/** Position, operation and the locals that any family needs. */
export const commonTaskColumns = {
  /** Position in the program at each depth; 0 = idle (at depth 0) or unused. */
  pc: column('u16', 'task', (shape: TaskShape) => shape.tasks * DEPTH_MAX, () => 0xffff),
  depth: column('u8', 'task', tasks, () => DEPTH_MAX - 1),
  /** What the task does: an `Access` kind. */
  kind: column('u8', 'task', tasks, () => 31),
  flags: column('u16', 'task', tasks, () => 0xffff),
  /** Lock classes that it holds, one bit each. */
  held: column('u8', 'task', tasks, () => 0xff),
  /** The last result, an index in ERRNOS. */
  outcome: column('u8', 'task', tasks, () => 15),
  /** Attempts of a request after the first, saturating at ATTEMPTS_MAX. */
  attempts: column('u8', 'task', tasks, () => ATTEMPTS_MAX),
  mm: column('u8', 'task', tasks, ({ mms }: TaskShape) => mms - 1, 'mm'),
  /** The window that it accesses memory through. */
  window: column('u16', 'task', tasks, ({ windows }: TaskShape) => Math.max(0, windows - 1), 'window'),
  slot: column('u16', 'task', tasks, ({ slots }: TaskShape) => Math.max(0, slots - 1), 'slot'),
  rangeStart: column('u32', 'task', tasks, named, 'page'),
  rangeEnd: column('u32', 'task', tasks, named, 'page'),
  /** The page that a fault, a lookup or a pin is about. */
  page: column('u32', 'task', tasks, named, 'page'),
  cursor: column('u32', 'task', tasks, named, 'page'),
  cursorEnd: column('u32', 'task', tasks, named, 'page'),
  /** A value to write, where the world keeps contents. */
  value: column('u8', 'task', tasks, () => 0xff),
  /** Cross calls (flush, kick, drain) that a CPU has not acknowledged: [task x cpus + cpu]. */
  callPending: column('u8', 'task', ({ tasks: count, cpus }: TaskShape) => count * cpus, () => 1),
  /** What its cross calls ask of the other CPUs: a `CrossCall`. */
  callKind: column('u8', 'task', tasks, () => 3),
  callCount: column('u8', 'task', tasks, ({ cpus }: TaskShape) => cpus),
} as const;

export interface TaskWorld extends ArraysOf<typeof commonTaskColumns> {
  readonly shape: TaskShape;
  readonly buffer: ArrayBuffer;
  /** Not state: where steps tell the engine what they did. Replaced by engines. */
  meter: Meter;
}

/** Puts the common locals of a task back to zero; its mm, its calls and what it is stay. */
export function clearCommonLocals(world: TaskWorld, task: number): void {
  world.pc[task * DEPTH_MAX] = 0;
  world.depth[task] = 0;
  world.kind[task] = 0;
  world.flags[task] = 0;
  world.outcome[task] = 0;
  world.attempts[task] = 0;
  world.window[task] = 0;
  world.slot[task] = 0;
  world.rangeStart[task] = 0;
  world.rangeEnd[task] = 0;
  world.page[task] = 0;
  world.cursor[task] = 0;
  world.cursorEnd[task] = 0;
  world.value[task] = 0;
}

/** The columns of a world in their arrays, over a buffer of zeros, with the shape and the meter. @throws UserError where a column cannot hold what the shape asks for */
export function layWorld<S, C extends Columns<S>, M extends object>(columns: C, shape: S, more: M): ArraysOf<C> & M & { readonly shape: S; readonly buffer: ArrayBuffer } {
  checkMaxima(columns, shape);
  const buffer = new ArrayBuffer(bytesOf(columns, shape));
  // A literal keeps the object in V8's fast mode; objects that grow by computed keys become hash tables, 3 times slower.
  return makeFast({ shape, buffer, ...more, ...layColumns(columns, shape, buffer) });
}

/** Rebuilds an object through a literal of all its keys. */
function makeFast<T extends object>(slow: T): T {
  const keys = Object.keys(slow);
  const build = new Function('slow', `return { ${keys.map((key) => `${key}: slow.${key}`).join(', ')} };`) as (slow: T) => T;
  return build(slow);
}
