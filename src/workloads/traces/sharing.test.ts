import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SharedPages } from './sharing.ts';
import { FreeSlots } from './slots.ts';

describe('shared pages', () => {
  test('are asked for and taken back in maximal runs, and only when their number of users leaves or reaches zero', () => {
    const buffer = fc.record({ page: fc.nat({ max: 24 }), count: fc.integer({ min: 1, max: 8 }) });
    fc.assert(
      fc.property(fc.array(buffer, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (buffers, picks) => {
        const pages = new SharedPages(32);
        const isShared: boolean[] = Array.from({ length: 32 }, () => false);
        let lastEnd = -2;
        /** The request, done to plain booleans: it must change every page of its range, and be apart from the one before. */
        const request = (to: boolean) => (page: number, count: number) => {
          expect(page).toBeGreaterThan(lastEnd);
          lastEnd = page + count;
          expect(isShared.slice(page, page + count)).toEqual(Array.from({ length: count }, () => !to));
          isShared.fill(to, page, page + count);
        };
        const live: { readonly page: number; readonly count: number }[] = [];
        const check = () => {
          for (let page = 0; page < 32; page++) {
            const expected = live.some(({ page: first, count }) => page >= first && page < first + count);
            expect([isShared[page], pages.isShared(page)]).toEqual([expected, expected]);
          }
          lastEnd = -2;
        };
        for (const { page, count } of buffers) {
          pages.share(page, count, request(true));
          live.push({ page, count });
          check();
          if (picks.next().value % 2 === 0) continue;
          const [gone] = live.splice(picks.next().value % live.length, 1);
          pages.unshare(gone.page, gone.count, request(false));
          check();
        }
      }),
    );
  });
});

describe('slots', () => {
  test('are given lowest first, every one of them, and then no more', () => {
    const slots = new FreeSlots(64);
    expect(Array.from({ length: 65 }, () => slots.take())).toEqual([...Array.from({ length: 64 }, (_, slot) => slot), -1]);
  });
  test('come back at their place', () => {
    const slots = new FreeSlots(64);
    for (let i = 0; i < 64; i++) slots.take();
    for (const slot of [40, 31, 63, 2]) slots.giveBack(slot);
    expect(Array.from({ length: 5 }, () => slots.take())).toEqual([2, 31, 40, 63, -1]);
  });
});
