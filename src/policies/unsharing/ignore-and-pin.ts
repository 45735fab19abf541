/**
 * Idea:  GUP pins whatever the entry maps.
 * Price: a page that fork has shared is replaced by the next write fault, and the pin and the process see two pages from then on.
 */
import { UNSHARING_MAIL } from './policy.ts';
import type { UnsharingPolicy } from './policy.ts';

export const ignoreAndPin: UnsharingPolicy = {
  name: 'ignore-and-pin',
  summary: 'a pin for reading takes whatever is mapped; the next write may leave it behind',
  argument: {
    idea: 'the reference keeps the page alive, and what becomes of the mapping is the business of whoever writes',
    for: [{ who: 'David Hildenbrand', says: 'it is "what we do right now": no pin costs a copy, and none fails', mail: '15 Mar 2022' }],
    against: [{ who: 'David Hildenbrand', says: 'any write fault on the entry replaces the page, and the pin is no longer consistent with what is mapped', mail: '15 Mar 2022' }],
    price: 'reads through the pin go stale without a word, and unpin cannot tell a defect from what happens every day',
    sources: [UNSHARING_MAIL],
  },
  family: 'unsharing',
  checks: [],
  rules: () => ({ onShared: 'pin' }),
};
