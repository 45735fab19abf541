/**
 * The host's page fault, and the lookup of a folio that it shares with the guest's.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_fault_user_mapping, kvm_gmem_get_folio), mm/memory.c (do_fault, finish_fault).
 * invalidate_lock is dropped before the entry exists: that race is closed by the reference, not by the lock.
 */
import { comesInPieces, takeBacking, takeInPieces } from './backing.ts';
import { clearContent } from './content.ts';
import { EntryBit, TableBit, isMigrationEntry, tableOf } from './entries.ts';
import { Errno } from './errno.ts';
import { noteExposure, noteWritable } from './exposure.ts';
import { PageBit, folioPagesAt, headOf, isPrivate } from './file.ts';
import { addMapping, cacheReferences, dropReference, noteFolio } from './folios.ts';
import { Gauge } from './gauges.ts';
import { LockClass, acquireRead, checkOrder, lockId, noteHeld, noteReleased, releaseRead, waitFor } from './locks.ts';
import { addToBatch } from './lru.ts';
import { Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { addPmdMapping, fitsPmd, mayMapRegion, setPmd } from './pmd.ts';
import type { Keeps } from './shape.ts';
import { Flow, acquire, end, free, freeWhen, goTo, guarded, release, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag, wantsWrite } from './tasks.ts';
import { inMm, reachesBeyondEnd } from './windows.ts';
import { lockPageTable, unlockPageTable } from './zap.ts';
import type { World } from './world.ts';

export const readLockMmap: Run = (world, task) => {
  const flow = acquireRead(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  if (flow === Flow.Next) world.meter.charge(Op['lock.mmap']);
  return flow;
};

export const readUnlockMmap: Run = (world, task) => {
  releaseRead(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  return Flow.Next;
};

export const readLockInvalidate: Run = (world, task) => {
  const flow = acquireRead(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  if (flow === Flow.Next) world.meter.charge(Op['lock.invalidate']);
  return flow;
};

export const readUnlockInvalidate: Run = (world, task) => {
  releaseRead(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  return Flow.Next;
};

/** Takes a reference on the folio of `page`; otherwise there is none. */
export const lookupFolio: Run = (world, task) => {
  const head = headOf(world, world.page[task]);
  if ((world.pageState[head] & PageBit.Present) === 0) return Flow.Otherwise;
  world.refcount[head]++;
  world.flags[task] |= TaskFlag.HoldsFolio;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

const allocateFolio: Run = (world) => {
  world.meter.charge(Op['folio.alloc']);
  return Flow.Next;
};

/** Adds the new folio to the page cache with the caller's reference; otherwise somebody else was first. */
const insertFolio: Run = (world, task) => {
  if (world.pageState[headOf(world, world.page[task])] & PageBit.Present) {
    world.meter.charge(Op['folio.free']);
    return Flow.Otherwise;
  }
  if (world.shape.largeBacking) takeBacking(world, world.page[task]);
  if (comesInPieces(world, world.page[task])) takeInPieces(world, world.page[task]);
  const head = headOf(world, world.page[task]);
  if ((world.pageState[head] & PageBit.Present) === 0) {
    world.pageState[head] |= PageBit.Present;
    world.refcount[head] += cacheReferences(world, head);
    world.meter.charge(Op['pageCache.insert']);
    noteFolio(world, head, 1);
  }
  // GUP-fast may still hold a grab that it is about to drop, of the folio that a punch has just taken out of this frame.
  world.refcount[head]++;
  world.flags[task] |= TaskFlag.HoldsFolio;
  return Flow.Next;
};

const batchFolio: Run = (world, task) => {
  addToBatch(world, task, headOf(world, world.page[task]));
  return Flow.Next;
};

export const lockFolio: Run = (world, task) => {
  const head = headOf(world, world.page[task]);
  checkOrder(world, task, LockClass.Folio);
  if (world.pageState[head] & PageBit.Locked) return waitFor(world, lockId(LockClass.Folio, head));
  world.pageState[head] |= PageBit.Locked;
  noteHeld(world, task, LockClass.Folio);
  world.meter.charge(Op['lock.folio']);
  return Flow.Next;
};

export const unlockFolio: Run = (world, task) => {
  const head = headOf(world, world.page[task]);
  world.pageState[head] &= ~PageBit.Locked;
  noteReleased(world, task, LockClass.Folio, head);
  return Flow.Next;
};

/** Zeroes the folio of `page` on its first use. */
const clearFolio: Run = (world, task) => {
  const head = headOf(world, world.page[task]);
  if ((world.pageState[head] & PageBit.UpToDate) === 0) {
    world.pageState[head] |= PageBit.UpToDate;
    const pages = folioPagesAt(world, head);
    world.meter.chargeMany(Op['page.clear'], pages);
    clearContent(world, head, head + pages);
  }
  return Flow.Next;
};

/** Drops the lookup's reference. */
export const putFolio: Run = (world, task) => {
  world.flags[task] &= ~TaskFlag.HoldsFolio;
  dropReference(world, headOf(world, world.page[task]), 1);
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

/** Finds or makes the folio of `page`, with a reference and locked; invalidate_lock is held. */
export function getFolioSteps(): readonly Step[] {
  return [
    steady('folio.lookupGet', lookupFolio, 'folio.alloc'),
    goTo('folio.lock'),
    free('folio.alloc', allocateFolio),
    steady('pageCache.insert', insertFolio, 'folio.lookupGet'),
    freeWhen('lru')('lru.add', batchFolio),
    acquire('folio.lock', lockFolio),
  ];
}

/** Zeroes it where that was not done: the folio lock is held. */
export const clearFolioStep: Step = freeWhen('contents')('folio.clear', clearFolio);

/** Whether the entry serves the task: it is there, and not write-protected where it wants to write. */
export const serves = (world: World, task: number, bits: number): boolean =>
  (bits & EntryBit.Present) !== 0 && ((bits & EntryBit.WriteProtected) === 0 || !wantsWrite(world, task));

/** Otherwise the entry is there: somebody else's fault was first. No VMA: SIGSEGV. */
const readEntryNone: Run = (world, task) => {
  const window = world.window[task];
  const page = world.page[task];
  const inFile = page < world.shape.pages;
  world.outcome[task] = Errno.OK;
  if (inFile && serves(world, task, world.entry[window * world.shape.pages + page])) return Flow.Otherwise;
  if (inFile ? inMm(world, window, page) : reachesBeyondEnd(world, window)) return Flow.Next;
  world.outcome[task] = Errno.SIGSEGV;
  return Flow.Otherwise;
};

/** Waits at a migration entry until its folio is unlocked; otherwise there was one, or is an entry now, and it looks again. */
const waitAtMigrationEntry: Run = (world, task) => {
  const page = world.page[task];
  if (page >= world.shape.pages) return Flow.Next;
  const bits = world.entry[world.window[task] * world.shape.pages + page];
  if ((bits & (EntryBit.Present | EntryBit.Migration)) === 0) return Flow.Next;
  const head = headOf(world, page);
  return isMigrationEntry(bits) && world.pageState[head] & PageBit.Locked ? waitFor(world, lockId(Waiting.Migration, head)) : Flow.Otherwise;
};

/** What the kernel answers to a host access of a private page. */
export type PrivateSignal = 'SIGBUS' | 'SIGSEGV';

export interface FaultRules {
  /** A fault may map a whole region; the shape says so. */
  readonly pmdMappings?: boolean;
  /** Default: SIGBUS. */
  readonly privateSignal?: PrivateSignal;
  /** A private page is mapped like any other. */
  readonly mapsPrivate?: boolean;
  /** With `migrations` a fault may meet a migration entry, with `read-only` a write-protected one; with `separate-memory` the file has no shareability. */
  readonly keeps?: Keeps;
}

/** Otherwise the host has no business there: beyond the end of the file, which is SIGBUS, or private. */
const readStateShared = ({ privateSignal = 'SIGBUS', mapsPrivate = false, keeps, pmdMappings = false }: FaultRules): Run => (world, task) => {
  const page = world.page[task];
  const inFile = page < world.shape.pages;
  if (keeps !== 'separate-memory') world.meter.charge(Op['state.read']);
  const state = inFile ? world.pageState[page] : 0;
  const refused = (state & PageBit.Draining) !== 0 || ((state & PageBit.ReadOnly) !== 0 && wantsWrite(world, task));
  if (inFile && (mapsPrivate || !isPrivate(world, page)) && !refused) {
    if (pmdMappings) world.regionShared[task] = mayMapRegion(world, world.window[task], page, mapsPrivate) ? 1 : 0;
    return Flow.Next;
  }
  world.outcome[task] = inFile ? Errno[privateSignal] : Errno.SIGBUS;
  return Flow.Otherwise;
};

/** Takes the page-table lock of the entry of `page` in the window of the task. */
export const lockEntry: Run = (world, task) => lockPageTable(world, task, world.window[task], world.page[task]);

export const unlockEntry: Run = (world, task) => {
  unlockPageTable(world, task, world.window[task], world.page[task]);
  return Flow.Next;
};

export const recheckEntryNone: Run = (world, task) =>
  serves(world, task, world.entry[world.window[task] * world.shape.pages + world.page[task]]) ? Flow.Otherwise : Flow.Next;

/** Otherwise the entry is there and write-protected, and the fault is for a write: the page may be written, its state was read. */
const isNone: Run = (world, task) =>
  world.entry[world.window[task] * world.shape.pages + world.page[task]] & EntryBit.Present ? Flow.Otherwise : Flow.Next;

/** As wp_page_reuse: the entry allows writes, nothing is counted. */
const unprotectEntry: Run = (world, task) => {
  world.entry[world.window[task] * world.shape.pages + world.page[task]] &= ~EntryBit.WriteProtected;
  noteWritable(world, world.page[task]);
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

export const addRmap: Run = (world, task) => {
  addMapping(world, world.page[task]);
  return Flow.Next;
};

/** Installs the entry; the fault's reference becomes the mapping's. */
export const setEntry: Run = (world, task) => {
  const window = world.window[task];
  const page = world.page[task];
  const table = tableOf(world, window, page);
  if ((world.table[table] & TableBit.Allocated) === 0) world.meter.move(Gauge.tables, 1);
  world.table[table] |= TableBit.Allocated;
  // Where a PMD that was dirty is not flushed yet, that is no matter of this entry.
  world.entry[window * world.shape.pages + page] &= ~EntryBit.Dirty;
  // Where a file is told of first writes a fault for a read installs a write-protected entry (vma_wants_writenotify).
  const isProtected = world.shape.keeps === 'read-only' && !wantsWrite(world, task);
  world.entry[window * world.shape.pages + page] |= EntryBit.Present | (isProtected ? EntryBit.WriteProtected : 0);
  world.flags[task] &= ~TaskFlag.HoldsFolio;
  world.dataRefs[page]++;
  noteExposure(world, page);
  noteWritable(world, page);
  world.meter.charge(Op['pte.set']);
  if (world.pageState[page] & PageBit.NeighbourZapped) {
    world.pageState[page] &= ~PageBit.NeighbourZapped;
    world.meter.note(Op['fault.neighbour']);
  }
  return Flow.Next;
};

/* ---- a PMD in place of a PTE ---- */

/** As `recheckEntryNone`; where somebody else was first the region is as they have mapped it. */
const recheckAnyNone: Run = (world, task) => {
  const flow = recheckEntryNone(world, task);
  if (flow === Flow.Otherwise) world.regionShared[task] = 0;
  return flow;
};

/** Otherwise one entry can map the region: it was shared, and there is no table yet. */
const needsTable: Run = (world, task) => {
  if (world.regionShared[task] !== 0 && fitsPmd(world, world.window[task], world.page[task])) return Flow.Otherwise;
  world.regionShared[task] = 0;
  return Flow.Next;
};

const addPmdRmap: Run = (world, task) => {
  addPmdMapping(world, world.page[task]);
  return Flow.Next;
};

/** Installs the PMD; the fault's reference becomes the mapping's. */
const setRegionEntry: Run = (world, task) => {
  const page = world.page[task];
  const wasNeighbour = (world.pageState[page] & PageBit.NeighbourZapped) !== 0;
  setPmd(world, world.window[task], page);
  world.flags[task] &= ~TaskFlag.HoldsFolio;
  world.regionShared[task] = 0;
  world.meter.charge(Op['pte.set']);
  if (wasNeighbour) world.meter.note(Op['fault.neighbour']);
  return Flow.Next;
};

/** Routine: a host fault on (window, page) under mmap_lock. `outcome`: OK, SIGBUS or SIGSEGV. */
export function faultCoreSteps(rules: FaultRules): readonly Step[] {
  const { pmdMappings = false } = rules;
  return [
    steady('pte.readNone', readEntryNone, 'end'),
    ...(rules.keeps === 'migrations' ? [waits('migration.wait', waitAtMigrationEntry, 'pte.readNone')] : []),
    acquire('invalidate.readLock', readLockInvalidate),
    guarded('state.read', readStateShared(rules), 'invalidate.readUnlockRefused'),
    ...getFolioSteps(),
    release('invalidate.readUnlock', readUnlockInvalidate),
    clearFolioStep,
    acquire('ptl.lock', lockEntry),
    guarded('pte.recheckNone', pmdMappings ? recheckAnyNone : recheckEntryNone, 'ptl.unlockLost'),
    ...(rules.keeps === 'read-only' ? [guarded('pte.isNone', isNone, 'pte.unprotect')] : []),
    ...(pmdMappings ? [guarded('pmd.isNone', needsTable, 'pmd.rmapAdd')] : []),
    freeWhen('mapcounts')('rmap.add', addRmap),
    steady('pte.set', setEntry),
    release('ptl.unlock', unlockEntry),
    release('folio.unlock', unlockFolio),
    goTo('end'),
    ...(rules.keeps === 'read-only' ? [steady('pte.unprotect', unprotectEntry)] : []),
    ...(pmdMappings ? [freeWhen('mapcounts')('pmd.rmapAdd', addPmdRmap), steady('pmd.set', setRegionEntry), goTo('ptl.unlock')] : []),
    release('ptl.unlockLost', unlockEntry),
    release('folio.unlockLost', unlockFolio),
    steady('folio.put', putFolio),
    goTo('end'),
    release('invalidate.readUnlockRefused', readUnlockInvalidate),
    end,
  ];
}

