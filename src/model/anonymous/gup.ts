/**
 * GUP: references on the pages behind a range of a private mapping, and what becomes of a pin for reading of a page that may be shared.
 *
 * The fast path, with interrupts off and without locks: read the entry, take the reference and then the pin, read the entry again, look
 * whether the page is exclusive. Whoever clears that flag does it the other way round: clear the entry, look for pins, clear the flag. A
 * fork write-protects without clearing, so that the fast path looks at its sequence before and after, and drops what it took where a
 * fork was at work.
 *
 * Source: mm/gup.c (gup_fast, gup_fast_pte_range, follow_page_pte, gup_must_unshare, internal_get_user_pages_fast), include/linux/rmap.h
 * (the comment of __folio_try_share_anon_rmap).
 * A range that fails in the middle is released whole, as O_DIRECT and registrations do. FOLL_FAST_ONLY ends with EFAULT where it gets less
 * than it asked for.
 */
import { Errno } from '../errno.ts';
import { EntryBit, entryAt } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME, addPinPart, dropReference, refcountOf, takeReference } from '../memory/frames.ts';
import { lockTable, readLockMmap, readUnlockMmap, unlockTable } from '../memory/locks.ts';
import { bornStep } from '../memory/processes.ts';
import { SlotKind } from '../memory/slots.ts';
import { Backing, isPrivateMapping } from '../memory/windows.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';
import { Op } from '../operations.ts';
import { TaskFlag } from '../tasks.ts';
import { Flow, acquire, callRoutine, free, goTo, release, steady } from '../step.ts';
import { complete, fail, serves } from './access.ts';
import { AnonymousAccess, AnonymousFlag, AnonymousSpan, REFERENCE_FLAGS } from './kinds.ts';
import type { UnsharingRules } from './rules.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

const isGet = (world: AnonymousWorld, task: number): boolean => (world.flags[task] & AnonymousFlag.Get) !== 0;
const wantsWrite = (world: AnonymousWorld, task: number): boolean => (world.flags[task] & AnonymousFlag.Write) !== 0;
const atCursor = (world: AnonymousWorld, task: number): number => entryAt(world, world.window[task], world.cursor[task]);

/** What the slot is held by, for the reading of its references. */
export const slotKindOf = (kind: number): number =>
  kind === AnonymousAccess.Splice ? SlotKind.Get : kind === AnonymousAccess.PinLongRead || kind === AnonymousAccess.PinLongWrite ? SlotKind.LongTerm : SlotKind.Pin;

/** The slot is filled in place. It remembers where its pages come from, until the process gives that range up. */
const begin: Run = (world, task) => {
  const kind = world.kind[task];
  const slot = world.slot[task];
  world.flags[task] |= REFERENCE_FLAGS[kind];
  world.slotKind[slot] = slotKindOf(kind);
  world.slotWindow[slot] = world.window[task] + 1;
  world.slotPage[slot] = world.rangeStart[task];
  world.cursor[task] = world.rangeStart[task];
  world.meter.charge(Op.syscall);
  world.meter.beginSpan(AnonymousSpan.Pin);
  return Flow.Next;
};

/** mm_set_has_pinned_flag: from now on forks of this process look for pins. */
const setHasPinned: Run = (world, task) => {
  if (!isGet(world, task)) world.mmHasPinned[world.mm[task]] = 1;
  return Flow.Next;
};

/**
 * gup_must_unshare: a pin for reading of what is mapped read-only, unless the page is this mapping's alone. Of what is no anonymous page
 * only long-term pins have to keep, and only in private mappings can a write replace it.
 */
function mustUnshare(world: AnonymousWorld, task: number, bits: number, frame: number): boolean {
  if (bits & EntryBit.Write || isGet(world, task) || wantsWrite(world, task)) return false;
  const flags = world.frameFlags[frame];
  if (flags & FrameBit.Anon) return (flags & FrameBit.Exclusive) === 0;
  return (world.flags[task] & AnonymousFlag.LongTerm) !== 0 && isPrivateMapping(world, world.window[task]);
}

/* ---- the fast path ---- */

const tryFast: Run = (world, task) => (world.flags[task] & AnonymousFlag.SlowOnly ? Flow.Otherwise : Flow.Next);

const readSequence: Run = (world, task) => {
  const sequence = world.mmForkSequence[world.mm[task]];
  world.readSequence[task] = sequence;
  world.fastStart[task] = world.slotCount[world.slot[task]];
  return sequence & 1 && !isGet(world, task) ? Flow.Otherwise : Flow.Next;
};

const irqOff: Run = (world, task) => {
  world.flags[task] |= TaskFlag.IrqOff;
  world.meter.charge(Op['irq.toggle']);
  return Flow.Next;
};

const irqOn: Run = (world, task) => {
  world.flags[task] &= ~TaskFlag.IrqOff;
  world.readTarget[task] = 0;
  world.readEntry[task] = 0;
  return Flow.Next;
};

/** Reads the entry; otherwise the fast path can do nothing with it: not there, not writable, or the zero page, which is special. */
const readEntry: Run = (world, task) => {
  const at = atCursor(world, task);
  world.meter.charge(Op['gup.fast']);
  if (world.cursor[task] >= world.shape.pages || !serves(world.entry[at], wantsWrite(world, task)) || world.entryTarget[at] === ZERO_FRAME + 1) return Flow.Otherwise;
  world.readEntry[task] = world.entry[at];
  world.readTarget[task] = world.entryTarget[at];
  return Flow.Next;
};

/** try_get_folio; otherwise the page has just been freed. */
const tryGet: Run = (world, task) => {
  const frame = world.readTarget[task] - 1;
  if (refcountOf(world, frame) <= 0) return Flow.Otherwise;
  takeReference(world, frame);
  world.grabFrame[task] = frame + 1;
  world.grabbed[task] = 1;
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

const addPin: Run = (world, task) => {
  if (isGet(world, task)) return Flow.Next;
  addPinPart(world, world.grabFrame[task] - 1, 1);
  world.grabbed[task] = GUP_PIN_COUNTING_BIAS;
  return Flow.Next;
};

const rereadEntry = ({ mistake }: UnsharingRules): Run => (world, task) => {
  const at = atCursor(world, task);
  if (mistake === 'reads-entry-once') return Flow.Next;
  return world.entry[at] === world.readEntry[task] && world.entryTarget[at] === world.readTarget[task] ? Flow.Next : Flow.Otherwise;
};

/** Keeps the page, if it need not be unshared first. */
const keepIfExclusive = ({ onShared }: UnsharingRules): Run => (world, task) => {
  const frame = world.grabFrame[task] - 1;
  if (onShared !== 'pin' && mustUnshare(world, task, world.readEntry[task], frame)) return Flow.Otherwise;
  world.grabFrame[task] = 0;
  world.grabbed[task] = 0;
  record(world, task, frame);
  return Flow.Next;
};

function record(world: AnonymousWorld, task: number, frame: number): void {
  const slot = world.slot[task];
  world.slotFrame[slot * world.shape.slotPages + world.slotCount[slot]++] = frame + 1;
  world.cursor[task]++;
}

const subPin: Run = (world, task) => {
  if (world.grabbed[task] > 1) addPinPart(world, world.grabFrame[task] - 1, -1);
  world.grabbed[task] = 1;
  return Flow.Next;
};

const putGrabbed: Run = (world, task) => {
  dropReference(world, world.grabFrame[task] - 1);
  world.grabFrame[task] = 0;
  world.grabbed[task] = 0;
  world.meter.charge(Op['gup.undo']);
  return Flow.Next;
};

/** Behind the batch: no fork has write-protected anything meanwhile. Otherwise all that the batch took goes back. */
const compareSequence = ({ mistake }: UnsharingRules): Run => (world, task) => {
  if (isGet(world, task) || mistake === 'ignores-fork-sequence') return Flow.Next;
  return world.mmForkSequence[world.mm[task]] === world.readSequence[task] ? Flow.Next : Flow.Otherwise;
};

/** Drops the last page of the buffer, as long as it has more than the batch began with. Otherwise it has not. */
const undoFast: Run = (world, task) => {
  const slot = world.slot[task];
  if (world.slotCount[slot] <= world.fastStart[task]) return Flow.Otherwise;
  dropLast(world, task, slot);
  return Flow.Next;
};

/** Drops all references of the last page of the slot: one atomic for a small folio. */
export function dropLast(world: AnonymousWorld, task: number, slot: number): void {
  const place = slot * world.shape.slotPages + --world.slotCount[slot];
  const frame = world.slotFrame[place] - 1;
  world.slotFrame[place] = 0;
  if (world.slotKind[slot] === SlotKind.Get) dropReference(world, frame);
  else {
    addPinPart(world, frame, -1);
    dropReference(world, frame);
  }
  world.cursor[task]--;
  world.meter.charge(Op['gup.release']);
}

const ifComplete: Run = (world, task) => (world.cursor[task] === world.rangeEnd[task] ? Flow.Next : Flow.Otherwise);
const ifSlowAllowed: Run = (world, task) => (world.flags[task] & AnonymousFlag.FastOnly ? Flow.Otherwise : Flow.Next);

/* ---- the slow path, page by page ---- */

/** Otherwise there is no VMA, or it may not be written. */
const findVma: Run = (world, task) => {
  const page = world.cursor[task];
  world.page[task] = page;
  world.meter.charge(Op['gup.slow']);
  if (page >= world.shape.pages || world.windowBacking[world.window[task]] === Backing.None) return Flow.Otherwise;
  const bits = world.entry[atCursor(world, task)];
  return bits & EntryBit.NoVma || (bits & EntryBit.ReadOnlyVma && wantsWrite(world, task)) ? Flow.Otherwise : Flow.Next;
};

const lockCursor: Run = (world, task) => lockTable(world, task, world.window[task], world.cursor[task]);
const unlockCursor: Run = (world, task) => {
  unlockTable(world, task, world.window[task], world.page[task]);
  return Flow.Next;
};

/** Looks at the entry under its lock; otherwise a fault has to do something first. `outcome` is EFAULT where nothing will be done. */
const readLocked = ({ onShared }: UnsharingRules): Run => (world, task) => {
  const at = atCursor(world, task);
  const bits = world.entry[at];
  const frame = world.entryTarget[at] - 1;
  world.outcome[task] = Errno.OK;
  world.flags[task] &= ~AnonymousFlag.Unshare;
  if (!serves(bits, wantsWrite(world, task))) return Flow.Otherwise;
  if (onShared === 'pin' || !mustUnshare(world, task, bits, frame)) return Flow.Next;
  if (onShared === 'fail') world.outcome[task] = Errno.EFAULT;
  else world.flags[task] |= AnonymousFlag.Unshare;
  return Flow.Otherwise;
};

/** A buffer that begins here has nothing of what the fast path may have grabbed and a zap taken from under it. */
const grabLocked: Run = (world, task) => {
  const slot = world.slot[task];
  if (world.slotCount[slot] === 0) world.slotWindow[slot] = world.window[task] + 1;
  const frame = world.entryTarget[atCursor(world, task)] - 1;
  takeReference(world, frame);
  if (!isGet(world, task)) addPinPart(world, frame, 1);
  record(world, task, frame);
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

const ifAllowed: Run = (world, task) => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);
const moreToPin: Run = (world, task) => (world.cursor[task] < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next);

/** The buffer is complete. */
const keepSlot: Run = (world, task) => {
  world.meter.noteMany(Op['pin.done'], world.slotCount[world.slot[task]]);
  world.meter.endSpan(AnonymousSpan.Pin);
  return Flow.Next;
};

const refuse: Run = (world, task) => {
  world.outcome[task] = Errno.EFAULT;
  world.meter.gupErrors[Errno.EFAULT]++;
  world.meter.note(Op['pin.failed']);
  return Flow.Next;
};

const undoAll: Run = (world, task) => {
  const slot = world.slot[task];
  if (world.slotCount[slot] === 0) return Flow.Otherwise;
  dropLast(world, task, slot);
  return Flow.Next;
};

const refuseSlot: Run = (world, task) => {
  const slot = world.slot[task];
  world.slotKind[slot] = SlotKind.Refused;
  world.slotWindow[slot] = 0;
  world.slotPage[slot] = 0;
  return Flow.Next;
};

/** Routine of the five kinds that take references. */
export function gupSteps(rules: UnsharingRules): readonly Step[] {
  return [
    bornStep,
    steady('gup.begin', begin),
    steady('mm.setHasPinned', setHasPinned),
    free('fast', tryFast, 'mmapLock.read'),
    steady('sequence.read', readSequence, 'fast.over'),
    acquire('irq.off', irqOff),
    steady('pte.read', readEntry, 'irq.on'),
    steady('folio.tryGet', tryGet, 'irq.on'),
    steady('folio.addPin', addPin),
    steady('pte.reread', rereadEntry(rules), 'folio.subPin'),
    steady('page.isExclusive', keepIfExclusive(rules), 'folio.subPin'),
    free('fast.more', moreToPin, 'pte.read'),
    goTo('irq.on'),
    steady('folio.subPin', subPin),
    steady('folio.put', putGrabbed),
    release('irq.on', irqOn),
    steady('sequence.compare', compareSequence(rules), 'fast.undo'),
    goTo('fast.over'),
    steady('fast.undo', undoFast, 'fast.over'),
    goTo('fast.undo'),
    free('fast.over', ifComplete, 'slow'),
    goTo('taken'),
    free('slow', ifSlowAllowed, 'efault'),
    acquire('mmapLock.read', readLockMmap),
    steady('vma.check', findVma, 'efault.unlock'),
    acquire('ptl.lock', lockCursor),
    steady('pte.readLocked', readLocked(rules), 'ptl.unlockFault'),
    steady('folio.grab', grabLocked),
    release('ptl.unlock', unlockCursor),
    free('more', moreToPin, 'vma.check'),
    release('mmapLock.readUnlock', readUnlockMmap),
    free('taken', keepSlot),
    free('done', complete),
    release('ptl.unlockFault', unlockCursor),
    free('fault.isAllowed', ifAllowed, 'efault.unlock'),
    callRoutine('fault', 'fault'),
    free('fault.result', ifAllowed, 'efault.unlock'),
    goTo('ptl.lock'),
    release('efault.unlock', readUnlockMmap),
    free('efault', refuse),
    steady('undo', undoAll, 'slot.refuse'),
    goTo('undo'),
    steady('slot.refuse', refuseSlot),
    free('failed', fail),
  ];
}
