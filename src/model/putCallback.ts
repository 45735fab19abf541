/**
 * Put callbacks: a page that somebody still has goes into a third state, in which neither side may use it, and turns private when the
 * last reference is put. The way into that state, the worker that ends it, and what
 * takes a page out of it otherwise. Who waits for its end is in draining.ts.
 *
 * Source: "KVM: Restricted mapping of guest_memfd at the host" (gmem_clear_mappable, __gmem_register_callback,
 * __kvm_gmem_restore_pending_folio, kvm_gmem_handle_folio_put).
 * The type is set before the count is looked at, and the looker keeps its own reference until then: a put in between either is
 * counted, or is not the last one, which then calls back.
 * Differs from Linux: what no mail says is decided so that a page can always leave the third state. A to-shared takes the callback back; a hole
 * in the file ends the wait, since what the host has is no longer that page (there the callback would find a folio without a file);
 * fallocate leaves the page alone, since a lookup tries again for ever at a count of 0. LRU batches are drained once a request.
 */
import { preallocateState, readRangeState, storePages, writeLockInvalidate, writeUnlockInvalidate } from './convert.ts';
import { sendDrain, waitCalls } from './crossCalls.ts';
import { endDraining, firstDraining } from './draining.ts';
import { Errno } from './errno.ts';
import { lockFolio, putFolio, unlockFolio } from './fault.ts';
import { PageBit, isDraining, isPrivate, rangeIs } from './file.ts';
import { cacheReferences, folioMapcount } from './folios.ts';
import { FolioType, setFolioType } from './folioType.ts';
import { endInvalidation, stage2ZapSteps } from './invalidation.ts';
import { Op } from './operations.ts';
import { blame } from './references.ts';
import { Flow, acquire, end, free, freeWhen, goTo, guarded, release, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** The commit of one page. */
function storePrivate(world: World, page: number): void {
  storePages(world, page, page + 1, true);
  endDraining(world, page);
  world.meter.charge(Op['state.store']);
}

/* ---- to-private ---- */

const beginPages: Run = (world, task) => {
  world.cursor[task] = world.rangeStart[task];
  world.cursorEnd[task] = 0;
  world.page[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Finds the next page that is neither private nor waits for its callback already; otherwise there is none left. */
const nextPage: Run = (world, task) => {
  const last = world.rangeEnd[task];
  let page = world.cursor[task];
  while (page < last && (isPrivate(world, page) || world.folioType[page] !== FolioType.None)) page++;
  world.cursor[task] = page + 1;
  world.flags[task] &= ~TaskFlag.Refused;
  if (page >= last) return Flow.Otherwise;
  world.page[task] = page;
  return Flow.Next;
};

/** Takes a reference on the folio; otherwise the page has none, and nobody can be in the way. */
const getFolio: Run = (world, task) => {
  const page = world.page[task];
  if ((world.pageState[page] & PageBit.Present) === 0) return Flow.Otherwise;
  world.refcount[page]++;
  world.flags[task] |= TaskFlag.HoldsFolio;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

/** Otherwise somebody has the folio beside its owner and this lookup. */
const readCount: Run = (world, task) => {
  world.meter.charge(Op['folio.readRef']);
  return world.refcount[world.page[task]] === cacheReferences(world, world.page[task]) + 1 ? Flow.Next : Flow.Otherwise;
};

const drainOnce: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Drained || world.shape.lruBatch === 0) return Flow.Otherwise;
  world.flags[task] |= TaskFlag.Drained;
  sendDrain(world, task);
  return Flow.Next;
};

const storeNone: Run = (world, task) => {
  const page = world.page[task];
  world.pageState[page] |= PageBit.Draining;
  world.flags[task] |= TaskFlag.Refused;
  world.meter.charge(Op['state.store']);
  blame(world, task, page);
  return Flow.Next;
};

/** The type takes the place of the mapping count, so that a mapped folio can have none: the VMM has to unmap it first. */
const ifUnmapped: Run = (world, task) => {
  world.meter.charge(Op['folio.readRef']);
  return folioMapcount(world, world.page[task]) === 0 ? Flow.Next : Flow.Otherwise;
};

const setType: Run = (world, task) => {
  setFolioType(world, world.page[task], FolioType.Set);
  return Flow.Next;
};

/** folio_ref_sub_return: gives the page cache's references up and looks what is left, in one; otherwise it is more than this lookup's. */
const giveUpReferences: Run = (world, task) => {
  const page = world.page[task];
  world.refcount[page] -= cacheReferences(world, page);
  setFolioType(world, page, FolioType.Armed);
  world.meter.charge(Op['folio.readRef']);
  return world.refcount[page] === 1 ? Flow.Next : Flow.Otherwise;
};

/** The page cache has its references again. Where the folio has no callback it never was without. */
const restoreReferences: Run = (world, task) => {
  const page = world.page[task];
  if (world.folioType[page] < FolioType.Armed) return Flow.Next;
  world.refcount[page] += cacheReferences(world, page);
  setFolioType(world, page, FolioType.Set);
  return Flow.Next;
};

const clearType: Run = (world, task) => {
  setFolioType(world, world.page[task], FolioType.None);
  world.flags[task] &= ~TaskFlag.Refused;
  return Flow.Next;
};

/** Otherwise the page is in the third state. */
const ifUnused: Run = (world, task) => (world.flags[task] & TaskFlag.Refused ? Flow.Otherwise : Flow.Next);

const storeOne: Run = (world, task) => {
  storePrivate(world, world.page[task]);
  return Flow.Next;
};

/** EAGAIN where a page of the range is in the third state, whether its callback will end that or nobody. */
const answer: Run = (world, task) => {
  const first = firstDraining(world, task);
  world.outcome[task] = first < 0 ? Errno.OK : Errno.EAGAIN;
  if (first >= 0) {
    world.walkCursor[task] = first;
    // The guest accepts them with the others, once all are its own.
    if (world.accepting.length > 0) for (let page = first; page < world.rangeEnd[task]; page++) if (isDraining(world, page)) world.accepting[task]++;
  }
  world.cursor[task] = 0;
  // Where a guest's fault started the request that is the page that it goes on with.
  world.page[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Steps that register the callback of a locked folio that is in use; they go on at `folio.unlock`. */
export function registerSteps(): readonly Step[] {
  return [
    steady('state.none', storeNone),
    steady('folio.readMapcount', ifUnmapped, 'folio.unlock'),
    steady('folio.setType', setType),
    steady('folio.giveUpReferences', giveUpReferences, 'folio.unlock'),
    steady('folio.restoreReferences', restoreReferences),
    steady('folio.clearType', clearType),
  ];
}

/** The kernel's to-private. `outcome`: OK, or EAGAIN where some of the range is in the third state. What could be converted is. */
export function drainToPrivateSteps(register: readonly Step[] = registerSteps()): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    free('pages', beginPages),
    guarded('page.next', nextPage, 'answer'),
    steady('folio.lookupGet', getFolio, 'page.unused'),
    acquire('folio.lock', lockFolio),
    steady('folio.readRef', readCount, 'lru.drain'),
    goTo('folio.unlock'),
    steady('lru.drain', drainOnce, 'state.none'),
    waits('lru.wait', waitCalls),
    goTo('folio.readRef'),
    ...register,
    release('folio.unlock', unlockFolio),
    steady('folio.put', putFolio),
    free('page.unused', ifUnused, 'page.next'),
    steady('state.store', storeOne),
    goTo('page.next'),
    guarded('answer', answer),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

/* ---- the callback ---- */

/** Takes the next folio whose work is queued; the worker sleeps where there is none. */
const nextWork: Run = (world, task) => {
  if (world.workCount[0] === 0) return Flow.Done;
  const page = world.workFirst[0] - 1;
  world.page[task] = page;
  world.rangeStart[task] = page;
  world.rangeEnd[task] = page + 1;
  world.meter.charge(Op['work.run']);
  return Flow.Next;
};

/** Otherwise somebody with the lock was first: the callback was taken back, or there is a hole. */
const isQueued: Run = (world, task) => (world.folioType[world.page[task]] === FolioType.Queued ? Flow.Next : Flow.Otherwise);

/** Nobody has given this up: the guest has what it wanted. */
const storeDrained: Run = (world, task) => {
  const page = world.page[task];
  world.pageState[page] &= ~PageBit.Degraded;
  storePrivate(world, page);
  return Flow.Next;
};

/** Routine of the worker: the end of each conversion whose last reference was put. Stage-2 was zapped when the page came into the third state. */
export function callbackSteps(): readonly Step[] {
  return [
    steady('work.next', nextWork),
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('work.isQueued', isQueued, 'invalidate.unlock'),
    steady('folio.restoreReferences', restoreReferences),
    steady('folio.clearType', clearType),
    steady('state.store', storeDrained),
    release('invalidate.unlock', writeUnlockInvalidate),
    goTo('work.next'),
  ];
}

/* ---- to-shared, and holes ---- */

/** Otherwise the whole range is shared. */
const readRangeDrained: Run = (world, task) => {
  world.meter.charge(Op['state.read']);
  world.outcome[task] = Errno.OK;
  return firstDraining(world, task) < 0 && rangeIs(world, world.rangeStart[task], world.rangeEnd[task], false) ? Flow.Otherwise : Flow.Next;
};

/** Finds the next page in the third state; otherwise there is none left. */
const nextDraining: Run = (world, task) => {
  const last = world.rangeEnd[task];
  let page = world.cursor[task];
  while (page < last && !isDraining(world, page)) page++;
  world.cursor[task] = page + 1;
  if (page >= last) {
    world.cursor[task] = 0;
    world.page[task] = world.rangeStart[task];
    return Flow.Otherwise;
  }
  world.page[task] = page;
  return Flow.Next;
};

const clearTypeAndShare: Run = (world, task) => {
  clearType(world, task);
  endDraining(world, world.page[task]);
  return Flow.Next;
};

/**
 * Takes the callbacks of the range back, whether they have been called or not. The references come before the type goes: without it
 * a last put would free the folio. @param shares the pages leave the third state for the first
 */
export function takeBackSteps({ shares }: { readonly shares: boolean }): readonly Step[] {
  return [
    free('callbacks', beginPages),
    guarded('callback.next', nextDraining, 'callbacks.done'),
    steady('folio.restoreReferences', restoreReferences),
    steady('folio.clearType', shares ? clearTypeAndShare : clearType),
    goTo('callback.next'),
    free('callbacks.done', () => Flow.Next),
  ];
}

const storeShared: Run = (world, task) => {
  storePages(world, world.rangeStart[task], world.rangeEnd[task], false);
  world.outcome[task] = Errno.OK;
  world.meter.charge(Op['state.store']);
  return Flow.Next;
};

/** To-shared, from private or from the third state: no reference is checked. */
export function drainToSharedSteps(): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeDrained, 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    ...takeBackSteps({ shares: true }),
    steady('state.store', storeShared),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

/** A page that was in the third state has no folio any more: what the host has is no longer this page. */
const storePunched: Run = (world, task) => {
  const page = world.page[task];
  if (isDraining(world, page)) storeDrained(world, task);
  return Flow.Next;
};

export const punchedStep: Step = steady('state.punched', storePunched);
