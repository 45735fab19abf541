/**
 * strided: one page out of each 2 MiB region is shared, in all regions at the same time, and then taken back in all of them.
 *
 * It stands for structures that every region has one of (per-node or per-slab headers, page-table pages of a nested guest).
 * The worst case of large folios: no region stays whole, so stage-2 leaves break apart and folios split everywhere for
 * 0.2 % of the memory. No recorded guest does this: their regions are nearly all or nothing.
 */
import { below, createRandom } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { blocksOf, inPlay } from './layout.ts';
import type { Blocks } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

/** Pages of a region that the guest uses beside the shared one. */
const NEIGHBOURS = 4;
const ACCESSES_PER_BLOCK = 2 * (NEIGHBOURS + 4);
/** The stream of random numbers that places the shared page, the same in each region; vCPUs have the low numbers. */
const STRIDE_STREAM = 0x73747269;

interface StridedOptions {
  readonly owner: number;
  readonly owners: number;
  readonly blocks: Blocks;
  /** Of these, how many the stream goes through. */
  readonly count: number;
  /** The shared page's place in each block. */
  readonly place: number;
  readonly windows: number;
}

function planStrided({ owner, owners, blocks, count, place, windows }: StridedOptions): Plan {
  let sharing = true;
  let next = 0;
  return (batch, from) => {
    let at = from;
    while (at + ACCESSES_PER_BLOCK <= from + PLAN_LENGTH) {
      const first = (next * owners + owner) * blocks.pages;
      const page = first + place;
      const window = next % windows;
      for (let i = 0; i < NEIGHBOURS; i++) {
        const neighbour = first + ((place + 1 + Math.floor((i * blocks.pages) / NEIGHBOURS)) % blocks.pages);
        at = put(batch, at, sharing ? Access.GuestWrite : Access.GuestRead, neighbour);
      }
      if (sharing) {
        at = put(batch, at, Access.GuestWrite, page);
        at = put(batch, at, Access.ToShared, page);
        at = putHost(batch, at, Access.HostWrite, page, window);
        at = put(batch, at, Access.GuestRead, page);
      } else {
        at = put(batch, at, Access.GuestWrite, page);
        at = putHost(batch, at, Access.HostRead, page, window);
        at = put(batch, at, Access.ToPrivate, page);
        at = put(batch, at, Access.GuestWrite, page);
      }
      if (++next === count) {
        next = 0;
        sharing = !sharing;
      }
    }
    return at;
  };
}

export const strided: Workload = {
  name: 'strided',
  summary: 'One page of each 2 MiB region changes side, in all regions at once; large folios and leaves suffer.',
  open(options) {
    const { pageCount, vcpus, seed, windowsPerProcess } = options;
    const actors = createVcpus('strided', options, ({ index, accessCount }) => {
      const blocks = blocksOf(pageCount, index, vcpus);
      return planStrided({
        owner: index,
        owners: vcpus,
        blocks,
        count: inPlay(blocks.count, accessCount, ACCESSES_PER_BLOCK),
        place: below(createRandom(seed, STRIDE_STREAM), blocks.pages),
        windows: windowsPerProcess,
      });
    });
    return opened({ actors });
  },
};
