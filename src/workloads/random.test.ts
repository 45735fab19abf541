import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { below, createRandom, nextInt32, scaleBits } from './random.ts';

const draw = (seed: number, stream: number, count: number): readonly number[] => {
  const random = createRandom(seed, stream);
  return Array.from({ length: count }, () => nextInt32(random));
};

/** sfc32 as its author writes it, with 32-bit unsigned words in BigInt. */
function* referenceSfc32(seed: bigint, stream: bigint): Generator<number> {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  let [a, b, c, counter] = [word(seed), seed >> 32n, stream, 1n];
  for (let round = 0; ; round++) {
    const result = word(a + b + counter);
    counter = word(counter + 1n);
    a = b ^ (b >> 9n);
    b = word(c + (c << 3n));
    c = word(word((c << 21n) | (c >> 11n)) + result);
    if (round >= 16) yield Number(BigInt.asIntN(32, result));
  }
}

describe('the generator', () => {
  test('is sfc32, seeded with all 53 bits of the seed and the number of the stream', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat({ max: 0x7fff_ffff }), (seed, stream) => {
        const reference = referenceSfc32(BigInt(seed), BigInt(stream));
        expect(draw(seed, stream, 20)).toEqual(Array.from({ length: 20 }, () => reference.next().value));
      }),
      { numRuns: 50 },
    );
  });
  test('gives the same numbers for ever', () => {
    expect(draw(1, 0, 4)).toMatchInlineSnapshot(`
      [
        1080862987,
        -748445798,
        -1433098125,
        428981239,
      ]
    `);
    expect(draw(1, 1, 4)).toMatchInlineSnapshot(`
      [
        1734779857,
        162665512,
        585015509,
        1993160469,
      ]
    `);
  });
});

describe('numbers below a limit', () => {
  test('reach from 0 to the limit less one, for every limit up to 2^32', () => {
    for (const limit of [1, 2, 3, 1000, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000]) {
      expect([scaleBits(0, limit), scaleBits(-1, limit)]).toEqual([0, limit - 1]);
    }
  });
  const bits = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
  const exactly = (bits: number, limit: number): number => Number((BigInt(bits >>> 0) * BigInt(limit)) >> 32n);
  test('are floor(bits x limit / 2^32), exactly for limits up to 2^21', () => {
    const holds = fc.property(bits, fc.integer({ min: 1, max: 1 << 21 }), (bits, limit) => scaleBits(bits, limit) === exactly(bits, limit));
    expect(fc.check(holds).counterexample).toBeNull();
  });
  test('are at most one above for larger limits, where the product is rounded, and never the limit itself', () => {
    fc.assert(
      fc.property(bits, fc.integer({ min: 1, max: 0x1_0000_0000 }), (bits, limit) => {
        const value = scaleBits(bits, limit);
        expect([0, 1]).toContain(value - exactly(bits, limit));
        expect(value).toBeLessThan(limit);
      }),
    );
  });
  test('come up equally often: 160 000 draws of 16 values, each within 3 % of 10 000', () => {
    const random = createRandom(7);
    const seen = new Uint32Array(16);
    for (let i = 0; i < 160_000; i++) seen[below(random, 16)]++;
    expect(seen.every((count) => Math.abs(count - 10_000) < 300)).toBe(true);
  });
});
