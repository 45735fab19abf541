/**
 * The entry to engine 1: one cell in, one tally out.
 */
import type { Workload, WorkloadOptions } from '../workloads/workload.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import type { CostProfile } from './costs.ts';
import type { Tally } from './tally.ts';

/** The reference test that a policy applies before it commits (DOMAIN 5.13). */
export const CHECKS = ['mapcount', 'mapped-or-pinned', 'refcount'] as const;
export type Check = (typeof CHECKS)[number];

export interface RunOptions {
  readonly policy: ConversionPolicy;
  readonly workload: Workload;
  readonly check: Check;
  readonly costs: CostProfile;
  /** 0, 9 (2 MiB). */
  readonly folioOrder: number;
  readonly options: WorkloadOptions;
  /** For the proof that run-ahead changes nothing. */
  readonly runAhead?: boolean;
  /** Called now and then with the number of accesses so far; for progress. */
  readonly onProgress?: (accesses: number) => void;
}

export interface RunOutcome {
  readonly tally: Tally;
  readonly notes: readonly string[];
}

/** Runs one cell in virtual time. */
export async function run(_options: RunOptions): Promise<RunOutcome> {
  throw new Error('not built yet');
}
