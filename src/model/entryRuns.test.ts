import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addToEach, changeEntries, endOfEntries, nextEntry, nextEntryWith } from './entryRuns.ts';
import type { World } from './world.ts';

const LENGTH = 93;

/** Entries at an odd end of their buffer, as those of a file whose pages are no multiple of four. */
function worldOf(entries: readonly number[]): World {
  const buffer = new ArrayBuffer(96);
  const entry = new Uint8Array(buffer, 0, LENGTH);
  entry.set(entries);
  return { entry, entryWords: new Uint32Array(buffer) } as unknown as World;
}

/** Long runs of few kinds, some of which differ in the highest bit and the lowest one only. */
const entries = fc
  .array(fc.tuple(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0x81, 0xff), fc.integer({ min: 1, max: 48 })), { minLength: 1, maxLength: 12 })
  .map((runs) => runs.flatMap(([bits, times]) => Array<number>(times).fill(bits)))
  .map((all) => Array.from({ length: LENGTH }, (_, at) => all[at % all.length]));
const range = fc.tuple(fc.nat(LENGTH), fc.nat(LENGTH)).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const);
const mask = fc.integer({ min: 1, max: 0xff });

const firstPlace = (from: number, end: number, asks: (at: number) => boolean): number => {
  for (let at = from; at < end; at++) if (asks(at)) return at;
  return end;
};

describe('runs of entries, looked at four at a time, are those that one finds one by one', () => {
  test('the next entry that is as wanted, and the end of a run of such', () => {
    fc.assert(fc.property(entries, range, mask, mask, (all, [from, end], bits, value) => {
      const world = worldOf(all);
      const wanted = value & bits;
      expect(nextEntry(world, from, end, bits, wanted)).toBe(firstPlace(from, end, (at) => (all[at] & bits) === wanted));
      expect(endOfEntries(world, from, end, bits, wanted)).toBe(firstPlace(from, end, (at) => (all[at] & bits) !== wanted));
      expect(nextEntryWith(world, from, end, bits)).toBe(firstPlace(from, end, (at) => (all[at] & bits) !== 0));
    }));
  });

  test('bits change in the range, and nowhere else', () => {
    fc.assert(fc.property(entries, range, mask, mask, (all, [from, end], clear, set) => {
      const world = worldOf(all);
      changeEntries(world, from, end, clear, set);
      expect([...world.entry]).toEqual(all.map((bits, at) => (at >= from && at < end ? (bits & ~clear) | set : bits)));
    }));
  });

  test('an entry that is one less than another is not taken for it', () => {
    const world = worldOf([...Array<number>(20).fill(0x80), 0x81, ...Array<number>(72).fill(0x80)]);
    expect([nextEntry(world, 0, LENGTH, 0xff, 0x81), nextEntry(world, 0, LENGTH, 0x81, 1), nextEntryWith(world, 0, LENGTH, 1)]).toEqual([20, LENGTH, 20]);
  });
});

test('counts of a range of pages change, and no others', () => {
  const counts = Uint16Array.of(4, 4, 4, 4);
  addToEach(counts, 1, 3, -1);
  expect([...counts]).toEqual([4, 3, 3, 4]);
});
