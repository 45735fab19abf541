import { describe, expect, test } from 'vitest';
import { judgeWallClock, otherMachine, wallClockText, type Block } from './wallClock.ts';

/** Blocks in which A takes 100 and B `slower` times that, with what `noise` adds to each run in turn. */
function blocksOf(count: number, slower: number, noise: readonly number[] = [0]): readonly Block[] {
  let run = 0;
  return Array.from({ length: count }, (_, index): Block => {
    const first = index % 2 === 0 ? 'a' : 'b';
    const ns = [...(first === 'a' ? 'abba' : 'baab')].map((side) => (side === 'a' ? 100 : 100 * slower) + noise[run++ % noise.length]);
    return { first, ns: ns as unknown as Block['ns'] };
  });
}

describe('a comparison by the clock', () => {
  test('without any noise: what is slower by more than the least floor fails, and what is not passes', () => {
    expect(judgeWallClock(blocksOf(4, 1.02))).toMatchObject({ verdict: 'FAIL', blocks: 4, floor: 0.01, visible: 0.01, probability: 1 / 256 });
    expect(judgeWallClock(blocksOf(4, 1.009))).toMatchObject({ verdict: 'PASS', floor: 0.01 });
    expect(judgeWallClock(blocksOf(4, 0.5)).slowdown).toBeCloseTo(-0.5, 12);
  });

  test('passes only where the slowdown that was asked for is ruled out', () => {
    const noise = [0, 15, 4, 9, 1, 13, 7, 2, 11, 6, 14];
    const { verdict, high } = judgeWallClock(blocksOf(6, 1, noise));
    expect([verdict, high > 0.1]).toEqual(['INCONCLUSIVE', true]);
    expect(judgeWallClock(blocksOf(6, 1, noise), 0.3).verdict).toBe('PASS');
  });

  test('needs more than significance: below the floor of the machine nothing fails', () => {
    // Each second run of a program takes 4 longer, whichever program it is: B is surely slower, by less than a program differs from itself.
    const blocks = blocksOf(8, 1.015).map(({ first, ns: [one, two, three, four] }, index): Block => ({ first, ns: index % 2 === 0 ? [one, two, three + 4, four + 4] : [one + 4, two + 4, three, four] }));
    const { probability, slowdown, floor, verdict } = judgeWallClock(blocks);
    expect(probability).toBeLessThan(0.001);
    expect([slowdown < floor, verdict]).toEqual([true, 'PASS']);
  });

  test('is not moved by a machine that becomes slower all the while, nor by one wild run', () => {
    const drift = Array.from({ length: 40 }, (_, run) => run / 10);
    expect(Math.abs(judgeWallClock(blocksOf(10, 1, drift)).slowdown)).toBeLessThan(0.002);
    const wild = [0, 0, 0, 0, 0, 900, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    expect(judgeWallClock(blocksOf(8, 1, wild))).toMatchObject({ verdict: 'PASS', slowdown: 0 });
  });

  test('without enough blocks knows nothing, and says so', () => {
    const judged = judgeWallClock(blocksOf(3, 1.5));
    expect(judged).toMatchObject({ verdict: 'INCONCLUSIVE', low: -1, high: Number.POSITIVE_INFINITY, visible: Number.POSITIVE_INFINITY });
    expect(wallClockText(judged)).toContain('smallest slowdown that would have failed anything');
  });
});

describe('another machine', () => {
  const here = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'a CPU', cpus: 2, kernel: '6.1' };

  test('is one with another CPU, other cores, another kernel, another Node, another platform', () => {
    expect(otherMachine(here, { ...here })).toEqual([]);
    expect(otherMachine(here, { node: 'v26.0.0', platform: 'darwin', arch: 'arm64', cpuModel: 'b CPU', cpus: 8, kernel: '25' })).toEqual([
      'CPU a CPU, here b CPU', 'cores 2, here 8', 'kernel 6.1, here 25', 'Node v20.19.0, here v26.0.0', 'platform linux, here darwin', 'architecture x64, here arm64',
    ]);
  });
});
