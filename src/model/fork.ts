/**
 * Fork: a process copies its VMAs of the file and none of its page-table entries; the child touches a page and exits.
 *
 * Source: kernel/fork.c (dup_mmap), mm/memory.c (vma_needs_copy). It ends with a flush of the parent's mm.
 */
import { complete, enterHostFault } from './access.ts';
import { deliverContent } from './content.ts';
import { ALL_ENTRIES, sendFlush, waitCalls } from './crossCalls.ts';
import { EntryBit } from './entries.ts';
import { Errno } from './errno.ts';
import { noteReach } from './exposure.ts';
import { readLockMmap, readUnlockMmap } from './fault.ts';
import { isPrivate } from './file.ts';
import { LockClass, acquireWrite, lockId, releaseWrite, waitFor } from './locks.ts';
import { walkOwnWindow } from './mapping.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { Flow, acquire, callRoutine, free, goTo, release, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { WindowFlag, hasMarks } from './windows.ts';
import type { World } from './world.ts';

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
  sendFlush(world, task, world.mm[task], ALL_ENTRIES);
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
  const { pages } = world.shape;
  const at = world.window[task] * pages + world.page[task];
  if (world.windowFlags[world.window[task]] === 0) return Flow.Otherwise;
  if (world.page[task] >= pages || (world.entry[at] & EntryBit.Present) === 0) return Flow.Next;
  if (world.shape.mappingsAreHarmless && isPrivate(world, world.page[task])) {
    // As `stage2.abort` of the other accesses.
    world.meter.charge(Op.signal);
    world.meter.note(Op['signal.SIGSEGV']);
    return Flow.Otherwise;
  }
  noteReach(world, world.page[task]);
  deliverContent(world, world.page[task]);
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

/** The process forks; the child touches `page` through each of its mappings and exits. */
export function forkSteps(): readonly Step[] {
  return [
    waits('mmapLock.write', lockForFork),
    steady('fork.vma', copyWindow, 'fork.more'),
    goTo('tlb.send'),
    steady('fork.more', moreWindows, 'fork.vma'),
    steady('tlb.send', flushParent),
    waits('tlb.wait', waitCalls),
    steady('fork.return', becomeChild),
    steady('child.touch', touchChild, 'child.next'),
    free('host.fault', enterHostFault),
    acquire('mmapLock.read', readLockMmap),
    callRoutine('fault', 'faultCore'),
    release('mmapLock.readUnlock', readUnlockMmap),
    free('fault.result', childFaulted, 'child.touch'),
    steady('child.next', nextChildWindow, 'child.touch'),
    free('exit.walk', walkOwnWindow),
    callRoutine('exit.munmap', 'munmapRange'),
    free('exit.next', nextChildWindow, 'exit.walk'),
    steady('exit', exitChild),
    free('done', complete),
  ];
}

/** Otherwise there are windows of the parent left to copy. */
const moreWindows: Run = (world, task) => {
  const left = world.cursor[task] < world.shape.childWindows && nthWindow(world, world.mm[task], world.cursor[task]) >= 0;
  return left ? Flow.Otherwise : Flow.Next;
};
