/**
 * Punch hole: the balloon gives pages back and the file drops them. So it does with all of them at the last close.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_fallocate, kvm_gmem_punch_hole), mm/truncate.c.
 * A hole may reach beyond the end of the file, or lie there as a whole; one that is not made of whole pages is EINVAL.
 * Truncation never looks at the refcount: a folio that somebody holds leaves the file and lives on as an orphan, and the
 * shareability of the index stays. A hole smaller than a large folio removes nothing; a piece of one that is split is a folio.
 * Source of the close: kvm_gmem_release, and the truncation of the inode behind it (fs/inode.c, evict).
 * Differs from Linux: nothing is given back at the last munmap where a mapping outlived the last descriptor; a descriptor that
 * is closed can still be used by name, and a guest that goes on finds an empty file, where Linux ends its fault with an error;
 * EINVAL stands for EBADF; one folio at a time, in one pass; it waits for references that end by themselves (a fault in
 * flight, GUP-fast, a gather), so that only slots and LRU batches can hold an orphan.
 */
import { complete, fail } from './access.ts';
import { clearContent } from './content.ts';
import { writeLockInvalidate, writeUnlockInvalidate } from './convert.ts';
import { Errno } from './errno.ts';
import { lockFolio, putFolio, unlockFolio } from './fault.ts';
import { PageBit, folioEnd, folioPagesAt, headOf, isLarge, isSplit } from './file.ts';
import { cacheReferences, folioMapcount, freeFolio, noteFolio, spareFolio, GUP_PIN_COUNTING_BIAS } from './folios.ts';
import { endInvalidation, stage2ZapSteps } from './invalidation.ts';
import { forgetEmpty } from './restructure.ts';
import { lockId, waitFor } from './locks.ts';
import { repointBatches } from './lru.ts';
import { Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { punchedStep, takeBackSteps } from './putCallback.ts';
import { SlotKind, repointSlots } from './slots.ts';
import { Flow, acquire, callRoutine, free, freeWhen, goTo, release, steady, waits } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { unmapEverywhereSteps } from './zap.ts';
import type { World } from './world.ts';

/** Otherwise the byte range is no range of pages. */
const enterPunch: Run = (world, task) => {
  world.meter.charge(Op.syscall);
  if (world.flags[task] & TaskFlag.Unaligned) {
    world.outcome[task] = Errno.EINVAL;
    return Flow.Otherwise;
  }
  world.rangeStart[task] = Math.min(world.rangeStart[task], world.shape.pages);
  world.rangeEnd[task] = Math.min(world.rangeEnd[task], world.shape.pages);
  // Whole folios only; a part of one is zeroed and stays. Which of large ones are in pieces is seen under the lock.
  const mask = world.sizes.splits ? 0 : world.sizes.folioPages - 1;
  world.walkStart[task] = (world.rangeStart[task] + mask) & ~mask;
  world.outcome[task] = Errno.OK;
  return Flow.Next;
};

/** Finds the next folio of the range and takes a reference; otherwise there is none left. */
const nextFolio: Run = (world, task) => {
  // Behind a folio that the range begins in the middle of.
  const first = world.walkStart[task];
  for (let head = first === headOf(world, first) ? first : folioEnd(world, first); head < world.rangeEnd[task]; head = folioEnd(world, head)) {
    const end = folioEnd(world, head);
    if (end > world.rangeEnd[task]) return Flow.Otherwise;
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    world.walkStart[task] = head;
    world.walkEnd[task] = end;
    world.page[task] = head;
    world.refcount[head]++;
    world.flags[task] |= TaskFlag.HoldsFolio;
    world.meter.charge(Op['pageCache.lookup']);
    return Flow.Next;
  }
  return Flow.Otherwise;
};

const ifMapped: Run = (world, task) => (folioMapcount(world, world.page[task]) > 0 ? Flow.Next : Flow.Otherwise);

/** Takes the folio out of the page cache; one that is still held moves to a spare frame with its holders. */
const removeFolio: Run = (world, task) => {
  const head = world.page[task];
  const held = world.refcount[head] - cacheReferences(world, head) - 1;
  if (held > 0) {
    const spare = spareFolio(world, head);
    if (spare < 0 || heldBySlotsAndBatches(world, head) !== held) return waitFor(world, lockId(Waiting.Folio, head));
    moveFolio(world, head, spare, held);
    world.flags[task] |= TaskFlag.Orphaned;
  }
  world.pageState[head] &= ~(PageBit.Present | PageBit.UpToDate);
  world.refcount[head] = 1;
  world.meter.charge(Op['pageCache.remove']);
  noteFolio(world, head, -1);
  if (world.sizes.splits) dropFrozen(world, task, head);
  return Flow.Next;
};

/**
 * Where folios split the count falls to 0 at once: who tried a reference now would find another folio at the index when he drops it.
 * In Linux what he holds is the folio that was there.
 */
function dropFrozen(world: World, task: number, head: number): void {
  world.refcount[head] = 0;
  world.flags[task] &= ~TaskFlag.HoldsFolio;
  if ((world.flags[task] & TaskFlag.Orphaned) === 0) freeFolio(world, head);
}

/** References on the folio that slots and LRU batches hold. */
function heldBySlotsAndBatches(world: World, head: number): number {
  const folioPages = folioPagesAt(world, head);
  const { slots, slotPages } = world.shape;
  const isSmall = !isLarge(world, head);
  let held = 0;
  for (let slot = 0; slot < slots; slot++) {
    const each = isSmall && world.slotKind[slot] !== SlotKind.Get ? GUP_PIN_COUNTING_BIAS : 1;
    for (let place = slot * slotPages; place < slot * slotPages + world.slotCount[slot]; place++) {
      const frame = world.slotFrame[place] - 1;
      if (frame >= head && frame < head + folioPages) held += each;
    }
  }
  for (let place = 0; place < world.lruPage.length; place++) if (world.lruPage[place] === head + 1) held++;
  return held;
}

function moveFolio(world: World, from: number, to: number, references: number): void {
  const folioPages = folioPagesAt(world, from);
  const { folioOrder } = world.shape;
  world.refcount[to] = references;
  if (isSplit(world, from)) world.folioSplit[to >> folioOrder] = 1;
  for (let page = 0; page < folioPages; page++) {
    world.dataRefs[to + page] = world.dataRefs[from + page];
    world.dataRefs[from + page] = 0;
  }
  if (world.shape.content !== 'none') {
    world.content.copyWithin(to, from, from + folioPages);
    clearContent(world, from, from + folioPages);
  }
  if (isLarge(world, from)) {
    world.pincount[to >> folioOrder] = world.pincount[from >> folioOrder];
    world.pincount[from >> folioOrder] = 0;
  }
  repointSlots(world, from, to, folioPages);
  repointBatches(world, from, to);
}

/** Drops the punch's own reference, the last one that the index still has; an orphan is freed by its last holder. */
const freePunched: Run = (world, task) => {
  if (world.sizes.splits || world.flags[task] & TaskFlag.Orphaned) {
    world.flags[task] &= ~(TaskFlag.Orphaned | TaskFlag.HoldsFolio);
    world.refcount[world.page[task]] = 0;
    world.meter.charge(Op['folio.put']);
  } else {
    putFolio(world, task);
  }
  world.walkStart[task] = world.walkEnd[task];
  return Flow.Next;
};

/** What is left of the range are parts of large folios: they are zeroed and stay. No other page of it has a folio now. */
const zeroPartialFolios: Run = (world, task) => {
  clearContent(world, world.rangeStart[task], world.rangeEnd[task]);
  return Flow.Next;
};

interface TruncateOptions {
  /** Folios may be in pieces. */
  readonly splits: boolean;
  /** See `guestAccessSteps`. */
  readonly drains: boolean;
}

/**
 * Zaps stage-2 of [rangeStart, rangeEnd) and takes every folio out of the file that lies in it as a whole, from `walkStart` on.
 * @param first what comes before that, under the locks
 */
export function truncateSteps({ splits, drains }: TruncateOptions, first: readonly Step[] = []): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    ...stage2ZapSteps(),
    ...(drains ? takeBackSteps({ shares: false }) : []),
    ...first,
    steady('folio.next', nextFolio, 'punch.done'),
    acquire('folio.lock', lockFolio),
    steady('folio.mapped', ifMapped, 'pageCache.remove'),
    ...unmapEverywhereSteps(),
    waits('pageCache.remove', removeFolio),
    ...(drains ? [punchedStep] : []),
    release('folio.unlock', unlockFolio),
    steady('folio.put', freePunched),
    goTo('folio.next'),
    freeWhen('contents')('punch.done', zeroPartialFolios),
    ...(splits ? [steady('folio.forget', forgetEmpty)] : []),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
  ];
}

/** Where private pages have a memory of their own, the same range of it. */
const otherMemory = (separate: boolean): readonly Step[] => (separate ? [callRoutine('private', 'discardPrivate')] : []);
/** A memfd is unmapped range by range (shmem_fallocate), and folio by folio only what a fault in flight has mapped since. */
export const unmapFirst: readonly Step[] = [callRoutine('unmap', 'unmapRange')];

interface PunchOptions extends TruncateOptions {
  /** See `guestAccessSteps`. */
  readonly separate?: boolean;
}

const WHOLE: TruncateOptions = { splits: false, drains: false };

/** Routine `punch`: fallocate(PUNCH_HOLE | KEEP_SIZE) of [rangeStart, rangeEnd). */
export function punchSteps({ separate = false, ...options }: PunchOptions = WHOLE): readonly Step[] {
  return [free('punch', enterPunch, 'invalid'), ...truncateSteps(options, separate ? unmapFirst : []), ...otherMemory(separate), free('done', complete), free('invalid', fail)];
}

/** The process closes its descriptor; otherwise somebody still has the file open or mapped, or it was closed before. */
const closeDescriptor: Run = (world, task) => {
  const { descriptorClosed, windowFlags, shape } = world;
  world.meter.charge(Op.syscall);
  world.outcome[task] = descriptorClosed[world.mm[task]] === 0 ? Errno.OK : Errno.EINVAL;
  if (world.outcome[task] !== Errno.OK) return Flow.Otherwise;
  descriptorClosed[world.mm[task]] = 1;
  // A forked child inherits the descriptor and ends with its exit.
  for (let mm = 0; mm < shape.mms - 1; mm++) if (descriptorClosed[mm] === 0) return Flow.Otherwise;
  if (world.childAlive[0] !== 0 || windowFlags.some((flags) => flags !== 0)) return Flow.Otherwise;
  world.rangeStart[task] = 0;
  world.rangeEnd[task] = shape.pages;
  world.walkStart[task] = 0;
  return Flow.Next;
};

const kept: Run = (world, task) => (world.outcome[task] === Errno.OK ? complete : fail)(world, task);

/** Routine `close`: the last one who has the file, by descriptor or mapping, gives all of its memory back. */
export function closeSteps({ separate = false, ...options }: PunchOptions): readonly Step[] {
  return [steady('close', closeDescriptor, 'kept'), ...truncateSteps(options), ...otherMemory(separate), free('done', complete), free('kept', kept)];
}
