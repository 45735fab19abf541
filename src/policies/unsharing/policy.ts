/** What a policy of the family `unsharing` is: one rule of GUP, and the words for it. Everything else of the kernel is the same for all. */
import type { UnsharingRules } from '../../model/anonymous/rules.ts';
import type { Policy } from '../policy.ts';

export interface UnsharingPolicy extends Policy {
  readonly family: 'unsharing';
  readonly checks: readonly [];
  readonly rules: () => UnsharingRules;
}

/** Mails that the policies rest on. */
export const UNSHARING_MAIL = 'linux-mm, "[PATCH v2 13/15] mm: support GUP-triggered unsharing of anonymous pages", 15 to 21 Mar 2022';
export const COW_FIXES_SERIES = 'David Hildenbrand, "[PATCH v4 00/17] mm: COW fixes part 2: reliable GUP pins of anonymous pages", 28 Apr 2022; in 5.19';
