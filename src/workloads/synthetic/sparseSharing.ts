/**
 * sparse-sharing: single shared pages scattered over private 2 MiB regions, one a region, that stay shared for a while.
 *
 * It stands for a guest that shares buffers where they happen to lie (a hypervisor's paravirtual pages, drivers without a
 * pool). Suffers: large folios, whose 511 other pages are private, hot, and next to a page that the host maps and touches.
 * In recorded guests one I/O buffer in place would do the same: 128 765 different pages of 262 144 were one at some time.
 */
import { below, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { blocksOf, inPlay } from './layout.ts';
import type { Blocks } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

const EPISODE_LENGTH = 6;
/** The guest works on pages up to this far from the shared one. */
const NEIGHBOUR_PAGES = 8;
/** A shared page is taken back at one visit in four. */
const TAKE_BACK_MASK = 3;

interface SparseOptions {
  readonly random: RandomState;
  readonly owner: number;
  readonly owners: number;
  readonly blocks: Blocks;
  readonly count: number;
  readonly windows: number;
}

function planSparse({ random, owner, owners, blocks, count, windows }: SparseOptions): Plan {
  /** The shared page of each block, + 1; 0 = none. */
  const sharedPage = new Uint32Array(count);
  return (batch, from) => {
    let at = from;
    while (at + EPISODE_LENGTH <= from + PLAN_LENGTH) {
      const block = below(random, count);
      const first = (block * owners + owner) * blocks.pages;
      const isShared = sharedPage[block] !== 0;
      const page = isShared ? sharedPage[block] - 1 : first + below(random, blocks.pages);
      const window = below(random, windows);
      const bits = nextInt32(random);
      const offset = 1 + ((bits >>> 8) % NEIGHBOUR_PAGES);
      const neighbour = first + ((page - first + offset) % blocks.pages);
      at = put(batch, at, Access.GuestWrite, neighbour);
      at = put(batch, at, bits & 0x40 ? Access.GuestRead : Access.GuestWrite, page);
      if (!isShared) {
        at = put(batch, at, Access.ToShared, page);
        at = putHost(batch, at, Access.HostWrite, page, window);
        at = put(batch, at, Access.GuestRead, page);
        sharedPage[block] = page + 1;
      } else if ((bits & TAKE_BACK_MASK) === 0) {
        at = putHost(batch, at, Access.HostRead, page, window);
        at = put(batch, at, Access.ToPrivate, page);
        at = put(batch, at, Access.GuestWrite, page);
        sharedPage[block] = 0;
      } else {
        at = putHost(batch, at, Access.HostWrite, page, window);
        at = putHost(batch, at, Access.HostRead, page, window);
      }
    }
    return at;
  };
}

export const sparseSharing: Workload = {
  name: 'sparse-sharing',
  summary: 'Single shared pages scattered inside private 2 MiB regions; large folios suffer.',
  open(options) {
    const { pageCount, vcpus, windowsPerProcess } = options;
    const actors = createVcpus('sparse-sharing', options, ({ index, accessCount, random }) => {
      const blocks = blocksOf(pageCount, index, vcpus);
      const count = inPlay(blocks.count, accessCount, 4 * EPISODE_LENGTH);
      return planSparse({ random, owner: index, owners: vcpus, blocks, count, windows: windowsPerProcess });
    });
    return opened({ actors });
  },
};
