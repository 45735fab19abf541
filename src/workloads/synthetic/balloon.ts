/**
 * balloon: a guest that fills regions, gives some of them back and fills them again, by free page reporting (whole 2 MiB
 * blocks) and by an inflating balloon (runs of 64 pages).
 *
 * Parts of the regions are device buffers: some are taken back before the hole is punched, some are still shared then and
 * taken back while empty, because a hole keeps its shareability. Recorded guests release up to 512 pages in one piece and
 * fill a region in order; so does this. Suffers: whoever pays much for a fresh fault, or keeps state of pages that are gone.
 */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { blocksOf, inPlay } from './layout.ts';
import type { Blocks } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost, putRange } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

/** Device buffer at the start of a block. */
const BUFFER_PAGES = 16;
const HOST_ACCESSES = 4;
/** Pages in one run of an inflating balloon. */
const RUN_PAGES = 64;

const Fate = { Keep: 0, TakeBackAndRelease: 1, ReleaseShared: 2, Inflate: 3 } as const;
const FATES = 4;

interface BalloonOptions {
  readonly random: RandomState;
  readonly owner: number;
  readonly owners: number;
  readonly blocks: Blocks;
  readonly count: number;
  readonly windows: number;
}

function planBalloon({ random, owner, owners, blocks, count, windows }: BalloonOptions): Plan {
  const filled = new Uint8Array(count);
  let block = 0;
  let cursor = 0;

  const fill: Plan = (batch, from) => {
    const first = (block * owners + owner) * blocks.pages;
    let at = from;
    for (const end = Math.min(blocks.pages, cursor + PLAN_LENGTH); cursor < end; cursor++) at = put(batch, at, Access.GuestWrite, first + cursor);
    if (cursor === blocks.pages) {
      cursor = 0;
      filled[block] = 1;
    }
    return at;
  };

  /** Uses the block's buffer for a transfer, decides what becomes of the block, and goes on to the next. */
  const use: Plan = (batch, from) => {
    const first = (block * owners + owner) * blocks.pages;
    const fate = below(random, FATES);
    let at = putRange(batch, from, Access.ToShared, first, BUFFER_PAGES);
    for (let i = 0; i < HOST_ACCESSES; i++) {
      at = putHost(batch, at, Access.HostWrite, first + (i * BUFFER_PAGES) / HOST_ACCESSES, below(random, windows));
    }
    if (fate !== Fate.ReleaseShared) at = putRange(batch, at, Access.ToPrivate, first, BUFFER_PAGES);
    if (fate === Fate.Inflate) {
      // Every second run: the balloon takes what is free, and that is scattered.
      for (let run = 0; run < blocks.pages; run += 2 * RUN_PAGES) at = putRange(batch, at, Access.Punch, first + run, Math.min(RUN_PAGES, blocks.pages - run));
    } else if (fate !== Fate.Keep) at = putRange(batch, at, Access.Punch, first, blocks.pages);
    if (fate === Fate.ReleaseShared) at = putRange(batch, at, Access.ToPrivate, first, BUFFER_PAGES);
    if (fate !== Fate.Keep) filled[block] = 0;
    block = block + 1 === count ? 0 : block + 1;
    return at;
  };

  return (batch, from, remaining) => (filled[block] ? use : fill)(batch, from, remaining);
}

export const balloon: Workload = {
  name: 'balloon',
  summary: 'Regions are filled, punched out and filled again; policies that make fresh faults dear suffer.',
  open(options) {
    const { pageCount, vcpus, windowsPerProcess } = options;
    const actors = createVcpus('balloon', options, ({ index, accessCount, random }) => {
      const blocks = blocksOf(pageCount, index, vcpus);
      const count = inPlay(blocks.count, accessCount, 2 * blocks.pages);
      return planBalloon({ random, owner: index, owners: vcpus, blocks, count, windows: windowsPerProcess });
    });
    return opened({ actors });
  },
};
