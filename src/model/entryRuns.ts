/**
 * Runs of host entries that are alike: a zap of a large folio goes from run to run, and not from page to page.
 *
 * Most of the 512 entries of a table are often none, or all are the same. They are looked at four at a time through `entryWords`, the same bytes
 * as `entry`, and where a folio of 1 GiB may be all alike sixteen at a time. Short stretches are looked at one by one.
 * Units: places in `entry`, [window x pages + page].
 */
import type { World } from './world.ts';

/** Entries from which on words are worth it. */
const WORTH_WORDS = 16;

const ONES = 0x0101_0101;
const HIGH_BITS = 0x8080_8080 | 0;

/** The first place in [from, end) whose entry has the wanted of the masked bits; `end` where there is none. */
export function nextEntry({ entry, entryWords }: World, from: number, end: number, mask: number, wanted: number): number {
  let at = from;
  if (end - at >= WORTH_WORDS) {
    for (; (at & 3) !== 0; at++) if ((entry[at] & mask) === wanted) return at;
    const masks = Math.imul(mask, ONES);
    const wants = Math.imul(wanted, ONES);
    for (const last = end - 4; at <= last; at += 4) {
      // A byte that is as wanted is 0 here, and the borrow of a subtraction tells whether any is.
      const differs = (entryWords[at >>> 2] & masks) ^ wants;
      if (((differs - ONES) & ~differs & HIGH_BITS) !== 0) break;
    }
  }
  while (at < end && (entry[at] & mask) !== wanted) at++;
  return at;
}

/** The first place in [from, end) whose entry has any of these bits, or `end`. */
export function nextEntryWith({ entry, entryWords }: World, from: number, end: number, bits: number): number {
  let at = from;
  if (end - at >= WORTH_WORDS) {
    for (; (at & 3) !== 0; at++) if (entry[at] & bits) return at;
    const masks = Math.imul(bits, ONES);
    for (let word = at >>> 2; at <= end - 16; at += 16, word += 4) {
      if (((entryWords[word] | entryWords[word + 1] | entryWords[word + 2] | entryWords[word + 3]) & masks) !== 0) break;
    }
    for (const last = end - 4; at <= last && (entryWords[at >>> 2] & masks) === 0; ) at += 4;
  }
  while (at < end && (entry[at] & bits) === 0) at++;
  return at;
}

/** Where the run of such entries ends that begins at `from`, or `end`. */
export function endOfEntries({ entry, entryWords }: World, from: number, end: number, mask: number, wanted: number): number {
  let at = from;
  if (end - at >= WORTH_WORDS) {
    for (; (at & 3) !== 0; at++) if ((entry[at] & mask) !== wanted) return at;
    const masks = Math.imul(mask, ONES);
    const wants = Math.imul(wanted, ONES);
    for (let word = at >>> 2; at <= end - 16; at += 16, word += 4) {
      const differ = (entryWords[word] ^ wants) | (entryWords[word + 1] ^ wants) | (entryWords[word + 2] ^ wants) | (entryWords[word + 3] ^ wants);
      if ((differ & masks) !== 0) break;
    }
    for (const last = end - 4; at <= last && (entryWords[at >>> 2] & masks) === wants; ) at += 4;
  }
  while (at < end && (entry[at] & mask) === wanted) at++;
  return at;
}

/** Clears bits of all entries of [from, end) and sets others. */
export function changeEntries({ entry, entryWords }: World, from: number, end: number, clear: number, set: number): void {
  let at = from;
  if (end - at >= WORTH_WORDS) {
    for (; (at & 3) !== 0; at++) entry[at] = (entry[at] & ~clear) | set;
    const kept = ~Math.imul(clear, ONES);
    const sets = Math.imul(set, ONES);
    for (const last = end - 4; at <= last; at += 4) entryWords[at >>> 2] = (entryWords[at >>> 2] & kept) | sets;
  }
  for (; at < end; at++) entry[at] = (entry[at] & ~clear) | set;
}

/** Adds to a count of each page of [first, end). */
export function addToEach(counts: Uint16Array, first: number, end: number, by: number): void {
  for (let page = first; page < end; page++) counts[page] += by;
}
