/**
 * GUP: taking references on the pages behind a range of a mapping, and what holds them.
 *
 * Source: mm/gup.c (gup_fast_pte_range, try_grab_folio_fast, gup_fast_folio_allowed, get_user_pages_fast_only, follow_page_pte,
 * unpin_user_pages).
 * GUP-fast takes the reference first and the pin after it, re-reads the entry, and falls back to slow GUP where anything
 * changed. A long-term pin for writing of a guest_memfd page never takes the fast path; a long-term one for reading may.
 * FOLL_FAST_ONLY never falls back: the caller gets fewer pages than it asked for. We give that one name, EFAULT, and drop
 * what was taken, as its callers do.
 * What the slow path does once for all of its pages (mmap_lock) or not again (GUP-fast) is charged once.
 * Differs from Linux: the slow path drops mmap_lock behind each page and tries the fast one again; the head is found and its count tried in one step, where Linux re-checks the head behind the count, and no folio
 * splits or merges under a reference; a range that fails in the middle is released whole, as O_DIRECT and registrations do.
 */
import { faultResult, outcomeOk, remapSteps } from './access.ts';
import { EntryBit } from './entries.ts';
import { Errno } from './errno.ts';
import { noteWritable, openWay } from './exposure.ts';
import { lockEntry, readUnlockMmap, serves, unlockEntry } from './fault.ts';
import { PageBit, headOf, isPrivate } from './file.ts';
import { dropReference, addPinPart } from './folios.ts';
import { LockClass, WRITER, acquireRead } from './locks.ts';
import { Event } from './meter.ts';
import { Op } from './operations.ts';
import { entriesIn } from './pmd.ts';
import { SlotKind } from './slots.ts';
import { Flow, acquire, acquireUnless, callRoutine, free, freeWhen, goTo, release, releaseUnless, releaseWhen, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { inMm } from './windows.ts';
import type { World } from './world.ts';
import { releasePins, undoReferences, fillSlot, refuseSlot, bounceSlot, startCopy } from './holding.ts';

const isGet = (world: World, task: number): boolean => (world.flags[task] & TaskFlag.Get) !== 0;

/* ---- the fast path ---- */

/** Linux tries the fast path once, from the first page on. */
const isFirstTry = (world: World, task: number): boolean => world.cursor[task] === world.rangeStart[task];

const irqOff: Run = (world, task) => {
  world.flags[task] |= TaskFlag.IrqOff;
  if (isFirstTry(world, task)) world.meter.charge(Op['irq.toggle']);
  return Flow.Next;
};

const irqOn: Run = (world, task) => {
  world.flags[task] &= ~TaskFlag.IrqOff;
  return Flow.Next;
};

/** Reads the entries of the chunk, as far as the file goes, up to the first that is not present; otherwise the first one is not. */
const readEntries: Run = (world, task) => {
  const first = world.cursor[task];
  const last = Math.min(first + world.shape.chunk, world.rangeEnd[task], world.shape.pages);
  const base = world.window[task] * world.shape.pages;
  let page = first;
  while (page < last && serves(world, task, world.entry[base + page])) page++;
  world.cursorEnd[task] = page;
  // An entry that stops it was read too: charged where it is the first, so that chunks of any size are charged the same.
  const stops = page === first && isFirstTry(world, task);
  world.meter.chargeMany(Op['gup.fast'], entriesIn(world, world.window[task], first, stops ? page + 1 : page));
  return page > first ? Flow.Next : Flow.Otherwise;
};

/** try_get: fails on a frozen or free folio. */
const tryGet: Run = (world, task) => {
  const first = world.cursor[task];
  const last = world.cursorEnd[task];
  let page = first;
  for (; page < last; page++) {
    const head = headOf(world, page);
    if (world.refcount[head] <= 0) break;
    world.refcount[head]++;
  }
  world.cursorEnd[task] = page;
  // Of a PMD all references are taken at once.
  world.meter.chargeMany(Op['gup.grab'], entriesIn(world, world.window[task], first, page));
  return page > first ? Flow.Next : Flow.Otherwise;
};

/** Whether a converter holds the folio of the page exclusively (`Shape.keeps`): all of it, since pins are counted by folio. */
function isPinnedExclusively(world: World, page: number): boolean {
  const head = headOf(world, page);
  if (world.sizes.folioPages >= world.sizes.regionPages) {
    if (hasPrivate(world, head)) return true;
    // The mark of a conversion under way is there only while that holds invalidate_lock.
    if (world.invalidateLock[0] !== WRITER) return false;
  }
  for (let at = head; at < head + world.sizes.folioPages; at++) if (world.pageState[at] & PageBit.ExclusivePin || isPrivate(world, at)) return true;
  return false;
}

/** Whether a page of the large folio with this head is private, from the counts by region. */
function hasPrivate({ shape: { regionOrder, initShared }, sizes: { folioPages, regionPages }, regionFlipped }: World, head: number): boolean {
  const allShared = initShared ? 0 : regionPages;
  for (let region = head >> regionOrder; region << regionOrder < head + folioPages; region++) if (regionFlipped[region] !== allShared) return true;
  return false;
}

/** Adds the pin in one comparison with the exclusive one; otherwise the first page of the chunk has that. Of more pages only those before it are kept. */
const addPinUnlessExclusive: Run = (world, task) => {
  if (isGet(world, task)) return Flow.Next;
  const first = world.cursor[task];
  let page = first;
  while (page < world.cursorEnd[task] && !isPinnedExclusively(world, page)) addPinPart(world, page++, 1);
  if (page === first) {
    world.walkCursor[task] = first;
    return Flow.Otherwise;
  }
  world.walkCursor[task] = page;
  if (page < world.cursorEnd[task]) undoGet(world, task);
  world.walkCursor[task] = 0;
  return Flow.Next;
};

const addPin: Run = (world, task) => {
  if (isGet(world, task)) return Flow.Next;
  for (let page = world.cursor[task]; page < world.cursorEnd[task]; page++) addPinPart(world, page, 1);
  return Flow.Next;
};

/** Compares the entries again: from the first that changed on, the references are dropped. */
const rereadEntries: Run = (world, task) => {
  const last = world.cursorEnd[task];
  const base = world.window[task] * world.shape.pages;
  let page = world.cursor[task];
  while (page < last && serves(world, task, world.entry[base + page])) openWay(world, page++);
  world.walkCursor[task] = page;
  return page === last ? Flow.Next : Flow.Otherwise;
};

const refuseFolios: Run = (world, task) => {
  world.walkCursor[task] = world.cursor[task];
  return Flow.Otherwise;
};

const undoPin: Run = (world, task) => {
  if (!isGet(world, task)) for (let page = world.walkCursor[task]; page < world.cursorEnd[task]; page++) addPinPart(world, page, -1);
  return Flow.Next;
};

const undoGet: Run = (world, task) => {
  const first = world.walkCursor[task];
  const last = world.cursorEnd[task];
  for (let page = first; page < last; page++) dropReference(world, headOf(world, page), 1);
  world.meter.chargeMany(Op['gup.undo'], last - first);
  world.cursorEnd[task] = first;
  world.walkCursor[task] = 0;
  return Flow.Next;
};

/** Interrupts on again; what was taken belongs to the slot. Otherwise the range is not complete. */
const keepAndIrqOn: Run = (world, task) => {
  world.flags[task] &= ~TaskFlag.IrqOff;
  const last = world.cursorEnd[task];
  const stopped = last < Math.min(world.cursor[task] + world.shape.chunk, world.rangeEnd[task]);
  for (let page = world.cursor[task]; page < last; page++) record(world, task, page);
  world.cursor[task] = last;
  world.walkCursor[task] = 0;
  // Where the fast path stopped before the end of its chunk, for the next step to see.
  world.cursorEnd[task] = stopped ? last + 1 : 0;
  return last === world.rangeEnd[task] ? Flow.Next : Flow.Otherwise;
};

/** The fast path goes on with the next chunk where it got through the last one. */
const fastStopped: Run = (world, task) => {
  if (world.cursorEnd[task] === 0) return Flow.Otherwise;
  world.cursorEnd[task] = 0;
  return Flow.Next;
};

/** Tries the fast path; otherwise it is of no use, or not wanted. */
const tryFast = (longTerm: boolean): Run => (world, task) => {
  const flags = world.flags[task];
  if (flags & TaskFlag.SlowOnly) return Flow.Otherwise;
  return longTerm && (flags & TaskFlag.ReadOnly) === 0 ? Flow.Otherwise : Flow.Next;
};

/** The slow path takes mmap_lock, once for all of its pages; otherwise the caller does not want it. */
const fallBack: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.FastOnly) return Flow.Otherwise;
  const flow = acquireRead(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  // `page` is the last one that came this way: the range's first before there is any.
  const goesOn = world.cursor[task] > world.rangeStart[task] && world.page[task] === world.cursor[task] - 1;
  if (flow === Flow.Next && !goesOn) world.meter.charge(Op['lock.mmap']);
  return flow;
};

function record(world: World, task: number, page: number): void {
  const slot = world.slot[task];
  world.slotFrame[slot * world.shape.slotPages + world.slotCount[slot]++] = page + 1;
  noteWritable(world, page);
}

/* ---- the slow path, one page ---- */

const findVma: Run = (world, task) => {
  const page = world.cursor[task];
  world.page[task] = page;
  world.meter.charge(Op['gup.slow']);
  return page < world.shape.pages && inMm(world, world.window[task], page) ? Flow.Next : Flow.Otherwise;
};

/** The fault of a page that is not there: handle_mm_fault, and no exception. */
const beginFaultIn: Run = (world) => {
  world.meter.raise(Event.HostFaultBegin);
  return Flow.Next;
};

const refuseVma: Run = () => Flow.Otherwise;

/** Grabs under the page-table lock; otherwise the page has to be faulted in. */
const grabLocked: Run = (world, task) => {
  const page = world.page[task];
  if (!serves(world, task, world.entry[world.window[task] * world.shape.pages + page])) return Flow.Otherwise;
  const head = headOf(world, page);
  world.refcount[head]++;
  if (!isGet(world, task)) addPinPart(world, page, 1);
  openWay(world, page);
  record(world, task, page);
  world.cursor[task]++;
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

/** As `grabLocked`, where a converter may hold the folio exclusively: a pin is EBUSY then. */
const grabUnlessExclusive: Run = (world, task) => {
  const page = world.page[task];
  const present = (world.entry[world.window[task] * world.shape.pages + page] & EntryBit.Present) !== 0;
  const busy = present && !isGet(world, task) && isPinnedExclusively(world, page);
  world.outcome[task] = busy ? Errno.EBUSY : Errno.OK;
  return busy ? Flow.Otherwise : grabLocked(world, task);
};

const isNotBusy: Run = (world, task) => (world.outcome[task] === Errno.EBUSY ? Flow.Otherwise : Flow.Next);

const countBusy: Run = (world) => {
  world.meter.gupErrors[Errno.EBUSY]++;
  return Flow.Next;
};

const moreToPin: Run = (world, task) => (world.cursor[task] < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next);

export const countRefusal: Run = (world, task) => {
  world.outcome[task] = Errno.EFAULT;
  world.meter.gupErrors[Errno.EFAULT]++;
  return Flow.Next;
};

export interface GupRules {
  /** Any GUP at all, and long-term GUP. */
  readonly allowed: boolean;
  readonly longTermAllowed: boolean;
  /** The VMM bounce-copies its short I/O. */
  readonly bounces: boolean;
  /** See `hostAccessSteps`. */
  readonly remap: boolean;
  /** A pin fails with EBUSY while a converter holds the folio exclusively; a get does not. */
  readonly exclusive?: boolean;
}

export interface Reference {
  readonly kind: number;
  readonly flags: number;
}

export const PIN: Reference = { kind: SlotKind.Pin, flags: 0 };
export const LONG_TERM: Reference = { kind: SlotKind.LongTerm, flags: 0 };
export const GET: Reference = { kind: SlotKind.Get, flags: TaskFlag.Get };

/**
 * Steps that pin or get the range into the slot, or bounce-copy it. They go on at `ready` or at `refused`.
 */
export function takeReferenceSteps({ kind, flags }: Reference, rules: GupRules): readonly Step[] {
  const longTerm = kind === SlotKind.LongTerm;
  const allowed = rules.allowed && (!longTerm || rules.longTermAllowed);
  if (rules.bounces && kind === SlotKind.Pin) {
    return [
      freeWhen('slots')('io.begin', fillSlot(kind, flags)),
      free('bounce', startCopy),
      callRoutine('copy', 'copyRange'),
      free('copied', outcomeOk, 'slot.refuse'),
      freeWhen('slots')('bounced', bounceSlot),
      goTo('ready'),
      freeWhen('slots')('slot.refuse', refuseSlot),
      goTo('refused'),
    ];
  }
  return [
    freeWhen('slots')('io.begin', fillSlot(kind, flags)),
    ...(rules.remap ? remapSteps('fast', 'slot.refuse') : []),
    free('fast', tryFast(longTerm), 'mmapLock.read'),
    acquire('irq.off', irqOff),
    steady('pte.read', readEntries, 'irq.onSlow'),
    steady('folio.tryGet', tryGet, 'irq.onSlow'),
    rules.exclusive ? steady('folio.addPin', addPinUnlessExclusive, 'folio.put') : steady('folio.addPin', addPin),
    steady('pte.reread', allowed ? rereadEntries : refuseFolios, 'folio.subPin'),
    goTo('irq.on'),
    steady('folio.subPin', undoPin),
    steady('folio.put', undoGet),
    releaseWhen('slots')('irq.on', keepAndIrqOn, 'fast.stopped'),
    goTo('taken'),
    free('fast.stopped', fastStopped, 'fast'),
    goTo('mmapLock.read'),
    release('irq.onSlow', irqOn),
    acquireUnless('vmas')('mmapLock.read', fallBack, 'fastOnly.efault'),
    freeWhen('vmas')('vma.check', allowed ? findVma : refuseVma, 'efault'),
    acquire('ptl.lock', lockEntry),
    steady('folio.grab', rules.exclusive ? grabUnlessExclusive : grabLocked, 'ptl.unlockFault'),
    release('ptl.unlock', unlockEntry),
    releaseUnless('vmas')('mmapLock.readUnlock', readUnlockMmap),
    free('more', moreToPin, 'fast'),
    goTo('taken'),
    release('ptl.unlockFault', unlockEntry),
    ...(rules.exclusive ? [free('notBusy', isNotBusy, 'ebusy')] : []),
    free('fault.begin', beginFaultIn),
    callRoutine('fault', 'faultCore'),
    free('fault.end', faultResult, 'efault'),
    goTo('ptl.lock'),
    free('fastOnly.efault', countRefusal),
    goTo('undo.pins'),
    ...(rules.exclusive ? [free('ebusy', countBusy), goTo('mmapLock.readUnlockRefused')] : []),
    free('efault', countRefusal),
    releaseUnless('vmas')('mmapLock.readUnlockRefused', readUnlockMmap),
    freeWhen('pincounts')('undo.pins', releasePins),
    steady('undo.references', undoReferences),
    freeWhen('slots')('slot.refuse', refuseSlot),
    goTo('refused'),
    free('taken', () => Flow.Next),
  ];
}
