/**
 * A bag of pages: put one in, take any one out, in constant time and without allocation.
 *
 * A stream keeps the pages that it owns in bags by what the guest last asked for: shared, private, in use by a device.
 */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';

export interface PageBag {
  readonly pages: Uint32Array;
  count: number;
}

export function createBag(capacity: number): PageBag {
  return { pages: new Uint32Array(capacity), count: 0 };
}

export function addPage(bag: PageBag, page: number): void {
  bag.pages[bag.count++] = page;
}

/** Any page of a bag that is not empty; it stays inside. */
export function peekAny({ pages, count }: PageBag, random: RandomState): number {
  return pages[below(random, count)];
}

/** Takes any page out of a bag that is not empty. */
export function takeAny(bag: PageBag, random: RandomState): number {
  const { pages } = bag;
  const at = below(random, bag.count);
  const page = pages[at];
  pages[at] = pages[--bag.count];
  return page;
}
