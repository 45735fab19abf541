/**
 * Fault-around: a fault for a read maps the neighbours that are in the page cache, too, and asks nobody.
 *
 * Source: mm/memory.c (do_fault_around, should_fault_around), mm/filemap.c (filemap_map_pages, next_uptodate_folio); "mm: Don't fault around
 * userfaultfd-registered regions on reads" (Peter Xu, Nov 2020).
 * It takes folios by trylock and never waits, not for a hole that is being punched either; entries that are not empty it leaves alone.
 */
import { EntryBit } from '../memory/entries.ts';
import { FrameBit, addMapping, dropReference, takeReference } from '../memory/frames.ts';
import { dropFolioLock, lockEntry, unlockEntry } from '../memory/locks.ts';
import { WindowFlag } from '../memory/windows.ts';
import { LockClass, lockId } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, goTo, guarded, release, steady } from '../step.ts';
import { isEmpty, isKept, maps, needTable, noteSpecial, setEntry } from './kept.ts';
import type { WpRules } from './kept.ts';
import { ownEntry, wantsWrite } from './tasks.ts';
import type { ShmemRun, ShmemStep } from './world.ts';

/** Otherwise the page is mapped alone: for a write, where something is kept, and where the window is armed and the policy does not map around there. */
const wantsNeighbours = ({ aroundArmed }: WpRules): ShmemRun => (world, task) => {
  if (wantsWrite(world, task) || !isEmpty(world.readEntry[task])) return Flow.Otherwise;
  return aroundArmed || (world.windowFlags[world.window[task]] & WindowFlag.UffdWp) === 0 ? Flow.Next : Flow.Otherwise;
};

/** The window of pages, aligned and within one page table. */
const beginAround: ShmemRun = (world, task) => {
  const { faultAroundPages, pages, regionOrder } = world.shape;
  const page = world.page[task];
  const count = Math.min(faultAroundPages, 1 << regionOrder);
  const first = page - (page & (count - 1));
  world.walkCursor[task] = first;
  world.walkEnd[task] = Math.min(first + count, pages);
  return Flow.Next;
};

/** Takes the next folio of the page cache by trylock, with a reference; otherwise the last page was looked at. */
const tryNextFolio: ShmemRun = (world, task) => {
  const { walkCursor, walkEnd, cacheFrame, frameFlags } = world;
  let page = walkCursor[task];
  const last = walkEnd[task];
  while (page < last && (cacheFrame[page] === 0 || frameFlags[cacheFrame[page] - 1] & FrameBit.Locked)) page++;
  walkCursor[task] = page;
  if (page === last) return Flow.Otherwise;
  const frame = cacheFrame[page] - 1;
  frameFlags[frame] |= FrameBit.Locked;
  takeReference(world, frame);
  world.oldFrame[task] = frame + 1;
  return Flow.Next;
};

/** Maps it where the entry is empty: the reference becomes the mapping's. */
const mapNeighbour: ShmemRun = (world, task) => {
  const window = world.window[task];
  const page = world.walkCursor[task];
  const at = window * world.shape.pages + page;
  const frame = world.oldFrame[task] - 1;
  world.grabFrame[task] = frame + 1;
  world.oldFrame[task] = 0;
  if (isKept(world.entry[at], world.entryTarget[at])) noteSpecial(world, 'none');
  if (!isEmpty(world.entry[at])) {
    dropReference(world, frame);
    return Flow.Next;
  }
  needTable(world, window, page);
  setEntry(world, window, page, EntryBit.Present | EntryBit.Write, frame + 1);
  addMapping(world, frame);
  world.meter.charge(Op['pte.set']);
  if (page !== world.page[task]) world.meter.note(Op['fault.around']);
  return Flow.Next;
};

/** A trylock takes part in no order, so that it is not among the locks that the task holds. */
const unlockNeighbour: ShmemRun = (world, task) => {
  const frame = world.grabFrame[task] - 1;
  dropFolioLock(world, frame);
  world.meter.release(lockId(LockClass.Folio, frame));
  world.grabFrame[task] = 0;
  world.walkCursor[task]++;
  return Flow.Otherwise;
};

/** Otherwise the page itself was not among them. */
const isMappedNow: ShmemRun = (world, task) => {
  const at = ownEntry(world, task);
  world.walkCursor[task] = 0;
  world.walkEnd[task] = 0;
  return maps(world.entry[at], world.entryTarget[at]) ? Flow.Next : Flow.Otherwise;
};

/** Steps that map around a page, and end the fault where that mapped the page itself. Goes on at `hole.wait` otherwise. */
export function aroundSteps(rules: WpRules): readonly ShmemStep[] {
  return [
    guarded('around.wanted', wantsNeighbours(rules), 'hole.wait'),
    free('around.begin', beginAround),
    acquire('around.lock', lockEntry),
    steady('around.tryLock', tryNextFolio, 'around.done'),
    steady('around.set', mapNeighbour),
    steady('around.unlock', unlockNeighbour, 'around.tryLock'),
    guarded('around.done', isMappedNow, 'around.unlockMissed'),
    release('around.ptlUnlock', unlockEntry),
    goTo('end'),
    release('around.unlockMissed', unlockEntry),
  ];
}
