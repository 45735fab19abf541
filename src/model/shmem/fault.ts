/**
 * The fault: what happens when an access finds no entry that serves it.
 *
 * Source: mm/memory.c (handle_pte_fault, handle_pte_marker, do_fault, finish_fault, do_numa_page, do_wp_page), mm/shmem.c (shmem_fault),
 * fs/userfaultfd.c (handle_userfault, userfaultfd_must_wait).
 * The entry is read without a lock and looked at again under the lock of its page table; a folio is locked before it is mapped, and asked
 * whether it is still the file's. A fault that finds a kept entry maps the page read-only with the bit, and the access comes back.
 * Differs from Linux: a fault in a hole that is being punched waits with mmap_lock held; VMA locks are not modelled; entries
 * of shmem are installed writable, as before 6.2 (write-notify of armed VMAs costs one fault more and decides nothing here).
 */
import { Backing } from '../memory/windows.ts';
import { EntryBit, EntryType, typeOf } from '../memory/entries.ts';
import { ZERO_FRAME, addMapping } from '../memory/frames.ts';
import { lockEntry, unlockEntry } from '../memory/locks.ts';
import { LockClass, lockId, waitFor } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, end, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { WpSpan } from './calls.ts';
import { aroundSteps } from './faultAround.ts';
import { allocateFolio, freeNewFolio, insertFolio, isStillOfPage, lockFolio, lookupFolio, putFolio, unlockFolio } from './folios.ts';
import { isEmpty, isFake, isKept, maps, needTable, noteSpecial, setEntry } from './kept.ts';
import type { WpRules } from './kept.ts';
import { WpFlag, ownEntry, wantsWrite } from './tasks.ts';
import { Promised, Userfault } from './world.ts';
import type { ShmemRun, ShmemShape, ShmemStep, ShmemWorld } from './world.ts';
import { wakeMonitor } from './monitor.ts';

const ZERO_TARGET = ZERO_FRAME + 1;

const readEntry: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  world.readEntry[task] = world.entry[at];
  world.readTarget[task] = world.entryTarget[at];
  return Flow.Next;
};

const readKept = (world: ShmemWorld, task: number): boolean => isKept(world.readEntry[task], world.readTarget[task]);

/** Otherwise something stands there that is no kept entry. */
const isMissing: ShmemRun = (world, task) => {
  const bits = world.readEntry[task];
  if (readKept(world, task)) {
    noteSpecial(world, 'fault');
    if (isFake(bits, world.readTarget[task])) noteSpecial(world, 'numa');
    return Flow.Next;
  }
  return isEmpty(bits) ? Flow.Next : Flow.Otherwise;
};

/** Otherwise the window maps no file. It stays what it is under mmap_lock. */
const isOfFile: ShmemRun = (world, task) => (world.windowBacking[world.window[task]] === Backing.FileShared ? Flow.Next : Flow.Otherwise);

/** Waits while a hole is punched around the page (shmem_falloc_wait). */
const waitForHole: ShmemRun = (world, task) => {
  const page = world.page[task];
  return page >= world.holeStart[0] && page < world.holeEnd[0] ? waitFor(world, lockId(LockClass.Invalidate, 0)) : Flow.Next;
};

/** Otherwise the entry has changed since it was read: somebody else was first. */
const isSame: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  return world.entry[at] === world.readEntry[task] && world.entryTarget[at] === world.readTarget[task] ? Flow.Next : Flow.Otherwise;
};

/** Installs the entry: the fault's reference becomes the mapping's, and a kept bit stays. */
const installEntry: ShmemRun = (world, task) => {
  const window = world.window[task];
  const page = world.page[task];
  needTable(world, window, page);
  const frame = world.oldFrame[task] - 1;
  setEntry(world, window, page, EntryBit.Present | (readKept(world, task) ? EntryBit.UffdWp : EntryBit.Write), frame + 1);
  addMapping(world, frame);
  world.oldFrame[task] = 0;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

/* ---- an entry that is there ---- */

const isMigrating: ShmemRun = (world, task) => (typeOf(world.readEntry[task]) === EntryType.Migration && (world.readEntry[task] & EntryBit.Present) === 0 ? Flow.Next : Flow.Otherwise);

/** Waits at a migration entry until its folio is unlocked. */
const waitForMigration: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  if (world.entry[at] !== world.readEntry[task] || world.entryTarget[at] !== world.readTarget[task]) return Flow.Next;
  return waitFor(world, lockId(LockClass.Folio, world.readTarget[task] - 1));
};

/** Whether an entry lets the task through. */
export function serves(world: ShmemWorld, task: number, bits: number): boolean {
  return (bits & (EntryBit.Present | EntryBit.ProtNone)) === EntryBit.Present && ((bits & EntryBit.Write) !== 0 || !wantsWrite(world, task));
}

/** Otherwise there is something to do. */
const needsNothing: ShmemRun = (world, task) => (serves(world, task, world.readEntry[task]) ? Flow.Next : Flow.Otherwise);

/** Otherwise it is a write to the zero page, which has to be copied. */
const isNoZeroPage: ShmemRun = (world, task) =>
  world.readTarget[task] === ZERO_TARGET && (world.readEntry[task] & (EntryBit.UffdWp | EntryBit.ProtNone)) === 0 ? Flow.Otherwise : Flow.Next;

/** Otherwise it is no NUMA hint. */
const isHint: ShmemRun = (world, task) => (world.readEntry[task] & EntryBit.ProtNone ? Flow.Next : Flow.Otherwise);

/** do_numa_page: the entry is as it was before the hint. */
const restoreHinted: ShmemRun = (world, task) => {
  const bits = world.readEntry[task] & ~EntryBit.ProtNone;
  setEntry(world, world.window[task], world.page[task], bits & EntryBit.UffdWp ? bits : bits | EntryBit.Write, world.readTarget[task]);
  world.meter.charge(Op['numa.hint']);
  return Flow.Next;
};

/** Otherwise it is not protected, and the entry may be made writable. */
const isProtected: ShmemRun = (world, task) => (world.readEntry[task] & EntryBit.UffdWp ? Flow.Next : Flow.Otherwise);

/** wp_page_shared: the entry allows writes. With WP_ASYNC it may have been protected until now; the zero page is copied when the access comes back. */
const makeWritable: ShmemRun = (world, task) => {
  const target = world.readTarget[task];
  const bits = world.readEntry[task] & ~EntryBit.UffdWp;
  setEntry(world, world.window[task], world.page[task], target === ZERO_TARGET ? bits : bits | EntryBit.Write, target);
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

/** The same of an entry that is protected: the kernel takes the protection away and tells nobody before a scan. */
const resolveAsync: ShmemRun = (world, task) => {
  world.promise[ownEntry(world, task)] = Promised.Nothing;
  return makeWritable(world, task);
};

/** The userfault is in the queue; the monitor may read it from now on. */
const queueUserfault: ShmemRun = (world, task) => {
  world.userfault[task] = Userfault.Pending;
  world.flags[task] |= WpFlag.InUserfault;
  world.meter.beginSpan(WpSpan.Userfault);
  wakeMonitor(world);
  return Flow.Next;
};

/** userfaultfd_must_wait: whoever took the protection away in between has looked for sleepers already, so the task looks once more. */
const mustWait: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  const bits = world.entry[at];
  if (maps(bits, world.entryTarget[at]) && bits & EntryBit.Write) world.userfault[task] = Userfault.None;
  return Flow.Next;
};

/* ---- anonymous memory ---- */

const isForWrite: ShmemRun = (world, task) => (wantsWrite(world, task) ? Flow.Next : Flow.Otherwise);

const allocateCleared: ShmemRun = (world, task) => {
  world.meter.charge(Op['page.clear']);
  return allocateFolio(world, task);
};

/** do_anonymous_page, and the copy of the zero page. */
const installAnonymous: ShmemRun = (world, task) => {
  const window = world.window[task];
  const page = world.page[task];
  needTable(world, window, page);
  const frame = world.newFrame[task] - 1;
  setEntry(world, window, page, EntryBit.Present | (readKept(world, task) ? EntryBit.UffdWp : EntryBit.Write), frame + 1);
  addMapping(world, frame);
  world.newFrame[task] = 0;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

const installZeroPage: ShmemRun = (world, task) => {
  const window = world.window[task];
  const page = world.page[task];
  needTable(world, window, page);
  setEntry(world, window, page, EntryBit.Present | (readKept(world, task) ? EntryBit.UffdWp : 0), ZERO_TARGET);
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

/** The fault's routine; mmap_lock is held for reading. */
export function faultSteps(rules: WpRules, { wpAsync, faultAroundPages }: ShmemShape): readonly ShmemStep[] {
  return [
    steady('pte.read', readEntry),
    free('pte.missing', isMissing, 'pte.migration'),
    guarded('vma.backing', isOfFile, 'anon.write'),
    ...(faultAroundPages > 1 ? aroundSteps(rules) : []),
    waits('hole.wait', waitForHole),
    steady('folio.lookup', lookupFolio, 'folio.alloc'),
    goTo('folio.lock'),
    steady('folio.alloc', allocateFolio),
    steady('pageCache.insert', insertFolio, 'folio.free'),
    goTo('ptl.lock'),
    steady('folio.free', freeNewFolio),
    goTo('folio.lookup'),
    acquire('folio.lock', lockFolio),
    steady('folio.recheck', isStillOfPage, 'folio.unlockLost'),
    acquire('ptl.lock', lockEntry),
    guarded('pte.same', isSame, 'ptl.unlockLost'),
    steady('pte.set', installEntry),
    release('ptl.unlock', unlockEntry),
    release('folio.unlock', unlockFolio),
    goTo('end'),
    release('ptl.unlockLost', unlockEntry),
    release('folio.unlockLost', unlockFolio),
    steady('folio.put', putFolio),
    goTo('end'),

    free('pte.migration', isMigrating, 'pte.serves'),
    waits('migration.wait', waitForMigration),
    goTo('end'),
    free('pte.serves', needsNothing, 'pte.zero'),
    goTo('end'),
    free('pte.zero', isNoZeroPage, 'anon.alloc'),
    acquire('entry.lock', lockEntry),
    guarded('entry.same', isSame, 'entry.unlock'),
    free('entry.hint', isHint, 'entry.protected'),
    steady('numa.restore', restoreHinted),
    goTo('entry.unlock'),
    free('entry.protected', isProtected, 'pte.writable'),
    ...(wpAsync
      ? [steady('wp.resolve', resolveAsync), goTo('entry.unlock')]
      : [release('wp.unlock', unlockEntry), steady('userfault.queue', queueUserfault), steady('userfault.mustWait', mustWait), goTo('end')]),
    steady('pte.writable', makeWritable),
    release('entry.unlock', unlockEntry),
    goTo('end'),

    free('anon.write', isForWrite, 'anon.lockZero'),
    steady('anon.alloc', allocateCleared),
    acquire('anon.lock', lockEntry),
    guarded('anon.same', isSame, 'anon.unlockLost'),
    steady('anon.set', installAnonymous),
    goTo('entry.unlock'),
    release('anon.unlockLost', unlockEntry),
    steady('anon.free', freeNewFolio),
    goTo('end'),
    acquire('anon.lockZero', lockEntry),
    guarded('anon.sameZero', isSame, 'entry.unlock'),
    steady('anon.setZero', installZeroPage),
    goTo('entry.unlock'),
    end,
  ];
}
