/**
 * sequential: first touch in order, as a boot loader, a memory test or the kernel's own start does; then a part of what
 * was touched is shared and taken back, range by range.
 *
 * Each vCPU goes through a slice of its own. The nearest pattern to the recorded guests: 72 to 98 % of their first touches
 * are the next page, and the regions that they touch fill up whole. Suffers: whoever pays for each new page, and nobody
 * else; the conversions are few and large.
 */
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { REGION_PAGES, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost, putRange } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

/** The first 256 KiB of each 2 MiB region are shared: the largest single buffer of the recorded guests. */
const RANGE_PAGES = 64;
/** Pages of a shared range that the host works on. */
const HOST_PAGES = 4;
const ACCESSES_PER_RANGE = HOST_PAGES + 2;

/** The pages that a stream can touch once and then convert. */
function spanOf({ first, count }: Extent, accessCount: number): Extent {
  const touched = Math.floor((accessCount * REGION_PAGES) / (REGION_PAGES + ACCESSES_PER_RANGE)) - ACCESSES_PER_RANGE;
  return { first, count: Math.max(1, Math.min(count, touched)) };
}

function planSequential({ first, count }: Extent, windows: number): Plan {
  const end = first + count;
  let converting = false;
  let touch: number = Access.GuestWrite;
  let next = first;
  let window = 0;

  const sweep: Plan = (batch, from) => {
    let at = from;
    for (const last = Math.min(end, next + PLAN_LENGTH); next < last; next++) at = put(batch, at, touch, next);
    return at;
  };

  const shareAndTakeBack: Plan = (batch, from) => {
    const pages = Math.min(RANGE_PAGES, end - next);
    let at = putRange(batch, from, Access.ToShared, next, pages);
    for (let i = 0; i < HOST_PAGES; i++) at = putHost(batch, at, Access.HostWrite, next + Math.floor((i * pages) / HOST_PAGES), window);
    at = putRange(batch, at, Access.ToPrivate, next, pages);
    window = window + 1 === windows ? 0 : window + 1;
    next += REGION_PAGES;
    return at;
  };

  return (batch, from, remaining) => {
    const at = (converting ? shareAndTakeBack : sweep)(batch, from, remaining);
    if (next >= end) {
      // The first sweep writes, as `init_on_alloc` does; later ones read what is there, as a memory test does.
      if (converting) touch = Access.GuestRead;
      converting = !converting;
      next = first;
    }
    return at;
  };
}

export const sequential: Workload = {
  name: 'sequential',
  summary: 'First touch in order, then ranges shared and taken back, as in a boot; policies that pay by page suffer.',
  open(options) {
    const all = { first: 0, count: options.pageCount };
    return opened({
      actors: createVcpus('sequential', options, ({ index, accessCount }) =>
        planSequential(spanOf(sliceOf(all, index, options.vcpus), accessCount), options.windowsPerProcess)),
    });
  },
};
