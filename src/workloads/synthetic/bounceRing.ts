/**
 * bounce-ring: a confidential guest of today. A swiotlb pool is shared once, one area a vCPU; all I/O is copied through it,
 * round and round, and nothing is converted afterwards. The host also works on the virtqueue in the first page of the area.
 *
 * Sizes are those of the recorded DMA: 36.5 % of the maps are below a page (a slot is 2 KiB, so two of them share one),
 * the median is one page, the ninetieth percentile 32 pages, the mean 27 KiB. An area is used from its start to its end and
 * begins again, as swiotlb searches for free slots after the last one that it gave out. Recorded maps live 2.2 ms
 * (emulated, p50); a request here lives 20 to 83 us, a disk on real hardware.
 * Suffers: whoever refuses pins (`disallow-gup` copies a second time) or mappings.
 *
 * With `--dma direct` there is no pool: each transfer shares the guest's own buffer, pins it, and takes it back when the
 * device is done; the conversion storm that bounce buffers exist to avoid.
 */
import { below, nextInt32, scaleBits } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { StreamWorkload } from '../streams.ts';
import type { WorkloadOptions } from '../workload.ts';
import { privateRest, sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { ioKindOf } from './steadyGuest.ts';
import { PLAN_LENGTH, opened, put, putHost, putIo, putRange, putSlot } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

/** Steps of one plan, and the accesses of the longest step. */
const STEPS = 12;
const STEP_LENGTH = 5;
/** Steps in 1/65536: a transfer, or a look at the virtqueue; the others are the guest's own work. */
const TRANSFER_BELOW = 13_107; // 20 %
const QUEUE_BELOW = 19_661; // 10 % more
/** Sizes in 1/65536 of the transfers. */
const PART_OF_PAGE_BELOW = 23_921; // 36.5 %
const ONE_PAGE_BELOW = 39_322; // 23.5 %
const FEW_PAGES_BELOW = 58_327; // 29 %: 2 to 14 pages
const FEW_PAGES_MAX = 14;
const MANY_PAGES_BELOW = 64_881; // 10 %, and 1 % are left for the most
const MANY_PAGES = 32;
const MOST_PAGES = 64;
const HOLD_NS = 20_000;
const HOLD_STEP_NS = 1_000;
const HOLD_STEPS = 64;
/** Transfers in flight, a vCPU. */
const DEPTH = 8;

/** Half pages (slots of 2 KiB) of a transfer. */
function halfPagesOf(bits: number): number {
  const roll = bits & 0xffff;
  if (roll < PART_OF_PAGE_BELOW) return 1;
  if (roll < ONE_PAGE_BELOW) return 2;
  if (roll < FEW_PAGES_BELOW) return 2 * (2 + (((bits >>> 16) * (FEW_PAGES_MAX - 1)) >>> 16));
  return 2 * (roll < MANY_PAGES_BELOW ? MANY_PAGES : MOST_PAGES);
}

interface RingOptions {
  readonly random: RandomState;
  readonly area: Extent;
  readonly workingSet: Extent;
  readonly windows: number;
  readonly ioKind: number;
}

function planPool({ random, area, workingSet, windows, ioKind }: RingOptions): Plan {
  const queuePage = area.first;
  const firstHalf = 2 * (area.first + 1);
  const endHalf = 2 * (area.first + area.count);
  let nextHalf = firstHalf;
  let isShared = false;

  const transfer: Plan = (batch, from) => {
    const halves = Math.min(halfPagesOf(nextInt32(random)), endHalf - firstHalf);
    // Transfers of a page and more begin at a page, as swiotlb aligns them.
    if (halves > 1) nextHalf += nextHalf & 1;
    if (nextHalf + halves > endHalf) nextHalf = firstHalf;
    const page = nextHalf >>> 1;
    const pages = (halves + 1) >>> 1;
    nextHalf += halves;
    const at = put(batch, from, Access.GuestWrite, page);
    return putIo(batch, at, ioKind, page, pages, HOLD_NS + HOLD_STEP_NS * below(random, HOLD_STEPS));
  };

  return (batch, from, remaining) => {
    let at = from;
    if (!isShared) {
      isShared = true;
      at = putRange(batch, at, Access.ToShared, area.first, area.count);
    }
    for (let i = 0; i < STEPS; i++) {
      const bits = nextInt32(random);
      const roll = bits & 0xffff;
      if (roll < TRANSFER_BELOW) at = transfer(batch, at, remaining);
      else if (roll < QUEUE_BELOW) {
        const window = windows === 1 ? 0 : below(random, windows);
        at = put(batch, at, Access.GuestWrite, queuePage);
        at = putHost(batch, at, Access.HostRead, queuePage, window);
        at = putHost(batch, at, Access.HostWrite, queuePage, window);
      } else at = putGuestWork(batch, at, bits, workingSet, random);
    }
    return at;
  };
}

function putGuestWork(batch: Parameters<Plan>[0], at: number, bits: number, { first, count }: Extent, random: RandomState): number {
  return put(batch, at, bits & 0x30000 ? Access.GuestRead : Access.GuestWrite, first + scaleBits(nextInt32(random), count));
}

/** Each of a vCPU's buffers has a cell of its own, so that no two live ones overlap. */
const CELLS_MIN = 4 * DEPTH;

function planDirect({ random, workingSet, ioKind }: RingOptions, firstSlot: number): Plan {
  const cellPages = Math.max(1, Math.min(MOST_PAGES, Math.floor(workingSet.count / CELLS_MIN)));
  const cells = Math.floor(workingSet.count / cellPages);
  const livePage = new Uint32Array(DEPTH);
  const livePages = new Uint32Array(DEPTH);
  const pins = ioKind === Access.Io;
  let oldest = 0;
  let live = 0;
  let nextCell = 0;

  const begin: Plan = (batch, from) => {
    const place = (oldest + live++) % DEPTH;
    const page = workingSet.first + nextCell * cellPages;
    const pages = Math.min(cellPages, (halfPagesOf(nextInt32(random)) + 1) >>> 1);
    nextCell = nextCell + 1 === cells ? 0 : nextCell + 1;
    livePage[place] = page;
    livePages[place] = pages;
    let at = put(batch, from, Access.GuestWrite, page);
    at = putRange(batch, at, Access.ToShared, page, pages);
    return pins ? putSlot(batch, at, Access.PinShort, firstSlot + place, page, pages) : putRange(batch, at, ioKind, page, pages);
  };

  const finish: Plan = (batch, from) => {
    const place = oldest;
    oldest = (oldest + 1) % DEPTH;
    live--;
    let at = from;
    if (pins) at = putSlot(batch, at, Access.Unpin, firstSlot + place, livePage[place], livePages[place]);
    at = putRange(batch, at, Access.ToPrivate, livePage[place], livePages[place]);
    return put(batch, at, Access.GuestRead, livePage[place]);
  };

  return (batch, from, remaining) => {
    // Near the end of the stream what is in flight is finished, and nothing new begins.
    if (remaining <= PLAN_LENGTH + DEPTH * STEP_LENGTH && live > 0) return finish(batch, from, remaining);
    const mayBegin = remaining > 2 * PLAN_LENGTH;
    let at = from;
    for (let i = 0; i < STEPS; i++) {
      const bits = nextInt32(random);
      if ((bits & 0xffff) >= TRANSFER_BELOW || !mayBegin) at = putGuestWork(batch, at, bits, workingSet, random);
      else if (live < DEPTH && (live === 0 || bits < 0)) at = begin(batch, at, remaining);
      else at = finish(batch, at, remaining);
    }
    return at;
  };
}

const planOf = (options: WorkloadOptions, random: RandomState, index: number): Plan => {
  const { pageCount, vcpus, dma, windowsPerProcess } = options;
  const ring: RingOptions = {
    random,
    area: sliceOf(sharedZone(pageCount), index, vcpus),
    workingSet: sliceOf(privateRest(pageCount), index, vcpus),
    windows: windowsPerProcess,
    ioKind: ioKindOf(options),
  };
  return dma === 'direct' ? planDirect(ring, index * DEPTH) : planPool(ring);
};

export const bounceRing: StreamWorkload = {
  name: 'bounce-ring',
  summary: 'A swiotlb pool shared once, and much short I/O through it, as today; policies that refuse pins suffer.',
  // Without a pool its buffers are pinned one by one, until the guest takes them back.
  holdsIo: ({ io, dma }) => io === 'direct' && dma === 'pool',
  open(options) {
    const { vcpus, dma } = options;
    return opened({
      actors: createVcpus('bounce-ring', options, ({ index, random }) => planOf(options, random, index)),
      slots: dma === 'direct' ? DEPTH * vcpus : 0,
      slotPages: MOST_PAGES,
      ioDepth: DEPTH * vcpus,
    });
  },
};
