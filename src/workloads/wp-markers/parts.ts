/**
 * Parts that the workloads of the family are made of: threads that use the memory, a snapshotter that protects and saves it, and threads
 * of the kernel that take entries away. Each is one actor with a plan of its own.
 */
import { below } from '../random.ts';
import { createRandom } from '../random.ts';
import type { RandomState } from '../random.ts';
import { shareOf } from '../synthetic/layout.ts';
import { createActor, put, putRange } from '../synthetic/stream.ts';
import type { Plan } from '../synthetic/stream.ts';
import type { Actor } from '../workload.ts';
import { WpAccess } from './access.ts';

/** Pages of one call of the snapshotter: a page table. */
export const CALL_PAGES = 512;
/** Pages that reclaim takes in one go (SWAP_CLUSTER_MAX). */
export const RECLAIM_PAGES = 32;

interface ActorPlan {
  readonly name: string;
  readonly process?: number;
  /** Per cent of all accesses that are this actor's. */
  readonly percent: number;
  readonly plan: (random: RandomState, accessCount: number) => Plan;
}

/** Actors with their shares of the accesses; what rounding leaves is the first one's. */
export function actorsOf(plans: readonly ActorPlan[], { accessCount, seed }: { readonly accessCount: number; readonly seed: number }): readonly Actor[] {
  const counts = plans.map(({ percent }) => Math.floor((accessCount * percent) / 100));
  counts[0] += accessCount - counts.reduce((sum, count) => sum + count, 0);
  return plans.map(({ name, process = 0, plan }, index) =>
    createActor({ name, role: 'vmm', process, accessCount: counts[index], plan: plan(createRandom(seed, index), counts[index]) }),
  );
}

/** Threads that share `percent` of the accesses evenly. */
export function threads(count: number, percent: number, plan: (random: RandomState) => Plan, name = 'thread'): readonly ActorPlan[] {
  return Array.from({ length: count }, (_, index) => ({ name: `${name}${index}`, percent: shareOf(percent, index, count), plan }));
}

/** Loads and stores: most of them go to a hot part at the start of the memory. @param writePercent of them that are stores */
export const worker = (pages: number, writePercent: number, hotPages = Math.max(1, pages >> 3)) => (random: RandomState): Plan => (batch, at) => {
  const page = below(random, 100) < 80 ? below(random, hotPages) : below(random, pages);
  return put(batch, at, below(random, 100) < writePercent ? WpAccess.Write : WpAccess.Read, page);
};

/**
 * A snapshotter in rounds, as QEMU's background snapshot: protects everything, a call at a time, then saves chunk after chunk and takes
 * its protection away; the monitor is ahead of it where a thread writes.
 */
export const snapshotter = (pages: number, chunkPages = 64) => (): Plan => {
  let next = 0;
  const calls = Math.ceil(pages / CALL_PAGES);
  const chunks = Math.ceil(pages / chunkPages);
  return (batch, at) => {
    const step = next;
    next = (next + 1) % (calls + chunks);
    if (step < calls) return putRange(batch, at, WpAccess.Protect, step * CALL_PAGES, Math.min(CALL_PAGES, pages - step * CALL_PAGES));
    const first = (step - calls) * chunkPages;
    return putRange(batch, at, WpAccess.Unprotect, first, Math.min(chunkPages, pages - first));
  };
};

/** Protects everything again and again, and leaves it to the monitor to take protections away. */
export const protector = (pages: number) => (): Plan => rounds(pages, CALL_PAGES, WpAccess.Protect);

/** One kind of call over the whole memory, a range at a time. */
export function rounds(pages: number, rangePages: number, kind: number): Plan {
  let first = 0;
  return (batch, at) => {
    const start = first;
    const count = Math.min(rangePages, pages - start);
    first = start + count === pages ? 0 : start + count;
    return putRange(batch, at, kind, start, count);
  };
}

/** One kind of call over ranges here and there. */
export const scattered = (pages: number, rangePages: number, kind: number) => (random: RandomState): Plan => {
  const places = Math.max(1, Math.floor(pages / rangePages));
  return (batch, at) => putRange(batch, at, kind, below(random, places) * rangePages, Math.min(rangePages, pages));
};
