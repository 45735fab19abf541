/**
 * Swap: reclaim takes an anonymous page out of the page tables of all processes that share it, and a fault brings it back.
 *
 * Reclaim clears the entry, and only behind the flush it looks whether the page is pinned: a pin that came before keeps the page where it
 * is, one that comes later finds no entry. That the page was exclusive stays in the swap entry.
 *
 * Source: mm/vmscan.c (shrink_folio_list), mm/rmap.c (try_to_unmap_one), include/linux/rmap.h (folio_try_share_anon_rmap_pte),
 * mm/memory.c (do_swap_page), mm/swapfile.c.
 * Differs from Linux: huge folios are not swapped; a page is written before its frame is free, and read in one step; the processes that may
 * share a page map it at one address.
 */
import { sendFlush, waitCalls } from '../crossCalls.ts';
import { LockClass, checkOrder, noteHeld } from '../locks.ts';
import { EntryBit, EntryType, OF_VMA, entryAt, isPresent } from '../memory/entries.ts';
import { allocateSwap } from '../memory/files.ts';
import { FrameBit, ZERO_FRAME, addMapping, allocateFrame, dropReference, isLarge, maybePinned, refcountOf, removeMapping, takeReference } from '../memory/frames.ts';
import { lockEntry, lockFrame, lockTable, unlockEntry, unlockFrame, unlockTable } from '../memory/locks.ts';
import { bornStep } from '../memory/processes.ts';
import { mmOf } from '../memory/shape.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, end, free, goTo, release, steady, waits } from '../step.ts';
import { complete } from './access.ts';
import { at, isSame, putNew, putOld } from './fault.ts';
import { AnonymousFlag } from './kinds.ts';
import type { UnsharingRules } from './rules.ts';
import { putZapped } from './writeProtect.ts';
import { dropSwapEntry } from './zap.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

/* ---- out ---- */

/** Takes the page off the LRU with a reference; otherwise there is none that could go. */
const isolate: Run = (world, task) => {
  const entry = at(world, task);
  const frame = world.entryTarget[entry] - 1;
  if (!isPresent(world.entry[entry]) || frame === ZERO_FRAME || (world.frameFlags[frame] & FrameBit.Anon) === 0 || isLarge(world, frame)) return Flow.Otherwise;
  takeReference(world, frame);
  world.oldFrame[task] = frame + 1;
  return Flow.Next;
};

const tryLockFolio: Run = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  checkOrder(world, task, LockClass.Folio);
  if (world.frameFlags[frame] & FrameBit.Locked) return Flow.Otherwise;
  world.frameFlags[frame] |= FrameBit.Locked;
  noteHeld(world, task, LockClass.Folio);
  world.meter.charge(Op['lock.folio']);
  return Flow.Next;
};

/** add_to_swap; otherwise swap is full. The task keeps the slot until it is done: `cursor` is the slot. */
const addToSwap: Run = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  if (world.frameSwap[frame] > 0) {
    world.cursor[task] = world.frameSwap[frame] - 1;
    world.swapCount[world.cursor[task]]++;
  } else {
    const slot = allocateSwap(world);
    if (slot < 0) return Flow.Otherwise;
    world.cursor[task] = slot;
    world.frameSwap[frame] = slot + 1;
    world.swapFrame[slot] = frame + 1;
    takeReference(world, frame);
  }
  world.walkWindow[task] = world.window[task] % world.shape.windowsPerMm;
  return Flow.Next;
};

const atWalk = (world: AnonymousWorld, task: number): number => entryAt(world, world.walkWindow[task], world.page[task]);

/** Otherwise all processes were visited. */
const ifWindow: Run = (world, task) => (world.walkWindow[task] < world.shape.windows ? Flow.Next : Flow.Otherwise);
const nextWindow: Run = (world, task) => {
  world.walkWindow[task] = Math.min(world.walkWindow[task] + world.shape.windowsPerMm, world.shape.windows);
  return Flow.Next;
};

const lockWalk: Run = (world, task) => {
  const flow = lockTable(world, task, world.walkWindow[task], world.page[task]);
  if (flow === Flow.Next) world.meter.charge(Op['vma.visit']);
  return flow;
};
const unlockWalk: Run = (world, task) => {
  unlockTable(world, task, world.walkWindow[task], world.page[task]);
  return Flow.Next;
};

const ifMapped: Run = (world, task) =>
  isPresent(world.entry[atWalk(world, task)]) && world.entryTarget[atWalk(world, task)] === world.oldFrame[task] ? Flow.Next : Flow.Otherwise;

const clearEntry: Run = (world, task) => {
  const entry = atWalk(world, task);
  world.readEntry[task] = world.entry[entry];
  world.zapFrame[task] = world.oldFrame[task];
  world.entry[entry] &= OF_VMA;
  world.entryTarget[entry] = 0;
  world.meter.charge(Op['pte.zap']);
  return Flow.Next;
};

const flushWalk: Run = (world, task) => {
  sendFlush(world, task, mmOf(world, world.walkWindow[task]), 1);
  return Flow.Next;
};

/** folio_try_share_anon_rmap: only what is exclusive can be pinned for good. */
const ifNotPinned: Run = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  return world.frameFlags[frame] & FrameBit.Exclusive && maybePinned(world, frame) ? Flow.Otherwise : Flow.Next;
};

const clearExclusive: Run = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  world.flags[task] &= ~AnonymousFlag.WasExclusive;
  if (world.frameFlags[frame] & FrameBit.Exclusive) world.flags[task] |= AnonymousFlag.WasExclusive;
  world.frameFlags[frame] &= ~FrameBit.Exclusive;
  return Flow.Next;
};

const setSwapEntry: Run = (world, task) => {
  const entry = atWalk(world, task);
  const slot = world.cursor[task];
  world.swapCount[slot]++;
  world.entry[entry] |= EntryType.Swap | (world.flags[task] & AnonymousFlag.WasExclusive ? EntryBit.Exclusive : 0);
  world.entryTarget[entry] = slot + 1;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

const removeMapped: Run = (world, task) => {
  removeMapping(world, world.zapFrame[task] - 1);
  world.readEntry[task] = 0;
  return Flow.Next;
};

const restoreEntry: Run = (world, task) => {
  const entry = atWalk(world, task);
  world.entry[entry] = world.readEntry[task];
  world.entryTarget[entry] = world.zapFrame[task];
  world.zapFrame[task] = 0;
  world.readEntry[task] = 0;
  return Flow.Next;
};

const ifUnmapped: Run = (world, task) => (world.frameMaps[world.oldFrame[task] - 1] === 0 ? Flow.Next : Flow.Otherwise);

const writeOut: Run = (world, task) => {
  world.swapContent[world.cursor[task]] = world.frameContent[world.oldFrame[task] - 1];
  world.meter.charge(Op['swap.write']);
  return Flow.Next;
};

/** __remove_mapping: where only the swap cache and reclaim refer to the page, it leaves the cache. */
const removeFromCache: Run = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  const slot = world.cursor[task];
  if (refcountOf(world, frame) !== 2 || world.swapFrame[slot] !== frame + 1) return Flow.Next;
  world.swapFrame[slot] = 0;
  world.frameSwap[frame] = 0;
  dropReference(world, frame);
  return Flow.Next;
};

const letGoOfSlot: Run = (world, task) => {
  dropSwapEntry(world, world.cursor[task]);
  return Flow.Next;
};

const unlockFolio: Run = (world, task) => {
  unlockFrame(world, task, world.oldFrame[task] - 1);
  return Flow.Next;
};

/** Routine `swapOut`. */
export function swapOutSteps({ mistake }: UnsharingRules): readonly Step[] {
  const early = mistake === 'looks-before-it-clears';
  return [
    bornStep,
    steady('lru.isolate', isolate, 'done'),
    steady('folio.tryLock', tryLockFolio, 'folio.put'),
    steady('swap.add', addToSwap, 'folio.unlock'),
    free('rmap.next', ifWindow, 'folio.isUnmapped'),
    acquire('ptl.lock', lockWalk),
    steady('pte.isMapped', ifMapped, 'ptl.unlock'),
    ...(early ? [steady('folio.isNotPinned', ifNotPinned, 'ptl.unlockPinned')] : []),
    steady('pte.clear', clearEntry),
    steady('tlb.send', flushWalk),
    waits('tlb.wait', waitCalls),
    ...(early ? [] : [steady('folio.isNotPinned', ifNotPinned, 'pte.restore')]),
    steady('page.clearExclusive', clearExclusive),
    steady('pte.setSwap', setSwapEntry),
    steady('rmap.remove', removeMapped),
    release('ptl.unlockSwapped', unlockWalk),
    steady('folio.putMapping', putZapped),
    free('window.next', nextWindow),
    goTo('rmap.next'),
    release('ptl.unlock', unlockWalk),
    goTo('window.next'),
    steady('pte.restore', restoreEntry),
    release('ptl.unlockPinned', unlockWalk),
    goTo('swap.done'),
    steady('folio.isUnmapped', ifUnmapped, 'swap.done'),
    steady('page.write', writeOut),
    steady('swapCache.remove', removeFromCache),
    steady('swap.done', letGoOfSlot),
    release('folio.unlock', unlockFolio),
    steady('folio.put', putOld),
    free('done', complete),
  ];
}

/* ---- in ---- */

const slotRead = (world: AnonymousWorld, task: number): number => world.readTarget[task] - 1;

/** Takes a reference on the page in the swap cache; otherwise it has to be read. */
const lookup: Run = (world, task) => {
  const cached = world.swapFrame[slotRead(world, task)];
  if (cached === 0) return Flow.Otherwise;
  takeReference(world, cached - 1);
  world.oldFrame[task] = cached;
  return Flow.Next;
};

const allocatePage: Run = (world, task) => {
  world.newFrame[task] = allocateFrame(world) + 1;
  return Flow.Next;
};

/** The page comes into the swap cache with its content; otherwise somebody was faster, or the slot is nobody's any more. */
const readIn: Run = (world, task) => {
  const slot = slotRead(world, task);
  if (world.swapFrame[slot] !== 0 || world.swapCount[slot] === 0) return Flow.Otherwise;
  const frame = world.newFrame[task] - 1;
  world.newFrame[task] = 0;
  world.oldFrame[task] = frame + 1;
  world.frameFlags[frame] = FrameBit.Anon | FrameBit.UpToDate;
  world.frameContent[frame] = world.swapContent[slot];
  world.frameSwap[frame] = slot + 1;
  world.swapFrame[slot] = frame + 1;
  takeReference(world, frame);
  world.meter.charge(Op['swap.read']);
  return Flow.Next;
};

const lockOld: Run = (world, task) => lockFrame(world, task, world.oldFrame[task] - 1);

const ifStillCached: Run = (world, task) => (world.frameSwap[world.oldFrame[task] - 1] === world.readTarget[task] ? Flow.Next : Flow.Otherwise);
const ifSame: Run = (world, task) => (isSame(world, task) ? Flow.Next : Flow.Otherwise);

const freeSlot: Run = (world, task) => {
  dropSwapEntry(world, slotRead(world, task));
  return Flow.Next;
};

/** Maps the page: writable where it is its owner's alone, by the entry's word or because nobody else refers to it. */
const mapSwapped: Run = (world, task) => {
  const entry = at(world, task);
  const frame = world.oldFrame[task] - 1;
  const bits = world.readEntry[task];
  const exclusive = (bits & EntryBit.Exclusive) !== 0 || refcountOf(world, frame) === 1;
  const writable = exclusive && (bits & EntryBit.ReadOnlyVma) === 0;
  world.oldFrame[task] = 0;
  if (exclusive) world.frameFlags[frame] |= FrameBit.Exclusive;
  addMapping(world, frame);
  world.entry[entry] = (bits & OF_VMA) | EntryBit.Present | (writable ? EntryBit.Write | EntryBit.Dirty : 0);
  world.entryTarget[entry] = frame + 1;
  world.readTarget[task] = frame + 1;
  world.meter.charge(Op['pte.set']);
  return Flow.Next;
};

/** The lock of the folio that is mapped now. */
const unlockMapped: Run = (world, task) => {
  unlockFrame(world, task, world.readTarget[task] - 1);
  return Flow.Next;
};

/** Routine `swapIn`, in a fault. */
export function swapInSteps(): readonly Step[] {
  return [
    steady('swapCache.get', lookup, 'folio.alloc'),
    acquire('folio.lock', lockOld),
    steady('swapCache.isSame', ifStillCached, 'folio.unlockRace'),
    acquire('ptl.lock', lockEntry),
    steady('pte.same', ifSame, 'ptl.unlockRace'),
    steady('swap.free', freeSlot),
    steady('pte.set', mapSwapped),
    release('ptl.unlock', unlockEntry),
    release('folio.unlock', unlockMapped),
    end,
    steady('folio.alloc', allocatePage),
    steady('swapCache.insert', readIn, 'folio.putNew'),
    goTo('folio.lock'),
    steady('folio.putNew', putNew),
    end,
    release('ptl.unlockRace', unlockEntry),
    release('folio.unlockRace', unlockFolio),
    steady('folio.putOld', putOld),
    end,
  ];
}
