/**
 * fixed-buffers: I/O memory that is pinned once and stays so: io_uring registered buffers and VFIO mappings (long-term
 * pins), some of them kept after the VMM has unmapped the pages, and a vmsplice into a pipe that nobody reads
 * (neither pin nor long-term, and yet the data is read later).
 *
 * Each lane of a vCPU goes through the life of a buffer, again and again:
 *
 *   share 16 -> pin the lower 8 -> I/O -> (unmap) -> ask for the upper 8 back -> ask for a pinned one back -> I/O -> unpin -> ask again
 *
 * The guest asks for pinned and for unpinned pages alike; what it may not have it is refused until its VMM gives up
 * (100 ms), and gets once the buffer is released. Suffers: whoever waits for references, without end; whoever tests only
 * mappings lets the device write to private memory, which is the counter-example of the debate. The recorded guests'
 * counterpart are the four coherent allocations (virtqueues), which live from boot to the end.
 */
import { below, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost, putRange, putSlot } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

/** Buffers of a vCPU that live at the same time; the last one is the pipe. */
const LANES_MAX = 4;
const LANE_PAGES = 16;
const PINNED_PAGES = 8;
/** A pipe holds 16 pages by default; the VMM splices four at a time. */
const SPLICED_PAGES = 4;
/** The guest's own accesses between two stages of a lane. */
const GUEST_ACCESSES = 24;
/** No buffer begins in the last accesses of a stream: four lanes need at most 40 to end their lives, and one plan takes 28. */
const ENDING = 2 * PLAN_LENGTH;

const Stage = { Idle: 0, Pin: 1, Use: 2, Unmap: 3, AskNeighbours: 4, AskPinned: 5, UseAgain: 6, Release: 7 } as const;

interface LaneOptions {
  readonly first: number;
  readonly pages: number;
  readonly slot: number;
  readonly pinKind: number;
  readonly pinnedPages: number;
  readonly window: number;
}

interface Lane {
  /** Writes the next stage. @returns the next position */
  readonly advance: (batch: Parameters<Plan>[0], at: number) => number;
  isIdle(): boolean;
}

function createLane({ first, pages, slot, pinKind, pinnedPages, window }: LaneOptions): Lane {
  let stage: number = Stage.Idle;
  let unmapsNow = false;
  let isUnmapped = false;
  const upper = first + pinnedPages;
  return {
    isIdle: () => stage === Stage.Idle,
    advance(batch, from) {
      let at = from;
      switch (stage) {
        case Stage.Idle:
          at = putRange(batch, at, Access.ToShared, first, pages);
          if (isUnmapped) {
            batch.window[at] = window;
            at = putRange(batch, at, Access.Map, first, pages);
            isUnmapped = false;
          }
          at = putHost(batch, at, Access.HostWrite, first, window);
          at = putHost(batch, at, Access.HostWrite, upper, window);
          break;
        case Stage.Pin:
          batch.window[at] = window;
          at = putSlot(batch, at, pinKind, slot, first, pinnedPages);
          break;
        case Stage.Use:
        case Stage.UseAgain:
          at = putSlot(batch, at, Access.DeviceAccess, slot, first, pinnedPages);
          break;
        case Stage.Unmap:
          // Every second life; the buffer needs no mapping once it is pinned.
          unmapsNow = !unmapsNow;
          batch.window[at] = window;
          if (unmapsNow) at = putRange(batch, at, Access.Unmap, first, pages);
          else at = putHost(batch, at, Access.HostRead, first, window);
          isUnmapped = unmapsNow;
          break;
        case Stage.AskNeighbours:
          at = putRange(batch, at, Access.ToPrivate, upper, pages - pinnedPages);
          at = put(batch, at, Access.GuestWrite, upper);
          break;
        case Stage.AskPinned:
          at = put(batch, at, Access.ToPrivate, first + (pinnedPages >> 1));
          break;
        default:
          at = putSlot(batch, at, Access.Unpin, slot, first, pinnedPages);
          at = putRange(batch, at, Access.ToPrivate, first, pages);
          at = put(batch, at, Access.GuestWrite, first);
      }
      stage = stage === Stage.Release ? Stage.Idle : stage + 1;
      return at;
    },
  };
}

function planFixedBuffers(lanes: readonly Lane[], { first, count }: Extent, random: RandomState): Plan {
  let nextLane = 0;
  return (batch, from, remaining) => {
    let at = from;
    if (remaining <= ENDING) {
      // What is held comes first, without the guest's own accesses between.
      const busy = lanes.find((lane) => !lane.isIdle());
      if (busy !== undefined) return busy.advance(batch, at);
    } else {
      at = lanes[nextLane].advance(batch, at);
      nextLane = nextLane + 1 === lanes.length ? 0 : nextLane + 1;
    }
    for (let i = 0; i < GUEST_ACCESSES; i++) at = put(batch, at, nextInt32(random) & 3 ? Access.GuestRead : Access.GuestWrite, first + below(random, count));
    return at;
  };
}

export const fixedBuffers: Workload = {
  name: 'fixed-buffers',
  summary: 'Long-lived pins, some kept after munmap, and a slow pipe; whoever waits for references suffers, whoever does not look is unsafe.',
  open(options) {
    const { pageCount, vcpus, windowsPerProcess } = options;
    const zone = sharedZone(pageCount);
    const actors = createVcpus('fixed-buffers', options, ({ index, random }) => {
      const slice = sliceOf(zone, index, vcpus);
      const pages = Math.min(LANE_PAGES, slice.count);
      const laneCount = Math.min(LANES_MAX, Math.floor(slice.count / pages));
      const lanes = Array.from({ length: laneCount }, (_, lane) => {
        const isPipe = lane === LANES_MAX - 1;
        return createLane({
          first: slice.first + lane * pages,
          pages,
          slot: index * LANES_MAX + lane,
          pinKind: isPipe ? Access.Splice : Access.PinLong,
          pinnedPages: Math.min(pages >> 1, isPipe ? SPLICED_PAGES : PINNED_PAGES),
          window: lane % windowsPerProcess,
        });
      });
      return planFixedBuffers(lanes, { first: 0, count: pageCount }, random);
    });
    return opened({ actors, slots: LANES_MAX * vcpus, slotPages: PINNED_PAGES });
  },
};
