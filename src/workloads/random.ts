/**
 * Seeded random numbers, 32 bits at a time, the same on every machine and Node version.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): four words of state, additions, shifts and xors only, a period
 * of 2^127 on average. Its state is a typed array and its functions are plain, so that V8 inlines them into the loop of a
 * stream and nothing is allocated.
 */

/** The generator's words a, b, c and its counter. */
export type RandomState = Int32Array;

/** Rounds after which every bit of the seed has reached every word (PractRand's choice for 32 bits, rounded up). */
const WARM_UP_ROUNDS = 16;
const TWO_32 = 0x1_0000_0000;
/** Exact, being a power of two. */
const PER_TWO_32 = 1 / TWO_32;

/**
 * A generator of its own for each (seed, stream): the streams of one seed do not overlap in practice.
 * @param seed a non-negative safe integer
 * @param stream which of the seed's streams, such as the number of the actor
 */
export function createRandom(seed: number, stream = 0): RandomState {
  const state = Int32Array.of(seed | 0, Math.floor(seed / TWO_32) | 0, stream | 0, 1);
  for (let round = 0; round < WARM_UP_ROUNDS; round++) nextInt32(state);
  return state;
}

/** The next 32 random bits, as a signed integer. */
export function nextInt32(state: RandomState): number {
  const b = state[1];
  const c = state[2];
  const counter = state[3];
  const result = (state[0] + b + counter) | 0;
  state[0] = b ^ (b >>> 9);
  state[1] = (c + (c << 3)) | 0;
  state[2] = (((c << 21) | (c >>> 11)) + result) | 0;
  state[3] = (counter + 1) | 0;
  return result;
}

/**
 * The value of [0, limit) that 32 random bits stand for, by multiplication and not by remainder.
 * No value is likelier than another by more than limit / 2^32 of itself. `limit` is from 1 to 2^32.
 */
export function scaleBits(bits: number, limit: number): number {
  // The product may be rounded, but never up to `limit`: the exact value stays limit / 2^32 below it. `>>>` cuts the fraction off.
  return ((bits >>> 0) * limit * PER_TWO_32) >>> 0;
}

/** A random integer from 0 to `limit` - 1. */
export function below(state: RandomState, limit: number): number {
  return scaleBits(nextInt32(state), limit);
}
