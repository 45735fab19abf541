/**
 * GUP: taking references on the pages behind a range of a mapping, and what holds them.
 *
 * Source: mm/gup.c (gup_fast_pte_range, try_grab_folio_fast, follow_page_pte, unpin_user_pages). DOMAIN 1.2 to 1.4, 11.5.
 * GUP-fast takes the reference first and the pin after it, re-reads the entry, and falls back to slow GUP where anything
 * changed. A long-term write pin of a guest_memfd page never takes the fast path (gup_fast_folio_allowed).
 * Differs from Linux: the head is not re-checked, because no folio of this world splits under a user; a range that fails in
 * the middle is released whole, as O_DIRECT and registrations do.
 */
import { enterHostFault, outcomeOk, complete, fail } from './access.ts';
import { EntryBit } from './entries.ts';
import { Errno } from './errno.ts';
import { closeWay, noteReach, openWay } from './exposure.ts';
import { readLockMmap, readUnlockMmap } from './fault.ts';
import { headOf } from './file.ts';
import { GUP_PIN_COUNTING_BIAS, dropReference } from './folios.ts';
import { lockId, waitFor } from './locks.ts';
import { Event, Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { SlotKind, clearSlot } from './slots.ts';
import { DEPTH_MAX, Flow, callRoutine, goTo, step } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { inMm } from './windows.ts';
import { lockPageTable, unlockPageTable } from './zap.ts';
import type { World } from './world.ts';

const isGet = (world: World, task: number): boolean => (world.flags[task] & TaskFlag.Get) !== 0;

/* ---- the fast path ---- */

const irqOff: Run = (world, task) => {
  world.flags[task] |= TaskFlag.IrqOff;
  world.meter.charge(Op['irq.toggle']);
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
  while (page < last && world.entry[base + page] & EntryBit.Present) page++;
  world.cursorEnd[task] = page;
  // The entry that stops it was read too.
  world.meter.chargeMany(Op['gup.fast'], page < last ? page - first + 1 : page - first);
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
  world.meter.chargeMany(Op['gup.grab'], page - first);
  return page > first ? Flow.Next : Flow.Otherwise;
};

const addPin: Run = (world, task) => {
  if (isGet(world, task)) return Flow.Next;
  for (let page = world.cursor[task]; page < world.cursorEnd[task]; page++) pinPart(world, page, 1);
  return Flow.Next;
};

/** What a FOLL_PIN adds to a reference: the rest of the bias, or a pincount. */
function pinPart(world: World, page: number, sign: number): void {
  const { folioOrder } = world.shape;
  if (folioOrder === 0) world.refcount[page] += sign * (GUP_PIN_COUNTING_BIAS - 1);
  else world.pincount[page >> folioOrder] += sign;
}

/** Compares the entries again: from the first that changed on, the references are dropped. */
const rereadEntries: Run = (world, task) => {
  const last = world.cursorEnd[task];
  const base = world.window[task] * world.shape.pages;
  let page = world.cursor[task];
  while (page < last && world.entry[base + page] & EntryBit.Present) openWay(world, page++);
  world.walkCursor[task] = page;
  return page === last ? Flow.Next : Flow.Otherwise;
};

const refuseFolios: Run = (world, task) => {
  world.walkCursor[task] = world.cursor[task];
  return Flow.Otherwise;
};

const undoPin: Run = (world, task) => {
  if (!isGet(world, task)) for (let page = world.walkCursor[task]; page < world.cursorEnd[task]; page++) pinPart(world, page, -1);
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

function record(world: World, task: number, page: number): void {
  const slot = world.slot[task];
  world.slotFrame[slot * world.shape.slotPages + world.slotCount[slot]++] = page + 1;
}

/* ---- the slow path, one page ---- */

const findVma: Run = (world, task) => {
  const page = world.cursor[task];
  world.page[task] = page;
  world.meter.charge(Op['gup.slow']);
  return page < world.shape.pages && inMm(world, world.window[task], page) ? Flow.Next : Flow.Otherwise;
};

const refuseVma: Run = () => Flow.Otherwise;

const lockEntry: Run = (world, task) => lockPageTable(world, task, world.window[task], world.page[task]);
const unlockEntry: Run = (world, task) => {
  unlockPageTable(world, task, world.window[task], world.page[task]);
  return Flow.Next;
};

/** Grabs under the page-table lock; otherwise the page has to be faulted in. */
const grabLocked: Run = (world, task) => {
  const page = world.page[task];
  if ((world.entry[world.window[task] * world.shape.pages + page] & EntryBit.Present) === 0) return Flow.Otherwise;
  const head = headOf(world, page);
  world.refcount[head]++;
  if (!isGet(world, task)) pinPart(world, page, 1);
  openWay(world, page);
  record(world, task, page);
  world.cursor[task]++;
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

const moreToPin: Run = (world, task) => (world.cursor[task] < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next);

const countRefusal: Run = (world, task) => {
  world.outcome[task] = Errno.EFAULT;
  world.meter.gupErrors[Errno.EFAULT]++;
  return Flow.Next;
};

/* ---- holding and releasing ---- */

/** Drops the pin part of all references of the slot; a get has none. */
const releasePins: Run = (world, task) => {
  const slot = world.slot[task];
  if (world.slotKind[slot] === SlotKind.Get || world.shape.folioOrder === 0) return Flow.Next;
  const base = slot * world.shape.slotPages;
  for (let place = base; place < base + world.slotCount[slot]; place++) pinPart(world, world.slotFrame[place] - 1, -1);
  return Flow.Next;
};

/** Drops the references of the slot, which is empty after it. */
const releaseReferences: Run = (world, task) => {
  const slot = world.slot[task];
  const { folioOrder, slotPages } = world.shape;
  const drop = world.slotKind[slot] !== SlotKind.Get && folioOrder === 0 ? GUP_PIN_COUNTING_BIAS : 1;
  const base = slot * slotPages;
  const mask = world.sizes.folioPages - 1;
  for (let place = base; place < base + world.slotCount[slot]; place++) {
    const frame = world.slotFrame[place] - 1;
    closeWay(world, frame);
    dropReference(world, frame & ~mask, drop);
  }
  world.meter.chargeMany(Op['gup.release'], world.slotCount[slot]);
  clearSlot(world, slot);
  world.meter.release(lockId(Waiting.Slot, 0));
  return Flow.Next;
};

/** The device or kernel user of the slot touches every page of it, through the direct map or by DMA. */
const touchSlot: Run = (world, task) => {
  const slot = world.slot[task];
  const base = slot * world.shape.slotPages;
  for (let place = base; place < base + world.slotCount[slot]; place++) noteReach(world, world.slotFrame[place] - 1);
  world.meter.chargeMany(Op['device.access'], world.slotCount[slot]);
  return Flow.Next;
};

/** The same as an access of the workload: I/O on a buffer that was registered before. */
const useSlot: Run = (world, task) => {
  world.meter.noteMany(Op['work.done'], world.slotCount[world.slot[task]]);
  return touchSlot(world, task);
};

/* ---- routines ---- */

const fillSlot = (kind: number, flags: number): Run => (world, task) => {
  const slot = world.slot[task];
  world.slotKind[slot] = kind;
  world.slotPage[slot] = world.rangeStart[task];
  world.flags[task] |= flags;
  world.cursor[task] = world.rangeStart[task];
  world.meter.charge(Op.syscall);
  return Flow.Next;
};

/** The request for the I/O: waiting for a device is a part of it. */
const submitIo: Run = (world) => {
  world.meter.raise(Event.IoBegin);
  return Flow.Next;
};

const ioReady: Run = (world, task) => {
  world.meter.raise(Event.IoReady);
  world.meter.noteMany(Op['work.done'], world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
};

const refuseSlot: Run = (world, task) => {
  world.slotKind[world.slot[task]] = SlotKind.Refused;
  return Flow.Next;
};

const bounceSlot: Run = (world, task) => {
  world.slotKind[world.slot[task]] = SlotKind.Bounced;
  return Flow.Next;
};

const startCopy: Run = (world, task) => {
  world.page[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Takes the lowest free device for an I/O; waits where all are busy. */
const claimDevice: Run = (world, task) => {
  const { slots, tasks, cpus } = world.shape;
  for (let device = cpus; device < tasks; device++) {
    const slot = slots - (tasks - device);
    if (world.slotKind[slot] !== SlotKind.Empty || world.pc[device * DEPTH_MAX] !== 0) continue;
    world.slot[task] = slot;
    // Claimed with the look, or two submitters would take the same device.
    world.slotKind[slot] = SlotKind.Pin;
    return Flow.Next;
  }
  return waitFor(world, lockId(Waiting.Slot, 0));
};

const startDevice = (entry: () => number): Run => (world, task) => {
  const { slots, tasks } = world.shape;
  const slot = world.slot[task];
  const device = tasks - (slots - slot);
  world.slot[device] = slot;
  world.pc[device * DEPTH_MAX] = entry();
  world.meter.start(device);
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
}

interface Reference {
  readonly kind: number;
  readonly flags: number;
}

const PIN: Reference = { kind: SlotKind.Pin, flags: 0 };
const LONG_TERM: Reference = { kind: SlotKind.LongTerm, flags: TaskFlag.LongTerm };
const GET: Reference = { kind: SlotKind.Get, flags: TaskFlag.Get };

/**
 * Steps that pin or get the range into the slot, or bounce-copy it. They go on at `ready` or at `refused`.
 */
function takeSteps({ kind, flags }: Reference, rules: GupRules): readonly Step[] {
  const longTerm = kind === SlotKind.LongTerm;
  const allowed = rules.allowed && (!longTerm || rules.longTermAllowed);
  if (rules.bounces && kind === SlotKind.Pin) {
    return [
      step('io.begin', fillSlot(kind, flags)),
      step('bounce', startCopy),
      callRoutine('copy', 'copyRange'),
      step('copied', outcomeOk, 'slot.refuse'),
      step('bounced', bounceSlot),
      goTo('ready'),
      step('slot.refuse', refuseSlot),
      goTo('refused'),
    ];
  }
  return [
    step('io.begin', fillSlot(kind, flags)),
    ...(rules.remap
      ? [step('mapped', windowIsMapped, 'fast'), callRoutine('remap', 'mmapWindow'), step('remapped', outcomeOk, 'slot.refuse')]
      : []),
    step('fast', () => (longTerm ? Flow.Otherwise : Flow.Next), 'mmapLock.read'),
    step('irq.off', irqOff),
    step('pte.read', readEntries, 'irq.onSlow'),
    step('folio.tryGet', tryGet, 'irq.onSlow'),
    step('folio.addPin', addPin),
    step('pte.reread', allowed ? rereadEntries : refuseFolios, 'folio.subPin'),
    goTo('irq.on'),
    step('folio.subPin', undoPin),
    step('folio.put', undoGet),
    step('irq.on', keepAndIrqOn, 'fast.stopped'),
    goTo('taken'),
    step('fast.stopped', fastStopped, 'fast'),
    goTo('mmapLock.read'),
    step('irq.onSlow', irqOn),
    step('mmapLock.read', readLockMmap),
    step('vma.check', allowed ? findVma : refuseVma, 'efault'),
    step('ptl.lock', lockEntry),
    step('folio.grab', grabLocked, 'ptl.unlockFault'),
    step('ptl.unlock', unlockEntry),
    step('mmapLock.readUnlock', readUnlockMmap),
    step('more', moreToPin, 'fast'),
    goTo('taken'),
    step('ptl.unlockFault', unlockEntry),
    step('fault.begin', enterHostFault),
    callRoutine('fault', 'faultCore'),
    step('fault.end', faultEnd, 'efault'),
    goTo('ptl.lock'),
    step('efault', countRefusal),
    step('mmapLock.readUnlockRefused', readUnlockMmap),
    step('undo.pins', releasePins),
    step('undo.references', releaseReferences),
    step('slot.refuse', refuseSlot),
    goTo('refused'),
    step('taken', () => Flow.Next),
  ];
}

const faultEnd: Run = (world, task) => {
  if (world.outcome[task] !== Errno.OK) return Flow.Otherwise;
  world.meter.raise(Event.HostFaultEnd);
  return Flow.Next;
};

const windowIsMapped: Run = (world, task) => (world.windowFlags[world.window[task]] === 0 ? Flow.Next : Flow.Otherwise);

function holdSteps(reference: Reference, rules: GupRules): readonly Step[] {
  return [step('io.submit', submitIo), ...takeSteps(reference, rules), step('ready', ioReady), step('done', complete), step('refused', fail)];
}

/** Routines of all accesses that take, use and drop references. @param deviceEntry position of the routine `device` */
export function gupRoutines(rules: GupRules, deviceEntry: () => number) {
  return {
    pinShort: { steps: holdSteps(PIN, rules) },
    pinLong: { steps: holdSteps(LONG_TERM, rules) },
    splice: { steps: holdSteps(GET, rules) },
    io: {
      steps: [
        step('io.submit', submitIo),
        step('device.claim', claimDevice),
        ...takeSteps(PIN, rules),
        step('ready', ioReady),
        step('device.start', startDevice(deviceEntry)),
        step('done', complete),
        step('refused', (world: World, task: number) => {
          clearSlot(world, world.slot[task]);
          world.meter.release(lockId(Waiting.Slot, 0));
          return fail(world, task);
        }),
      ],
    },
    device: { steps: [step('device.access', touchSlot), step('unpin.pins', releasePins), step('unpin', releaseReferences), step('device.done', () => Flow.Done)] },
    unpin: {
      steps: [step('device.access', touchSlot), step('unpin.pins', releasePins), step('unpin', releaseReferences), step('done', complete)],
    },
    deviceAccess: { steps: [step('device.access', useSlot), step('done', complete)] },
  };
}
