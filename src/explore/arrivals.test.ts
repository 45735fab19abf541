/** States on their way into the set: what comes out, and in which order. */
import { describe, expect, test } from 'vitest';
import { createArrivals } from './arrivals.ts';
import { ROWS_AT_ONCE, RowSet } from './packing.ts';

/** Arrivals of a machine whose state is one number. */
function arrivalsOf(known: readonly number[] = []) {
  const rows = new RowSet(1);
  for (const state of known) rows.insert(Uint32Array.of(state), 0);
  let now = 0;
  const arrivals = createArrivals({ rows, pack: (out, at) => void (out[at] = now) });
  const settled: (readonly [row: number, move: number, target: number, isNew: boolean])[] = [];
  return {
    arrivals,
    rows,
    arrive(row: number, move: number, state: number) {
      now = state;
      arrivals.add(row, move);
    },
    settle() {
      arrivals.settle((...arrival) => settled.push(arrival));
      return settled.splice(0);
    },
  };
}

describe('states that arrive', () => {
  test('come in together, each once, in the order of their arrival', () => {
    const { arrivals, arrive, rows, settle } = arrivalsOf([70, 71]);
    arrive(0, 5, 71);
    arrive(0, 6, 90);
    arrive(1, 5, 80);
    arrive(1, 0xffff, 90);
    expect([arrivals.count, rows.count]).toEqual([4, 2]);
    expect(settle()).toEqual([[0, 5, 1, false], [0, 6, 2, true], [1, 5, 3, true], [1, 0xffff, 2, false]]);
    expect([arrivals.count, rows.count]).toEqual([0, 4]);
    expect(settle()).toEqual([]);
  });

  test('fill the room that there is for them', () => {
    const { arrivals, arrive, settle } = arrivalsOf();
    for (let nth = 0; nth < ROWS_AT_ONCE; nth++) {
      expect(arrivals.isFull).toBe(false);
      arrive(0, nth, nth >> 1);
    }
    expect(arrivals.isFull).toBe(true);
    expect(settle().map(([, , target, isNew]) => [target, isNew])).toEqual(Array.from({ length: ROWS_AT_ONCE }, (_, nth) => [nth >> 1, nth % 2 === 0]));
  });
});
