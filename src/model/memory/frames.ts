/**
 * Frames: physical memory, one column a field, with the kernel's own arithmetic.
 *
 * Frame 0 is the zero page: it is never counted, written or freed. Frames of order 0 come next, and behind them those of huge folios; a
 * huge folio that was split is in pieces of order 0 until none of them is in use. The lowest free frame is given out, so that what is
 * free is no state beyond what is in use.
 *
 * Invariants (checked by the families):
 *   M1  refcount = entries + page cache + swap cache + buffers x bias + what tasks hold (`held...` of memory/tasks.ts)
 *   M2  a frame without references has no mapping and no flags
 *   M3  of a huge folio the head has the refcount
 *
 * Source: include/linux/mm.h, mm/gup.c (try_grab_folio, folio_maybe_dma_pinned).
 */
import { column } from '../columns.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';
import { Op } from '../operations.ts';
import { UserError } from '../userError.ts';
import { framesOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

/** The zero page. */
export const ZERO_FRAME = 0;

export const FrameBit = {
  Locked: 1 << 0,
  /** Anonymous: PageAnon. */
  Anon: 1 << 1,
  /** PageAnonExclusive: this one page table entry's alone. */
  Exclusive: 1 << 2,
  Dirty: 1 << 3,
  /** Its content has come (from swap, or by clearing). */
  UpToDate: 1 << 4,
} as const;

const BITS = 32;
/** Most references: every entry, every buffer, what each task holds, caches. */
const references = ({ windows, slots, slotPages, tasks, regionOrder, hugeFolios }: MemoryShape): number =>
  (hugeFolios > 0 ? 1 << regionOrder : 1) * (windows + slots * Math.min(slotPages, 1 << regionOrder) * GUP_PIN_COUNTING_BIAS + tasks * (GUP_PIN_COUNTING_BIAS + 4)) + 4;
const words = ({ frames }: MemoryShape): number => Math.ceil(frames / BITS);
const fullWord = (count: number): number => (count >= BITS ? 0xffff_ffff : 2 ** count - 1);
const huge = ({ hugeFolios }: MemoryShape): number => hugeFolios;

export const frameColumns = {
  frameRefs: column('i32', 'frame', framesOf, references),
  /** Page-table entries that map the page; one PMD maps each page of its folio. */
  frameMaps: column('u16', 'frame', framesOf, ({ windows }: MemoryShape) => windows),
  frameFlags: column('u8', 'frame', framesOf, () => 0x1f),
  frameContent: column('u8', 'frame', framesOf, () => 0xff),
  /** The swap slot of a frame in the swap cache, plus one. */
  frameSwap: column('u16', 'frame', (shape: MemoryShape) => (shape.swapSlots > 0 ? framesOf(shape) : 0), ({ swapSlots }: MemoryShape) => swapSlots),
  /** One bit a frame of order 0 that is in use, and one bit a word of them that is full. */
  framesUsed: column('u32', 'world', words, ({ frames }: MemoryShape) => fullWord(frames)),
  framesFull: column('u32', 'world', (shape: MemoryShape) => Math.ceil(words(shape) / BITS), (shape: MemoryShape) => fullWord(words(shape))),
  /** Frames of each huge folio that are in use: as a whole, or one by one. */
  hugeUsed: column('u16', 'folio', huge, ({ regionOrder }: MemoryShape) => 1 << regionOrder),
  /** 1: in pieces of order 0. */
  hugeSplit: column('u8', 'folio', huge, () => 1),
  /** Pins of any page (_pincount), and mappings: each PMD is one and each entry of a page table (_large_mapcount). */
  hugePins: column('i32', 'folio', huge, ({ slots, slotPages, tasks, regionOrder }: MemoryShape) => slots * slotPages + (tasks << regionOrder)),
  hugeMaps: column('i32', 'folio', huge, ({ windows, regionOrder }: MemoryShape) => windows << regionOrder),
} as const;

/** Number of the huge folio that a frame lies in, whole or in pieces; negative: a frame of order 0. */
export const hugeOf = ({ shape: { frames, regionOrder } }: MemoryWorld, frame: number): number => (frame < frames ? -1 : (frame - frames) >> regionOrder);

/** folio_test_large. */
export function isLarge(world: MemoryWorld, frame: number): boolean {
  const folio = hugeOf(world, frame);
  return folio >= 0 && world.hugeSplit[folio] === 0;
}

/** The frame that speaks for the folio of this one. */
export const headOf = (world: MemoryWorld, frame: number): number =>
  isLarge(world, frame) ? world.shape.frames + (hugeOf(world, frame) << world.shape.regionOrder) : frame;

/** folio_nr_pages. */
export const folioPages = (world: MemoryWorld, frame: number): number => (isLarge(world, frame) ? 1 << world.shape.regionOrder : 1);

/** Whether anybody counts references of this frame. @throws Error where a step has no frame in its hands: the kernel would follow a null pointer */
export function isCounted(frame: number): boolean {
  if (frame < 0) throw new Error('a step counts references of no frame');
  return frame !== ZERO_FRAME;
}

/** folio_ref_count. */
export const refcountOf = (world: MemoryWorld, frame: number): number => world.frameRefs[headOf(world, frame)];

/** folio_mapcount. */
export const mapcountOf = (world: MemoryWorld, frame: number): number => (isLarge(world, frame) ? world.hugeMaps[hugeOf(world, frame)] : world.frameMaps[frame]);

/** folio_maybe_dma_pinned: exact for large folios; for small ones 1024 ordinary references look like a pin. */
export const maybePinned = (world: MemoryWorld, frame: number): boolean =>
  isLarge(world, frame) ? world.hugePins[hugeOf(world, frame)] > 0 : world.frameRefs[frame] >= GUP_PIN_COUNTING_BIAS;

/** The lowest free frame of order 0 in a column of words; -1 when all are in use. */
function lowestFree({ framesUsed, framesFull, shape: { frames } }: MemoryWorld): number {
  for (let top = 0; top < framesFull.length; top++) {
    const free = ~framesFull[top];
    if (free === 0) continue;
    const word = top * BITS + lowestBit(free);
    if (word >= framesUsed.length) return -1;
    const frame = word * BITS + lowestBit(~framesUsed[word]);
    return frame < frames ? frame : -1;
  }
  return -1;
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

function markUsed({ framesUsed, framesFull }: MemoryWorld, frame: number): void {
  const word = frame >>> 5;
  framesUsed[word] |= 1 << (frame & 31);
  if (framesUsed[word] === 0xffff_ffff) framesFull[word >>> 5] |= 1 << (word & 31);
}

function markFree({ framesUsed, framesFull }: MemoryWorld, frame: number): void {
  const word = frame >>> 5;
  framesUsed[word] &= ~(1 << (frame & 31));
  framesFull[word >>> 5] &= ~(1 << (word & 31));
}

/** Takes the zero page out of what can be given out: the first thing in a fresh world. */
export function reserveZeroPage(world: MemoryWorld): void {
  markUsed(world, ZERO_FRAME);
  world.frameFlags[ZERO_FRAME] = FrameBit.UpToDate;
}

/** A frame of order 0 with one reference, no content and no flags. @throws UserError where there is none */
export function allocateFrame(world: MemoryWorld): number {
  const frame = lowestFree(world);
  if (frame < 0) throw outOfFrames(world, 'frames', world.shape.frames);
  markUsed(world, frame);
  world.frameRefs[frame] = 1;
  world.meter.charge(Op['folio.alloc']);
  return frame;
}

/** The head of a huge folio with one reference; -1 where there is none, as the kernel falls back to small ones. */
export function allocateHuge(world: MemoryWorld): number {
  const { frames, regionOrder } = world.shape;
  const folio = world.hugeUsed.indexOf(0);
  if (folio < 0) return -1;
  world.hugeUsed[folio] = 1;
  world.hugeSplit[folio] = 0;
  const head = frames + (folio << regionOrder);
  world.frameRefs[head] = 1;
  world.meter.charge(Op['folio.alloc']);
  return head;
}

const outOfFrames = ({ shape }: MemoryWorld, what: string, count: number): UserError =>
  new UserError({ what: `the ${count} ${what} of this world are all in use`, why: `its ${shape.mms} processes and ${shape.slots} buffers hold them`, fix: 'this is a mistake of foliobench: a world has memory for all of its processes' });

/** Takes references on the folio of a frame. The zero page has none. */
export function takeReference(world: MemoryWorld, frame: number, count = 1): void {
  if (isCounted(frame)) world.frameRefs[headOf(world, frame)] += count;
}

/** Drops references on the folio of a frame; the last one frees it. @throws Error below zero */
export function dropReference(world: MemoryWorld, frame: number, count = 1): void {
  if (!isCounted(frame)) return;
  const head = headOf(world, frame);
  const left = world.frameRefs[head] - count;
  if (left < 0) throw new Error(`refcount of frame ${head} fell to ${left}`);
  world.frameRefs[head] = left;
  if (left === 0) freeFolio(world, head);
}

/** What FOLL_PIN adds to a reference that is there: the rest of the bias, or a pincount. @param sign -1 takes it back */
export function addPinPart(world: MemoryWorld, frame: number, sign: number): void {
  if (!isCounted(frame)) return;
  if (isLarge(world, frame)) world.hugePins[hugeOf(world, frame)] += sign;
  else if (sign > 0) world.frameRefs[frame] += GUP_PIN_COUNTING_BIAS - 1;
  else dropReference(world, frame, GUP_PIN_COUNTING_BIAS - 1);
}

function freeFolio(world: MemoryWorld, head: number): void {
  const count = folioPages(world, head);
  const folio = hugeOf(world, head);
  for (let frame = head; frame < head + count; frame++) {
    if (world.frameMaps[frame] !== 0) throw new Error(`frame ${frame} is freed with ${world.frameMaps[frame]} mappings`);
    world.frameFlags[frame] = 0;
    world.frameContent[frame] = 0;
  }
  world.meter.charge(Op['folio.free']);
  if (folio < 0) return markFree(world, head);
  world.hugeUsed[folio]--;
  if (world.hugeUsed[folio] === 0) world.hugeSplit[folio] = 0;
}

/** A mapping of one page by one entry of a page table; its reference is the caller's to give. */
export function addMapping(world: MemoryWorld, frame: number): void {
  if (!isCounted(frame)) return;
  world.frameMaps[frame]++;
  if (isLarge(world, frame)) world.hugeMaps[hugeOf(world, frame)]++;
}

/** @throws Error where nothing maps it */
export function removeMapping(world: MemoryWorld, frame: number): void {
  if (!isCounted(frame)) return;
  if (world.frameMaps[frame] === 0) throw new Error(`frame ${frame} loses a mapping that it does not have`);
  world.frameMaps[frame]--;
  if (isLarge(world, frame)) world.hugeMaps[hugeOf(world, frame)]--;
}
