/**
 * The world of write-protection over shmem: what worlds of processes share (src/model/memory), and beside it the swap of the file, the
 * hole that is being punched, userfaults that wait, and ghosts of what was promised to the monitor.
 *
 * Ghosts are read by sentences and figures alone:
 *   promise   a page of a window that is write-protected: a write of which the monitor does not hear is lost to it
 *   touched   a page of a window that was written since it was last protected: a scan that does not say so misses a write
 *
 * Source: mm/shmem.c, mm/userfaultfd.c, fs/userfaultfd.c; "userfaultfd-wp: Support shmem and hugetlbfs" (Peter Xu, v8, 5.19).
 * Differs from Linux: pages of order 0 only, so that khugepaged's collapse is no path; a page in swap names no swap slot.
 */
import { column } from '../columns.ts';
import type { ArraysOf } from '../columns.ts';
import { WRITER } from '../locks.ts';
import { Meter } from '../meter.ts';
import { reserveZeroPage } from '../memory/frames.ts';
import { framesOf, regionsOf } from '../memory/shape.ts';
import type { MemoryShape } from '../memory/shape.ts';
import { memoryColumns } from '../memory/world.ts';
import type { MemoryWorld } from '../memory/world.ts';
import type { Run, Step } from '../step.ts';
import { layWorld } from '../taskWorld.ts';

export interface ShmemShape extends MemoryShape {
  /** A write fault clears the protection by itself, and a scan reports it (UFFD_FEATURE_WP_ASYNC). */
  readonly wpAsync: boolean;
  /** Pages that a fault for a read may map at a time, a power of two: fault_around_bytes; 1 = the page alone. */
  readonly faultAroundPages: number;
  /** Largest number of pages that one step of a burst handles: 1 where every interleaving counts, else 512. */
  readonly chunk: number;
  /** A monitor reads userfaults and resolves them: one task behind the CPUs. */
  readonly monitored: boolean;
  /** Contents are kept: one value a page. */
  readonly contents: boolean;
}

/** The monitor's task, where there is one. */
export const monitorOf = ({ cpus }: ShmemShape): number => cpus;

const tasks = ({ tasks: count }: ShmemShape): number => count;
const pagesMax = ({ pages }: ShmemShape): number => pages;
const entries = ({ windows, pages }: ShmemShape): number => windows * pages;
const filePages = ({ filePages: count }: ShmemShape): number => count;
const one = (): number => 1;

/** How far the userfault of a task is. */
export const Userfault = { None: 0, Pending: 1, Read: 2 } as const;
/** What was promised of a page of a window. */
export const Promised = { Nothing: 0, /** A call that is not over yet has changed its entry. */ Soon: 1, Now: 2 } as const;
/** What a zap has cleared and not yet put right: the entry was write-protected. */
export const Zapped = { No: 0, WasProtected: 1, /** Its mapping count is dropped, its reference not yet. */ Unmapped: 2 } as const;

export const shmemColumns = {
  ...memoryColumns,
  /** The window that a walk is at, plus one, and its pages. */
  walkWindow: column('u16', 'task', tasks, ({ windows }: ShmemShape) => windows, 'window'),
  walkCursor: column('u32', 'task', tasks, pagesMax, 'page'),
  walkStart: column('u32', 'task', tasks, pagesMax, 'page'),
  walkEnd: column('u32', 'task', tasks, pagesMax, 'page'),
  userfault: column('u8', 'task', tasks, () => Userfault.Read),
  /** Pages that a scan reported. */
  found: column('u32', 'task', tasks, pagesMax),
  /** i_rwsem of the file. */
  inodeLock: column<'u16', ShmemShape>('u16', 'world', one, () => WRITER),
  /** The hole that is being punched; 0 to 0: none. */
  holeStart: column('u32', 'world', one, pagesMax, 'page'),
  holeEnd: column('u32', 'world', one, pagesMax, 'page'),
  /** 1: the page of the file is in swap. */
  swapped: column('u8', 'page', filePages, () => 1),
  swappedContent: column('u8', 'page', ({ contents, filePages: count }: ShmemShape) => (contents ? count : 0), () => 0xff),
  /** [window x pages + page]: what a zap has cleared and not yet put right. */
  zapped: column('u8', 'entry', entries, () => Zapped.WasProtected | Zapped.Unmapped),
  /** Frame + 1 that TLBs may still write through, though the entry says otherwise. */
  stale: column('u32', 'entry', entries, framesOf, 'frame'),
  promise: column('u8', 'entry', entries, () => Promised.Now),
  touched: column('u8', 'entry', entries, () => 1),
  /** Entries of the page table that are kept for their bit alone. [window x regions + page >> regionOrder] */
  tableKept: column('u16', 'table', (shape: ShmemShape) => shape.windows * regionsOf(shape), ({ regionOrder }: ShmemShape) => 1 << regionOrder),
  /** 1: the page table is there. */
  tableThere: column('u8', 'table', (shape: ShmemShape) => shape.windows * regionsOf(shape), () => 1),
} as const;

export interface ShmemWorld extends ArraysOf<typeof shmemColumns>, MemoryWorld {
  readonly shape: ShmemShape;
  readonly buffer: ArrayBuffer;
  meter: Meter;
}

export type ShmemRun = Run<ShmemWorld>;
export type ShmemStep = Step<ShmemWorld>;

/** A world of zeros with the zero page in its place: no process is alive, the file is a hole. @throws UserError where a column cannot hold what the shape asks for */
export function createShmemWorld(shape: ShmemShape, meter = new Meter()): ShmemWorld {
  const world: ShmemWorld = layWorld(shmemColumns, shape, { meter });
  reserveZeroPage(world);
  return world;
}
