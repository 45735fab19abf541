/**
 * Curves of a sweep: what a figure does as a parameter grows, by policy.
 *
 * Growth is the exponent of a power law, fitted by least squares to the logarithms; a straight line has 1, a constant 0. Between two
 * values that were run a curve is taken as straight, to say about where two of them cross.
 */

export interface Curve {
  readonly policy: string;
  /** One a value of the parameter; null where there is no figure. */
  readonly figures: readonly (number | null)[];
}

export interface Growth {
  readonly exponent: number;
  /** Standard error; null of two points, which every power law fits. */
  readonly error: number | null;
}

/** Null where fewer than two points are above zero, or the parameter has one value. @param values above zero, one a figure */
export function growthOf(values: readonly number[], figures: readonly (number | null)[]): Growth | null {
  const points = figures.flatMap((figure, at) => (figure !== null && figure > 0 && values[at] > 0 ? [[Math.log(values[at]), Math.log(figure)] as const] : []));
  const count = points.length;
  if (count < 2) return null;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) * (x - meanX), 0);
  if (spread === 0) return null;
  const exponent = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  if (count === 2) return { exponent, error: null };
  const squares = points.reduce((sum, [x, y]) => {
    const rest = y - meanY - exponent * (x - meanX);
    return sum + rest * rest;
  }, 0);
  return { exponent, error: Math.sqrt(squares / (count - 2) / spread) };
}

export interface Crossing {
  /** Which is better beyond it, and which was before. */
  readonly better: string;
  readonly worse: string;
  /** About where. */
  readonly at: number;
}

/** Where the order of two policies changes, for all pairs, by place. @param less whether a smaller figure is better */
export function crossingsOf(values: readonly number[], curves: readonly Curve[], less: boolean): readonly Crossing[] {
  const crossings: Crossing[] = [];
  for (const [at, one] of curves.entries()) {
    for (const other of curves.slice(at + 1)) crossings.push(...crossingsOfPair(values, one, other, less));
  }
  return crossings.sort((a, b) => a.at - b.at);
}

/** A touch is no crossing: the sign of the difference has to change, with equal figures in between left out. */
function crossingsOfPair(values: readonly number[], one: Curve, other: Curve, less: boolean): readonly Crossing[] {
  const points = values.flatMap((value, at) => {
    const [a, b] = [one.figures[at], other.figures[at]];
    return a === null || b === null || a === b ? [] : [{ value, difference: a - b }];
  });
  return points.slice(1).flatMap((point, at): readonly Crossing[] => {
    const before = points[at];
    if (point.difference > 0 === before.difference > 0) return [];
    const share = before.difference / (before.difference - point.difference);
    const oneWins = point.difference < 0 === less;
    return [{ better: oneWins ? one.policy : other.policy, worse: oneWins ? other.policy : one.policy, at: before.value + share * (point.value - before.value) }];
  });
}
