/**
 * What a policy of the family `wp-markers` is: what stays of a page's write-protection when its entry is zapped, and what else of the
 * kernel's protocol depends on that.
 */
import type { WpRules } from '../../model/shmem/kept.ts';
import { valueOf } from '../choices.ts';
import type { Policy, PolicyChoice, PolicyOptions } from '../policy.ts';

export interface WpMarkerPolicy extends Policy {
  readonly family: 'wp-markers';
  /** Without a reference test: one row each. */
  readonly checks: readonly [];
  readonly rules: (options: PolicyOptions) => WpRules;
}

/** The thread in which the question was asked. */
export const FAULT_AROUND_MAIL =
  'linux-mm, "Re: [PATCH v2] mm: Don\'t fault around userfaultfd-registered regions on reads", Peter Xu, Andrea Arcangeli and Hugh Dickins, Nov and Dec 2020';
/** What became of it. */
export const SHMEM_SERIES = 'linux-mm, "[PATCH v8 00/23] userfaultfd-wp: Support shmem and hugetlbfs", Peter Xu, Apr 2022; in 5.19';
export const PAGEMAP_SCAN_SERIES = 'linux-mm, "Implement IOCTL to get and optionally clear info about PTEs", Muhammad Usama Anjum, 2023; in 6.7';

export const FAULT_AROUND: PolicyChoice<'skips-armed' | 'into-armed'> = {
  name: 'faultAround',
  values: ['skips-armed', 'into-armed'],
  default: 'skips-armed',
  what: 'whether a fault for a read may map neighbours in a window that a userfaultfd is armed for; into-armed is what the kernel did before the thread of Nov 2020',
};

export const aroundArmed = (options: PolicyOptions): boolean => valueOf(FAULT_AROUND, options) === 'into-armed';

/** The same policy with faults that map around in armed windows, under a name of its own, since litmus files name policies. */
export const intoArmed = (policy: WpMarkerPolicy, name: string, summary: string): WpMarkerPolicy => ({
  ...policy,
  name,
  summary,
  onRequest: true,
  choices: [],
  rules: (options) => ({ ...policy.rules(options), aroundArmed: true }),
});
