/**
 * Idea:  what may be shared cannot be pinned for reading: EFAULT.
 * Price: pins that have always worked fail, after any fork.
 */
import { UNSHARING_MAIL } from './policy.ts';
import type { UnsharingPolicy } from './policy.ts';

export const failToPin: UnsharingPolicy = {
  name: 'fail-to-pin',
  summary: 'a pin for reading of a page that may be shared fails with EFAULT',
  argument: {
    idea: 'a pin that cannot be kept is better refused than given: whoever wants it may write to the page first',
    for: [{ who: 'David Hildenbrand', says: 'it is one of the three ways there are, and no pin parts from its page', mail: '15 Mar 2022' }],
    against: [{ who: 'David Hildenbrand', says: 'it would be rather surprising to callers and could break user space', mail: '15 Mar 2022' }],
    price: 'registrations and O_DIRECT writes fail that used to work: of every page that a fork has shared and nobody has written since, and of the zero page',
    sources: [UNSHARING_MAIL],
  },
  family: 'unsharing',
  checks: [],
  rules: () => ({ onShared: 'fail' }),
};
