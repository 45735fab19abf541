/** What a bench case gives back: figures with their unit, their spread and, where the project sets one, their target. */
import type { Measurement } from '../src/gate/benchRecord.ts';

export type { Measurement };

/** How much work a case does: all of it for figures, a little to see that it runs at all. */
export interface Scale {
  readonly quick: boolean;
  /** Timed runs, after the warm-up. */
  readonly samples: number;
  readonly warmups: number;
}

export const FULL: Scale = { quick: false, samples: 7, warmups: 2 };
export const QUICK: Scale = { quick: true, samples: 1, warmups: 0 };

/** `count` at full scale; a thousandth of it, and at least `least`, at the quick one. */
export function scaled(count: number, { quick }: Scale, least = 1): number {
  return quick ? Math.max(least, Math.floor(count / 1000)) : count;
}

export interface BenchCase {
  /** Unique; `--only` takes it, or what stands before its slash. */
  readonly name: string;
  readonly measure: (scale: Scale) => Promise<readonly Measurement[]>;
}

/** Whether a figure reaches its target; null where there is none. */
export function isMet({ value, better, target }: Measurement): boolean | null {
  if (target === null) return null;
  return better === 'more' ? value >= target : value <= target;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A figure that is no time, measured once. */
export function once({ figure, unit, better, value, target = null }: {
  readonly figure: string;
  readonly unit: string;
  readonly better: Measurement['better'];
  readonly value: number;
  readonly target?: number | null;
}): Measurement {
  return { figure, unit, better, value, low: value, high: value, samples: 1, byWallClock: null, target };
}
