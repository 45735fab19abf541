/**
 * The write-protect fault: a write, or FAULT_FLAG_UNSHARE, at an entry that is present and read-only. Reuse the page, or copy it.
 *
 *     PageAnonExclusive                       reuse
 *     small, and nobody else has a reference  reuse, and exclusive from now on
 *     large, and all references are mappings
 *       of this process                       reuse, and exclusive from now on
 *     else                                    copy
 *
 * An unshare does the same, but leaves the entry read-only and the page clean: GUP wants the page to stay, and nobody has written.
 * The copy is made without the page-table lock. The reference on the old page keeps it as it is: whoever else maps it sees a count above
 * one, and copies too. hugetlb decides by the mapping count, which no reference raises.
 *
 * Source: mm/memory.c (do_wp_page, wp_can_reuse_anon_folio, __wp_can_reuse_large_anon_folio, wp_page_copy), mm/huge_memory.c
 * (do_huge_pmd_wp_page), mm/hugetlb.c (hugetlb_wp).
 */
import { sendFlush, waitCalls } from '../crossCalls.ts';
import { EntryBit, OF_VMA, entryAt } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME, allocateFrame, dropReference, hugeOf, isLarge, mapcountOf, refcountOf, removeMapping, takeReference } from '../memory/frames.ts';
import { dropFolioLock, lockEntry, unlockEntry } from '../memory/locks.ts';
import { isPrivateMapping } from '../memory/windows.ts';
import { lockId, LockClass } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, end, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { AnonymousFlag } from './kinds.ts';
import { at, isSame, mapNew, putNew, putOld, wantsUnshare, wantsWrite } from './fault.ts';
import { NEW_ANONYMOUS, allocateHugetlb, changeFlags, changePmd, clearPmd, isHugetlb, isPmd, regionPages, regionStart, removePmdMapping, setPmd, splitPmd } from './pmd.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';
import type { UnsharingRules } from './rules.ts';

const target = (world: AnonymousWorld, task: number): number => world.entryTarget[at(world, task)] - 1;
const isAnon = ({ frameFlags }: AnonymousWorld, frame: number): boolean => (frameFlags[frame] & FrameBit.Anon) !== 0;

/** The entry is as it was read and needs more than a bit; otherwise the access tries again. */
const compareEntry: Run = (world, task) => {
  if (!isSame(world, task)) return Flow.Otherwise;
  const bits = world.readEntry[task];
  if (bits & EntryBit.Write || (!wantsWrite(world, task) && !wantsUnshare(world, task))) return Flow.Otherwise;
  if (isPrivateMapping(world, world.window[task])) return Flow.Next;
  if (wantsWrite(world, task)) world.entry[at(world, task)] |= EntryBit.Write | EntryBit.Dirty;
  return Flow.Otherwise;
};

const ifExclusive: Run = (world, task) => {
  const flags = world.frameFlags[target(world, task)];
  return (flags & (FrameBit.Anon | FrameBit.Exclusive)) === (FrameBit.Anon | FrameBit.Exclusive) ? Flow.Next : Flow.Otherwise;
};

/** Present entries of the window that map the folio: where all mappings of it are these, no other process has it. */
function ownMappings(world: AnonymousWorld, task: number, frame: number): number {
  const window = world.window[task];
  const folio = hugeOf(world, frame);
  const first = regionStart(world, world.page[task]);
  let count = 0;
  for (let page = first; page < first + regionPages(world); page++) {
    const entry = entryAt(world, window, page);
    if (world.entry[entry] & EntryBit.Present && hugeOf(world, world.entryTarget[entry] - 1) === folio) count++;
  }
  return count;
}

/** Whether the counts allow to reuse the page: nobody refers to it but this mapping, and the swap cache. */
function mayReuse(world: AnonymousWorld, task: number, cached: number): boolean {
  const frame = target(world, task);
  if (!isAnon(world, frame)) return false;
  if (isPmd(world, world.window[task], world.page[task])) return isHugetlb(world, world.window[task]) ? mapcountOf(world, frame) === 1 : refcountOf(world, frame) === 1;
  if (isLarge(world, frame)) return mapcountOf(world, frame) === refcountOf(world, frame) && ownMappings(world, task, frame) === mapcountOf(world, frame);
  return refcountOf(world, frame) <= 1 + cached;
}

const inSwapCache = (world: AnonymousWorld, task: number): boolean => world.frameSwap.length > 0 && world.frameSwap[target(world, task)] !== 0;

const readRefs: Run = (world, task) => {
  world.meter.charge(Op['folio.readRef']);
  return mayReuse(world, task, inSwapCache(world, task) ? 1 : 0) ? Flow.Next : Flow.Otherwise;
};

/** folio_trylock, under the page-table lock; otherwise somebody has it. */
const tryLock: Run = (world, task) => {
  const frame = target(world, task);
  if (world.frameFlags[frame] & FrameBit.Locked) return Flow.Otherwise;
  world.frameFlags[frame] |= FrameBit.Locked;
  return Flow.Next;
};

/** folio_free_swap: where no entry names the slot, the swap cache lets go. */
const freeSwap: Run = (world, task) => {
  leaveSwapCache(world, target(world, task));
  return Flow.Next;
};

/** Takes a frame whose slot nobody names out of the swap cache. */
export function leaveSwapCache(world: AnonymousWorld, frame: number): void {
  const slot = world.frameSwap[frame] - 1;
  if (slot < 0 || world.swapCount[slot] > 0) return;
  world.frameSwap[frame] = 0;
  world.swapFrame[slot] = 0;
  world.swapContent[slot] = 0;
  dropReference(world, frame);
}

const recheck: Run = (world, task) => (refcountOf(world, target(world, task)) === 1 ? Flow.Next : Flow.Otherwise);

const setExclusive: Run = (world, task) => {
  const frame = target(world, task);
  if (isPmd(world, world.window[task], world.page[task])) changeFlags(world, frame - (frame - world.shape.frames) % regionPages(world), 0, FrameBit.Exclusive);
  else world.frameFlags[frame] |= FrameBit.Exclusive;
  return Flow.Next;
};

const unlockTried: Run = (world, task) => {
  const frame = target(world, task);
  dropFolioLock(world, frame);
  world.meter.release(lockId(LockClass.Folio, frame));
  return Flow.Next;
};

/** wp_page_reuse: writable and dirty from now on, unless GUP only wanted the page to itself. */
const reuse: Run = (world, task) => {
  world.meter.note(Op['fault.reuse']);
  if (wantsUnshare(world, task)) return Flow.Next;
  const { window, page } = world;
  if (isPmd(world, window[task], page[task])) changePmd(world, window[task], page[task], 0, EntryBit.Write | EntryBit.Dirty);
  else world.entry[at(world, task)] |= EntryBit.Write | EntryBit.Dirty;
  world.meter.charge(Op['pte.protect']);
  return Flow.Next;
};

const ifNoPmd: Run = (world, task) => (isPmd(world, world.window[task], world.page[task]) ? Flow.Otherwise : Flow.Next);
const ifHugetlb: Run = (world, task) => (isHugetlb(world, world.window[task]) ? Flow.Next : Flow.Otherwise);

const splitMapping: Run = (world, task) => {
  splitPmd(world, world.window[task], world.page[task]);
  world.flags[task] |= AnonymousFlag.Again;
  return Flow.Next;
};

/** A reference keeps the page as it is while it is copied. */
const getOld = ({ mistake }: UnsharingRules): Run => (world, task) => {
  const frame = target(world, task);
  world.readTarget[task] = frame + 1;
  if (frame === ZERO_FRAME || mistake === 'copies-without-reference') return Flow.Next;
  takeReference(world, frame);
  world.oldFrame[task] = frame + 1;
  return Flow.Next;
};

const allocateCopy: Run = (world, task) => {
  if (!isHugetlb(world, world.window[task])) {
    world.newFrame[task] = allocateFrame(world) + 1;
    return Flow.Next;
  }
  world.newFrame[task] = allocateHugetlb(world) + 1;
  return Flow.Next;
};

/** A huge page is copied in one step: nobody writes a page that is mapped read-only and referenced by somebody who copies it. */
const copyPage: Run = (world, task) => {
  const { frameContent, meter } = world;
  const huge = isHugetlb(world, world.window[task]);
  const count = huge ? regionPages(world) : 1;
  const to = world.newFrame[task] - 1;
  const from = huge ? headOfRegion(world, task) : world.readTarget[task] - 1;
  if (from !== ZERO_FRAME && refcountOf(world, from) === 0) throw new Error(`frame ${from} is copied, and is free`);
  for (let nth = 0; nth < count; nth++) frameContent[to + nth] = frameContent[from + nth];
  if (from === ZERO_FRAME) meter.charge(Op['page.clear']);
  else meter.chargeMany(Op['page.copy'], count);
  meter.noteMany(wantsUnshare(world, task) ? Op['copy.unshare'] : Op['copy.writeFault'], count);
  return Flow.Next;
};

const headOfRegion = (world: AnonymousWorld, task: number): number => world.readTarget[task] - 1 - (world.page[task] - regionStart(world, world.page[task]));

const compareAgain: Run = (world, task) => (isSame(world, task) ? Flow.Next : Flow.Otherwise);

const clearEntry: Run = (world, task) => {
  const { window, page } = world;
  world.zapFrame[task] = world.readTarget[task];
  world.meter.charge(Op['pte.zap']);
  if (isPmd(world, window[task], page[task])) {
    clearPmd(world, window[task], page[task]);
    return Flow.Next;
  }
  world.entry[at(world, task)] &= OF_VMA;
  world.entryTarget[at(world, task)] = 0;
  return Flow.Next;
};

export const flushOwn: Run = (world, task) => {
  sendFlush(world, task, world.mm[task], 1);
  return Flow.Next;
};

const setCopy: Run = (world, task) => {
  const bits = EntryBit.Present | (wantsUnshare(world, task) ? 0 : EntryBit.Write | EntryBit.Dirty);
  const frame = world.newFrame[task] - 1;
  if (!isHugetlb(world, world.window[task])) {
    mapNew(world, task, at(world, task), bits);
    return Flow.Next;
  }
  world.newFrame[task] = 0;
  changeFlags(world, frame, 0, NEW_ANONYMOUS);
  setPmd(world, world.window[task], world.page[task], frame, bits);
  return Flow.Next;
};

const removeOld: Run = (world, task) => {
  const frame = world.zapFrame[task] - 1;
  if (isHugetlb(world, world.window[task])) removePmdMapping(world, headOfRegion(world, task));
  else removeMapping(world, frame);
  return Flow.Next;
};

export const putZapped: Run = (world, task) => {
  dropReference(world, world.zapFrame[task] - 1);
  world.zapFrame[task] = 0;
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

const ifHeld: Run = (world, task) => (world.oldFrame[task] === 0 ? Flow.Otherwise : Flow.Next);

/** Routine `writeProtected`. @param swap the world has swap; @param huge it has huge folios */
export function writeProtectedSteps(rules: UnsharingRules, { swap, huge }: { readonly swap: boolean; readonly huge: boolean }): readonly Step[] {
  return [
    acquire('ptl.lock', lockEntry),
    steady('pte.same', compareEntry, 'ptl.unlock'),
    steady('page.isExclusive', ifExclusive, 'folio.readRefs'),
    goTo('pte.reuse'),
    steady('folio.readRefs', readRefs, 'pmd.isNone'),
    ...(swap
      ? [
          steady('folio.tryLock', tryLock, 'pmd.isNone'),
          steady('swapCache.leave', freeSwap),
          steady('folio.recheck', recheck, 'folio.unlockShared'),
          steady('page.setExclusive', setExclusive),
          steady('folio.unlock', unlockTried),
        ]
      : [steady('page.setExclusive', setExclusive)]),
    steady('pte.reuse', reuse),
    release('ptl.unlock', unlockEntry),
    end,
    ...(swap ? [steady('folio.unlockShared', unlockTried)] : []),
    ...(huge
      ? [
          steady('pmd.isNone', ifNoPmd, 'pmd.isHugetlb'),
          goTo('folio.get'),
          guarded('pmd.isHugetlb', ifHugetlb, 'pmd.split'),
          goTo('folio.get'),
          steady('pmd.split', splitMapping),
          goTo('ptl.unlock'),
        ]
      : [{ ...goTo('folio.get'), name: 'pmd.isNone' }]),
    steady('folio.get', getOld(rules)),
    release('ptl.unlockCopy', unlockEntry),
    steady('folio.alloc', allocateCopy),
    steady('page.copy', copyPage),
    acquire('ptl.lockCopy', lockEntry),
    steady('pte.sameCopy', compareAgain, 'ptl.unlockRace'),
    steady('pte.clear', clearEntry),
    steady('tlb.send', flushOwn),
    waits('tlb.wait', waitCalls),
    steady('pte.set', setCopy),
    steady('rmap.remove', removeOld),
    release('ptl.unlockCopied', unlockEntry),
    steady('folio.putMapping', putZapped),
    free('folio.isHeld', ifHeld, 'done'),
    steady('folio.putOld', putOld),
    { ...end, name: 'done' },
    release('ptl.unlockRace', unlockEntry),
    steady('folio.putNew', putNew),
    goTo('folio.isHeld'),
  ];
}

