/**
 * kexec: a guest that starts another kernel. Its memory is populated, then converted in bulk (the dying kernel hands its
 * ranges over, the next one takes them all back), and then everything is touched again from the start.
 *
 * Ranges are of 1 to 1024 pages, some of them whole regions and most of them across borders; the ranges that come back are
 * cut at other places than those that went. Suffers: whoever works by page inside a range, or holds a lock over all of it.
 * The recorded guests share their 64 MiB pool in such a way, once at boot.
 */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { REGION_PAGES, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost, putRange } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

const RANGE_PAGES_MAX = 1024;
/** One range in four ends at the next border of a region. */
const ALIGNED_ONE_IN = 4;
/** A stream touches everything twice and uses the rest of its accesses for requests. */
const SPAN_PER_CENT = 45;

const Stage = { Touch: 0, Share: 1, TakeBack: 2 } as const;
const STAGES = 3;

function rangePages(random: RandomState, page: number, end: number): number {
  const toBorder = REGION_PAGES - (page % REGION_PAGES);
  return Math.min(end - page, below(random, ALIGNED_ONE_IN) === 0 ? toBorder : 1 + below(random, RANGE_PAGES_MAX));
}

function planKexec({ first, count }: Extent, random: RandomState, windows: number): Plan {
  const end = first + count;
  let stage: number = Stage.Touch;
  let next = first;
  return (batch, from) => {
    let at = from;
    if (stage === Stage.Touch) {
      for (const last = Math.min(end, next + PLAN_LENGTH); next < last; next++) at = put(batch, at, Access.GuestWrite, next);
    } else {
      const pages = rangePages(random, next, end);
      if (stage === Stage.Share) {
        at = putRange(batch, at, Access.ToShared, next, pages);
        // The host looks at the range while it is shared: a dump, or the device that it was handed to.
        at = putHost(batch, at, Access.HostRead, next + below(random, pages), below(random, windows));
      } else at = putRange(batch, at, Access.ToPrivate, next, pages);
      next += pages;
    }
    if (next === end) {
      next = first;
      stage = (stage + 1) % STAGES;
    }
    return at;
  };
}

export const kexec: Workload = {
  name: 'kexec',
  summary: 'All memory converted in long ranges, then touched again; policies that work page by page suffer.',
  open(options) {
    const all = { first: 0, count: options.pageCount };
    const actors = createVcpus('kexec', options, ({ index, accessCount, random }) => {
      const { first, count } = sliceOf(all, index, options.vcpus);
      const span = Math.max(1, Math.min(count, Math.floor((accessCount * SPAN_PER_CENT) / 100)));
      return planKexec({ first, count: span }, random, options.windowsPerProcess);
    });
    return opened({ actors });
  },
};
