/**
 * Tasks: whoever takes steps. One task is one CPU (a vCPU thread or a thread of the VMM), and one task a device slot.
 *
 * A task's position is a stack of program positions; its locals are the columns below, so that a world can be copied in
 * the middle of anything. The engine clears the locals when an access ends, so that equal states are equal bytes.
 *
 * Local names: *range* = pages of the access or request; *walk* = pages that a zap or a munmap covers (whole folios);
 * *cursor* = place in a loop; *gather* = an mmu_gather: entries cleared and not yet flushed and put.
 */
import { column } from './columns.ts';
import type { Shape } from './shape.ts';
import { clearCommonLocals, commonTaskColumns } from './taskWorld.ts';
import type { World } from './world.ts';

const tasks = ({ tasks: count }: Shape): number => count;
const pages = ({ pages: count }: Shape): number => count;

const migrators = (shape: Shape): number => (shape.keeps === 'migrations' ? shape.tasks : 0);

/** Passes over a range before a migration in place is given up: NR_MAX_MIGRATE_PAGES_RETRY of mm/migrate.c. */
export const MIGRATION_PASSES = 10;
/** Where every interleaving counts two stand for them: a third begins in the states that the second begins in. */
const PASSES_EXPLORED = 2;
export const passesMax = ({ keeps, chunk }: Shape): number => (keeps !== 'migrations' ? 0 : chunk === 1 ? PASSES_EXPLORED : MIGRATION_PASSES);

/** Mappings that a folio can have are all that a reading of its count is compared with: a larger one is as good as one more than they are. */
export const readingMax = ({ windows, folioOrder }: Shape): number => (windows << folioOrder) + 1;

export const taskColumns = {
  ...commonTaskColumns,
  walkStart: column('u32', 'task', tasks, pages, 'page'),
  walkEnd: column('u32', 'task', tasks, pages, 'page'),
  walkCursor: column('u32', 'task', tasks, pages, 'page'),
  walkWindow: column('u16', 'task', tasks, ({ windows }) => windows, 'window'),
  /** The process that the VMM's dance has last asked to do its part, as mm + 1; 0 = none yet. */
  askedMm: column('u8', 'task', tasks, ({ mms }) => mms, 'mm'),
  /** Entries cleared by its gather lie in [gatherStart, gatherEnd) of `walkWindow`. */
  gatherStart: column('u32', 'task', tasks, pages, 'page'),
  gatherEnd: column('u32', 'task', tasks, pages, 'page'),
  gather: column('u8', 'task', tasks, () => 3),
  /** Its zap has begun an mmu_notifier for its walk, and not ended it. */
  notifying: column('u8', 'task', tasks, () => 1),
  /** Passes of a migration in place that have failed, and the folio that failed the last: the walks that restore the entries need all other locals. */
  passes: column('u8', 'task', migrators, (shape) => passesMax(shape)),
  failedFolio: column('u32', 'task', migrators, pages, 'page'),
  /** Its fault has seen that one entry may map the region of `page`: all of its pages are shared. */
  regionShared: column('u8', 'task', ({ pmdMappings, tasks: count }) => (pmdMappings ? count : 0), () => 1),
  /** References beyond the owner's that a count was read with, saturating: mappings are compared with it a step later. */
  reading: column('u32', 'task', ({ keeps, tasks: count }) => (keeps === 'read-only' ? count : 0), (shape) => readingMax(shape)),
} as const;

/** Access kinds that the model tells apart where one routine serves several; the values are those of the workloads' `Access`. */
export const Kind = { GuestRead: 1, HostRead: 3, PinShort: 8, PinLong: 9, Splice: 10, Unpin: 12, Copy: 13, Unmap: 15, Map: 16, Fork: 17, SecondaryMap: 20 } as const;

/** Whether the host's access of the task wants to write: a fault for it, or a GUP with FOLL_WRITE. */
export function wantsWrite({ kind, flags }: World, task: number): boolean {
  const what = kind[task];
  if (what === Kind.PinShort || what === Kind.PinLong || what === Kind.Splice) return (flags[task] & TaskFlag.ReadOnly) === 0;
  return what !== Kind.HostRead && what !== Kind.Fork;
}

/** Bits of `flags`. */
export const TaskFlag = {
  /** Interrupts are off: GUP-fast is at work. */
  IrqOff: 1 << 0,
  /** A stage-2 invalidation began since the snapshot was taken; where a secondary MMU maps a page, a notifier began or ended. */
  SawInvalidation: 1 << 1,
  /** Between the snapshot and the installation of a stage-2 leaf, or of a secondary MMU's entry. */
  InGuestFault: 1 << 2,
  /** The LRU batches were drained once in this request. */
  Drained: 1 << 3,
  /** Entries of the current page table that were cleared were dirty. */
  DirtyTable: 1 << 4,
  /** The range held an unexpected reference. */
  Refused: 1 << 5,
  /** Holds a lookup's reference on the folio of `page`. */
  HoldsFolio: 1 << 6,
  /** The bottom half of a nested request: the guest's fault started it. */
  Donation: 1 << 7,
  /** The reference is FOLL_GET (vmsplice). */
  Get: 1 << 8,
  /** Its stage-2 zap cleared something. */
  Zapped: 1 << 9,
  /** The folio that it punches is still held by others and lives on elsewhere. */
  Orphaned: 1 << 10,
  /** GUP only by the fast path (FOLL_FAST_ONLY), or only by the slow one. */
  FastOnly: 1 << 11,
  SlowOnly: 1 << 12,
  /** GUP without FOLL_WRITE. */
  ReadOnly: 1 << 13,
  /** The byte range of its fallocate is not a range of whole pages. */
  Unaligned: 1 << 14,
  /** mmap with MAP_PRIVATE. */
  CopyOnWrite: 1 << 15,
} as const;

/** State of a gather. */
export const Gather = { None: 0, Pending: 1, Sent: 2, Flushed: 3 } as const;

/** The task has cleared the entries of [first, end), which lie behind those that it has cleared before. */
export function addToGather(world: World, task: number, first: number, end: number): void {
  if (world.gather[task] === Gather.None) {
    world.gather[task] = Gather.Pending;
    world.gatherStart[task] = first;
  }
  world.gatherEnd[task] = end;
}

/** Puts all locals of a task back to zero; its mm and what it is stay. */
export function clearTask(world: World, task: number): void {
  clearCommonLocals(world, task);
  world.walkStart[task] = 0;
  world.walkEnd[task] = 0;
  world.walkCursor[task] = 0;
  world.walkWindow[task] = 0;
  world.askedMm[task] = 0;
  world.gatherStart[task] = 0;
  world.gatherEnd[task] = 0;
}
