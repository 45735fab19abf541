/**
 * Read-only sharing: a third state of a page, in which the host may read it and only the guest may write it. The way down from shared
 * to read-only, and what lifts it.
 *
 * Source: mm/mapping_dirty_helpers.c (wp_shared_mapping_range), mm/rmap.c (page_mkclean works under the folio lock), include/linux/mm.h
 * (folio_expected_ref_count). guest_memfd has nothing of it today: no page_mkwrite, and no third attribute.
 * Entries are write-protected where they stand, so that readers lose nothing; then every reference beyond those of the mappings is a
 * reason to refuse, since no count tells a pin for reading from one for writing.
 * A fault in flight has its reference on the folio, and gives it to an entry that may be writable: it holds the folio lock
 * until then, and is waited for before the walk. A mapped folio has its count compared with its mapping count, which are two reads: the
 * count first, because without faults mappings only go away, and one that goes in between makes the kernel refuse once too often.
 * The other way round a mapping that goes would hide a get that stays.
 * Differs from Linux: a write through a TLB entry that is not flushed yet is not modelled, since the page is writable until the store.
 */
import { preallocateState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from './convert.ts';
import { sendDrain, sendFlush, waitCalls } from './crossCalls.ts';
import { EntryBit } from './entries.ts';
import { Errno } from './errno.ts';
import { noteWritable } from './exposure.ts';
import { PageBit, isPrivate } from './file.ts';
import { cacheReferences, dropReference, folioMapcount } from './folios.ts';
import { LockClass, lockId, waitFor } from './locks.ts';
import { beginNotifier, endNotifier } from './notifier.ts';
import { Op } from './operations.ts';
import { blameHolders } from './references.ts';
import { Flow, acquire, acquireUnless, end, free, freeWhen, goTo, guarded, release, releaseUnless, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag, readingMax } from './tasks.ts';
import { beginWalk, chunkEnd, endWalk, lockTable, nextTable, nextVma, unlockWalkedTable, walkWholeFolios } from './zap.ts';
import type { World } from './world.ts';

const anyPage = (world: World, task: number, asks: (page: number) => boolean): boolean => {
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) if (asks(page)) return true;
  return false;
};

const isReadOnly = (world: World, page: number): boolean => (world.pageState[page] & PageBit.ReadOnly) !== 0;

/** Otherwise all of the range is read-only already, or some of it is private: that has to be shared first. */
const readRangeWritable: Run = (world, task) => {
  world.meter.charge(Op['state.read']);
  const refused = anyPage(world, task, (page) => isPrivate(world, page));
  world.outcome[task] = refused ? Errno.EINVAL : Errno.OK;
  return !refused && anyPage(world, task, (page) => !isReadOnly(world, page)) ? Flow.Next : Flow.Otherwise;
};

/* ---- faults in flight ---- */

const beginFolios: Run = (world, task) => {
  world.cursor[task] = world.walkStart[task];
  return Flow.Next;
};

/** folio_lock and folio_unlock of each folio: nobody new can want its lock, since who does comes under invalidate_lock. */
const waitForFault: Run = (world, task) => {
  const head = world.cursor[task];
  const present = (world.pageState[head] & PageBit.Present) !== 0;
  if (present && world.pageState[head] & PageBit.Locked) return waitFor(world, lockId(LockClass.Folio, head));
  if (present) world.meter.charge(Op['lock.folio']);
  world.cursor[task] += world.sizes.folioPages;
  return world.cursor[task] < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

/* ---- write-protecting ---- */

const startTables: Run = (world, task) => {
  const flow = beginNotifier(world, task);
  world.flags[task] &= ~TaskFlag.Zapped;
  return flow;
};

const protectEntries: Run = (world, task) => {
  const { entry, meter } = world;
  const base = world.walkWindow[task] * world.shape.pages;
  const first = world.walkCursor[task];
  const last = chunkEnd(world, task);
  let protectedHere = 0;
  for (let page = first; page < last; page++) {
    const bits = entry[base + page];
    if ((bits & EntryBit.Present) === 0 || bits & EntryBit.WriteProtected) continue;
    // The folio remembers that it is dirty.
    entry[base + page] = (bits & ~EntryBit.Dirty) | EntryBit.WriteProtected;
    world.flags[task] |= TaskFlag.Zapped;
    protectedHere++;
  }
  meter.chargeMany(Op['pte.check'], last - first);
  if (protectedHere > 0) meter.chargeMany(Op['pte.set'], protectedHere);
  world.walkCursor[task] = last;
  return last < world.walkEnd[task] && (last & (world.sizes.regionPages - 1)) !== 0 ? Flow.Otherwise : Flow.Next;
};

const sendProtectFlush: Run = (world, task) => {
  if ((world.flags[task] & TaskFlag.Zapped) === 0) return Flow.Otherwise;
  sendFlush(world, task, world.windowMm[world.walkWindow[task]], world.walkEnd[task] - world.walkStart[task]);
  return Flow.Next;
};

/* ---- counting ---- */

/** Takes a reference on the next folio; otherwise there is none left. */
const getNext: Run = (world, task) => {
  const { folioPages } = world.sizes;
  let head = world.cursor[task];
  const last = world.walkEnd[task];
  while (head < last && (world.pageState[head] & PageBit.Present) === 0) head += folioPages;
  world.cursor[task] = head;
  if (head >= last) {
    world.cursor[task] = 0;
    return Flow.Otherwise;
  }
  world.cursorEnd[task] = head + folioPages;
  world.refcount[head]++;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

const readCount: Run = (world, task) => {
  const beyond = world.refcount[world.cursor[task]] - cacheReferences(world, world.cursor[task]) - 1;
  world.reading[task] = Math.min(beyond, readingMax(world.shape));
  world.meter.charge(Op['folio.readRef']);
  return Flow.Next;
};

/** Otherwise somebody has a reference that is no mapping's. */
const compareMapcount: Run = (world, task) => {
  const mappings = folioMapcount(world, world.cursor[task]);
  const reading = world.reading[task];
  world.reading[task] = 0;
  return reading === mappings ? Flow.Next : Flow.Otherwise;
};

const putFolio: Run = (world, task) => {
  dropReference(world, world.cursor[task], 1);
  world.cursor[task] = world.cursorEnd[task];
  world.cursorEnd[task] = 0;
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

const drainOnce: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Drained || world.shape.lruBatch === 0 || world.shape.folioOrder > 0) return Flow.Otherwise;
  world.flags[task] |= TaskFlag.Drained;
  sendDrain(world, task);
  return Flow.Next;
};

const refuse: Run = (world, task) => {
  const head = world.cursor[task];
  blameHolders(world, task, head);
  world.walkCursor[task] = head;
  world.outcome[task] = Errno.EAGAIN;
  return Flow.Next;
};

const putRefused: Run = (world, task) => {
  const flow = putFolio(world, task);
  world.cursor[task] = 0;
  return flow;
};

/** The commit. */
const storeReadOnly: Run = (world, task) => {
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    world.pageState[page] = (world.pageState[page] | PageBit.ReadOnly) & ~PageBit.Exposed;
    noteWritable(world, page);
  }
  world.outcome[task] = Errno.OK;
  world.meter.charge(Op['state.store']);
  return Flow.Next;
};

/** The kernel's way from shared to read-only. `outcome`: OK, EAGAIN where somebody has a folio, EINVAL where a page is private. */
export function toReadOnlySteps(): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeWritable, 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', walkWholeFolios),
    free('faults', beginFolios),
    waits('folio.wait', waitForFault, 'folio.wait'),
    acquireUnless('vmas')('protect.iMmap.readLock', beginWalk),
    freeWhen('vmas')('rmap.nextVma', nextVma, 'protect.iMmap.readUnlock'),
    freeWhen('secondaries')('notifier.begin', startTables),
    steady('protect.table', nextTable, 'notifier.end'),
    acquire('ptl.lock', lockTable),
    steady('pte.protect', protectEntries, 'pte.protect'),
    release('ptl.unlock', unlockWalkedTable),
    goTo('protect.table'),
    freeWhen('secondaries')('notifier.end', endNotifier),
    steady('tlb.send', sendProtectFlush, 'rmap.nextVma'),
    waits('tlb.wait', waitCalls),
    goTo('rmap.nextVma'),
    releaseUnless('vmas')('protect.iMmap.readUnlock', endWalk),
    free('counts', beginFolios),
    steady('folio.lookupGet', getNext, 'state.store'),
    steady('folio.readRef', readCount),
    steady('folio.readMapcount', compareMapcount, 'lru.drain'),
    steady('folio.put', putFolio),
    goTo('folio.lookupGet'),
    steady('lru.drain', drainOnce, 'refuse'),
    waits('lru.wait', waitCalls),
    goTo('folio.readRef'),
    steady('refuse', refuse),
    steady('folio.putRefused', putRefused),
    goTo('invalidate.unlock'),
    steady('state.store', storeReadOnly),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

function lift(world: World, task: number): void {
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) world.pageState[page] &= ~PageBit.ReadOnly;
}

/** Stores a shareability, and with it that the page is in no third state. */
export const storeLifted = (toPrivate: boolean): Run => {
  const store = storeState(toPrivate);
  return (world, task) => {
    lift(world, task);
    return store(world, task);
  };
};

/** Otherwise every page is shared for reading and writing. */
const readRangeLifted: Run = (world, task) => {
  world.meter.charge(Op['state.read']);
  world.outcome[task] = Errno.OK;
  return anyPage(world, task, (page) => isPrivate(world, page) || isReadOnly(world, page)) ? Flow.Next : Flow.Otherwise;
};

/** Otherwise the guest keeps what it has mapped: only the host's right changes. */
const readRangePrivate: Run = (world, task) => (anyPage(world, task, (page) => isPrivate(world, page)) ? Flow.Next : Flow.Otherwise);

const storeWritable: Run = (world, task) => {
  lift(world, task);
  world.meter.charge(Op['state.store']);
  return Flow.Next;
};

/** To-shared, from private or from read-only: entries stay write-protected until a write faults. */
export function liftToSharedSteps(): readonly Step[] {
  return toSharedSteps().flatMap((one) => {
    if (one.name === 'state.readRange') return [guarded('state.readRange', readRangeLifted, 'invalidate.unlock')];
    if (one.name === 'state.prealloc') return [one, guarded('state.readPrivate', readRangePrivate, 'state.lift')];
    if (one.name === 'state.store') return [steady('state.store', storeLifted(false))];
    if (one.name === 'seq.end') return [one, goTo('invalidate.unlock'), steady('state.lift', storeWritable)];
    return [one];
  });
}
