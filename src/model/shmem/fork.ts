/**
 * Births and deaths of processes: what a child inherits of write-protection, and what goes with a process.
 *
 * Source: kernel/fork.c (dup_mmap), fs/userfaultfd.c (dup_userfaultfd), mm/memory.c (vma_needs_copy, copy_page_range, copy_nonpresent_pte).
 * Without fork events the child's window is not armed, and it starts with no entries: faults will fill them. With fork events it stays
 * armed, and a fault would not fill what is protected: the page table has to be copied, kept entries included.
 * Differs from Linux: one window a process; anonymous windows are not forked (the family `unsharing` does that).
 */
import { EntryBit, TableBit, tableAt } from '../memory/entries.ts';
import { addMapping, takeReference } from '../memory/frames.ts';
import { writeLockMmap, writeLockRmap, writeUnlockMmap, writeUnlockRmap } from '../memory/locks.ts';
import { bear, bornStep, bury, conceive } from '../memory/processes.ts';
import { regionsOf } from '../memory/shape.ts';
import { Backing, WindowFlag, copyWindow } from '../memory/windows.ts';
import { ALL_ENTRIES, sendFlush, waitCalls } from '../crossCalls.ts';
import { Gauge } from '../gauges.ts';
import { LockClass, checkOrder, lockId, noteHeld, noteReleased, waitFor } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, guarded, release, steady, waits } from '../step.ts';
import { isEmpty, isKept, maps, needTable, noteSpecial, setEntry } from './kept.ts';
import type { WpRules } from './kept.ts';
import { beginCall, endCall } from './calls.ts';
import { isMigrationEntry } from './protect.ts';
import { WpKind } from './tasks.ts';
import { Promised } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';
import { nextTable, walkChunkEnd, walkedWindow, zapWindowSteps } from './zap.ts';

const childOf = ({ slot }: ShmemWorld, task: number): number => slot[task];

const conceiveChild: ShmemRun = (world, task) => conceive(world, childOf(world, task));

/** The child's window is in i_mmap from here on. The promises of an armed child are those of its parent. */
const linkChild: ShmemRun = (world, task) => {
  const parent = world.window[task];
  const child = childOf(world, task);
  const { pages } = world.shape;
  copyWindow(world, parent, child);
  world.meter.charge(Op.fork);
  world.meter.charge(Op['fork.vma']);
  world.walkWindow[task] = parent + 1;
  world.walkStart[task] = 0;
  world.walkCursor[task] = 0;
  world.walkEnd[task] = pages;
  if (world.kind[task] === WpKind.ForkWithEvents) {
    for (let page = 0; page < pages; page++) world.promise[child * pages + page] = world.promise[parent * pages + page];
  } else {
    world.windowFlags[child] &= ~WindowFlag.UffdWp;
  }
  return Flow.Next;
};

/** Otherwise faults fill the child's entries. */
const needsCopy = ({ forkCopies }: WpRules): ShmemRun => (world, task) => (forkCopies && world.kind[task] === WpKind.ForkWithEvents ? Flow.Next : Flow.Otherwise);

/** Takes the locks of the page tables of the parent and of the child (SINGLE_DEPTH_NESTING). */
const lockBoth: ShmemRun = (world, task) => {
  checkOrder(world, task, LockClass.PageTable);
  const page = world.walkCursor[task];
  const from = tableAt(world, walkedWindow(world, task), page);
  const to = tableAt(world, childOf(world, task), page);
  if (world.table[from] & TableBit.Locked) return waitFor(world, lockId(LockClass.PageTable, from));
  if (world.table[to] & TableBit.Locked) return waitFor(world, lockId(LockClass.PageTable, to));
  world.table[from] |= TableBit.Locked;
  world.table[to] |= TableBit.Locked;
  noteHeld(world, task, LockClass.PageTable);
  world.meter.chargeMany(Op['lock.pageTable'], 2);
  return Flow.Next;
};

/** Drops the child's lock: nobody but walks over all processes could have waited for it. */
const unlockChild: ShmemRun = (world, task) => {
  const to = tableAt(world, childOf(world, task), world.walkCursor[task]);
  world.table[to] &= ~TableBit.Locked;
  world.meter.release(lockId(LockClass.PageTable, to));
  return Flow.Next;
};

const unlockParent: ShmemRun = (world, task) => {
  const from = tableAt(world, walkedWindow(world, task), world.walkCursor[task]);
  world.table[from] &= ~TableBit.Locked;
  noteReleased(world, task, LockClass.PageTable, from);
  world.walkCursor[task] = walkChunkEnd(world, task);
  return Flow.Otherwise;
};

const copyChunk: ShmemRun = (world, task) => {
  const parent = walkedWindow(world, task);
  const child = childOf(world, task);
  const { pages } = world.shape;
  const last = walkChunkEnd(world, task);
  for (let page = world.walkCursor[task]; page < last; page++) {
    const at = parent * pages + page;
    const bits = world.entry[at];
    const target = world.entryTarget[at];
    if (isEmpty(bits)) continue;
    needTable(world, child, page);
    setEntry(world, child, page, bits, target);
    world.meter.charge(Op['fork.pte']);
    if (isKept(bits, target) || isMigrationEntry(bits)) {
      if (bits & EntryBit.UffdWp) noteSpecial(world, 'fork');
    } else if (maps(bits, target)) {
      takeReference(world, target - 1);
      addMapping(world, target - 1);
      if (bits & EntryBit.UffdWp) noteSpecial(world, 'fork');
    }
  }
  return Flow.Next;
};

/** The parent's TLBs are flushed at the end of every fork. */
const flushParent: ShmemRun = (world, task) => {
  sendFlush(world, task, world.mm[task], ALL_ENTRIES);
  return Flow.Next;
};

const bearChild: ShmemRun = (world, task) => {
  bear(world, childOf(world, task));
  return Flow.Next;
};

export const forkSteps = (rules: WpRules): readonly ShmemStep[] => [
  bornStep,
  free('call.begin', beginCall),
  waits('child.conceive', conceiveChild),
  acquire('mmapLock.write', writeLockMmap),
  acquire('rmap.writeLock', writeLockRmap),
  steady('vma.link', linkChild),
  release('rmap.writeUnlock', writeUnlockRmap),
  free('vma.needsCopy', needsCopy(rules), 'fork.flush'),
  guarded('copy.table', nextTable, 'fork.flush'),
  waits('copy.lock', lockBoth),
  steady('pte.copy', copyChunk),
  steady('copy.unlockChild', unlockChild),
  release('copy.unlock', unlockParent, 'copy.table'),
  steady('fork.flush', flushParent),
  waits('fork.wait', waitCalls),
  steady('child.born', bearChild),
  release('mmapLock.writeUnlock', writeUnlockMmap),
  free('call.end', endCall),
];

/* ---- exit ---- */

const beginExit: ShmemRun = (world, task) => {
  world.meter.charge(Op.munmap);
  world.walkWindow[task] = world.window[task] + 1;
  world.walkStart[task] = 0;
  world.walkCursor[task] = 0;
  world.walkEnd[task] = world.shape.pages;
  return Flow.Next;
};

/** The window leaves i_mmap; its page tables and what was promised of it go. */
const unlinkWindow: ShmemRun = (world, task) => {
  const window = world.window[task];
  const { pages } = world.shape;
  const regions = regionsOf(world.shape);
  world.windowBacking[window] = Backing.None;
  world.windowFlags[window] = 0;
  let tables = 0;
  for (let at = window * regions; at < (window + 1) * regions; at++) {
    tables += world.tableThere[at];
    world.tableThere[at] = 0;
  }
  world.meter.move(Gauge.tables, -tables);
  world.promise.fill(Promised.Nothing, window * pages, (window + 1) * pages);
  world.touched.fill(0, window * pages, (window + 1) * pages);
  return Flow.Next;
};

const buryOwn: ShmemRun = (world, task) => {
  bury(world, world.mm[task]);
  return Flow.Next;
};

export const exitSteps = (rules: WpRules): readonly ShmemStep[] => [
  bornStep,
  free('call.begin', beginCall),
  acquire('mmapLock.write', writeLockMmap),
  free('exit.begin', beginExit),
  ...zapWindowSteps(rules, true),
  acquire('rmap.writeLock', writeLockRmap),
  steady('vma.unlink', unlinkWindow),
  release('rmap.writeUnlock', writeUnlockRmap),
  release('mmapLock.writeUnlock', writeUnlockMmap),
  steady('mm.bury', buryOwn),
  free('call.end', endCall),
];
