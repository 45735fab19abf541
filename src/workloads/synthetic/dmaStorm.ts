/**
 * dma-storm: many short I/Os in flight, for 20 to 200 us each, over buffers that the guest wants back all the time; some
 * requests come while a device still holds the pages, are refused at first and succeed after a retry or two.
 *
 * It stands for a guest without bounce buffers on fast storage, whose driver takes a buffer back without waiting for the
 * host to let go. The recorded guests' buffers, shared in place, would come near it: 24 851 transfers in 60 s, each of
 * pages that are private memory before and after. Suffers: whoever tests references, by retries; whoever refuses pins, by copies.
 */
import { below, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { StreamWorkload } from '../streams.ts';
import { sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { holdsUnlessBuffered, ioKindOf } from './steadyGuest.ts';
import { PLAN_LENGTH, opened, put, putHost, putIo, putRange } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

const BUFFER_PAGES = 4;
/** Buffers of a vCPU; few enough that a device often still holds the one that the guest wants. */
const BUFFERS_MAX = 64;
const STEP_LENGTH = 4;
/** Of 8 steps on a shared buffer: transfers that are waited for, one that is not, and one request without a transfer. */
const STEP_KINDS = 8;
const EARLY_REQUEST = 6;
const REQUEST = 7;
const HOLD_NS = 20_000;
const HOLD_STEP_NS = 1_000;
/** 20 to 200 us. */
const HOLD_STEPS = 181;
const DEPTH = 24;

function planStorm({ first, count }: Extent, random: RandomState, windows: number, ioKind: number): Plan {
  const pages = Math.min(BUFFER_PAGES, count);
  const buffers = Math.min(BUFFERS_MAX, Math.floor(count / pages));
  const isShared = new Uint8Array(buffers).fill(1);
  let isSetUp = false;

  const transfer: Plan = (batch, at) => {
    const held = 1 + below(random, pages);
    return putIo(batch, at, ioKind, batch.page[at - 1], held, HOLD_NS + HOLD_STEP_NS * below(random, HOLD_STEPS));
  };

  return (batch, from, remaining) => {
    let at = from;
    if (!isSetUp) {
      isSetUp = true;
      at = putRange(batch, at, Access.ToShared, first, buffers * pages);
    }
    while (at + STEP_LENGTH <= from + PLAN_LENGTH) {
      const buffer = below(random, buffers);
      const page = first + buffer * pages;
      const bits = nextInt32(random);
      at = put(batch, at, bits & 0x100 ? Access.GuestWrite : Access.GuestRead, page);
      if (!isShared[buffer]) {
        isShared[buffer] = 1;
        at = putRange(batch, at, Access.ToShared, page, pages);
        at = putHost(batch, at, Access.HostWrite, page, below(random, windows));
        continue;
      }
      const step = bits & (STEP_KINDS - 1);
      if (step !== REQUEST) at = transfer(batch, at, remaining);
      if (step >= EARLY_REQUEST) {
        isShared[buffer] = 0;
        at = putRange(batch, at, Access.ToPrivate, page, pages);
      }
    }
    return at;
  };
}

export const dmaStorm: StreamWorkload = {
  name: 'dma-storm',
  summary: 'Many short I/Os in flight over pages that want to convert; policies that test references retry, those that refuse pins copy.',
  holdsIo: holdsUnlessBuffered,
  open(options) {
    const { pageCount, vcpus, windowsPerProcess } = options;
    const zone = sharedZone(pageCount);
    return opened({
      actors: createVcpus('dma-storm', options, ({ index, random }) =>
        planStorm(sliceOf(zone, index, vcpus), random, windowsPerProcess, ioKindOf(options))),
      slotPages: BUFFER_PAGES,
      ioDepth: DEPTH * vcpus,
    });
  },
};
