/**
 * Idea:  GUP makes the page the mapping's own first (FAULT_FLAG_UNSHARE), and pins it then. What Linux does since 5.19.
 * Price: a copy of each page that is shared, at the pin and not at the next write.
 */
import { COW_FIXES_SERIES, UNSHARING_MAIL } from './policy.ts';
import type { UnsharingPolicy } from './policy.ts';

export const unshareAndPin: UnsharingPolicy = {
  name: 'unshare-and-pin',
  summary: 'a pin for reading of a page that may be shared copies it first, and pins the copy, which is the mapping\'s alone',
  argument: {
    idea: 'a fault like that of a write, but the entry stays read-only: the page is exclusive then, and no write fault replaces it while the pin lasts',
    for: [
      { who: 'David Hildenbrand', says: 'it gives the clearest semantics, and lets unpin check for pages that are not exclusive any more: something went very wrong there', mail: '15 Mar 2022' },
      { who: 'Jason Gunthorpe', says: 'the extra words are worthwhile: FAULT_FLAG_MAKE_ANON_EXCLUSIVE says more directly what it is for', mail: '21 Mar 2022' },
    ],
    against: [{ who: 'David Hildenbrand', says: 'one can only unshare in MAP_PRIVATE, so that the name says where it applies; hugetlb still decides by mapping counts', mail: '21 Mar 2022' }],
    price: 'memory and a copy a page that both processes might have shared for ever, where nobody would have written',
    sources: [UNSHARING_MAIL, COW_FIXES_SERIES],
  },
  family: 'unsharing',
  checks: [],
  rules: () => ({ onShared: 'unshare' }),
};
