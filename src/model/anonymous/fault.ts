/**
 * The page fault: nothing there yet (zeros, a new page, a page of the file), or something that the access may not do.
 *
 * Source: mm/memory.c (handle_pte_fault, do_anonymous_page, do_read_fault, do_cow_fault). mmap_lock is held for reading; the entry is read
 * without its lock, and compared again under it. `outcome`: OK where the access may try again, or SIGSEGV.
 * Differs from Linux: no huge zero page (a read of a huge region maps the zero page into a page table); memory is never short.
 */
import { Errno } from '../errno.ts';
import { EntryBit, OF_VMA, entryAt, isNone, isPresent, isSwapEntry } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME, addMapping, allocateFrame, allocateHuge, dropReference, takeReference } from '../memory/frames.ts';
import { lockEntry, unlockEntry } from '../memory/locks.ts';
import { Backing, isPrivateMapping } from '../memory/windows.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, callRoutine, end, free, goTo, guarded, release, steady } from '../step.ts';
import { AnonymousFlag } from './kinds.ts';
import { NEW_ANONYMOUS, allocateHugetlb, changeFlags, fitsPmd, isHugetlb, regionPages, setPmd } from './pmd.ts';
import { serves } from './access.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

export const at = (world: AnonymousWorld, task: number): number => entryAt(world, world.window[task], world.page[task]);
export const wantsWrite = ({ flags }: AnonymousWorld, task: number): boolean => (flags[task] & AnonymousFlag.Write) !== 0;
export const wantsUnshare = ({ flags }: AnonymousWorld, task: number): boolean => (flags[task] & AnonymousFlag.Unshare) !== 0;

/** Reads the entry without its lock; otherwise there is nothing to do, or no VMA that allows it. */
const readEntry: Run = (world, task) => {
  const { meter, window, page, flags } = world;
  world.outcome[task] = Errno.OK;
  flags[task] &= ~AnonymousFlag.Again;
  if (page[task] >= world.shape.pages || world.windowBacking[window[task]] === Backing.None) {
    world.outcome[task] = Errno.SIGSEGV;
    return Flow.Otherwise;
  }
  const bits = world.entry[at(world, task)];
  meter.charge(Op['pte.check']);
  if (bits & EntryBit.NoVma || (bits & EntryBit.ReadOnlyVma && wantsWrite(world, task))) {
    world.outcome[task] = Errno.SIGSEGV;
    return Flow.Otherwise;
  }
  world.readEntry[task] = bits;
  world.readTarget[task] = world.entryTarget[at(world, task)];
  return serves(bits, wantsWrite(world, task)) && !wantsUnshare(world, task) ? Flow.Otherwise : Flow.Next;
};

/** Whether the entry is as it was read. */
export const isSame = (world: AnonymousWorld, task: number): boolean =>
  world.entry[at(world, task)] === world.readEntry[task] && world.entryTarget[at(world, task)] === world.readTarget[task];

const ifNotPresent: Run = (world, task) => (isPresent(world.readEntry[task]) ? Flow.Otherwise : Flow.Next);
const ifNone: Run = (world, task) => (isSwapEntry(world.readEntry[task]) ? Flow.Otherwise : Flow.Next);
const ifAnonymous: Run = (world, task) => (world.windowBacking[world.window[task]] === Backing.Anonymous ? Flow.Next : Flow.Otherwise);
/** A read that zeros will do for: hugetlb has no page of them, and allocates at once (hugetlb_no_page). */
const ifRead: Run = (world, task) => (wantsWrite(world, task) || isHugetlb(world, world.window[task]) ? Flow.Otherwise : Flow.Next);
const ifDone: Run = (world, task) => (world.flags[task] & AnonymousFlag.Again ? Flow.Otherwise : Flow.Next);

/** A read finds zeros: the zero page, which nobody counts. */
const setZero: Run = (world, task) => {
  const entry = at(world, task);
  if (!isNone(world.entry[entry])) return Flow.Next;
  world.entry[entry] = (world.entry[entry] & OF_VMA) | EntryBit.Present;
  world.entryTarget[entry] = ZERO_FRAME + 1;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

/** A page of zeros for whoever writes first: a huge one where the VMA wants it and it fits. */
const allocateZeroed: Run = (world, task) => {
  const allocate = isHugetlb(world, world.window[task]) ? allocateHugetlb : allocateHuge;
  const head = fitsPmd(world, world.window[task], world.page[task]) ? allocate(world) : -1;
  const frame = head < 0 ? allocateFrame(world) : head;
  world.newFrame[task] = frame + 1;
  world.meter.chargeMany(Op['page.clear'], head < 0 ? 1 : regionPages(world));
  return Flow.Next;
};

/** Maps the new page, the mapping's alone, and writable where that is wanted; otherwise somebody was faster. */
const setNew: Run = (world, task) => {
  const entry = at(world, task);
  const frame = world.newFrame[task] - 1;
  const bits = EntryBit.Present | (wantsWrite(world, task) ? EntryBit.Write | EntryBit.Dirty : 0);
  if (frame >= world.shape.frames) {
    if (!fitsPmd(world, world.window[task], world.page[task])) return Flow.Otherwise;
    changeFlags(world, frame, 0, NEW_ANONYMOUS);
    setPmd(world, world.window[task], world.page[task], frame, bits);
    world.newFrame[task] = 0;
    return Flow.Next;
  }
  if (!isNone(world.entry[entry])) return Flow.Otherwise;
  mapNew(world, task, entry, bits);
  return Flow.Next;
};

/** The task's new frame is mapped at `entry`, anonymous and exclusive; its reference is the mapping's from now on. */
export function mapNew(world: AnonymousWorld, task: number, entry: number, bits: number): void {
  const frame = world.newFrame[task] - 1;
  world.newFrame[task] = 0;
  world.frameFlags[frame] |= NEW_ANONYMOUS;
  addMapping(world, frame);
  world.entry[entry] = (world.entry[entry] & OF_VMA) | bits;
  world.entryTarget[entry] = frame + 1;
  world.meter.charge(Op['pte.set']);
}

export const putNew: Run = (world, task) => {
  dropReference(world, world.newFrame[task] - 1);
  world.newFrame[task] = 0;
  return Flow.Next;
};

export const putOld: Run = (world, task) => {
  dropReference(world, world.oldFrame[task] - 1);
  world.oldFrame[task] = 0;
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

/** Takes a reference on the page of the file; otherwise the file has none yet. */
const lookup: Run = (world, task) => {
  const cached = world.cacheFrame[world.page[task]];
  if (cached === 0) return Flow.Otherwise;
  takeReference(world, cached - 1);
  world.oldFrame[task] = cached;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

const allocatePage: Run = (world, task) => {
  world.newFrame[task] = allocateFrame(world) + 1;
  world.meter.charge(Op['page.clear']);
  return Flow.Next;
};

/** The new page becomes the file's, where it has none. */
const insertPage: Run = (world, task) => {
  const page = world.page[task];
  const frame = world.newFrame[task] - 1;
  world.newFrame[task] = 0;
  if (world.cacheFrame[page] !== 0) {
    dropReference(world, frame);
    return Flow.Next;
  }
  world.cacheFrame[page] = frame + 1;
  world.frameFlags[frame] |= FrameBit.UpToDate;
  world.meter.charge(Op['pageCache.insert']);
  return Flow.Next;
};

const ifNotCow: Run = (world, task) => (wantsWrite(world, task) && isPrivateMapping(world, world.window[task]) ? Flow.Otherwise : Flow.Next);

/** Maps the file's page: for writing where the mapping is shared and that is wanted. The lookup's reference is the mapping's then. */
const setFile: Run = (world, task) => {
  const entry = at(world, task);
  if (!isNone(world.entry[entry])) return Flow.Otherwise;
  const frame = world.oldFrame[task] - 1;
  world.oldFrame[task] = 0;
  addMapping(world, frame);
  world.entry[entry] = (world.entry[entry] & OF_VMA) | EntryBit.Present | (wantsWrite(world, task) ? EntryBit.Write | EntryBit.Dirty : 0);
  world.entryTarget[entry] = frame + 1;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

const allocateCopy: Run = (world, task) => {
  world.newFrame[task] = allocateFrame(world) + 1;
  return Flow.Next;
};

/** Copies the page of `oldFrame` to the new one, for a write fault. */
const copyFile: Run = (world, task) => {
  world.frameContent[world.newFrame[task] - 1] = world.frameContent[world.oldFrame[task] - 1];
  world.meter.charge(Op['page.copy']);
  world.meter.note(Op['copy.writeFault']);
  return Flow.Next;
};

/** Routine `fault`. @param swap the world has swap */
export function faultSteps({ swap }: { readonly swap: boolean }): readonly Step[] {
  return [
    steady('pte.read', readEntry, 'done'),
    free('pte.isAbsent', ifNotPresent, 'present'),
    ...(swap ? [free('pte.isNone', ifNone, 'swap.in')] : []),
    guarded('vma.isAnonymous', ifAnonymous, 'pageCache.get'),
    guarded('fault.isRead', ifRead, 'folio.alloc'),
    acquire('ptl.lockZero', lockEntry),
    steady('pte.setZero', setZero),
    release('ptl.unlockZero', unlockEntry),
    goTo('done'),
    steady('folio.alloc', allocateZeroed),
    acquire('ptl.lockNew', lockEntry),
    steady('pte.setNew', setNew, 'ptl.unlockRace'),
    release('ptl.unlockNew', unlockEntry),
    goTo('done'),
    release('ptl.unlockRace', unlockEntry),
    steady('folio.putNew', putNew),
    goTo('done'),

    steady('pageCache.get', lookup, 'pageCache.alloc'),
    free('fault.isNoCopy', ifNotCow, 'cow.alloc'),
    acquire('ptl.lockFile', lockEntry),
    steady('pte.setFile', setFile, 'ptl.unlockFile'),
    release('ptl.unlockMapped', unlockEntry),
    goTo('done'),
    release('ptl.unlockFile', unlockEntry),
    steady('folio.putFile', putOld),
    goTo('done'),
    steady('pageCache.alloc', allocatePage),
    steady('pageCache.insert', insertPage),
    goTo('pageCache.get'),
    steady('cow.alloc', allocateCopy),
    steady('cow.copy', copyFile),
    acquire('ptl.lockCow', lockEntry),
    steady('pte.setCow', setNew, 'ptl.unlockCowRace'),
    release('ptl.unlockCow', unlockEntry),
    goTo('folio.putFile'),
    release('ptl.unlockCowRace', unlockEntry),
    steady('folio.putCow', putNew),
    goTo('folio.putFile'),

    ...(swap ? [callRoutine('swap.in', 'swapIn'), goTo('done')] : []),
    callRoutine('present', 'writeProtected'),
    free('again', ifDone, 'pte.read'),
    { ...end, name: 'done' },
  ];
}
