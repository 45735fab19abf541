/** What the shell learns. */
export const ExitCode = {
  Ok: 0,
  /** A cell, an expectation or a gate failed. */
  Failed: 1,
  /** A mistake of the user: one message, nothing done. */
  Misuse: 2,
  /** A gate could not tell. */
  Inconclusive: 3,
  /** Ctrl-C: what was finished is kept and marked. */
  Interrupted: 130,
} as const;
