/**
 * Non-negative least squares: the coefficients, none below zero, that bring a weighted sum of columns nearest to what was measured.
 *
 * Source: C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (1974), chapter 23: a set of columns that may be above zero
 * grows by the one that promises most and shrinks by those that would fall below zero. Solved by normal equations: a handful of
 * columns that are scaled to length one, whose condition a double stands. A column that those in the set make up promises nothing, so it
 * never enters. Deterministic: sums in the order of the rows, square roots and divisions only.
 */

export interface Fit {
  /** One a column, >= 0. */
  readonly coefficients: Float64Array;
  /** One a column: its standard error; NaN where the coefficient is 0 or the rows do not suffice. */
  readonly standardErrors: Float64Array;
}

/**
 * @param rows [row][column]; @param target one a row; @param weights one a row: of the square of its error
 * @returns coefficients of 0 for columns of zeros; of columns that make each other up, of some
 */
export function nonNegativeLeastSquares(rows: readonly (readonly number[])[], target: readonly number[], weights: readonly number[]): Fit {
  const count = rows.length === 0 ? 0 : rows[0].length;
  const scale = Float64Array.from({ length: count }, (_, column) => Math.sqrt(rows.reduce((sum, row, at) => sum + weights[at] * row[column] * row[column], 0)));
  const used = [...scale.keys()].filter((column) => scale[column] > 0);
  const gram = used.map((a) => used.map((b) => rows.reduce((sum, row, at) => sum + (weights[at] * row[a] * row[b]) / (scale[a] * scale[b]), 0)));
  const moment = used.map((a) => rows.reduce((sum, row, at) => sum + (weights[at] * row[a] * target[at]) / scale[a], 0));
  const passive = new Set<number>();
  let solution: Float64Array = new Float64Array(used.length);
  // Each round adds a column; rounding could make two of them take turns.
  for (let round = 0; round < 3 * used.length; round++) {
    const next = steepest(gram, moment, solution, passive);
    if (next < 0) break;
    passive.add(next);
    for (;;) {
      const trial = solveOn(gram, moment, passive);
      if ([...passive].every((at) => trial[at] > 0)) {
        solution = trial;
        break;
      }
      solution = stepTowards(solution, trial, passive);
    }
  }
  return spread({ rows, target, weights, scale, used, gram, passive, solution, count });
}

/** The column outside of the set along which the error falls most; -1 where it falls along none. */
function steepest(gram: readonly (readonly number[])[], moment: readonly number[], solution: Float64Array, passive: ReadonlySet<number>): number {
  let best = -1;
  let most = 1e-10 * Math.max(...moment.map(Math.abs), 0);
  for (const [at, value] of moment.entries()) {
    if (passive.has(at)) continue;
    const slope = value - gram[at].reduce((sum, entry, other) => sum + entry * solution[other], 0);
    if (slope > most) {
      most = slope;
      best = at;
    }
  }
  return best;
}

/** Least squares on the set alone, by Cholesky; 0 elsewhere. */
function solveOn(gram: readonly (readonly number[])[], moment: readonly number[], passive: ReadonlySet<number>): Float64Array {
  const set = [...passive].sort((a, b) => a - b);
  const solved = solveSymmetric(set.map((a) => set.map((b) => gram[a][b])), set.map((at) => moment[at]));
  const solution = new Float64Array(moment.length);
  for (const [place, at] of set.entries()) solution[at] = solved[place];
  return solution;
}

/** Solves a symmetric positive definite system. */
function solveSymmetric(matrix: readonly (readonly number[])[], right: readonly number[]): Float64Array {
  const size = right.length;
  const lower = matrix.map((row) => Float64Array.from(row));
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = lower[row][column];
      for (let at = 0; at < column; at++) sum -= lower[row][at] * lower[column][at];
      lower[row][column] = row === column ? Math.sqrt(sum) : sum / lower[column][column];
    }
  }
  const solution = Float64Array.from(right);
  for (let row = 0; row < size; row++) {
    for (let at = 0; at < row; at++) solution[row] -= lower[row][at] * solution[at];
    solution[row] /= lower[row][row];
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let at = row + 1; at < size; at++) solution[row] -= lower[at][row] * solution[at];
    solution[row] /= lower[row][row];
  }
  return solution;
}

/** Goes from a feasible solution towards the trial until the first coefficient is 0, and takes that one out of the set. */
function stepTowards(solution: Float64Array, trial: Float64Array, passive: Set<number>): Float64Array {
  let share = 1;
  for (const at of passive) if (trial[at] <= 0) share = Math.min(share, solution[at] / (solution[at] - trial[at]));
  const next = solution.map((value, at) => value + share * (trial[at] - value));
  for (const at of passive) {
    if (next[at] > 1e-14) continue;
    next[at] = 0;
    passive.delete(at);
  }
  return next;
}

interface Solved {
  readonly rows: readonly (readonly number[])[];
  readonly target: readonly number[];
  readonly weights: readonly number[];
  readonly scale: Float64Array;
  readonly used: readonly number[];
  readonly gram: readonly (readonly number[])[];
  readonly passive: ReadonlySet<number>;
  readonly solution: Float64Array;
  readonly count: number;
}

/** Back to the columns as they came, with standard errors of those above zero. */
function spread({ rows, target, weights, scale, used, gram, passive, solution, count }: Solved): Fit {
  const coefficients = new Float64Array(count);
  const standardErrors = new Float64Array(count).fill(Number.NaN);
  for (const [place, column] of used.entries()) coefficients[column] = solution[place] / scale[column];
  const set = [...passive].sort((a, b) => a - b);
  const freedom = rows.length - set.length;
  if (freedom <= 0) return { coefficients, standardErrors };
  const squares = rows.reduce((sum, row, at) => {
    const error = target[at] - row.reduce((total, value, column) => total + value * coefficients[column], 0);
    return sum + weights[at] * error * error;
  }, 0);
  const matrix = set.map((a) => set.map((b) => gram[a][b]));
  for (const [place, at] of set.entries()) {
    const unit = set.map((_, other) => (other === place ? 1 : 0));
    const variance = (squares / freedom) * solveSymmetric(matrix, unit)[place];
    standardErrors[used[at]] = Math.sqrt(variance) / scale[used[at]];
  }
  return { coefficients, standardErrors };
}
