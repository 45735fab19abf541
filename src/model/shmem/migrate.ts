/**
 * Migration of a page of the file to another frame: each entry becomes a migration entry, which keeps its bit, and an entry again.
 *
 * Source: mm/migrate.c (migrate_folio_unmap, migrate_folio_move, remove_migration_pte), mm/rmap.c (try_to_migrate_one). Kept entries have
 * nothing to migrate. The old and the new folio are locked until all entries are back.
 */
import { EntryBit, EntryType } from '../memory/entries.ts';
import { addMapping, allocateFrame, dropReference, takeReference } from '../memory/frames.ts';
import { dropFolioLock } from '../memory/locks.ts';
import { Errno } from '../errno.ts';
import { LockClass, lockId } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { lockFolio, lookupFolio, putFolio, unlockFolio } from './folios.ts';
import { isKept, maps, noteWalked, setEntry } from './kept.ts';
import type { Kept, WpRules } from './kept.ts';
import { beginCall, endCall } from './calls.ts';
import { isMigrationEntry } from './protect.ts';
import { WpFlag } from './tasks.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';
import { beginRmap, endRmap, lockWalked, nextTable, nextWindow, putGathered, removeMappings, sendZapFlush, unlockWalked, waitZapFlush, walkedWindow } from './zap.ts';

const walkPage: ShmemRun = (world, task) => {
  world.walkStart[task] = world.page[task];
  world.walkEnd[task] = world.page[task] + 1;
  return Flow.Next;
};

/** Otherwise the folio is no longer the file's. */
const isStillCached: ShmemRun = (world, task) => (world.cacheFrame[world.page[task]] === world.grabFrame[task] ? Flow.Next : Flow.Otherwise);

const place = (world: ShmemWorld, task: number): number => walkedWindow(world, task) * world.shape.pages + world.walkCursor[task];

/** The entry becomes a migration entry with the same bit. */
const freezeEntry = (keeps: Kept): ShmemRun => (world, task) => {
  const at = place(world, task);
  const bits = world.entry[at];
  const target = world.entryTarget[at];
  world.meter.charge(Op['pte.check']);
  if (isKept(bits, target)) noteWalked(world, keeps, 1);
  if (!maps(bits, target) || target !== world.grabFrame[task]) return Flow.Next;
  world.gathered[at] = target;
  if (bits & EntryBit.Write) world.stale[at] = target;
  world.flags[task] |= WpFlag.Changed;
  setEntry(world, walkedWindow(world, task), world.walkCursor[task], EntryType.Migration | (bits & EntryBit.UffdWp), target);
  world.meter.charge(Op['pte.zap']);
  return Flow.Next;
};

/** Otherwise somebody else has the folio, and it stays where it is. */
const moveFolio: ShmemRun = (world, task) => {
  const from = world.grabFrame[task] - 1;
  world.meter.charge(Op['folio.freeze']);
  if (world.frameRefs[from] !== 2 || world.frameMaps[from] !== 0) {
    world.outcome[task] = Errno.EBUSY;
    return Flow.Next;
  }
  const to = allocateFrame(world);
  // The new folio is locked as the old one is: nobody truncates it before its entries are back.
  world.frameFlags[to] = world.frameFlags[from];
  world.frameContent[to] = world.frameContent[from];
  // The page cache's reference goes over; the task's own on the new one goes with its own on the old one.
  world.cacheFrame[world.page[task]] = to + 1;
  world.newFrame[task] = to + 1;
  takeReference(world, to);
  dropReference(world, from);
  world.meter.charge(Op['page.copy']);
  return Flow.Next;
};

/** A migration entry of the folio maps where the page is now. */
const restoreEntry: ShmemRun = (world, task) => {
  const at = place(world, task);
  const bits = world.entry[at];
  if (!isMigrationEntry(bits) || world.entryTarget[at] !== world.grabFrame[task]) return Flow.Next;
  const frame = (world.newFrame[task] === 0 ? world.grabFrame[task] : world.newFrame[task]) - 1;
  takeReference(world, frame);
  addMapping(world, frame);
  const wp = bits & EntryBit.UffdWp;
  setEntry(world, walkedWindow(world, task), world.walkCursor[task], EntryBit.Present | (wp === 0 ? EntryBit.Write : wp), frame + 1);
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

const ifMoved: ShmemRun = (world, task) => (world.newFrame[task] === 0 ? Flow.Otherwise : Flow.Next);

/** The lock of the new folio was free to take, and is none of those that the task is noted to hold. */
const unlockMoved: ShmemRun = (world, task) => {
  const frame = world.newFrame[task] - 1;
  dropFolioLock(world, frame);
  world.meter.release(lockId(LockClass.Folio, frame));
  return Flow.Next;
};

const putMoved: ShmemRun = (world, task) => {
  dropReference(world, world.newFrame[task] - 1);
  world.newFrame[task] = 0;
  return Flow.Next;
};

const refuse: ShmemRun = (world, task) => {
  world.outcome[task] = Errno.EBUSY;
  return Flow.Next;
};

export const migrateSteps = ({ keeps }: WpRules): readonly ShmemStep[] => [
  free('call.begin', beginCall),
  steady('folio.lookup', lookupFolio, 'absent'),
  acquire('folio.lock', lockFolio),
  steady('folio.recheck', isStillCached, 'folio.unlock'),
  free('walk.begin', walkPage),
  acquire('freeze.rmapLock', beginRmap),
  guarded('freeze.window', nextWindow, 'freeze.rmapUnlock'),
  steady('freeze.table', nextTable, 'freeze.window'),
  acquire('freeze.lock', lockWalked),
  steady('freeze.entry', freezeEntry(keeps)),
  steady('tlb.send', sendZapFlush, 'freeze.unlock'),
  waits('tlb.wait', waitZapFlush),
  steady('rmap.remove', removeMappings),
  steady('gather.put', putGathered),
  release('freeze.unlock', unlockWalked, 'freeze.table'),
  release('freeze.rmapUnlock', endRmap),
  steady('folio.move', moveFolio),
  free('walk.again', walkPage),
  acquire('restore.rmapLock', beginRmap),
  guarded('restore.window', nextWindow, 'restore.rmapUnlock'),
  steady('restore.table', nextTable, 'restore.window'),
  acquire('restore.lock', lockWalked),
  steady('restore.entry', restoreEntry),
  release('restore.unlock', unlockWalked, 'restore.table'),
  release('restore.rmapUnlock', endRmap),
  release('folio.unlock', unlockFolio),
  steady('folio.put', putFolio),
  free('moved', ifMoved, 'call.end'),
  release('moved.unlock', unlockMoved),
  steady('moved.put', putMoved),
  goTo('call.end'),
  free('absent', refuse),
  free('call.end', endCall),
];

