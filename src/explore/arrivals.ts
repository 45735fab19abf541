/**
 * Arrivals: states that moves have led to, on their way into the set of all states.
 *
 * They wait here until there are enough of them, because the set takes in many at once faster than one by one. They come in
 * in the order of their arrival, so that waiting changes no number of any state.
 */
import { ROWS_AT_ONCE } from './packing.ts';
import type { States } from './states.ts';

/** @param isNew nothing led to the state before */
export type Settle = (row: number, move: number, target: number, isNew: boolean) => void;

export interface Arrivals {
  /** How many wait. */
  readonly count: number;
  readonly isFull: boolean;
  /** The machine's state, to which this move of this row has led. The machine is to be restored or loaded before it goes on. */
  add(row: number, move: number): void;
  /** Puts all of them into the set. */
  settle(visit: Settle): void;
}

export function createArrivals({ rows: known, pack }: Pick<States, 'rows' | 'pack'>): Arrivals {
  const packed = new Uint32Array(ROWS_AT_ONCE * known.words);
  const rows = new Uint32Array(ROWS_AT_ONCE);
  const moves = new Uint16Array(ROWS_AT_ONCE);
  const targets = new Uint32Array(ROWS_AT_ONCE);
  let count = 0;
  return {
    get count() {
      return count;
    },
    get isFull() {
      return count === ROWS_AT_ONCE;
    },
    add(row, move) {
      pack(packed, count * known.words);
      rows[count] = row;
      moves[count++] = move;
    },
    settle(visit) {
      let next = known.count;
      known.insertAll(packed, count, targets);
      for (let nth = 0; nth < count; nth++) {
        const isNew = targets[nth] === next;
        if (isNew) next++;
        visit(rows[nth], moves[nth], targets[nth], isNew);
      }
      count = 0;
    },
  };
}
