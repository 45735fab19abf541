/**
 * The statistic of `gate --wall-clock` on runs that were recorded (bench/recordTimings.ts), so that its promises can fail: how often it cries
 * wolf where nothing changed, and how often it finds a slowdown whose size is known, with the blocks that it takes by default.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { below, createRandom } from '../workloads/random.ts';
import { BLOCKS_DEFAULT, judge, type Block } from './wallClock.ts';

type Stream = 'X' | 'Y' | 'S' | 'L';
interface Recorded {
  readonly groups: readonly (readonly (readonly [stream: Stream, cpuUs: number, wallUs: number])[])[];
}
const { groups } = JSON.parse(readFileSync(new URL('../../test/fixtures/timings.json', import.meta.url), 'utf8')) as Recorded;

const CPU = 1;
const WALL = 2;
type Clock = typeof CPU | typeof WALL;
const COMPARISONS = 1000;

/** The runs of two streams of a group: there and back again, which is a block. */
function blockOf(group: Recorded['groups'][number], a: Stream, b: Stream, clock: Clock): Block {
  const runs = group.filter(([stream]) => stream === a || stream === b);
  return { first: runs[0][0] === a ? 'a' : 'b', ns: runs.map((run) => run[clock] * 1000) as unknown as Block['ns'] };
}

interface Found {
  readonly PASS: number;
  readonly FAIL: number;
  readonly INCONCLUSIVE: number;
}

/** A thousand comparisons, each of as many groups as the gate takes blocks, drawn with replacement; where the streams are equal either may be called A. */
function compareOften(b: Exclude<Stream, 'X'>, clock: Clock, blocks = BLOCKS_DEFAULT): Found {
  const random = createRandom(1);
  const found = { PASS: 0, FAIL: 0, INCONCLUSIVE: 0 };
  for (let comparison = 0; comparison < COMPARISONS; comparison++) {
    const drawn = Array.from({ length: blocks }, (): Block => {
      const group = groups[below(random, groups.length)];
      const isTurned = b === 'Y' && below(random, 2) === 1;
      return isTurned ? blockOf(group, b, 'X', clock) : blockOf(group, 'X', b, clock);
    });
    found[judge(drawn).verdict]++;
  }
  return found;
}

/** How much longer the runs of a stream took, as the median over all groups: the slowdown that there is to be found. */
function slowdownOf(stream: Stream, clock: Clock): number {
  const ratios = groups.map((group) => {
    const sum = (wanted: Stream) => group.reduce((total, run) => total + (run[0] === wanted ? run[clock] : 0), 0);
    return (2 * sum(stream)) / (sum('X') + sum('Y')) - 1;
  });
  return ratios.toSorted((one, other) => one - other)[ratios.length >> 1];
}

describe('recorded runs of this program, compared by CPU time with the default budget', () => {
  test('the longer streams took at most 5 % and 10 % longer, and the equal one no longer', () => {
    const [longer, longest] = [slowdownOf('S', CPU), slowdownOf('L', CPU)];
    expect([longer > 0.035 && longer <= 0.05, longest > 0.08 && longest <= 0.1]).toEqual([true, true]);
    expect(Math.abs(slowdownOf('Y', CPU))).toBeLessThan(0.01);
  });

  test('the program against itself: at most 3 false alarms in 1000', () => {
    expect(compareOften('Y', CPU).FAIL).toBeLessThanOrEqual(3);
  });

  test('a slowdown of 10 % is found at least 95 times in 100', () => {
    expect(compareOften('L', CPU).FAIL).toBeGreaterThanOrEqual(950);
  });

  test('a slowdown of 5 % is found at least 80 times in 100', () => {
    expect(compareOften('S', CPU).FAIL).toBeGreaterThanOrEqual(800);
  });
});

describe('the same runs, by the clock on the wall', () => {
  test('the program against itself: at most 3 false alarms in 1000', () => {
    expect(compareOften('Y', WALL).FAIL).toBeLessThanOrEqual(3);
  });
});
