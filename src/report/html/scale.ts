/** Logarithmic axes: where they begin and end, and which values they name. Powers of ten by multiplication: logarithms differ between versions of Node. */

export interface LogScale {
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
}

const STEPS = [1, 2, 5] as const;
const DECADES_FOR_FEW_TICKS = 2.4;

/** The narrowest axis from 1, 2 or 5 times a power of ten to another that has all values; they are above zero. */
export function logScale(values: readonly number[]): LogScale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const candidates: number[] = [];
  for (let decade = 1e-6; decade < 1e16; decade *= 10) for (const step of STEPS) candidates.push(Number((decade * step).toPrecision(3)));
  const from = candidates.findLastIndex((candidate) => candidate <= least);
  let to = candidates.findIndex((candidate) => candidate >= most);
  if (to <= from) to = from + 1;
  const within = candidates.slice(from, to + 1);
  const isWide = to - from > DECADES_FOR_FEW_TICKS * STEPS.length;
  return { domain: [candidates[from], candidates[to]], ticks: isWide ? within.filter((candidate) => /^1(?:e|0*$|$)|^0\.0*1$/.test(String(candidate))) : within };
}
