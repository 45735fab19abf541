/**
 * The second gate: is this foliobench slower than that one, by the clock on the wall?
 *
 * Two programs, A (the one that is known) and B (the one to be judged), run the same experiment in turns, each run in a process of its
 * own: A B B A, then B A A B, and so on. The unit is the run. Samples within a run share its compiler, its memory and its neighbours: taken
 * for independent they cry wolf at almost every comparison of a program with itself. A block of four runs gives two differences between
 * neighbours, one with A first and one with B first, so that a machine which slowly becomes slower speaks for neither.
 *
 * The same blocks also say what this machine makes of no difference at all: each has two runs of A, and two of B. The bounds of the
 * differences between those are the floor of the machine, taken in the very minutes of the comparison.
 *
 * FAIL needs both: a difference that chance alone hardly ever shows, and one above the floor. PASS needs that a slowdown of the size
 * that was asked for is out of the bounds: a machine too noisy to have seen one gives no PASS.
 */
import type { Environment } from '../harness/record.ts';
import type { Verdict } from './finding.ts';
import { signedRank } from './signedRank.ts';

/** What one run took. */
export interface RunTime {
  /** Its threads were on a CPU for so long. */
  readonly cpuNs: number;
  readonly wallNs: number;
}

/** Four runs in the order of time, as A B B A or, where `first` is `b`, as B A A B. */
export interface Turn {
  readonly first: 'a' | 'b';
  readonly runs: readonly [RunTime, RunTime, RunTime, RunTime];
}

/** The same by one clock; nanoseconds each. */
export interface Block {
  readonly first: Turn['first'];
  readonly ns: readonly [number, number, number, number];
}

/** Of each side: a difference that is none is taken for one once in 200 comparisons, were it not for the floor. */
export const ALPHA = 0.005;
/** With fewer blocks nothing is ever improbable enough. */
export const BLOCKS_MIN = 4;
/** The budget: 96 runs. */
export const BLOCKS_DEFAULT = 24;
/** A slowdown, as a share: what has to be ruled out for a PASS, where nothing else is asked for. */
export const SLOWDOWN_DEFAULT = 0.1;
/** Two folders on one machine differ by about as much for reasons of no interest, such as where they lie in memory. */
const FLOOR_MIN = 0.01;

/** Slowdowns are shares: 0.05 says that B takes 5 % longer than A, a negative one that it is faster. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly blocks: number;
  readonly slowdown: number;
  readonly low: number;
  readonly high: number;
  /** How often chance alone shows B that much slower. */
  readonly probability: number;
  /** What a comparison of a program with itself shows here. */
  readonly floor: number;
  /** The smallest slowdown that would have been a FAIL in these runs. */
  readonly visible: number;
  /** What had to be ruled out. */
  readonly wanted: number;
}

export interface WallClock {
  readonly verdict: Verdict;
  readonly byCpuTime: Judgement;
  readonly byWallClock: Judgement;
}

/**
 * By both clocks. On a machine that is shared the wall clock times the neighbours too, and sees large slowdowns alone; CPU time sees small
 * ones, and nothing of a program that waits. So either may fail, and CPU time has to rule a slowdown out.
 *
 * @param wanted the slowdown that must not be overlooked, as a share
 */
export function judgeWallClock(turns: readonly Turn[], wanted: number = SLOWDOWN_DEFAULT): WallClock {
  const by = (clock: keyof RunTime): Judgement =>
    judge(turns.map(({ first, runs: [one, two, three, four] }): Block => ({ first, ns: [one[clock], two[clock], three[clock], four[clock]] })), wanted);
  const [byCpuTime, byWallClock] = [by('cpuNs'), by('wallNs')];
  return { verdict: byWallClock.verdict === 'FAIL' ? 'FAIL' : byCpuTime.verdict, byCpuTime, byWallClock };
}

/** By one clock. */
export function judge(blocks: readonly Block[], wanted: number = SLOWDOWN_DEFAULT): Judgement {
  const compared = signedRank(blocks.flatMap(pairsOf), ALPHA);
  const same = signedRank(blocks.flatMap(samePairsOf), ALPHA);
  const floor = Math.max(FLOOR_MIN, shareOf(Math.max(-same.low, same.high)));
  const [slowdown, low, high] = [compared.middle, compared.low, compared.high].map(shareOf);
  const isSlower = compared.probability <= ALPHA && slowdown > floor;
  return {
    verdict: isSlower ? 'FAIL' : high < wanted ? 'PASS' : 'INCONCLUSIVE',
    blocks: blocks.length,
    slowdown,
    low,
    high,
    probability: compared.probability,
    floor,
    visible: Math.max(floor, shareOf(compared.middle - compared.low)),
    wanted,
  };
}

/** B against A in the first half of a block and in the second: neighbours in time. Which of them comes first changes, so a machine that becomes slower all the while shows on neither side. */
function pairsOf({ first, ns: [one, two, three, four] }: Block): readonly number[] {
  return first === 'a' ? [differenceOf(one, two), differenceOf(four, three)] : [differenceOf(two, one), differenceOf(three, four)];
}

/** The two runs of one program, and those of the other; turned around in every second block, for the same reason. */
function samePairsOf({ ns: [one, two, three, four] }: Block, index: number): readonly number[] {
  return index % 2 === 0 ? [differenceOf(one, four), differenceOf(two, three)] : [differenceOf(four, one), differenceOf(three, two)];
}

/** (B - A) / (B + A): the same size for twice as slow and twice as fast, whoever is called A. */
const differenceOf = (a: number, b: number): number => (b - a) / (b + a);

/** From (B - A) / (B + A) to B / A - 1. */
const shareOf = (difference: number): number => (difference >= 1 ? Number.POSITIVE_INFINITY : difference <= -1 ? -1 : (1 + difference) / (1 - difference) - 1);

/** What has to be the same for times of another hour to mean anything here. @returns the differences in words */
export function otherMachine(before: Environment, now: Environment): readonly string[] {
  const fields = { cpuModel: 'CPU', cpus: 'cores', kernel: 'kernel', node: 'Node', platform: 'platform', arch: 'architecture' } as const;
  return Object.entries(fields).flatMap(([field, word]) => {
    const [old, fresh] = [before[field as keyof Environment], now[field as keyof Environment]];
    return old === fresh ? [] : [`${word} ${old}, here ${fresh}`];
  });
}

/** One sentence, of the clock that decided first. */
export function wallClockText({ verdict, byCpuTime, byWallClock }: WallClock): string {
  const clocks = [`${clockText(byCpuTime)} by CPU time`, `${clockText(byWallClock)} by the clock on the wall`];
  const { blocks, wanted } = byCpuTime;
  const doubt = verdict === 'INCONCLUSIVE' ? `; a slowdown of ${percent(wanted)} is not ruled out: more --blocks, or a quieter machine` : '';
  return `${(byCpuTime.verdict !== 'FAIL' && verdict === 'FAIL' ? clocks.reverse() : clocks).join('; ')}; ${blocks} blocks of 4 runs${doubt}`;
}

/** `6.1 % slower (4.9 % to 7.2 %; floor 2.0 %, visible from 2.3 %)`. */
function clockText({ slowdown, low, high, floor, visible }: Judgement): string {
  const change = slowdown > floor ? `${percent(slowdown)} slower` : slowdown < -floor ? `${percent(-slowdown)} faster` : `no slower than this machine can tell`;
  const bounds = Number.isFinite(high) ? `${percent(low)} to ${percent(high)}; ` : '';
  return `${change} (${bounds}floor ${percent(floor)}, visible from ${percent(visible)})`;
}

const percent = (share: number): string => (Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : 'no size');
