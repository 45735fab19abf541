/**
 * Zipf's law over pages: rank k (from 0) comes up with a probability that falls as (k + 1)^-s.
 *
 * Ranks are gathered in buckets, 64 to each power of two: the first 128 have one of their own, later ones share it and
 * are equally likely inside it (the first and the last of a bucket differ by 1/64 x s of their true probability at most).
 * A bucket is drawn from an alias table (Walker's method in Vose's form) in integers: one draw, two loads, whatever the
 * number of pages. The table adds up to 2^32 exactly.
 *
 * The exponent is a multiple of a quarter, and powers come from divisions and square roots, which IEEE 754 rounds in one
 * way only; `Math.pow` differs between Node versions.
 */
import { nextInt32, scaleBits } from './random.ts';
import type { RandomState } from './random.ts';

const BUCKETS_PER_OCTAVE = 64;
const CELL_BITS = 11;
/** Cells of the alias table; enough for 2^32 ranks: 128 + 25 octaves of 64. */
const CELL_COUNT = 1 << CELL_BITS;
const SHARE_BITS = 32 - CELL_BITS;
/** What each cell of the alias table holds, in units of 2^-32. */
const CELL_SHARE = 1 << SHARE_BITS;
const TWO_32 = 0x1_0000_0000;

export interface Zipf {
  readonly rankCount: number;
  /** First rank of each bucket, and how many it has; buckets without ranks pad the table and are never drawn. */
  readonly firstRank: Uint32Array;
  readonly rankSpan: Uint32Array;
  /** Probability of each bucket in units of 2^-32; they add up to 2^32. */
  readonly share: Float64Array;
  /** Alias table: a draw in a cell below its limit is that bucket, else the other one. */
  readonly ownLimit: Uint32Array;
  readonly other: Uint16Array;
}

/**
 * @param rankCount from 1 to 2^32 - 1
 * @param exponentQuarters the exponent s in quarters: 4 is the classical 1 / k; 0 is uniform
 */
export function createZipf(rankCount: number, exponentQuarters: number): Zipf {
  const firstRank = new Uint32Array(CELL_COUNT);
  const rankSpan = new Uint32Array(CELL_COUNT);
  const weight = new Float64Array(CELL_COUNT);
  let first = 0;
  for (let bucket = 0; first < rankCount; bucket++) {
    const octave = Math.max(0, Math.floor(bucket / BUCKETS_PER_OCTAVE) - 1);
    const span = Math.min(1 << octave, rankCount - first);
    firstRank[bucket] = first;
    rankSpan[bucket] = span;
    // The mean of the bucket stands for its ranks: off from their sum by less than 2e-5 of it at s = 1.
    weight[bucket] = span / power(first + (span + 1) / 2, exponentQuarters);
    first += span;
  }
  const share = integerShares(weight);
  return { rankCount, firstRank, rankSpan, share, ...aliasTable(share) };
}

/** A random rank; the least is the likeliest. */
export function drawRank({ ownLimit, other, firstRank, rankSpan }: Zipf, random: RandomState): number {
  const bits = nextInt32(random);
  const cell = bits & (CELL_COUNT - 1);
  const bucket = bits >>> CELL_BITS < ownLimit[cell] ? cell : other[cell];
  // A bucket of one rank needs no second draw, but a branch that nobody can predict costs more than the draw.
  return firstRank[bucket] + scaleBits(nextInt32(random), rankSpan[bucket]);
}

/** value^(quarters / 4) by multiplications and square roots. */
function power(value: number, quarters: number): number {
  const root = Math.sqrt(value);
  const fourthRoot = Math.sqrt(root);
  let result = 1;
  for (let whole = quarters >> 2; whole > 0; whole--) result *= value;
  if (quarters & 2) result *= root;
  if (quarters & 1) result *= fourthRoot;
  return result;
}

/** Scales weights to integers that add up to 2^32; what rounding leaves over goes to the largest, which is the first. */
function integerShares(weight: Float64Array): Float64Array {
  const total = weight.reduce((sum, each) => sum + each, 0);
  const share = weight.map((each) => Math.floor((each / total) * TWO_32));
  share[0] += TWO_32 - share.reduce((sum, each) => sum + each, 0);
  return share;
}

function aliasTable(share: Float64Array): { readonly ownLimit: Uint32Array; readonly other: Uint16Array } {
  const left = Float64Array.from(share);
  const ownLimit = new Uint32Array(CELL_COUNT);
  const other = new Uint16Array(CELL_COUNT);
  const poor: number[] = [];
  const rich: number[] = [];
  for (let cell = 0; cell < CELL_COUNT; cell++) (left[cell] < CELL_SHARE ? poor : rich).push(cell);
  for (;;) {
    const receiver = poor.pop();
    const giver = rich.at(-1);
    if (receiver === undefined || giver === undefined) break;
    ownLimit[receiver] = left[receiver];
    other[receiver] = giver;
    left[giver] -= CELL_SHARE - left[receiver];
    if (left[giver] < CELL_SHARE) {
      rich.pop();
      poor.push(giver);
    }
  }
  // Integers add up exactly, so whoever is left holds exactly one full cell.
  for (const cell of rich) ownLimit[cell] = CELL_SHARE;
  return { ownLimit, other };
}
