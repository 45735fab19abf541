import { describe, expect, test } from 'vitest';
import { judge, judgeWallClock, otherMachine, wallClockText, type Block, type Turn } from './wallClock.ts';

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
    expect(judge(blocksOf(4, 1.02))).toMatchObject({ verdict: 'FAIL', blocks: 4, floor: 0.01, visible: 0.01, probability: 1 / 256 });
    expect(judge(blocksOf(4, 1.009))).toMatchObject({ verdict: 'PASS', floor: 0.01 });
    expect(judge(blocksOf(4, 0.5)).slowdown).toBeCloseTo(-0.5, 12);
  });

  test('passes only where the slowdown that was asked for is ruled out', () => {
    const noise = [0, 15, 4, 9, 1, 13, 7, 2, 11, 6, 14];
    const { verdict, high } = judge(blocksOf(6, 1, noise));
    expect([verdict, high > 0.1]).toEqual(['INCONCLUSIVE', true]);
    expect(judge(blocksOf(6, 1, noise), 0.3).verdict).toBe('PASS');
  });

  test('needs more than significance: below the floor of the machine nothing fails', () => {
    // Each second run of a program takes 4 longer, whichever program it is: B is surely slower, by less than a program differs from itself.
    const blocks = blocksOf(8, 1.015).map(({ first, ns: [one, two, three, four] }, index): Block => ({ first, ns: index % 2 === 0 ? [one, two, three + 4, four + 4] : [one + 4, two + 4, three, four] }));
    const { probability, slowdown, floor, verdict } = judge(blocks);
    expect(probability).toBeLessThan(0.001);
    expect([slowdown < floor, verdict]).toEqual([true, 'PASS']);
  });

  test('is not moved by a machine that becomes slower all the while, nor by one wild run', () => {
    const drift = Array.from({ length: 40 }, (_, run) => run / 10);
    expect(Math.abs(judge(blocksOf(10, 1, drift)).slowdown)).toBeLessThan(0.002);
    const wild = [0, 0, 0, 0, 0, 900, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    expect(judge(blocksOf(8, 1, wild))).toMatchObject({ verdict: 'PASS', slowdown: 0 });
  });

  test('without enough blocks knows nothing, and says so', () => {
    const judged = judge(blocksOf(3, 1.5));
    expect(judged).toMatchObject({ verdict: 'INCONCLUSIVE', low: -1, high: Number.POSITIVE_INFINITY, visible: Number.POSITIVE_INFINITY });
  });
});

describe('two clocks', () => {
  const turnsOf = (cpu: readonly Block[], wall: readonly Block[]): readonly Turn[] =>
    cpu.map(({ first, ns }, index) => ({ first, runs: ns.map((cpuNs, run) => ({ cpuNs, wallNs: wall[index].ns[run] })) as unknown as Turn['runs'] }));
  const noisy = [0, 15, 4, 9, 1, 13, 7, 2, 11, 6, 14];

  test('either fails; the one that does is told first', () => {
    const slowOnTheCpu = judgeWallClock(turnsOf(blocksOf(6, 1.05), blocksOf(6, 1.05, noisy)));
    expect([slowOnTheCpu.verdict, slowOnTheCpu.byWallClock.verdict]).toEqual(['FAIL', 'INCONCLUSIVE']);
    expect(wallClockText(slowOnTheCpu)).toMatch(/^5\.0 % slower \(5\.0 % to 5\.0 %; floor 1\.0 %, visible from 1\.0 %\) by CPU time; no slower than this machine can tell \(.*\) by the clock on the wall; 6 blocks of 4 runs$/);
    const waits = judgeWallClock(turnsOf(blocksOf(6, 1), blocksOf(6, 1.5)));
    expect([waits.verdict, waits.byCpuTime.verdict]).toEqual(['FAIL', 'PASS']);
    expect(wallClockText(waits)).toMatch(/^50\.0 % slower \(.*\) by the clock on the wall; no slower/);
  });

  test('CPU time has to rule a slowdown out; the wall clock of a shared machine need not', () => {
    expect(judgeWallClock(turnsOf(blocksOf(6, 1), blocksOf(6, 1, noisy))).verdict).toBe('PASS');
    const judged = judgeWallClock(turnsOf(blocksOf(6, 1, noisy), blocksOf(6, 1)));
    expect(judged.verdict).toBe('INCONCLUSIVE');
    expect(wallClockText(judged)).toContain('; a slowdown of 10.0 % is not ruled out: more --blocks, or a quieter machine');
    expect(wallClockText(judgeWallClock(turnsOf(blocksOf(6, 0.5), blocksOf(6, 0.5))))).toMatch(/^50\.0 % faster/);
    expect(wallClockText(judgeWallClock(turnsOf(blocksOf(3, 1), blocksOf(3, 1))))).toMatch(/^no slower than this machine can tell \(floor no size, visible from no size\) by CPU time/);
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
