/**
 * Migration in place: a conversion treats its folios as if they moved. Every entry of the host becomes a migration entry, at which
 * whoever comes waits until the folio is unlocked; then the count is frozen, which fails while anybody else has a reference.
 *
 * Source: mm/migrate.c (migrate_folio_unmap, folio_migrate_mapping, remove_migration_ptes, migrate_pages_batch), mm/rmap.c
 * (try_to_migrate_one), include/linux/page_ref.h (folio_ref_freeze).
 * The folio lock is taken before the rmap walk, so that a fault in flight, which holds it until its entry is set, is waited for and
 * its entry found. A count of 0 makes every try-get fail, GUP-fast's first of all.
 * Differs from Linux: the folio moves nowhere; all folios of a range are locked, one after the other and in the order of the file,
 * where migrate_pages waits for the lock of one and only tries those of more; one flush a page table and VMA, under the page-table lock, where
 * try_to_migrate_one flushes entry by entry; a PMD is dropped as a split would (TTU_SPLIT_HUGE_PMD), where it could become one migration entry; an entry of a page that is private by then is dropped by the walk that would restore it.
 */
import { sendDrain, waitCalls } from './crossCalls.ts';
import { EntryBit } from './entries.ts';
import { addToEach, changeEntries, endOfEntries, nextEntry } from './entryRuns.ts';
import { Errno } from './errno.ts';
import { PageBit, headOf, isPrivate } from './file.ts';
import { cacheReferences, dropReference } from './folios.ts';
import { LockClass, checkOrder, lockId, noteHeld, noteReleased, waitFor } from './locks.ts';
import { Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { clearPmd, isPmd } from './pmd.ts';
import { blame } from './references.ts';
import { Flow, acquire, acquireUnless, free, freeWhen, goTo, guarded, release, releaseUnless, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag, addToGather, passesMax } from './tasks.ts';
import { beginWalk, chunkEnd, endWalk, lockTable, nextTable, nextVma, unlockWalkedTable, unmapEverywhereSteps } from './zap.ts';
import type { World } from './world.ts';

/** The folios that overlap the range: [rangeFirst, rangeLast). */
const rangeFirst = (world: World, task: number): number => headOf(world, world.rangeStart[task]);
function rangeLast(world: World, task: number): number {
  const mask = world.sizes.folioPages - 1;
  return Math.min((world.rangeEnd[task] + mask) & ~mask, world.shape.pages);
}

/** Makes the next folio of the range with this bit the walk; otherwise there is none behind the last one. */
function nextWith(world: World, task: number, bit: number): boolean {
  const { folioPages } = world.sizes;
  const last = rangeLast(world, task);
  for (let head = world.walkEnd[task]; head < last; head += folioPages) {
    if ((world.pageState[head] & bit) === 0) continue;
    world.walkStart[task] = head;
    world.walkEnd[task] = head + folioPages;
    return true;
  }
  return false;
}

const beginFolios: Run = (world, task) => {
  world.walkStart[task] = rangeFirst(world, task);
  world.walkEnd[task] = rangeFirst(world, task);
  return Flow.Next;
};

/* ---- locking and unmapping ---- */

/** Takes a reference on the next folio; otherwise there is none left. */
const getNext: Run = (world, task) => {
  if (!nextWith(world, task, PageBit.Present)) return Flow.Otherwise;
  world.refcount[world.walkStart[task]]++;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

/** Locks it beside those that it has locked before. */
const lockToMove: Run = (world, task) => {
  const head = world.walkStart[task];
  checkOrder(world, task, LockClass.Folio + 1);
  if (world.pageState[head] & PageBit.Locked) return waitFor(world, lockId(LockClass.Folio, head));
  world.pageState[head] |= PageBit.Locked | PageBit.Migrating;
  noteHeld(world, task, LockClass.Folio);
  world.meter.charge(Op['lock.folio']);
  return Flow.Next;
};

const nextPresent = (world: World, from: number, end: number): number => nextEntry(world, from, end, EntryBit.Present, EntryBit.Present);

/** Replaces the present entries of the chunk by migration entries; a PMD goes, and its pages fault again. All are flushed under the page-table lock, as dirty ones are by a zap. */
const setMigrationEntries: Run = (world, task) => {
  const { meter } = world;
  const base = world.walkWindow[task] * world.shape.pages;
  const first = world.walkCursor[task];
  if (world.shape.pmdMappings && isPmd(world, world.walkWindow[task], first)) {
    clearPmd(world, task, EntryBit.StaleZap, true);
    return Flow.Next;
  }
  const last = chunkEnd(world, task);
  let replaced = 0;
  let inRange = 0;
  let end = base + first;
  for (let at = nextPresent(world, end, base + last); at < base + last; at = nextPresent(world, end, base + last)) {
    end = endOfEntries(world, at, base + last, EntryBit.Present, EntryBit.Present);
    changeEntries(world, at, end, EntryBit.Present, EntryBit.Migration | EntryBit.StaleZap | EntryBit.RmapDelayed);
    addToGather(world, task, at - base, end - base);
    replaced += end - at;
    inRange += Math.max(0, Math.min(end - base, world.rangeEnd[task]) - Math.max(at - base, world.rangeStart[task]));
  }
  if (replaced > 0) world.flags[task] |= TaskFlag.DirtyTable;
  meter.chargeMany(Op['pte.check'], last - first);
  if (replaced > 0) meter.chargeMany(Op['pte.zap'], replaced);
  if (replaced > inRange) meter.chargeMany(Op['pte.zapNeighbour'], replaced - inRange);
  return Flow.Next;
};

/* ---- freezing ---- */

const beginCounts: Run = (world, task) => {
  world.cursor[task] = rangeFirst(world, task);
  return Flow.Next;
};

function countsEnd(world: World, task: number): number {
  return Math.min(world.cursor[task] + Math.max(world.shape.chunk, world.sizes.folioPages), rangeLast(world, task));
}

/** folio_ref_freeze of each folio of the chunk: from the owner's references and our own to 0. It stops at one that has more. */
const freezeCounts: Run = (world, task) => {
  const { refcount, pageState, meter } = world;
  const { folioPages } = world.sizes;
  const last = countsEnd(world, task);
  const expected = cacheReferences(world, world.cursor[task]) + 1;
  let tried = 0;
  let head = world.cursor[task];
  for (; head < last; head += folioPages) {
    if ((pageState[head] & PageBit.Migrating) === 0) continue;
    tried++;
    if (refcount[head] !== expected) {
      world.flags[task] |= TaskFlag.Refused;
      world.failedFolio[task] = head;
      if (++world.passes[task] === passesMax(world.shape)) blame(world, task, head);
      break;
    }
    refcount[head] = 0;
  }
  meter.chargeMany(Op['folio.readRef'], tried);
  world.cursor[task] = head;
  return head === last && head < rangeLast(world, task) ? Flow.Otherwise : Flow.Next;
};

const isFrozen: Run = (world, task) => (world.flags[task] & TaskFlag.Refused ? Flow.Otherwise : Flow.Next);

const unfreezeCounts: Run = (world, task) => {
  const { folioPages } = world.sizes;
  const last = countsEnd(world, task);
  for (let head = world.cursor[task]; head < last; head += folioPages) {
    if (world.pageState[head] & PageBit.Migrating && world.refcount[head] === 0) world.refcount[head] = cacheReferences(world, head) + 1;
  }
  world.cursor[task] = last;
  return last < rangeLast(world, task) ? Flow.Otherwise : Flow.Next;
};

/* ---- what becomes of the entries ---- */

const nextMigrating: Run = (world, task) => (nextWith(world, task, PageBit.Migrating) ? Flow.Next : Flow.Otherwise);

/** The walk of a VMA begins at its first page: a zap's notifier does that elsewhere. */
const startTables: Run = (world, task) => {
  world.walkCursor[task] = world.walkStart[task];
  return Flow.Next;
};

const nextMigrated = (world: World, from: number, end: number): number => nextEntry(world, from, end, EntryBit.Present | EntryBit.Migration, EntryBit.Migration);

/** Where the pages from `first` on that are all private, or all shared, end, or `end`. */
function endOfShareability({ pageState }: World, first: number, end: number): number {
  const flipped = pageState[first] & PageBit.Flipped;
  let page = first + 1;
  while (page < end && (pageState[page] & PageBit.Flipped) === flipped) page++;
  return page;
}

/** The entry of a page that is shared is as it was before; that of one that has turned private is none. The walk lies in one folio. */
const restoreEntries: Run = (world, task) => {
  const { mapcount, dataRefs, meter } = world;
  const base = world.walkWindow[task] * world.shape.pages;
  const first = world.walkCursor[task];
  const last = chunkEnd(world, task);
  let restored = 0;
  let end = base + first;
  for (let at = nextMigrated(world, end, base + last); at < base + last; at = nextMigrated(world, end, base + last)) {
    end = endOfEntries(world, at, base + last, EntryBit.Present | EntryBit.Migration, EntryBit.Migration);
    const isDropped = isPrivate(world, at - base);
    end = base + endOfShareability(world, at - base, end - base);
    if (isDropped) {
      changeEntries(world, at, end, EntryBit.Migration | EntryBit.Dirty, 0);
      continue;
    }
    addToEach(mapcount, at - base, end - base, 1);
    // A way to a page that is shared exposes nothing.
    addToEach(dataRefs, at - base, end - base, 1);
    changeEntries(world, at, end, EntryBit.Migration, EntryBit.Present);
    restored += end - at;
  }
  const head = headOf(world, first);
  world.refcount[head] += restored;
  if (world.shape.folioOrder > 0) world.largeMapcount[head >> world.shape.folioOrder] += restored;
  meter.chargeMany(Op['pte.check'], last - first);
  if (restored > 0) meter.chargeMany(Op['pte.set'], restored);
  world.walkCursor[task] = last;
  return last < world.walkEnd[task] && (last & (world.sizes.regionPages - 1)) !== 0 ? Flow.Otherwise : Flow.Next;
};

/** Unlocks the folio of the walk; whoever waits at one of its migration entries looks again. */
const unlockMoved: Run = (world, task) => {
  const head = world.walkStart[task];
  const { folioPages } = world.sizes;
  const last = rangeLast(world, task);
  world.pageState[head] &= ~(PageBit.Locked | PageBit.Migrating);
  let next = world.walkEnd[task];
  while (next < last && (world.pageState[next] & PageBit.Migrating) === 0) next += folioPages;
  if (next >= last) noteReleased(world, task, LockClass.Folio, head);
  // Nobody waits for the lock itself: whoever wants it came under invalidate_lock.
  world.meter.release(lockId(Waiting.Migration, head));
  return Flow.Next;
};

const putMoved: Run = (world, task) => {
  dropReference(world, world.walkStart[task], 1);
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

/* ---- passes ---- */

const isDone: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Refused) return Flow.Next;
  world.passes[task] = 0;
  return Flow.Otherwise;
};

/** A new folio may sit in an LRU batch: they are drained once a request. */
const drainOnce: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Drained || world.shape.lruBatch === 0 || world.shape.folioOrder > 0) return Flow.Otherwise;
  world.flags[task] |= TaskFlag.Drained;
  sendDrain(world, task);
  return Flow.Next;
};

/** Otherwise another pass; or it is over, with the folio that failed as the error's offset. */
const isGivenUp: Run = (world, task) => {
  const failed = world.failedFolio[task];
  world.failedFolio[task] = 0;
  if (world.passes[task] < passesMax(world.shape)) {
    world.flags[task] &= ~TaskFlag.Refused;
    return Flow.Otherwise;
  }
  world.passes[task] = 0;
  world.walkCursor[task] = failed;
  world.outcome[task] = Errno.EAGAIN;
  return Flow.Next;
};

/**
 * Steps that take the folios of the range as a migration does, do `commit` while their counts are frozen, and give them back; else
 * `outcome` is EAGAIN, and the host's entries are what they were. To be called with invalidate_lock held exclusively.
 */
export function migrateInPlaceSteps(commit: readonly Step[]): readonly Step[] {
  return [
    free('pass', beginFolios),
    steady('folio.get', getNext, 'freeze'),
    acquire('folio.lock', lockToMove),
    ...unmapEverywhereSteps(setMigrationEntries),
    goTo('folio.get'),
    free('freeze', beginCounts),
    steady('folio.freeze', freezeCounts, 'folio.freeze'),
    free('frozen', isFrozen, 'unfreeze'),
    ...commit,
    free('unfreeze', beginCounts),
    steady('folio.unfreeze', unfreezeCounts, 'folio.unfreeze'),
    free('restore', beginFolios),
    guarded('restore.folio', nextMigrating, 'pass.done'),
    acquireUnless('vmas')('restore.iMmap.readLock', beginWalk),
    freeWhen('vmas')('restore.nextVma', nextVma, 'restore.iMmap.readUnlock'),
    free('restore.vma', startTables),
    steady('restore.table', nextTable, 'restore.nextVma'),
    acquire('restore.ptlLock', lockTable),
    steady('pte.restore', restoreEntries, 'pte.restore'),
    release('restore.ptlUnlock', unlockWalkedTable),
    goTo('restore.table'),
    releaseUnless('vmas')('restore.iMmap.readUnlock', endWalk),
    release('folio.unlock', unlockMoved),
    steady('folio.putMoved', putMoved),
    goTo('restore.folio'),
    free('pass.done', isDone, 'migrated'),
    steady('lru.drain', drainOnce, 'pass.over'),
    waits('lru.wait', waitCalls),
    free('pass.over', isGivenUp, 'pass'),
    free('migrated', () => Flow.Next),
  ];
}
