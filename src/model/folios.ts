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
 * Source: include/linux/mm.h (folio_expected_ref_count, GUP_PIN_COUNTING_BIAS), mm/gup.c.
 * `dataRefs` is a ghost: how many ways to the page's data exist. No policy can see it; safety is judged by it.
 */
import { column } from './columns.ts';
import { clearContent } from './content.ts';
import { notePresent } from './file.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import type { World } from './world.ts';

/** What a FOLL_PIN adds to the refcount of an order-0 folio. */
export const GUP_PIN_COUNTING_BIAS = 1024;

const frames = ({ pages, spareFolios, folioOrder }: Shape): number => pages + (spareFolios << folioOrder);
const largeFolios = (shape: Shape): number => (shape.folioOrder > 0 ? frames(shape) >> shape.folioOrder : 0);
/** Pages of one folio that all buffers can hold: each a page once. */
const held = ({ slots, slotPages, folioOrder }: Shape): number => slots * Math.min(slotPages, 1 << folioOrder);
/** The file and its owner, an entry or a cleared one a page in each window and gather, buffers, lookups of each CPU, an LRU batch. */
const references = (shape: Shape): number => {
  const { folioOrder, windows, cpus, ownerRefs } = shape;
  return (1 << folioOrder) * (1 + windows + cpus) + ownerRefs + held(shape) * (folioOrder === 0 ? GUP_PIN_COUNTING_BIAS : 1) + 2 * cpus + 1;
};

export const folioColumns = {
  /** At the head. */
  refcount: column('i32', 'frame', frames, references),
  /** PTE mappings of each page. */
  mapcount: column('u16', 'frame', frames, ({ windows }) => windows),
  /** Ghost: present entries and unflushed stale ones (of one gather a CPU), pins and gets, in-flight grabs that will succeed, a secondary MMU. */
  dataRefs: column('u16', 'frame', frames, ({ windows, cpus, slots }) => windows + cpus + slots + 1),
  content: column('u8', 'frame', (shape) => (shape.content !== 'none' ? frames(shape) : 0), () => 0xff),
  /** Large folios only: pins of any page, and mappings of any page (_pincount, _large_mapcount). */
  pincount: column('i32', 'folio', largeFolios, held),
  largeMapcount: column('i32', 'folio', largeFolios, ({ folioOrder, windows }) => windows * (1 << folioOrder)),
} as const;

/** References of the page cache and the owner on a folio of this world. */
export const cacheReferences = (world: World): number => world.sizes.folioPages + world.shape.ownerRefs;

/** The folio with this head came into the page cache (1) or left it (-1). */
export function noteFolio(world: World, head: number, sign: 1 | -1): void {
  const { meter, sizes, shape } = world;
  meter.move(Gauge.pages, sign * sizes.folioPages);
  if (shape.folioOrder > 0) meter.move(Gauge.largeFolios, sign);
  notePresent(world, head, sign * sizes.folioPages);
}

/** folio_mapcount: mappings of any page of the folio. */
export function folioMapcount(world: World, head: number): number {
  return world.shape.folioOrder === 0 ? world.mapcount[head] : world.largeMapcount[head >> world.shape.folioOrder];
}

/** folio_maybe_dma_pinned: exact for large folios; for small ones 1024 ordinary references look like a pin. */
export function folioMaybeDmaPinned(world: World, head: number): boolean {
  return world.shape.folioOrder === 0
    ? world.refcount[head] >= GUP_PIN_COUNTING_BIAS
    : world.pincount[head >> world.shape.folioOrder] > 0;
}

/** A mapping of one page: its reference is accounted by the caller (a fault's own becomes the mapping's). */
export function addMapping(world: World, frame: number): void {
  world.mapcount[frame]++;
  if (world.shape.folioOrder > 0) world.largeMapcount[frame >> world.shape.folioOrder]++;
}

export function removeMapping(world: World, frame: number): void {
  world.mapcount[frame]--;
  if (world.shape.folioOrder > 0) world.largeMapcount[frame >> world.shape.folioOrder]--;
}

/** What a FOLL_PIN adds to a reference: the rest of the bias, or a pincount. */
export function addPinPart(world: World, page: number, sign: number): void {
  const { folioOrder } = world.shape;
  if (folioOrder === 0) world.refcount[page] += sign * (GUP_PIN_COUNTING_BIAS - 1);
  else world.pincount[page >> folioOrder] += sign;
}

/** Drops references of the folio with this head; the last one frees it. @param count references to drop */
export function dropReference(world: World, head: number, count: number): void {
  const left = world.refcount[head] - count;
  world.refcount[head] = left;
  if (left === 0) freeFolio(world, head);
  else if (left < 0) throw new Error(`refcount of frame ${head} fell to ${left}`);
}

function freeFolio(world: World, head: number): void {
  world.meter.charge(Op['folio.free']);
  clearContent(world, head, head + world.sizes.folioPages);
}

/** The head frame of a free spare folio, lowest first; -1 when all are in use. */
export function spareFolio(world: World): number {
  const { pages, spareFolios } = world.shape;
  const { folioPages } = world.sizes;
  for (let head = pages; head < pages + spareFolios * folioPages; head += folioPages) if (world.refcount[head] === 0) return head;
  return -1;
}
