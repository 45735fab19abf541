/**
 * Mappings: mmap and munmap, as system calls of a process and as the VMM's dance around a conversion.
 *
 * Source: mm/vma.c, mm/memory.c (unmap_region: i_mmap unlinking precedes the last flush), virt/kvm/guest_memfd.c
 * (kvm_gmem_mmap: ENODEV without the MMAP flag, EINVAL for MAP_PRIVATE, nothing for a range beyond the end of the file).
 * Differs from Linux: mmap over pages that are mapped already keeps their entries, where MAP_FIXED unmaps them first.
 */
import { complete, fail, outcomeOk } from './access.ts';
import { EntryBit, TableBit } from './entries.ts';
import { Errno } from './errno.ts';
import { readUnlockInvalidate } from './fault.ts';
import { Gauge } from './gauges.ts';
import { LockClass, acquireWrite, downgrade, releaseRead, releaseWrite } from './locks.ts';
import { Op } from './operations.ts';
import { Flow, acquire, callRoutine, end, free, goTo, release, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { Kind, TaskFlag } from './tasks.ts';
import { MAX_MAP_COUNT, WindowFlag, inMm, setCoverage, vmasIn, vmasOfMm, closeWindow } from './windows.ts';
import type { World } from './world.ts';
import { flushGatherSteps, zapWindowSteps } from './zap.ts';

const windowMm = (world: World, task: number): number => world.windowMm[world.walkWindow[task]];

const coversFile = (world: World, task: number): boolean => world.walkStart[task] === 0 && world.walkEnd[task] === world.shape.pages;

const writeLockWindowMm: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.mmapLock, windowMm(world, task), LockClass.Mmap);
  if (flow === Flow.Next) world.meter.charge(Op['lock.mmap']);
  return flow;
};

/** The access of the task is an mmap or a munmap whose range reaches beyond the end of the file; `walk` is the part in the file. */
const rangeReachesBeyondEnd = (world: World, task: number, kind: number): boolean => world.kind[task] === kind && world.rangeEnd[task] > world.shape.pages;

/* ---- munmap ---- */

const enterMunmap: Run = (world) => {
  world.meter.charge(Op.syscall);
  world.meter.charge(Op.munmap);
  return Flow.Next;
};

/** Takes the range out of the mm's tree; otherwise nothing of it was mapped, or a split would exceed max_map_count. */
const detachVmas: Run = (world, task) => {
  const window = world.walkWindow[task];
  const start = world.walkStart[task];
  const end = world.walkEnd[task];
  const { pages } = world.shape;
  const { meter } = world;
  world.outcome[task] = Errno.OK;
  if (rangeReachesBeyondEnd(world, task, Kind.Unmap)) world.windowFlags[window] &= ~WindowFlag.BeyondEnd;
  if ((world.windowFlags[window] & WindowFlag.Linked) === 0 || start === end) return Flow.Otherwise;
  if (coversFile(world, task)) {
    meter.chargeMany(Op['vma.remove'], world.windowVmas[window]);
    world.windowFlags[window] &= ~WindowFlag.Linked;
    return Flow.Next;
  }
  const touched = vmasIn(world, window, start, end);
  if (touched === 0) return Flow.Otherwise;
  const before = vmasIn(world, window, Math.max(0, start - 1), Math.min(pages, end + 1));
  const outside = (start > 0 ? vmasIn(world, window, start - 1, start) : 0) + (end < pages ? vmasIn(world, window, end, end + 1) : 0);
  if (vmasOfMm(world, world.windowMm[window]) + outside - before > MAX_MAP_COUNT) {
    world.outcome[task] = Errno.ENOMEM;
    world.meter.mmapErrors[Errno.ENOMEM]++;
    return Flow.Otherwise;
  }
  setCoverage(world, window, start, end, EntryBit.MmMark, false);
  // VMAs that lay across an edge are split there; every VMA inside is removed.
  const crossing = touched + outside - before;
  meter.chargeMany(Op['vma.split'], crossing);
  meter.chargeMany(Op['vma.remove'], touched);
  world.windowVmas[window] += outside - before;
  return Flow.Next;
};

const downgradeMmap: Run = (world, task) => {
  downgrade(world, world.mmapLock, windowMm(world, task), LockClass.Mmap);
  return Flow.Next;
};

const lockIMmap: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.iMmapLock, 0, LockClass.IMmap);
  if (flow === Flow.Next) world.meter.charge(Op['lock.iMmap']);
  return flow;
};

const unlinkAndUnlock: Run = (world, task) => {
  const window = world.walkWindow[task];
  const whole = coversFile(world, task);
  if (!whole) setCoverage(world, window, world.walkStart[task], world.walkEnd[task], EntryBit.IMmapMark, false);
  if (whole || world.windowVmas[window] === 0) closeWindow(world, window);
  releaseWrite(world, task, world.iMmapLock, 0, LockClass.IMmap);
  return Flow.Next;
};

/** Whether no VMA of the mm is left over the region. */
function isBare(world: World, window: number, region: number): boolean {
  const { regionPages } = world.sizes;
  const last = Math.min((region + 1) * regionPages, world.shape.pages);
  for (let page = region * regionPages; page < last; page++) if (inMm(world, window, page)) return false;
  return true;
}

/** Frees the page tables of a window that is gone as a whole; where a PMD may come in the place of one, those of any region that is gone (free_pgtables). */
const freeTables: Run = (world, task) => {
  const whole = coversFile(world, task);
  if (whole || world.shape.pmdMappings) {
    const { regions, regionPages } = world.sizes;
    const window = world.walkWindow[task];
    const base = window * regions;
    const first = Math.floor(world.walkStart[task] / regionPages);
    const last = Math.ceil(world.walkEnd[task] / regionPages);
    let freed = 0;
    for (let table = base + first; table < base + last; table++) {
      if ((world.table[table] & TableBit.Allocated) === 0 || !(whole || isBare(world, window, table - base))) continue;
      world.table[table] &= ~TableBit.Allocated;
      freed++;
    }
    world.meter.move(Gauge.tables, -freed);
  }
  return Flow.Next;
};

const readUnlockWindowMm: Run = (world, task) => {
  releaseRead(world, task, world.mmapLock, windowMm(world, task), LockClass.Mmap);
  return Flow.Next;
};

const writeUnlockWindowMm: Run = (world, task) => {
  releaseWrite(world, task, world.mmapLock, windowMm(world, task), LockClass.Mmap);
  return Flow.Next;
};

/** Routine `munmapRange`: munmap of [walkStart, walkEnd) of `walkWindow`. `outcome`: OK or ENOMEM. */
function munmapRangeSteps(): readonly Step[] {
  return [
    free('munmap', enterMunmap),
    acquire('mmapLock.write', writeLockWindowMm),
    steady('vma.detach', detachVmas, 'mmapLock.writeUnlock'),
    release('mmapLock.downgrade', downgradeMmap),
    ...zapWindowSteps(EntryBit.StaleMunmap),
    acquire('iMmap.writeLock', lockIMmap),
    steady('iMmap.remove', unlinkAndUnlock),
    ...flushGatherSteps(EntryBit.StaleMunmap),
    steady('tables.free', freeTables),
    release('mmapLock.readUnlock', readUnlockWindowMm),
    goTo('end'),
    release('mmapLock.writeUnlock', writeUnlockWindowMm),
    end,
  ];
}

/* ---- mmap ---- */

const enterMmap: Run = (world) => {
  world.meter.charge(Op.syscall);
  world.meter.charge(Op.mmap);
  return Flow.Next;
};

/** Takes mmap_lock; otherwise (with the lock) the file refuses the mapping, whatever a policy says. */
const lockToMap: Run = (world, task) => {
  const flow = writeLockWindowMm(world, task);
  if (flow !== Flow.Next) return flow;
  if (!world.shape.mmapAllowed) world.outcome[task] = Errno.ENODEV;
  else if (world.flags[task] & TaskFlag.CopyOnWrite) world.outcome[task] = Errno.EINVAL;
  else return Flow.Next;
  return Flow.Otherwise;
};

/** Puts the range into the mm's tree, with its neighbours merged; otherwise max_map_count is reached. */
const insertVma: Run = (world, task) => {
  const window = world.walkWindow[task];
  const start = world.walkStart[task];
  const end = world.walkEnd[task];
  const { pages } = world.shape;
  world.outcome[task] = Errno.OK;
  world.meter.charge(Op['vma.insert']);
  const beyondEnd = rangeReachesBeyondEnd(world, task, Kind.Map) ? WindowFlag.BeyondEnd : world.windowFlags[window] & WindowFlag.BeyondEnd;
  if ((world.windowFlags[window] & WindowFlag.Linked) === 0 && coversFile(world, task)) {
    world.windowFlags[window] = WindowFlag.Linked | beyondEnd;
    world.windowVmas[window] = 1;
    return Flow.Next;
  }
  if (start === end) {
    world.windowFlags[window] |= beyondEnd;
    return Flow.Next;
  }
  const from = Math.max(0, start - 1);
  const to = Math.min(pages, end + 1);
  const before = vmasIn(world, window, from, to);
  const outside = (start > 0 ? vmasIn(world, window, start - 1, start) : 0) + (end < pages ? vmasIn(world, window, end, end + 1) : 0);
  if (vmasOfMm(world, world.windowMm[window]) + 1 - before > MAX_MAP_COUNT) {
    world.outcome[task] = Errno.ENOMEM;
    return Flow.Otherwise;
  }
  if ((world.windowFlags[window] & WindowFlag.Linked) === 0) world.windowFlags[window] = WindowFlag.Linked | WindowFlag.Inverted;
  world.windowFlags[window] |= beyondEnd;
  if (outside > 0) world.meter.chargeMany(Op['vma.merge'], outside);
  setCoverage(world, window, start, end, EntryBit.MmMark, true);
  world.windowVmas[window] += 1 - before;
  return Flow.Next;
};

const linkAndUnlock: Run = (world, task) => {
  const window = world.walkWindow[task];
  // A new mapping of the whole file needs no marks.
  const unmarked = coversFile(world, task) && (world.windowFlags[window] & (WindowFlag.InIMmap | WindowFlag.Inverted)) === 0;
  if (!unmarked) setCoverage(world, window, world.walkStart[task], world.walkEnd[task], EntryBit.IMmapMark, true);
  if (world.walkStart[task] !== world.walkEnd[task]) world.windowFlags[window] |= WindowFlag.InIMmap;
  releaseWrite(world, task, world.iMmapLock, 0, LockClass.IMmap);
  return Flow.Next;
};

const countMmapError: Run = (world, task) => {
  world.meter.mmapErrors[world.outcome[task]]++;
  return Flow.Next;
};

/**
 * Routine `mmapRange`: mmap of [walkStart, walkEnd) at the place of `walkWindow`. `outcome`: OK or an errno.
 * @param hook the file's mmap hook; a refusal sets `outcome` and goes on at `mmap.refused`. It runs before the VMA is linked.
 * @param locksUntilLinked the hook leaves invalidate_lock held for reading, and has a step that drops it after a refusal
 */
function mmapRangeSteps(hook: readonly Step[], locksUntilLinked: boolean): readonly Step[] {
  return [
    free('mmap', enterMmap),
    acquire('mmapLock.write', lockToMap, 'mmap.refused'),
    ...hook,
    steady('vma.insert', insertVma, locksUntilLinked ? 'invalidate.readUnlockRefused' : 'mmap.refused'),
    acquire('iMmap.writeLock', lockIMmap),
    steady('iMmap.insert', linkAndUnlock),
    ...(locksUntilLinked ? [release('invalidate.readUnlock', readUnlockInvalidate)] : []),
    release('mmapLock.unlock', writeUnlockWindowMm),
    goTo('end'),
    free('mmap.refused', countMmapError),
    release('mmapLock.unlockRefused', writeUnlockWindowMm),
    end,
  ];
}

/** Makes the walk the whole file in the window that the task uses. */
export const walkOwnWindow: Run = (world, task) => {
  world.walkWindow[task] = world.window[task];
  world.walkStart[task] = 0;
  world.walkEnd[task] = world.shape.pages;
  return Flow.Next;
};

/** The part of the range that lies in the file. */
const walkRange: Run = (world, task) => {
  world.walkWindow[task] = world.window[task];
  world.walkStart[task] = Math.min(world.rangeStart[task], world.shape.pages);
  world.walkEnd[task] = Math.min(world.rangeEnd[task], world.shape.pages);
  return Flow.Next;
};

/** Routines of the accesses `Map` and `Unmap` and of a VMM that maps its window again as a whole. */
export function mappingRoutines(hook: readonly Step[], locksUntilLinked: boolean) {
  const called = (routine: string): readonly Step[] => [
    free('walk', walkRange),
    callRoutine('call', routine),
    free('result', outcomeOk, 'failed'),
    free('done', complete),
    free('failed', fail),
  ];
  return {
    munmapRange: { steps: munmapRangeSteps(), vmm: true },
    mmapRange: { steps: mmapRangeSteps(hook, locksUntilLinked), vmm: true },
    mmapWindow: { steps: [free('walk', walkOwnWindow), ...mmapRangeSteps(hook, locksUntilLinked)], vmm: true },
    map: { steps: called('mmapRange') },
    unmap: { steps: called('munmapRange') },
  };
}
