/**
 * Fork with copy-on-write: what is anonymous is shared, write-protected in the parent and in the child, and exclusive to neither. A page
 * that may be pinned stays the parent's, and the child gets a copy at once.
 *
 * Source: kernel/fork.c (dup_mmap), mm/memory.c (copy_page_range, copy_pte_range, copy_present_page, copy_nonpresent_pte), mm/huge_memory.c
 * (copy_huge_pmd), include/linux/rmap.h (folio_try_dup_anon_rmap_pte: a page is shared before its entry is write-protected; GUP-fast looks at
 * the sequence).
 * Differs from Linux: entries one by one, where it copies those of a large folio in batches; the child's tables are not locked, since
 * nobody runs there yet; the child starts when the fork is over.
 */
import { ALL_ENTRIES, sendFlush, waitCalls } from '../crossCalls.ts';
import { EntryBit, EntryType, OF_VMA, entryAt, isNone, isPresent, isSwapEntry } from '../memory/entries.ts';
import { FrameBit, addMapping, allocateFrame, dropReference, maybePinned, takeReference } from '../memory/frames.ts';
import { lockEntry, unlockTable, writeLockMmap, writeUnlockMmap } from '../memory/locks.ts';
import { bear, bornStep, conceive } from '../memory/processes.ts';
import { windowOf } from '../memory/shape.ts';
import { Backing, copyWindow } from '../memory/windows.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { complete } from './access.ts';
import { AnonymousSpan } from './kinds.ts';
import { at, mapNew } from './fault.ts';
import { NEW_ANONYMOUS, allocateHugetlb, changeFlags, changePmd, isHugetlb, isPmd, regionPages, regionStart, setPmd, splitPmd } from './pmd.ts';
import type { UnsharingRules } from './rules.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

/** flush_tlb_mm: of all that the parent has. */
const flushAll: Run = (world, task) => {
  sendFlush(world, task, world.mm[task], ALL_ENTRIES);
  return Flow.Next;
};

/** The access names the child; from here on `page` is the page that the copy is at. */
const waitForChild: Run = (world, task) => {
  const child = world.page[task];
  const flow = conceive(world, child);
  if (flow !== Flow.Next) return flow;
  world.otherMm[task] = child;
  world.page[task] = 0;
  world.meter.charge(Op.syscall);
  world.meter.charge(Op.fork);
  world.meter.beginSpan(AnonymousSpan.Fork);
  return Flow.Next;
};

const copyVmas: Run = (world, task) => {
  const { windowsPerMm } = world.shape;
  for (let number = 0; number < windowsPerMm; number++) copyWindow(world, windowOf(world, world.mm[task], number), windowOf(world, world.otherMm[task], number));
  world.meter.chargeMany(Op['fork.vma'], windowsPerMm);
  world.window[task] = windowOf(world, world.mm[task], 0);
  return Flow.Next;
};

const bumpSequence: Run = (world, task) => {
  world.mmForkSequence[world.mm[task]]++;
  return Flow.Next;
};

/**
 * The next page table, with `page` at its first entry and `cursor` behind its last; otherwise there is none. Shared mappings of files are
 * left to faults (vma_needs_copy). What an entry is, only its lock lets one say: reclaim may have one in its hands.
 */
const nextTable: Run = (world, task) => {
  const { pages, windowsPerMm } = world.shape;
  const end = windowOf(world, world.mm[task], 0) + windowsPerMm;
  let window = world.window[task];
  let page = world.cursor[task];
  for (; window < end; window++, page = 0) {
    if (world.windowBacking[window] === Backing.None || world.windowBacking[window] === Backing.FileShared || page >= pages) continue;
    world.window[task] = window;
    world.page[task] = page;
    world.cursor[task] = Math.min(regionStart(world, page) + regionPages(world), pages);
    return Flow.Next;
  }
  return Flow.Otherwise;
};

/** The next entry of the table that the child has to have, too; otherwise there is none. */
const nextEntry: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  let page = world.page[task];
  while (page < world.cursor[task] && isNone(world.entry[base + page])) page++;
  world.page[task] = page;
  return page < world.cursor[task] ? Flow.Next : Flow.Otherwise;
};

const childWindow = (world: AnonymousWorld, task: number): number => world.window[task] - windowOf(world, world.mm[task], 0) + windowOf(world, world.otherMm[task], 0);
const atChild = (world: AnonymousWorld, task: number): number => entryAt(world, childWindow(world, task), world.page[task]);
const target = (world: AnonymousWorld, task: number): number => world.entryTarget[at(world, task)] - 1;

const ifNoPmd: Run = (world, task) => (isPmd(world, world.window[task], world.page[task]) ? Flow.Otherwise : Flow.Next);

/** Whether an anonymous page is mapped; otherwise it is something simpler, or has gone meanwhile. */
const ifAnon: Run = (world, task) =>
  isPresent(world.entry[at(world, task)]) && world.frameFlags[target(world, task)] & FrameBit.Anon ? Flow.Next : Flow.Otherwise;

/** The child's reference, first of all. */
const getFolio: Run = (world, task) => {
  const frame = target(world, task);
  takeReference(world, frame);
  world.zapFrame[task] = frame + 1;
  world.meter.charge(Op['fork.pte']);
  return Flow.Next;
};

/** folio_needs_cow_for_dma, of a page that is the parent's alone: the child gets a copy. */
const ifNotPinned = ({ mistake }: UnsharingRules): Run => (world, task) => {
  if (mistake === 'fork-ignores-pins' || world.mmHasPinned[world.mm[task]] === 0) return Flow.Next;
  const frame = target(world, task);
  return maybePinned(world, frame) && world.frameFlags[frame] & FrameBit.Exclusive ? Flow.Otherwise : Flow.Next;
};

/** The page is nobody's alone any more, and mapped once more: by the child's entry. */
const sharePage: Run = (world, task) => {
  const frame = target(world, task);
  const entry = at(world, task);
  world.frameFlags[frame] &= ~FrameBit.Exclusive;
  addMapping(world, frame);
  world.zapFrame[task] = 0;
  world.entry[atChild(world, task)] = world.entry[entry] & ~EntryBit.Write;
  world.entryTarget[atChild(world, task)] = frame + 1;
  return Flow.Next;
};

const protectEntry: Run = (world, task) => {
  if (isPmd(world, world.window[task], world.page[task])) {
    changePmd(world, world.window[task], world.page[task], EntryBit.Write, 0);
    world.page[task] = regionStart(world, world.page[task]) + regionPages(world) - 1;
  } else {
    world.entry[at(world, task)] &= ~EntryBit.Write;
  }
  return Flow.Next;
};

const putFolio: Run = (world, task) => {
  dropReference(world, world.zapFrame[task] - 1);
  world.zapFrame[task] = 0;
  return Flow.Next;
};

const allocateCopy: Run = (world, task) => {
  world.newFrame[task] = allocateFrame(world) + 1;
  return Flow.Next;
};

/** copy_present_page: the child's copy is its own, and writable where its VMA is. */
const copyForChild: Run = (world, task) => {
  const entry = atChild(world, task);
  world.frameContent[world.newFrame[task] - 1] = world.frameContent[target(world, task)];
  const writable = (world.entry[entry] & EntryBit.ReadOnlyVma) === 0;
  mapNew(world, task, entry, EntryBit.Present | EntryBit.Dirty | (writable ? EntryBit.Write : 0));
  world.meter.charge(Op['page.copy']);
  world.meter.note(Op['copy.fork']);
  return Flow.Next;
};

/** The zero page, a page of the file, or a swap entry, of which neither is exclusive any more. */
const copyOther: Run = (world, task) => {
  const entry = at(world, task);
  const bits = world.entry[entry];
  const child = atChild(world, task);
  if (isNone(bits)) return Flow.Next;
  if (isPresent(bits)) {
    const frame = target(world, task);
    takeReference(world, frame);
    addMapping(world, frame);
    world.entry[child] = bits;
  } else if (isSwapEntry(bits)) {
    world.swapCount[target(world, task)]++;
    world.entry[entry] &= ~EntryBit.Exclusive;
    world.entry[child] = (bits & OF_VMA) | EntryType.Swap;
  }
  world.entryTarget[child] = world.entryTarget[entry];
  world.meter.charge(Op['fork.pte']);
  return Flow.Next;
};

const nextPage: Run = (world, task) => {
  world.page[task]++;
  return Flow.Next;
};

const unlockTableWalked: Run = (world, task) => {
  unlockTable(world, task, world.window[task], world.cursor[task] - 1);
  return Flow.Next;
};

/* ---- a PMD ---- */

const sharePmd: Run = (world, task) => {
  const head = target(world, task);
  changeFlags(world, head, FrameBit.Exclusive, 0);
  setPmd(world, childWindow(world, task), world.page[task], head, world.entry[at(world, task)] & ~EntryBit.Write & ~OF_VMA);
  world.zapFrame[task] = 0;
  return Flow.Next;
};

const ifHugetlb: Run = (world, task) => (isHugetlb(world, world.window[task]) ? Flow.Next : Flow.Otherwise);

/** A pinned page among those of a PMD: the fork goes on page by page. */
const splitParent: Run = (world, task) => {
  splitPmd(world, world.window[task], world.page[task]);
  return Flow.Next;
};

/** A pinned hugetlb folio is copied whole. */
const copyHugeForChild: Run = (world, task) => {
  const from = target(world, task);
  const head = allocateHugetlb(world);
  for (let nth = 0; nth < regionPages(world); nth++) world.frameContent[head + nth] = world.frameContent[from + nth];
  changeFlags(world, head, 0, NEW_ANONYMOUS);
  setPmd(world, childWindow(world, task), world.page[task], head, EntryBit.Present | EntryBit.Write | EntryBit.Dirty);
  world.meter.chargeMany(Op['page.copy'], regionPages(world));
  world.meter.noteMany(Op['copy.fork'], regionPages(world));
  world.page[task] = regionStart(world, world.page[task]) + regionPages(world) - 1;
  return Flow.Next;
};

const bearChild: Run = (world, task) => {
  bear(world, world.otherMm[task]);
  world.meter.endSpan(AnonymousSpan.Fork);
  return Flow.Next;
};

/** Routine `fork`. @param huge the world has huge folios */
export function forkSteps(rules: UnsharingRules, { huge }: { readonly huge: boolean }): readonly Step[] {
  return [
    bornStep,
    waits('child.conceive', waitForChild),
    acquire('mmapLock.write', writeLockMmap),
    steady('vmas.copy', copyVmas),
    steady('sequence.begin', bumpSequence),
    guarded('table.next', nextTable, 'sequence.end'),
    acquire('ptl.lock', lockEntry),
    steady('pte.next', nextEntry, 'ptl.unlock'),
    ...(huge ? [steady('pmd.isNone', ifNoPmd, 'pmd.get')] : []),
    steady('pte.isAnon', ifAnon, 'pte.copyOther'),
    steady('folio.get', getFolio),
    steady('folio.isNotPinned', ifNotPinned(rules), 'folio.put'),
    steady('page.share', sharePage),
    steady('pte.protect', protectEntry),
    free('page.next', nextPage),
    goTo('pte.next'),
    release('ptl.unlock', unlockTableWalked),
    goTo('table.next'),
    steady('folio.put', putFolio),
    steady('folio.alloc', allocateCopy),
    steady('page.copy', copyForChild),
    goTo('page.next'),
    steady('pte.copyOther', copyOther),
    goTo('page.next'),
    ...(huge
      ? [
          steady('pmd.get', getFolio),
          steady('pmd.isNotPinned', ifNotPinned(rules), 'pmd.put'),
          steady('pmd.share', sharePmd),
          goTo('pte.protect'),
          steady('pmd.put', putFolio),
          guarded('pmd.isHugetlb', ifHugetlb, 'pmd.split'),
          steady('hugetlb.copy', copyHugeForChild),
          goTo('page.next'),
          steady('pmd.split', splitParent),
          goTo('pte.isAnon'),
        ]
      : []),
    steady('sequence.end', bumpSequence),
    steady('tlb.send', flushAll),
    waits('tlb.wait', waitCalls),
    release('mmapLock.writeUnlock', writeUnlockMmap),
    steady('child.bear', bearChild),
    free('done', complete),
  ];
}
