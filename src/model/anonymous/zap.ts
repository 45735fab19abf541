/**
 * What a process does to its own range: munmap, MADV_DONTNEED, mprotect, and its exit.
 *
 * Entries are cleared under their page-table lock, the references dropped behind the flush. Source: mm/memory.c (zap_pte_range),
 * mm/mmu_gather.c, mm/mprotect.c (change_pte_range), mm/mmap.c (exit_mmap). Of hugetlb only whole folios: munmap and mprotect may not split
 * the VMA elsewhere (mm/hugetlb.c, hugetlb_vm_op_split), and MADV_DONTNEED has to begin at one and rounds its end down (mm/madvise.c,
 * madvise_dontneed_free_valid_vma).
 * Differs from Linux: MADV_DONTNEED holds mmap_lock for writing; one flush for a range; mprotect back to PROT_WRITE leaves entries
 * read-only, where newer kernels make those of exclusive pages writable at once (can_change_pte_writable).
 */
import { sendFlush, waitCalls } from '../crossCalls.ts';
import { Errno } from '../errno.ts';
import { EntryBit, OF_VMA, entryAt, isNone, isPresent, isSwapEntry } from '../memory/entries.ts';
import { dropReference, removeMapping } from '../memory/frames.ts';
import { dropSwap } from '../memory/files.ts';
import { lockTable, unlockTable, writeLockMmap, writeUnlockMmap } from '../memory/locks.ts';
import { bornStep, bury } from '../memory/processes.ts';
import { windowOf } from '../memory/shape.ts';
import { detachSlots } from '../memory/slots.ts';
import { Backing } from '../memory/windows.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, callRoutine, end, free, goTo, release, steady, waits } from '../step.ts';
import { complete, fail, syscall } from './access.ts';
import { clearPmd, cutsHugetlb, isHugetlb, isPmd, regionPages, regionStart, removePmdMapping, splitPmd } from './pmd.ts';
import { leaveSwapCache } from './writeProtect.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

const atCursor = (world: AnonymousWorld, task: number): number => entryAt(world, world.window[task], world.cursor[task]);

const flushRange: Run = (world, task) => {
  sendFlush(world, task, world.mm[task], world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
};

const rewind: Run = (world, task) => {
  world.rangeEnd[task] = Math.min(world.rangeEnd[task], world.shape.pages);
  world.cursor[task] = world.rangeStart[task];
  world.cursorEnd[task] = world.rangeStart[task];
  return Flow.Next;
};

/**
 * The next page table of the range: `cursor` is at its first page and `cursorEnd` behind its last; otherwise there is none. What an entry
 * is, only its lock lets one say: reclaim may have one in its hands.
 */
const nextTable: Run = (world, task) => {
  const page = world.cursorEnd[task];
  if (page >= world.rangeEnd[task]) return Flow.Otherwise;
  world.cursor[task] = page;
  world.cursorEnd[task] = Math.min(regionStart(world, page) + regionPages(world), world.rangeEnd[task]);
  return Flow.Next;
};

/** The next entry of the table that is not none; otherwise there is none. */
const nextEntry: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  let page = world.cursor[task];
  while (page < world.cursorEnd[task] && isNone(world.entry[base + page])) page++;
  world.cursor[task] = page;
  return page < world.cursorEnd[task] ? Flow.Next : Flow.Otherwise;
};

const lockCursor: Run = (world, task) => lockTable(world, task, world.window[task], world.cursor[task]);

const unlockCursor: Run = (world, task) => {
  unlockTable(world, task, world.window[task], world.cursorEnd[task] - 1);
  return Flow.Next;
};

const isWholeRegion = (world: AnonymousWorld, task: number): boolean => {
  const first = regionStart(world, world.cursor[task]);
  return world.rangeStart[task] <= first && world.rangeEnd[task] >= first + regionPages(world);
};

/** Otherwise there is a page table. A PMD that the range covers in part becomes one. */
const ifPmd: Run = (world, task) => {
  const { window, cursor } = world;
  if (!isPmd(world, window[task], cursor[task])) return Flow.Otherwise;
  if (isWholeRegion(world, task)) return Flow.Next;
  splitPmd(world, window[task], cursor[task]);
  return Flow.Otherwise;
};

/** The PMD goes, and with it every page that GUP-fast, which takes no mmap_lock, has got since the range was given up. */
const clearPmdEntry: Run = (world, task) => {
  const { window, cursor } = world;
  const head = clearPmd(world, window[task], cursor[task]);
  detachSlots(world, window[task], cursor[task], cursor[task] + regionPages(world));
  world.gathered[atCursor(world, task)] = head + 1;
  world.meter.charge(Op['pte.zap']);
  return Flow.Next;
};

const removePmd: Run = (world, task) => {
  removePmdMapping(world, world.gathered[atCursor(world, task)] - 1);
  world.cursor[task] = world.cursorEnd[task];
  return Flow.Next;
};

/** Clears the entry: a frame goes to the gather, a swap slot is dropped in the next step. As with a PMD, buffers lose the page here. */
const clearEntry: Run = (world, task) => {
  const at = atCursor(world, task);
  detachSlots(world, world.window[task], world.cursor[task], world.cursor[task] + 1);
  const bits = world.entry[at];
  world.readEntry[task] = bits;
  world.readTarget[task] = world.entryTarget[at];
  if (isPresent(bits)) world.gathered[at] = world.entryTarget[at];
  world.entry[at] = bits & OF_VMA;
  world.entryTarget[at] = 0;
  world.meter.charge(Op['pte.zap']);
  return Flow.Next;
};

/** Drops the mapping, or the swap slot. */
const removeEntry: Run = (world, task) => {
  const target = world.readTarget[task] - 1;
  if (isPresent(world.readEntry[task])) removeMapping(world, target);
  else if (isSwapEntry(world.readEntry[task])) dropSwapEntry(world, target);
  world.readEntry[task] = 0;
  world.readTarget[task] = 0;
  world.cursor[task]++;
  return Flow.Next;
};

/** free_swap_and_cache. */
export function dropSwapEntry(world: AnonymousWorld, slot: number): void {
  dropSwap(world, slot);
  const cached = world.swapFrame[slot];
  if (cached > 0 && world.swapCount[slot] === 0) leaveSwapCache(world, cached - 1);
}

/** Drops the reference of the next cleared entry; otherwise there is none. */
const putNext: Run = (world, task) => {
  const base = entryAt(world, world.window[task], 0);
  let page = world.cursor[task];
  while (page < world.rangeEnd[task] && world.gathered[base + page] === 0) page++;
  if (page === world.rangeEnd[task]) return Flow.Otherwise;
  dropReference(world, world.gathered[base + page] - 1);
  world.gathered[base + page] = 0;
  world.meter.charge(Op['folio.put']);
  world.cursor[task] = page;
  return Flow.Next;
};

/** Routine `zap`: clears [rangeStart, rangeEnd) of `window`; mmap_lock is held. @param huge the world has huge folios */
export function zapSteps({ huge }: { readonly huge: boolean }): readonly Step[] {
  return [
    free('begin', rewind),
    free('table.next', nextTable, 'tlb.send'),
    acquire('ptl.lock', lockCursor),
    steady('pte.next', nextEntry, 'ptl.unlock'),
    ...(huge ? [steady('pmd.isThere', ifPmd, 'pte.clear'), steady('pmd.clear', clearPmdEntry), steady('pmd.remove', removePmd), goTo('ptl.unlock')] : []),
    steady('pte.clear', clearEntry),
    steady('rmap.remove', removeEntry),
    goTo('pte.next'),
    release('ptl.unlock', unlockCursor),
    goTo('table.next'),
    steady('tlb.send', flushRange),
    waits('tlb.wait', waitCalls),
    free('gather.begin', rewind),
    steady('folio.put', putNext, 'done'),
    goTo('folio.put'),
    { ...end, name: 'done' },
  ];
}

/** Whether the VMA cannot be split where the range begins or ends; `outcome` says so. */
function isRefused(world: AnonymousWorld, task: number): boolean {
  const window = world.window[task];
  const refused = cutsHugetlb(world, window, world.rangeStart[task]) || cutsHugetlb(world, window, world.rangeEnd[task]);
  world.outcome[task] = refused ? Errno.EINVAL : Errno.OK;
  return refused;
}

/** Otherwise `outcome` says why nothing is given up, be it that nothing was asked for. */
const giveUp = ({ keepsVma }: { readonly keepsVma: boolean }): Run => (world, task) => {
  const { window, rangeStart, rangeEnd } = world;
  if (keepsVma && isHugetlb(world, window[task])) {
    world.outcome[task] = cutsHugetlb(world, window[task], rangeStart[task]) ? Errno.EINVAL : Errno.OK;
    rangeEnd[task] = regionStart(world, rangeEnd[task]);
    if (world.outcome[task] !== Errno.OK || rangeEnd[task] <= rangeStart[task]) return Flow.Otherwise;
  } else if (isRefused(world, task)) {
    return Flow.Otherwise;
  }
  const last = Math.min(rangeEnd[task], world.shape.pages);
  if (!keepsVma) for (let page = rangeStart[task]; page < last; page++) world.entry[entryAt(world, window[task], page)] |= EntryBit.NoVma;
  detachSlots(world, window[task], rangeStart[task], last);
  world.meter.charge(Op.munmap);
  return Flow.Next;
};

const ifOk: Run = (world, task) => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);

/** The end of a routine that changed nothing. */
const refused: readonly Step[] = [
  release('mmapLock.writeUnlockRefused', writeUnlockMmap),
  free('isOk', ifOk, 'failed'),
  goTo('done'),
  free('failed', fail),
];

/** Routines `unmap` and `dontNeed`. */
export function unmapSteps({ keepsVma }: { readonly keepsVma: boolean }): readonly Step[] {
  return [
    bornStep,
    free('syscall', syscall),
    acquire('mmapLock.write', writeLockMmap),
    steady('vma.giveUp', giveUp({ keepsVma }), 'mmapLock.writeUnlockRefused'),
    callRoutine('zap', 'zap'),
    release('mmapLock.writeUnlock', writeUnlockMmap),
    free('done', complete),
    ...refused,
  ];
}

const firstWindow: Run = (world, task) => {
  world.window[task] = windowOf(world, world.mm[task], 0);
  world.rangeStart[task] = 0;
  world.rangeEnd[task] = world.shape.pages;
  detachSlots(world, world.window[task], 0, world.shape.pages);
  world.meter.charge(Op.munmap);
  return Flow.Next;
};

/** Otherwise it was the last window. */
const nextWindow: Run = (world, task) => {
  world.windowBacking[world.window[task]] = Backing.None;
  world.windowFlags[world.window[task]] = 0;
  const base = entryAt(world, world.window[task], 0);
  world.entry.fill(0, base, base + world.shape.pages);
  if (world.window[task] + 1 === windowOf(world, world.mm[task] + 1, 0)) return Flow.Otherwise;
  world.window[task]++;
  detachSlots(world, world.window[task], 0, world.shape.pages);
  return Flow.Next;
};

const buryOwn: Run = (world, task) => {
  bury(world, world.mm[task]);
  return Flow.Next;
};

/** Routine `exit`. */
export function exitSteps(): readonly Step[] {
  return [
    bornStep,
    free('syscall', syscall),
    acquire('mmapLock.write', writeLockMmap),
    steady('window.first', firstWindow),
    callRoutine('zap', 'zap'),
    steady('window.next', nextWindow, 'mmapLock.writeUnlock'),
    goTo('zap'),
    release('mmapLock.writeUnlock', writeUnlockMmap),
    steady('bury', buryOwn),
    free('done', complete),
  ];
}

/* ---- mprotect ---- */

const changeVma = (readOnly: boolean): Run => (world, task) => {
  if (isRefused(world, task)) return Flow.Otherwise;
  rewind(world, task);
  for (let page = world.rangeStart[task]; page < world.rangeEnd[task]; page++) {
    const at = entryAt(world, world.window[task], page);
    world.entry[at] = readOnly ? world.entry[at] | EntryBit.ReadOnlyVma : world.entry[at] & ~EntryBit.ReadOnlyVma;
  }
  return Flow.Next;
};

/** Write-protects the entry. */
const protectEntry: Run = (world, task) => {
  const at = atCursor(world, task);
  const { window, cursor } = world;
  if (isPmd(world, window[task], cursor[task]) && !isWholeRegion(world, task)) splitPmd(world, window[task], cursor[task]);
  const count = isPmd(world, window[task], cursor[task]) ? regionPages(world) : 1;
  for (let entry = at; entry < at + count; entry++) world.entry[entry] &= ~EntryBit.Write;
  cursor[task] += count;
  world.meter.charge(Op['pte.protect']);
  return Flow.Next;
};

/** Routine `protect`. */
export function protectSteps(readOnly: boolean): readonly Step[] {
  return [
    bornStep,
    free('syscall', syscall),
    acquire('mmapLock.write', writeLockMmap),
    steady('vma.protect', changeVma(readOnly), 'mmapLock.writeUnlockRefused'),
    ...(readOnly
      ? [
          free('table.next', nextTable, 'tlb.send'),
          acquire('ptl.lock', lockCursor),
          steady('pte.next', nextEntry, 'ptl.unlock'),
          steady('pte.protect', protectEntry),
          goTo('pte.next'),
          release('ptl.unlock', unlockCursor),
          goTo('table.next'),
          steady('tlb.send', flushRange),
          waits('tlb.wait', waitCalls),
        ]
      : []),
    release('mmapLock.writeUnlock', writeUnlockMmap),
    free('done', complete),
    ...refused,
  ];
}

