/**
 * Who owns what: how a guest's pages and accesses are divided among the actors of a pattern.
 *
 * A stream knows what the guest asked for only where no other stream asks for the same pages, so every page that is
 * converted belongs to one actor. Units: pages of 4 KiB.
 */
import { UserError } from '../../model/userError.ts';
import type { WorkloadOptions } from '../workload.ts';

/** Pages behind one host page table and one large stage-2 leaf. */
export const REGION_BITS = 9;
export const REGION_PAGES = 1 << REGION_BITS;
/** Smallest guest that a pattern takes: 8 MiB, four regions. */
export const PAGES_MIN = 2048;
/** The shared zone is the low sixteenth, and at most 64 MiB, the bounce pool of the recorded guests. */
const ZONE_SHARE = 16;
export const ZONE_PAGES_MAX = 16_384;
/** Least pages of an actor; the shared zone then still has four for each. */
const ACTOR_PAGES_MIN = 64;
/** Blocks in place of 2 MiB regions where there are fewer regions than owners. */
const SMALL_BLOCK_PAGES = 32;

export interface Extent {
  readonly first: number;
  readonly count: number;
}

/** @throws UserError where the guest is too small for the pattern, or for so many actors */
export function requirePages(workload: string, { pageCount }: Pick<WorkloadOptions, 'pageCount'>, actors: number): void {
  const least = Math.max(PAGES_MIN, ACTOR_PAGES_MIN * actors);
  if (pageCount >= least) return;
  throw new UserError({
    what: `workload "${workload}" does not fit a guest of ${pageCount} pages`,
    why: `with ${actors} actors it needs at least ${least} pages of 4 KiB`,
    fix: `use --memory ${Math.ceil(least / 256)}MiB or more`,
  });
}

/** Part `index` of `parts` of a total that is divided as evenly as whole numbers allow. */
export function shareOf(total: number, index: number, parts: number): number {
  return Math.floor((total * (index + 1)) / parts) - Math.floor((total * index) / parts);
}

/** Parts of a total in proportion to whole weights; they add up to it exactly. */
export function sharesOf(total: number, weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  let before = 0;
  return weights.map((weight) => {
    const from = Math.floor((total * before) / sum);
    before += weight;
    return Math.floor((total * before) / sum) - from;
  });
}

/** Part `index` of `parts` of an extent, in one piece; it begins at a 2 MiB border where the parts are large enough. */
export function sliceOf({ first, count }: Extent, index: number, parts: number): Extent {
  const border = (part: number): number => {
    const at = Math.floor((count * part) / parts);
    return part === parts || count < parts * REGION_PAGES ? at : at - (at % REGION_PAGES);
  };
  const from = border(index);
  return { first: first + from, count: border(index + 1) - from };
}

/** The pages that guests share with devices, at the low end of memory. */
export function sharedZone(pageCount: number): Extent {
  return { first: 0, count: Math.min(Math.floor(pageCount / ZONE_SHARE), ZONE_PAGES_MAX) };
}

/** All memory behind the shared zone. */
export function privateRest(pageCount: number): Extent {
  const { count } = sharedZone(pageCount);
  return { first: count, count: pageCount - count };
}

/** Blocks that are dealt out in turn, the 2 MiB regions where there is at least one for each owner. */
export interface Blocks {
  readonly pages: number;
  /** How many the owner has; number n of them begins at page (n x owners + owner) x pages. */
  readonly count: number;
}

export function blocksOf(pageCount: number, owner: number, owners: number): Blocks {
  const pages = pageCount >= REGION_PAGES * owners ? REGION_PAGES : SMALL_BLOCK_PAGES;
  const all = Math.floor(pageCount / pages);
  return { pages, count: Math.floor((all - owner - 1) / owners) + 1 };
}

/** How many of an owner's blocks (or ranges, or pages) a stream can go through at least twice. At least one. */
export function inPlay(available: number, accessCount: number, accessesEach: number): number {
  return Math.max(1, Math.min(available, Math.floor(accessCount / (2 * accessesEach))));
}
