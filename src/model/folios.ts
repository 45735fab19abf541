/**
 * Folios: the physical memory behind the file, one column a field, with the kernel's own arithmetic.
 *
 * The frame of a present page has the page's index; a folio that is punched while somebody holds it moves to a spare
 * frame behind the last page, and its holders follow, so that no lookup needs an indirection.
 *
 * Invariants (src/model/invariants.ts):
 *   F1  refcount = cache (one a page, plus the owner's) + mappings + pins x bias + gets + lookups + batches
 *   F2  a frame without references has no mapcount and no pincount
 *   F3  tail pages hold no refcount: the head speaks for the folio
 *
 * Where large folios may be split (`Shape.splits`) one bit a large folio says that it is in pieces: each page is a folio of order 0 then.
 *
 * Source: include/linux/mm.h (folio_expected_ref_count, GUP_PIN_COUNTING_BIAS), mm/gup.c.
 * `dataRefs` is a ghost: how many ways to the page's data exist. No policy can see it; safety is judged by it.
 */
import { column } from './columns.ts';
import { clearContent } from './content.ts';
import { PageBit, folioPagesAt, isLarge, isSplit, notePresent } from './file.ts';
import { callsBack, queueWork } from './folioType.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import type { World } from './world.ts';

/** What a FOLL_PIN adds to the refcount of an order-0 folio. */
export const GUP_PIN_COUNTING_BIAS = 1024;

const frames = ({ pages, spareFolios, folioOrder }: Shape): number => pages + (spareFolios << folioOrder);
const largeFolios = (shape: Shape): number => (shape.folioOrder > 0 ? frames(shape) >> shape.folioOrder : 0);
/** Pages of one folio that all buffers can hold: each a page once. */
const held = ({ slots, slotPages, folioOrder }: Pick<Shape, 'slots' | 'slotPages' | 'folioOrder'>): number => slots * Math.min(slotPages, 1 << folioOrder);
/** The file and its owner, an entry or a cleared one a page in each window and gather, buffers, lookups of each CPU, an LRU batch. */
const referencesAt = (shape: Shape, folioOrder: number): number => {
  const { windows, cpus, ownerRefs } = shape;
  return (1 << folioOrder) * (1 + windows + cpus) + ownerRefs + held({ ...shape, folioOrder }) * (folioOrder === 0 ? GUP_PIN_COUNTING_BIAS : 1) + 2 * cpus + 1;
};
const references = (shape: Shape): number => Math.max(referencesAt(shape, shape.folioOrder), shape.splits ? referencesAt(shape, 0) : 0);

export const folioColumns = {
  /** At the head. */
  refcount: column('i32', 'frame', frames, references),
  /** PTE mappings of each page. */
  mapcount: column('u16', 'frame', frames, ({ windows }) => windows),
  /** Ghost: present entries and unflushed stale ones (of one gather a CPU), pins and gets, in-flight grabs that will succeed, a secondary MMU. */
  dataRefs: column('u16', 'frame', frames, ({ windows, cpus, slots }) => windows + cpus + slots + 1),
  content: column('u8', 'frame', (shape) => (shape.content !== 'none' ? frames(shape) : 0), () => 0xff),
  /** Large folios only: pins of any page, and mappings of any page, of which a PMD is one (_pincount, _large_mapcount). */
  pincount: column('i32', 'folio', largeFolios, held),
  largeMapcount: column('i32', 'folio', largeFolios, ({ folioOrder, windows }) => windows * (1 << folioOrder)),
  /** 1: the large folio is in pieces of order 0. A frame of a free spare folio belongs to a large one. */
  folioSplit: column('u8', 'folio', (shape) => (shape.splits ? largeFolios(shape) : 0), () => 1),
} as const;

/** References of the page cache and the owner on the folio with this head. */
export const cacheReferences = (world: World, head: number): number => folioPagesAt(world, head) + world.shape.ownerRefs;

/** The folio with this head came into the page cache (1) or left it (-1). */
export function noteFolio(world: World, head: number, sign: 1 | -1): void {
  const pages = sign * folioPagesAt(world, head);
  world.meter.move(Gauge.pages, pages);
  if (isLarge(world, head)) world.meter.move(Gauge.largeFolios, sign);
  notePresent(world, head, pages);
  if (world.shape.keeps === 'separate-memory') noteDoubles(world, head, sign);
}

/** Where private pages have a memory of their own: indices of the folio that have a page in both. */
export function noteDoubles(world: World, head: number, sign: 1 | -1): void {
  const { pageState, meter } = world;
  const end = head + folioPagesAt(world, head);
  let doubles = 0;
  for (let page = head; page < end; page++) if (pageState[page] & PageBit.PrivatePresent) doubles++;
  meter.move(Gauge.doublePages, sign * doubles);
}

/** folio_mapcount: mappings of any page of the folio. */
export function folioMapcount(world: World, head: number): number {
  return isLarge(world, head) ? world.largeMapcount[head >> world.shape.folioOrder] : world.mapcount[head];
}

/** folio_maybe_dma_pinned: exact for large folios; for small ones 1024 ordinary references look like a pin. */
export function folioMaybeDmaPinned(world: World, head: number): boolean {
  return isLarge(world, head) ? world.pincount[head >> world.shape.folioOrder] > 0 : world.refcount[head] >= GUP_PIN_COUNTING_BIAS;
}

/** A mapping of one page: its reference is accounted by the caller (a fault's own becomes the mapping's). */
export function addMapping(world: World, frame: number): void {
  world.mapcount[frame]++;
  if (isLarge(world, frame)) world.largeMapcount[frame >> world.shape.folioOrder]++;
}

export function removeMapping(world: World, frame: number): void {
  world.mapcount[frame]--;
  if (isLarge(world, frame)) world.largeMapcount[frame >> world.shape.folioOrder]--;
}

/** What a FOLL_PIN adds to a reference: the rest of the bias, or a pincount. */
export function addPinPart(world: World, page: number, sign: number): void {
  if (isLarge(world, page)) world.pincount[page >> world.shape.folioOrder] += sign;
  else world.refcount[page] += sign * (GUP_PIN_COUNTING_BIAS - 1);
}

/** Drops references of the folio with this head; the last one frees it, or calls back. @param count references to drop */
export function dropReference(world: World, head: number, count: number): void {
  const left = world.refcount[head] - count;
  world.refcount[head] = left;
  if (left === 0) lastPut(world, head);
  else if (left < 0) throw new Error(`refcount of frame ${head} fell to ${left}`);
}

function lastPut(world: World, head: number): void {
  if (callsBack(world, head)) queueWork(world, head);
  else freeFolio(world, head);
}

/** What becomes of a folio without references. Its count is 0. */
export function freeFolio(world: World, head: number): void {
  world.meter.charge(Op['folio.free']);
  clearContent(world, head, head + folioPagesAt(world, head));
  if (head >= world.shape.pages && isSplit(world, head)) wholeAgain(world, head);
}

/** A spare folio whose frames were given out one by one is a large one again when none of them is in use. */
function wholeAgain({ refcount, folioSplit, shape: { folioOrder }, sizes: { folioPages } }: World, frame: number): void {
  const first = frame & ~(folioPages - 1);
  for (let at = first; at < first + folioPages; at++) if (refcount[at] !== 0) return;
  folioSplit[frame >> folioOrder] = 0;
}

/** The head frame of free spare memory for a folio like that with this head, lowest first; -1 when all is in use. */
export function spareFolio(world: World, like: number): number {
  const { pages } = world.shape;
  const { folioPages, frames: count } = world.sizes;
  const isPiece = isSplit(world, like);
  for (let head = pages; head < count; head += folioPages) {
    if (!isSplit(world, head)) {
      if (world.refcount[head] === 0) return head;
    } else if (isPiece) for (let frame = head; frame < head + folioPages; frame++) if (world.refcount[frame] === 0) return frame;
  }
  return -1;
}
