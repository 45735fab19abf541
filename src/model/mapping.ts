/**
 * Mappings: mmap, munmap and fork, as system calls of a process and as the VMM's dance around a conversion.
 *
 * Source: mm/vma.c, mm/memory.c (unmap_region: i_mmap unlinking precedes the last flush), kernel/fork.c. DOMAIN 2.1, 2.4 (iv), 11.3, 11.13.
 */
import { enterHostFault, fail, complete } from './access.ts';
import { sendFlush, waitCalls } from './crossCalls.ts';
import { EntryBit, TableBit } from './entries.ts';
import { Errno } from './errno.ts';
import { noteReach } from './exposure.ts';
import { readLockMmap, readUnlockMmap } from './fault.ts';
import { LockClass, acquireWrite, downgrade, lockId, releaseRead, releaseWrite, waitFor } from './locks.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { Flow, callRoutine, end, goTo, step } from './step.ts';
import type { Run, Step } from './step.ts';
import { MAX_MAP_COUNT, WindowFlag, closeWindow, hasMarks, setCoverage, vmasIn, vmasOfMm } from './windows.ts';
import { flushGatherSteps, zapWindowSteps } from './zap.ts';
import type { World } from './world.ts';

const windowMm = (world: World, task: number): number => world.windowMm[world.walkWindow[task]];

const coversFile = (world: World, task: number): boolean => world.walkStart[task] === 0 && world.walkEnd[task] === world.shape.pages;

export const writeLockWindowMm: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.mmapLock, windowMm(world, task), LockClass.Mmap);
  if (flow === Flow.Next) world.meter.charge(Op['lock.mmap']);
  return flow;
};

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
  if ((world.windowFlags[window] & WindowFlag.Linked) === 0) return Flow.Otherwise;
  if (coversFile(world, task)) {
    meter.chargeMany(Op['vma.remove'], world.windowVmas[window]);
    world.windowFlags[window] &= ~WindowFlag.Linked;
    return Flow.Next;
  }
  const before = vmasIn(world, window, Math.max(0, start - 1), Math.min(pages, end + 1));
  const touched = vmasIn(world, window, start, end);
  if (touched === 0) return Flow.Otherwise;
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

/** Frees the page tables of a window that is gone as a whole. */
const freeTables: Run = (world, task) => {
  if (coversFile(world, task)) {
    const { regions } = world.sizes;
    const base = world.walkWindow[task] * regions;
    for (let table = base; table < base + regions; table++) if (world.table[table]) world.table[table] &= ~TableBit.Allocated;
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
export function munmapRangeSteps(): readonly Step[] {
  return [
    step('munmap', enterMunmap),
    step('mmapLock.write', writeLockWindowMm),
    step('vma.detach', detachVmas, 'mmapLock.writeUnlock'),
    step('mmapLock.downgrade', downgradeMmap),
    ...zapWindowSteps(EntryBit.StaleMunmap),
    step('iMmap.writeLock', lockIMmap),
    step('iMmap.remove', unlinkAndUnlock),
    ...flushGatherSteps(EntryBit.StaleMunmap),
    step('tables.free', freeTables),
    step('mmapLock.readUnlock', readUnlockWindowMm),
    goTo('end'),
    step('mmapLock.writeUnlock', writeUnlockWindowMm),
    end,
  ];
}

/* ---- mmap ---- */

const enterMmap: Run = (world) => {
  world.meter.charge(Op.syscall);
  world.meter.charge(Op.mmap);
  return Flow.Next;
};

/** Puts the range into the mm's tree, with its neighbours merged; otherwise max_map_count is reached. */
const insertVma: Run = (world, task) => {
  const window = world.walkWindow[task];
  const start = world.walkStart[task];
  const end = world.walkEnd[task];
  const { pages } = world.shape;
  world.outcome[task] = Errno.OK;
  world.meter.charge(Op['vma.insert']);
  if ((world.windowFlags[window] & WindowFlag.Linked) === 0 && coversFile(world, task)) {
    world.windowFlags[window] = WindowFlag.Linked;
    world.windowVmas[window] = 1;
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
  world.windowFlags[window] |= WindowFlag.InIMmap;
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
 */
export function mmapRangeSteps(hook: readonly Step[]): readonly Step[] {
  return [
    step('mmap', enterMmap),
    step('mmapLock.write', writeLockWindowMm),
    ...hook,
    step('vma.insert', insertVma, 'mmap.refused'),
    step('iMmap.writeLock', lockIMmap),
    step('iMmap.insert', linkAndUnlock),
    step('mmapLock.unlock', writeUnlockWindowMm),
    goTo('end'),
    step('mmap.refused', countMmapError),
    step('mmapLock.unlockRefused', writeUnlockWindowMm),
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

const walkRange: Run = (world, task) => {
  world.walkWindow[task] = world.window[task];
  world.walkStart[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  return Flow.Next;
};

const outcomeOk: Run = (world, task) => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);

/** Routines of the accesses `Map` and `Unmap`, of a VMM that maps its window again as a whole, and of `Fork`. */
export function mappingRoutines(hook: readonly Step[]) {
  const called = (routine: string): readonly Step[] => [
    step('walk', walkRange),
    callRoutine('call', routine),
    step('result', outcomeOk, 'failed'),
    step('done', complete),
    step('failed', fail),
  ];
  return {
    munmapRange: { steps: munmapRangeSteps(), vmm: true },
    mmapRange: { steps: mmapRangeSteps(hook), vmm: true },
    mmapWindow: { steps: [step('walk', walkOwnWindow), ...mmapRangeSteps(hook)], vmm: true },
    map: { steps: called('mmapRange') },
    unmap: { steps: called('munmapRange') },
    fork: { steps: forkSteps() },
  };
}

/* ---- fork ---- */

const firstChildWindow = ({ shape }: World): number => shape.windows - shape.childWindows;

/** Locks the parent's mm for the copy; waits while the one child of this world is alive. */
const lockForFork: Run = (world, task) => {
  if (world.childAlive[0] !== 0) return waitFor(world, lockId(Waiting.Child, 0));
  const flow = acquireWrite(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  if (flow !== Flow.Next) return flow;
  world.childAlive[0] = 1;
  world.meter.charge(Op.syscall);
  world.meter.charge(Op.fork);
  world.cursor[task] = 0;
  return Flow.Next;
};

/** Copies one VMA run by run: no page-table entry of a shared file mapping is copied. */
const copyWindow: Run = (world, task) => {
  const child = firstChildWindow(world) + world.cursor[task];
  const parent = nthWindow(world, world.mm[task], world.cursor[task]);
  if (parent < 0) return Flow.Otherwise;
  const { pages } = world.shape;
  const marks = EntryBit.MmMark | EntryBit.IMmapMark;
  world.windowMm[child] = world.shape.mms - 1;
  world.windowVmas[child] = world.windowVmas[parent];
  if (hasMarks(world, parent)) {
    for (let page = 0; page < pages; page++) {
      const mark = world.entry[parent * pages + page] & EntryBit.MmMark ? marks : 0;
      world.entry[child * pages + page] = (world.entry[child * pages + page] & ~marks) | mark;
    }
  }
  world.windowFlags[child] = world.windowFlags[parent];
  world.meter.chargeMany(Op['fork.vma'], world.windowVmas[parent]);
  world.cursor[task]++;
  return world.cursor[task] < world.shape.childWindows ? Flow.Otherwise : Flow.Next;
};

function nthWindow(world: World, mm: number, n: number): number {
  let seen = 0;
  for (let window = 0; window < firstChildWindow(world); window++) {
    if (world.windowMm[window] === mm && world.windowFlags[window] & WindowFlag.Linked && seen++ === n) return window;
  }
  return -1;
}

const flushParent: Run = (world, task) => {
  sendFlush(world, task, world.mm[task]);
  return Flow.Next;
};

/** The parent goes on; this task becomes the child. Its old mm waits in `slot`. */
const becomeChild: Run = (world, task) => {
  const parent = world.mm[task];
  releaseWrite(world, task, world.mmapLock, parent, LockClass.Mmap);
  world.slot[task] = parent;
  world.mm[task] = world.shape.mms - 1;
  world.window[task] = firstChildWindow(world);
  return Flow.Next;
};

const touchChild: Run = (world, task) => {
  const at = world.window[task] * world.shape.pages + world.page[task];
  if (world.windowFlags[world.window[task]] === 0) return Flow.Otherwise;
  if ((world.entry[at] & EntryBit.Present) === 0) return Flow.Next;
  noteReach(world, world.page[task]);
  world.meter.charge(Op['host.access']);
  return Flow.Otherwise;
};

/** Otherwise the entry is there, and the child touches the page through it. */
const childFaulted: Run = (world, task) => {
  if (world.outcome[task] === Errno.OK) {
    world.meter.raise(Event.HostFaultEnd);
    return Flow.Otherwise;
  }
  world.meter.charge(Op.signal);
  world.meter.note(world.outcome[task] === Errno.SIGSEGV ? Op['signal.SIGSEGV'] : Op['signal.SIGBUS']);
  return Flow.Next;
};

const nextChildWindow: Run = (world, task) => {
  world.window[task]++;
  if (world.window[task] < world.shape.windows) return Flow.Otherwise;
  world.window[task] = firstChildWindow(world);
  return Flow.Next;
};

const exitChild: Run = (world, task) => {
  world.mm[task] = world.slot[task];
  world.slot[task] = 0;
  world.childAlive[0] = 0;
  world.meter.release(lockId(Waiting.Child, 0));
  return Flow.Next;
};

/** The process forks; the child touches `page` through each of its mappings and exits. DOMAIN 2.1. */
function forkSteps(): readonly Step[] {
  return [
    step('mmapLock.write', lockForFork),
    step('fork.vma', copyWindow, 'fork.more'),
    goTo('tlb.send'),
    step('fork.more', moreWindows, 'fork.vma'),
    step('tlb.send', flushParent),
    step('tlb.wait', waitCalls),
    step('fork.return', becomeChild),
    step('child.touch', touchChild, 'child.next'),
    step('host.fault', enterHostFault),
    step('mmapLock.read', readLockMmap),
    callRoutine('fault', 'faultCore'),
    step('mmapLock.readUnlock', readUnlockMmap),
    step('fault.result', childFaulted, 'child.touch'),
    step('child.next', nextChildWindow, 'child.touch'),
    step('exit.walk', walkOwnWindow),
    callRoutine('exit.munmap', 'munmapRange'),
    step('exit.next', nextChildWindow, 'exit.walk'),
    step('exit', exitChild),
    step('done', complete),
  ];
}

/** Otherwise there are windows of the parent left to copy. */
const moreWindows: Run = (world, task) => {
  const left = world.cursor[task] < world.shape.childWindows && nthWindow(world, world.mm[task], world.cursor[task]) >= 0;
  return left ? Flow.Otherwise : Flow.Next;
};
