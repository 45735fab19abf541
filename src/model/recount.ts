/**
 * Counting again: what the counters of a world should be, from everybody who counts: entries, slots, batches, and tasks
 * in the middle of something.
 *
 * Exact at every moment, in the middle of a routine too: what a task holds between two steps follows from the step that it
 * takes next, which is why the recount takes the program. A step that takes or drops a reference, and is neither a column's
 * nor a flag's to tell, has its name here; the invariants fail in every exploration where one is missing.
 *
 * Price: one pass over all entries, frames and tasks. For tests and the explorer; no simulation calls this.
 */
import { EntryBit, TableBit } from './entries.ts';
import type { StaleBit } from './entries.ts';
import { PageBit, folioPagesAt, headOf, isLarge } from './file.ts';
import { GUP_PIN_COUNTING_BIAS, cacheReferences } from './folios.ts';
import { FolioType } from './folioType.ts';
import { GAUGES, Gauge } from './gauges.ts';
import { isFlushed, keptByGupFast, staleBitOf } from './inFlight.ts';
import { isClearedPmd, isPmd } from './pmd.ts';
import { SlotKind } from './slots.ts';
import { GiganticBit, RegionBit } from './stage2.ts';
import { DEPTH_MAX } from './step.ts';
import type { Program } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { chunkEnd } from './zap.ts';
import type { World } from './world.ts';

/** What the counters of a world should be, found by looking at everybody who counts. */
export interface Recount {
  /** By frame. */
  readonly refcount: Int32Array;
  readonly mapcount: Int32Array;
  readonly dataRefs: Int32Array;
  /** By folio; empty at order 0. */
  readonly pincount: Int32Array;
  /** Mappings of any size of any page. */
  readonly largeMapcount: Int32Array;
}

/** @param program the positions of the world's tasks are positions in it */
export function recountWorld(world: World, program: Program): Recount {
  const { frames } = world.sizes;
  const recount: Recount = {
    refcount: new Int32Array(frames),
    mapcount: new Int32Array(frames),
    dataRefs: new Int32Array(frames),
    pincount: new Int32Array(world.pincount.length),
    largeMapcount: new Int32Array(world.largeMapcount.length),
  };
  countFile(world, recount);
  countEntries(world, recount);
  countSlots(world, recount);
  for (const page of world.lruPage) if (page !== 0) recount.refcount[page - 1]++;
  for (let task = 0; task < world.shape.tasks; task++) countTask(world, recount, program, task);
  const { mapcount, largeMapcount } = recount;
  if (largeMapcount.length > 0) for (const [frame, count] of mapcount.entries()) if (isLarge(world, frame)) largeMapcount[frame >> world.shape.folioOrder] += count;
  return recount;
}

function countFile(world: World, { refcount, dataRefs }: Recount): void {
  for (let page = 0; page < world.shape.pages; page++) {
    const state = world.pageState[page];
    // A folio that is moved has the mover's reference, or its count is frozen.
    if (state & PageBit.Migrating) refcount[page] += world.refcount[page] === 0 ? 0 : cacheReferences(world, page) + 1;
    // So is that of a folio that is split or merged: an invariant says by whom.
    else if (state & PageBit.Present && !hasGivenUp(world, page) && !(world.sizes.splits && world.refcount[page] === 0)) refcount[page] += cacheReferences(world, page);
    if (world.pageState[page] & PageBit.Secondary) dataRefs[page]++;
  }
}

/** The page cache has given its references on a folio up that waits for its last put. */
const hasGivenUp = ({ folioType }: World, page: number): boolean => page < folioType.length && folioType[page] >= FolioType.Armed;

const STALE: readonly StaleBit[] = [EntryBit.StaleMunmap, EntryBit.StaleZap];

function countEntries(world: World, recount: Recount): void {
  const { refcount, dataRefs } = recount;
  const { windows, pages } = world.shape;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const bits = world.entry[window * pages + page];
      if (bits & EntryBit.Present) {
        const entry = entryAt(world, page, isPmd(world, window, page));
        if (entry !== 'rest of a PMD') refcount[headOf(world, page)]++;
        countMapping(world, recount, page, entry);
        dataRefs[page]++;
      }
      const stales = STALE.filter((stale) => bits & stale);
      for (const stale of stales) {
        if (entryAt(world, page, isClearedPmd(world, window, page, stale)) !== 'rest of a PMD') refcount[headOf(world, page)]++;
        if (!isFlushed(world, stale, window, page)) dataRefs[page]++;
      }
      // Of two that were cleared the later one is delayed, and a PMD that comes after a PTE there is none.
      if (bits & EntryBit.RmapDelayed) countMapping(world, recount, page, entryAt(world, page, stales.length > 0 && stales.every((stale) => isClearedPmd(world, window, page, stale))));
    }
  }
}

/** What the byte of a page stands for: a PMD is counted with its first page. */
type EntryKind = 'PTE' | 'PMD' | 'rest of a PMD';
const entryAt = (world: World, page: number, ofPmd: boolean): EntryKind => (!ofPmd ? 'PTE' : page % world.sizes.regionPages === 0 ? 'PMD' : 'rest of a PMD');

function countMapping({ shape: { folioOrder } }: World, { mapcount, largeMapcount }: Recount, page: number, entry: EntryKind): void {
  if (entry === 'PTE') mapcount[page]++;
  else if (entry === 'PMD') largeMapcount[page >> folioOrder]++;
}

function countSlots(world: World, recount: Recount): void {
  const { slots, slotPages } = world.shape;
  for (let slot = 0; slot < slots; slot++) {
    const pinned = world.slotKind[slot] !== SlotKind.Get;
    for (let place = slot * slotPages; place < slot * slotPages + world.slotCount[slot]; place++) {
      countGrab(world, recount, world.slotFrame[place] - 1, pinned);
      recount.dataRefs[world.slotFrame[place] - 1]++;
    }
  }
}

/** One page that a get or a whole pin holds. */
function countGrab(world: World, { refcount, pincount }: Recount, frame: number, pinned: boolean): void {
  const hasPincount = isLarge(world, frame);
  refcount[headOf(world, frame)] += pinned && !hasPincount ? GUP_PIN_COUNTING_BIAS : 1;
  if (pinned && hasPincount) pincount[frame >> world.shape.folioOrder]++;
}

/** What a task holds that no column but its position and its locals tells. */
function countTask(world: World, recount: Recount, program: Program, task: number): void {
  const at = world.pc[task * DEPTH_MAX + world.depth[task]];
  const name = program.names[at];
  if (world.flags[task] & TaskFlag.HoldsFolio) recount.refcount[headOf(world, world.page[task])]++;
  if (world.flags[task] & TaskFlag.IrqOff) countGupFast(world, recount, name, task);
  else if (program.routineNames[at] === 'toPrivate' && LOOKED_UP.has(name)) countLookups(world, recount, task);
  else if (program.routineNames[at] === 'toReadOnly' && LOOKED_UP.has(name)) countLookups(world, recount, task);
  else if (world.shape.keeps === 'migrations' && program.routineNames[at] === 'toPrivate' && OF_ONE_FOLIO.has(name)) recount.refcount[world.walkStart[task]]++;
  else if (name === 'pte.set') recount.mapcount[world.page[task]]++;
  else if (name === 'pmd.set') countMapping(world, recount, world.page[task], 'PMD');
  else if (name === 'rmap.remove') countUnremoved(world, recount, task);
  else if (name === 'unpin' || name === 'undo.references') uncountPins(world, recount, world.slot[task]);
}

/** References of GUP-fast between its grab and the slot. */
function countGupFast(world: World, recount: Recount, name: string, task: number): void {
  const { refcount, dataRefs } = recount;
  const pinned = (world.flags[task] & TaskFlag.Get) === 0;
  const [first, kept] = keptByGupFast(world, name, task);
  if (name === 'pte.read' || name === 'folio.tryGet' || name === 'irq.onSlow') return;
  for (let page = first; page < world.cursorEnd[task]; page++) {
    const whole = name !== 'folio.addPin' && (name !== 'folio.put' || page < kept);
    if (whole) countGrab(world, recount, page, pinned);
    else refcount[headOf(world, page)]++;
    if (page < kept) dataRefs[page]++;
  }
}

/** Steps of a reference check that come between its lookup and its put. */
const LOOKED_UP: ReadonlySet<string> = new Set([
  'folio.readMapcount', 'folio.readPins', 'folio.readRef', 'lru.drain', 'lru.wait', 'to folio.readRef', 'refuse', 'folio.put', 'folio.putRefused',
  'folio.waitMapcount', 'folio.waitPins', 'folio.waitRef', 'folio.rereadMapcount', 'folio.rereadPins', 'folio.rereadRef',
  'to folio.readPins', 'to folio.put',
]);

/** Steps of a migration in place that hold a reference on the folio of the walk, which is not locked for it yet, or no longer. */
const OF_ONE_FOLIO: ReadonlySet<string> = new Set(['folio.lock', 'folio.putMoved']);

function countLookups(world: World, { refcount }: Recount, task: number): void {
  for (let head = world.cursor[task]; head < world.cursorEnd[task]; head += folioPagesAt(world, head)) {
    if (world.pageState[head] & PageBit.Present) refcount[head]++;
  }
}

/** Clean entries of a chunk, or a PMD, that are cleared while their mapping counts are still there. */
function countUnremoved(world: World, recount: Recount, task: number): void {
  const stale = staleBitOf(world, task);
  const base = world.walkWindow[task] * world.shape.pages;
  const first = world.walkCursor[task];
  if (isClearedPmd(world, world.walkWindow[task], first, stale)) {
    if ((world.entry[base + first] & EntryBit.RmapDelayed) === 0) countMapping(world, recount, first, 'PMD');
    return;
  }
  for (let page = first; page < chunkEnd(world, task); page++) {
    if ((world.entry[base + page] & (stale | EntryBit.RmapDelayed)) === stale) recount.mapcount[page]++;
  }
}

/** The pin part of a large folio's pins goes a step before the references. */
function uncountPins(world: World, { pincount, dataRefs }: Recount, slot: number): void {
  const { folioOrder, slotPages } = world.shape;
  if (folioOrder === 0 || world.slotKind[slot] === SlotKind.Get) return;
  for (let place = slot * slotPages; place < slot * slotPages + world.slotCount[slot]; place++) {
    if (!isLarge(world, world.slotFrame[place] - 1)) continue;
    pincount[(world.slotFrame[place] - 1) >> folioOrder]--;
    dataRefs[world.slotFrame[place] - 1]--;
  }
}

/** What the gauges of the world should be, by index in GAUGES, counted from its columns. */
export function recountGauges(world: World): Float64Array {
  const { shape, pageState, regionState, giganticState, table } = world;
  const gauge = new Float64Array(GAUGES.length);
  for (let page = 0; page < shape.pages; page++) {
    if ((pageState[page] & PageBit.PrivatePresent) === 0) continue;
    gauge[Gauge.privatePages]++;
    if (pageState[headOf(world, page)] & PageBit.Present) gauge[Gauge.doublePages]++;
  }
  for (let page = 0; page < shape.pages; page++) {
    if (pageState[page] & PageBit.Leaf) gauge[Gauge.leaves4K]++;
    if (page !== headOf(world, page) || (pageState[page] & PageBit.Present) === 0) continue;
    gauge[Gauge.pages] += folioPagesAt(world, page);
    if (isLarge(world, page)) gauge[Gauge.largeFolios]++;
  }
  for (const state of regionState) if (state & RegionBit.Leaf) gauge[Gauge.leaves2M]++;
  for (const state of giganticState) if (state & GiganticBit.Leaf) gauge[Gauge.leaves1G]++;
  for (const bits of table) if (bits & TableBit.Allocated) gauge[Gauge.tables]++;
  return gauge;
}
