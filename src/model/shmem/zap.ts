/**
 * Zap: entries go, and what is write-protected is kept or not. The heart of the family.
 *
 * Source: mm/memory.c (zap_pte_range, zap_install_uffd_wp_if_needed, unmap_mapping_range, unmap_mapping_folio), mm/rmap.c
 * (try_to_unmap_one), include/linux/mm_inline.h (pte_install_uffd_wp_if_needed).
 * A zap of anonymous memory drops everything. A zap of a file keeps what is protected, unless it is told to drop it: when the process
 * gives the memory up, or when the page of the file goes.
 * Differs from Linux: each page table is flushed under its lock, where clean entries may wait for the end of the walk; references go
 * behind it one page table at a time.
 */
import { readLockRmap, readUnlockRmap, lockTable, readLockMmap, readUnlockMmap, unlockTable } from '../memory/locks.ts';
import { EntryBit } from '../memory/entries.ts';
import { dropReference, removeMapping } from '../memory/frames.ts';
import { bornStep } from '../memory/processes.ts';
import { mmOf, regionsOf } from '../memory/shape.ts';
import { Backing } from '../memory/windows.ts';
import { sendFlush, waitCalls } from '../crossCalls.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, end, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { isAnonymous, isEmpty, isKept, keepProtection, maps, noteWalked, setEntry } from './kept.ts';
import type { Kept, WpRules } from './kept.ts';
import { beginCall, endCall } from './calls.ts';
import { isMigrationEntry } from './protect.ts';
import { WpFlag } from './tasks.ts';
import { Promised, Zapped } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';

/** The window that the walk is at. @throws Error where it is at none */
export function walkedWindow({ walkWindow }: ShmemWorld, task: number): number {
  if (walkWindow[task] === 0) throw new Error(`task ${task} walks over no window`);
  return walkWindow[task] - 1;
}

/** Moves the cursor to the next page table that there is; otherwise there is none left in the range. */
export const nextTable: ShmemRun = (world, task) => {
  const { regionOrder } = world.shape;
  const base = walkedWindow(world, task) * regionsOf(world.shape);
  const last = world.walkEnd[task];
  for (let page = world.walkCursor[task]; page < last; page = ((page >> regionOrder) + 1) << regionOrder) {
    if (world.tableThere[base + (page >> regionOrder)] === 0) continue;
    world.walkCursor[task] = page;
    return Flow.Next;
  }
  return Flow.Otherwise;
};

/** End of the chunk at the walk's cursor: one step, one page table, one range. */
export function walkChunkEnd({ walkCursor, walkEnd, shape: { chunk, regionOrder } }: ShmemWorld, task: number): number {
  const first = walkCursor[task];
  return Math.min(first + chunk, ((first >> regionOrder) + 1) << regionOrder, walkEnd[task]);
}

export const lockWalked: ShmemRun = (world, task) => lockTable(world, task, walkedWindow(world, task), world.walkCursor[task]);

const dropWalked: ShmemRun = (world, task) => {
  unlockTable(world, task, walkedWindow(world, task), world.walkCursor[task]);
  return Flow.Next;
};

/** Drops the lock and goes on with the next chunk. */
export const unlockWalked: ShmemRun = (world, task) => {
  unlockTable(world, task, walkedWindow(world, task), world.walkCursor[task]);
  world.walkCursor[task] = walkChunkEnd(world, task);
  world.flags[task] &= ~WpFlag.Changed;
  return Flow.Otherwise;
};

/** Clears the entries of a chunk. @param drops what is kept goes, too */
const clearChunk = (keeps: Kept, drops: boolean): ShmemRun => (world, task) => {
  const { entry, entryTarget, gathered, zapped, stale } = world;
  const window = walkedWindow(world, task);
  const base = window * world.shape.pages;
  const last = walkChunkEnd(world, task);
  const loses = drops || isAnonymous(world, window);
  let cleared = 0;
  let met = 0;
  // What a zap of anonymous memory drops with the data was promised of that data.
  if (isAnonymous(world, window)) world.promise.fill(Promised.Nothing, base + world.walkCursor[task], base + last);
  const first = world.walkCursor[task];
  for (let page = first; page < last; page++) {
    const at = base + page;
    const bits = entry[at];
    if (isEmpty(bits)) continue;
    const target = entryTarget[at];
    if (isKept(bits, target)) {
      met++;
      if (loses) setEntry(world, window, page, 0, 0);
      continue;
    }
    if (bits & EntryBit.UffdWp && !loses) zapped[at] = Zapped.WasProtected;
    if (maps(bits, target)) {
      gathered[at] = target;
      if (bits & EntryBit.Write) stale[at] = target;
      world.flags[task] |= WpFlag.Changed;
      cleared++;
    } else if (!isMigrationEntry(bits)) {
      throw new Error(`entry ${at} is ${bits}, and no zap knows what that is`);
    }
    setEntry(world, window, page, 0, 0);
  }
  world.meter.chargeMany(Op['pte.check'], last - first);
  if (cleared > 0) world.meter.chargeMany(Op['pte.zap'], cleared);
  if (met > 0) noteWalked(world, keeps, met);
  return Flow.Next;
};

/** Keeps what was protected, where the entry is still empty. */
const keepChunk = (keeps: Kept): ShmemRun => (world, task) => {
  const { entry, zapped } = world;
  const window = walkedWindow(world, task);
  const base = window * world.shape.pages;
  const last = walkChunkEnd(world, task);
  for (let page = world.walkCursor[task]; page < last; page++) {
    const at = base + page;
    if (zapped[at] !== Zapped.WasProtected) continue;
    zapped[at] = Zapped.No;
    if (isEmpty(entry[at])) keepProtection(world, window, page, keeps);
  }
  return Flow.Next;
};

/** Otherwise nothing was cleared that a TLB could hold. */
export const sendZapFlush: ShmemRun = (world, task) => {
  if ((world.flags[task] & WpFlag.Changed) === 0) return Flow.Otherwise;
  sendFlush(world, task, mmOf(world, walkedWindow(world, task)), walkChunkEnd(world, task) - world.walkCursor[task]);
  return Flow.Next;
};

export const waitZapFlush: ShmemRun = (world, task) => {
  const flow = waitCalls(world, task);
  if (flow !== Flow.Next) return flow;
  const base = walkedWindow(world, task) * world.shape.pages;
  const { stale, gathered } = world;
  const last = base + walkChunkEnd(world, task);
  for (let at = base + world.walkCursor[task]; at < last; at++) if (gathered[at] !== 0) stale[at] = 0;
  return Flow.Next;
};

/** Drops the mapping counts of what was cleared, and then the references. */
export const removeMappings: ShmemRun = (world, task) => {
  const base = walkedWindow(world, task) * world.shape.pages;
  const { gathered, zapped } = world;
  const last = base + walkChunkEnd(world, task);
  for (let at = base + world.walkCursor[task]; at < last; at++) {
    if (gathered[at] === 0) continue;
    removeMapping(world, gathered[at] - 1);
    zapped[at] |= Zapped.Unmapped;
  }
  return Flow.Next;
};

export const putGathered: ShmemRun = (world, task) => {
  const base = walkedWindow(world, task) * world.shape.pages;
  const { gathered, zapped } = world;
  const last = base + walkChunkEnd(world, task);
  let put = 0;
  for (let at = base + world.walkCursor[task]; at < last; at++) {
    if (gathered[at] === 0) continue;
    dropReference(world, gathered[at] - 1);
    gathered[at] = 0;
    zapped[at] &= ~Zapped.Unmapped;
    put++;
  }
  world.meter.chargeMany(Op['folio.put'], put);
  return Flow.Next;
};

/** Steps that zap [walkStart, walkEnd) of the walked window. @param drops what is kept goes, too */
export function zapWindowSteps({ keeps, keepsLater = false }: WpRules, drops: boolean): readonly ShmemStep[] {
  const later = keepsLater && !drops;
  const keep = steady('pte.keep', keepChunk(keeps));
  return [
    steady('zap.table', nextTable, 'zap.done'),
    acquire('zap.lock', lockWalked),
    steady('pte.clear', clearChunk(keeps, drops)),
    ...(drops || later ? [] : [keep]),
    steady('tlb.send', sendZapFlush, later ? 'zap.gap' : 'zap.unlock'),
    waits('tlb.wait', waitZapFlush),
    steady('rmap.remove', removeMappings),
    steady('gather.put', putGathered),
    ...(later ? [release('zap.gap', dropWalked), acquire('zap.lockAgain', lockWalked), keep] : []),
    release('zap.unlock', unlockWalked, 'zap.table'),
    free('zap.done', () => Flow.Next),
  ];
}

/** The walk is over the pages of the range, in the task's own window. */
const walkOwn: ShmemRun = (world, task) => {
  world.walkWindow[task] = world.window[task] + 1;
  world.walkStart[task] = world.rangeStart[task];
  world.walkCursor[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  return Flow.Next;
};

/** MADV_DONTNEED. */
export const dontNeedSteps = (rules: WpRules): readonly ShmemStep[] => [
  bornStep,
  free('call.begin', beginCall),
  acquire('mmapLock.read', readLockMmap),
  free('walk.begin', walkOwn),
  ...zapWindowSteps(rules, false),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('call.end', endCall),
];

/* ---- all mappings of a range of the file ---- */

export const beginRmap: ShmemRun = (world, task) => {
  const flow = readLockRmap(world, task);
  if (flow !== Flow.Next) return flow;
  world.meter.charge(Op['rmap.walk']);
  world.walkWindow[task] = 0;
  return Flow.Next;
};

/** The next window that maps the file; otherwise there is none. */
export const nextWindow: ShmemRun = (world, task) => {
  for (let window = world.walkWindow[task]; window < world.shape.windows; window++) {
    if (world.windowBacking[window] !== Backing.FileShared) continue;
    world.walkWindow[task] = window + 1;
    world.walkCursor[task] = world.walkStart[task];
    world.meter.charge(Op['vma.visit']);
    return Flow.Next;
  }
  return Flow.Otherwise;
};

export const endRmap: ShmemRun = (world, task) => {
  world.walkWindow[task] = 0;
  world.walkCursor[task] = 0;
  return readUnlockRmap(world, task);
};

/** Zaps [walkStart, walkEnd) in every window that maps the file, under i_mmap_rwsem. */
export const unmapSteps = (rules: WpRules, drops: boolean): readonly ShmemStep[] => [
  acquire('rmap.lock', beginRmap),
  guarded('rmap.next', nextWindow, 'rmap.unlock'),
  ...zapWindowSteps(rules, drops),
  goTo('rmap.next'),
  release('rmap.unlock', endRmap),
  end,
];

