/**
 * Collapse: the pages of a region become one huge folio behind a PMD (MADV_COLLAPSE). And the other way: a PMD becomes a page table.
 *
 * All entries of the region go at once, behind a flush, and only then the counts are looked at: a page with a reference that is no
 * mapping, such as a pin, cannot be moved. What other processes share stays theirs; the new folio is a copy.
 *
 * Source: mm/khugepaged.c (collapse_huge_page, __collapse_huge_page_isolate, __collapse_huge_page_copy), mm/huge_memory.c.
 * Differs from Linux: the entries are put back read-only where it fails; swap entries and pages of files make it fail.
 */
import { waitCalls } from '../crossCalls.ts';
import { Errno } from '../errno.ts';
import { EntryBit, OF_VMA, entryAt, isNone, isPresent } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME, allocateHuge, dropReference, mapcountOf, refcountOf, removeMapping } from '../memory/frames.ts';
import { lockEntry, readLockMmap, readUnlockMmap, unlockEntry, writeLockMmap, writeUnlockMmap } from '../memory/locks.ts';
import { bornStep } from '../memory/processes.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, goTo, release, steady, waits } from '../step.ts';
import { complete, fail, syscall } from './access.ts';
import { NEW_ANONYMOUS, changeFlags, isHugetlb, isPmd, regionPages, regionStart, setPmd, splitPmd } from './pmd.ts';
import { flushOwn } from './writeProtect.ts';
import type { Run, Step } from './world.ts';

const allocate: Run = (world, task) => {
  const first = regionStart(world, world.page[task]);
  world.rangeStart[task] = first;
  world.rangeEnd[task] = first + regionPages(world);
  const head = world.rangeEnd[task] > world.shape.pages ? -1 : allocateHuge(world);
  world.outcome[task] = head < 0 ? Errno.ENOMEM : Errno.OK;
  world.newFrame[task] = head + 1;
  return head < 0 ? Flow.Otherwise : Flow.Next;
};

/** Whether every entry of the region is an anonymous page or zeros, in a page table, and at least one is a page. */
const checkRegion: Run = (world, task) => {
  const { window, rangeStart, rangeEnd } = world;
  const base = entryAt(world, window[task], 0);
  world.outcome[task] = Errno.EINVAL;
  if (isPmd(world, window[task], rangeStart[task])) return Flow.Otherwise;
  let some = false;
  for (let page = rangeStart[task]; page < rangeEnd[task]; page++) {
    const bits = world.entry[base + page];
    const frame = world.entryTarget[base + page] - 1;
    if (bits & (EntryBit.NoVma | EntryBit.ReadOnlyVma)) return Flow.Otherwise;
    if (isNone(bits) || (isPresent(bits) && frame === ZERO_FRAME)) continue;
    if (!isPresent(bits) || (world.frameFlags[frame] & FrameBit.Anon) === 0) return Flow.Otherwise;
    some = true;
  }
  world.outcome[task] = Errno.OK;
  return some ? Flow.Next : Flow.Otherwise;
};

/** pmdp_collapse_flush: the page table is out of reach; what it held is remembered. */
const clearEntries: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    if (isPresent(world.entry[base + page])) world.gathered[base + page] = world.entryTarget[base + page];
    world.entry[base + page] &= OF_VMA;
    world.entryTarget[base + page] = 0;
  }
  world.meter.charge(Op['pte.zap']);
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** is_refcount_suitable, of all pages: every reference is a mapping. */
const checkCounts: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    const frame = world.gathered[base + page] - 1;
    if (frame < 0 || frame === ZERO_FRAME) continue;
    const cached = world.frameSwap.length > 0 && world.frameSwap[frame] > 0 ? 1 : 0;
    if (refcountOf(world, frame) !== mapcountOf(world, frame) + cached) return Flow.Otherwise;
  }
  return Flow.Next;
};

const restoreEntries: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    if (world.gathered[base + page] === 0) continue;
    world.entry[base + page] |= EntryBit.Present;
    world.entryTarget[base + page] = world.gathered[base + page];
    world.gathered[base + page] = 0;
  }
  world.outcome[task] = Errno.EAGAIN;
  return Flow.Next;
};

/** Nobody can write the pages any more: those of others are mapped read-only. */
const copyPages: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  const head = world.newFrame[task] - 1;
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    const frame = world.gathered[base + page] - 1;
    world.frameContent[head + page - world.rangeStart[task]] = frame < 0 ? 0 : world.frameContent[frame];
  }
  world.meter.chargeMany(Op['page.copy'], regionPages(world));
  world.meter.noteMany(Op['copy.collapse'], regionPages(world));
  return Flow.Next;
};

const setHuge: Run = (world, task) => {
  const head = world.newFrame[task] - 1;
  world.newFrame[task] = 0;
  changeFlags(world, head, 0, NEW_ANONYMOUS);
  setPmd(world, world.window[task], world.page[task], head, EntryBit.Present | EntryBit.Write | EntryBit.Dirty);
  return Flow.Next;
};

/** Drops the mapping and the reference of the next old page; otherwise there is none. */
const dropNext: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  let page = world.cursor[task];
  while (page < world.rangeEnd[task] && world.gathered[base + page] === 0) page++;
  if (page === world.rangeEnd[task]) return Flow.Otherwise;
  const frame = world.gathered[base + page] - 1;
  world.gathered[base + page] = 0;
  removeMapping(world, frame);
  dropReference(world, frame);
  world.meter.charge(Op['folio.put']);
  world.cursor[task] = page;
  return Flow.Next;
};

const putUnused: Run = (world, task) => {
  dropReference(world, world.newFrame[task] - 1);
  world.newFrame[task] = 0;
  return Flow.Next;
};

const ifOk: Run = (world, task) => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);

/** Routine `collapse`. */
export function collapseSteps(): readonly Step[] {
  return [
    bornStep,
    free('syscall', syscall),
    steady('folio.allocHuge', allocate, 'failed'),
    acquire('mmapLock.write', writeLockMmap),
    acquire('ptl.lock', lockEntry),
    steady('region.check', checkRegion, 'ptl.unlockUnused'),
    steady('entries.clear', clearEntries),
    steady('tlb.send', flushOwn),
    waits('tlb.wait', waitCalls),
    steady('region.counts', checkCounts, 'entries.restore'),
    steady('page.copy', copyPages),
    steady('pmd.set', setHuge),
    release('ptl.unlock', unlockEntry),
    steady('folio.drop', dropNext, 'mmapLock.writeUnlock'),
    goTo('folio.drop'),
    release('mmapLock.writeUnlock', writeUnlockMmap),
    free('done', complete),
    steady('entries.restore', restoreEntries),
    release('ptl.unlockUnused', unlockEntry),
    release('mmapLock.writeUnlockUnused', writeUnlockMmap),
    steady('folio.put', putUnused),
    free('isOk', ifOk, 'failed'),
    goTo('done'),
    free('failed', fail),
  ];
}

const split: Run = (world, task) => {
  const { window, page } = world;
  if (page[task] < world.shape.pages && isPmd(world, window[task], page[task]) && !isHugetlb(world, window[task])) splitPmd(world, window[task], page[task]);
  return Flow.Next;
};

/** Routine `splitPmd`. */
export function splitPmdSteps(): readonly Step[] {
  return [
    bornStep,
    free('syscall', syscall),
    acquire('mmapLock.read', readLockMmap),
    acquire('ptl.lock', lockEntry),
    steady('pmd.split', split),
    steady('tlb.send', flushOwn),
    waits('tlb.wait', waitCalls),
    release('ptl.unlock', unlockEntry),
    release('mmapLock.readUnlock', readUnlockMmap),
    free('done', complete),
  ];
}
