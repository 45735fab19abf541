/** What a comparison of two records found, and the verdict that follows from it. */

/** FAIL: something is worse, other or gone. INCONCLUSIVE: nothing is worse, and it cannot be told whether all is well. */
export const VERDICTS = ['PASS', 'FAIL', 'INCONCLUSIVE'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Finding {
  /** `better` is no reason to fail and none to pass: the baseline no longer says what is; `within` is a difference that is tolerated. */
  readonly kind: 'fail' | 'inconclusive' | 'better' | 'within';
  /** The cell's key; absent where the finding is about the record as a whole. */
  readonly cell?: string;
  /** Path of the figure in `deterministic`. */
  readonly metric?: string;
  readonly before?: number | null;
  readonly after?: number | null;
  /** One sentence, for people. */
  readonly what: string;
}

/** Closed by default: without a comparison there is no PASS. @param compared figures that were compared */
export function verdictOf(findings: readonly Finding[], compared: number): Verdict {
  if (findings.some(({ kind }) => kind === 'fail')) return 'FAIL';
  return compared === 0 || findings.some(({ kind }) => kind === 'inconclusive' || kind === 'better') ? 'INCONCLUSIVE' : 'PASS';
}
