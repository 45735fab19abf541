/**
 * A loop that is always the same, timed in the process of each case: a faster machine, or one with busier neighbours, is as much
 * faster or slower at both, so that a speed by the yardstick can be compared where the speed itself cannot.
 */
import { median } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const PLACES = 4096; // 16 KiB: what the loop touches stays in the first cache, as a step's world mostly does
const SAMPLES = 5;
const ROUNDS = 4_000_000;

/** Rounds a second of CPU time; the median of a few samples. @param rounds of each sample */
export function measureYardstick(rounds: number = ROUNDS): number {
  const words = new Int32Array(PLACES);
  goRound(words, rounds); // compiled by then
  const rates = Array.from({ length: SAMPLES }, () => {
    const started = process.cpuUsage();
    goRound(words, rounds);
    const { user, system } = process.cpuUsage(started);
    return (rounds * 1e6) / Math.max(1, user + system);
  });
  return median(rates);
}

/** Reads, a little arithmetic, a branch that is hard to foresee, and writes. */
export function goRound(words: Int32Array, rounds: number): number {
  let state = 0x9e37_79b9 | 0;
  for (let round = 0; round < rounds; round++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const place = state & (PLACES - 1);
    words[place] = (state & 64) === 0 ? words[place] + 1 : words[(place + 1) & (PLACES - 1)] ^ state;
  }
  return words[state & (PLACES - 1)];
}

/** The same figure, with what it is by a yardstick of so many rounds a second. Only speeds have that. */
export function withYardstick(measurement: Measurement, roundsPerSecond: number): Measurement {
  const { unit, value } = measurement;
  const byYardstick = unit.endsWith('/s') ? value / roundsPerSecond : unit.startsWith('ns/') ? (value * roundsPerSecond) / 1e9 : null;
  return { ...measurement, byYardstick };
}
