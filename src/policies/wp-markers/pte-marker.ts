/**
 * pte-marker: where a write-protected entry of a file is zapped, a swap-like entry of a type of its own stays. What Linux does since 5.19.
 */
import { FAULT_AROUND, FAULT_AROUND_MAIL, PAGEMAP_SCAN_SERIES, SHMEM_SERIES, aroundArmed, intoArmed } from './policy.ts';
import type { WpMarkerPolicy } from './policy.ts';

export const pteMarker: WpMarkerPolicy = {
  name: 'pte-marker',
  summary: 'a zapped entry leaves a marker that is not present; whoever looks at empty or at swap entries has to know it',
  argument: {
    idea: 'a non-present entry with a type of its own says that the page is write-protected and nothing else; one value is enough, and no page is counted for it',
    for: [
      { who: 'Hugh Dickins', says: 'a new variety of swap-like entry that is no swap; anything else would be more troublesome', mail: '2 Dec 2020' },
      { who: 'Andrea Arcangeli', says: 'the bit should go only when the range itself goes, or when somebody takes it away', mail: '1 Dec 2020' },
    ],
    against: [
      { who: 'Hugh Dickins', says: 'places that know non-swap entries have to be searched for; and fork does not copy entries that a fault would fill, so the child has none', mail: '2 Dec 2020' },
    ],
    price: 'an entry, and its page table, for each protected page that is not mapped; every check for an empty entry asks for a marker, too',
    sources: [FAULT_AROUND_MAIL, SHMEM_SERIES, PAGEMAP_SCAN_SERIES],
  },
  family: 'wp-markers',
  checks: [],
  choices: [FAULT_AROUND],
  rules: (options) => ({ keeps: 'marker', aroundArmed: aroundArmed(options), forkCopies: true, punchKeeps: true }),
};

export const pteMarkerAround = intoArmed(pteMarker, 'pte-marker-around', 'as pte-marker, and a fault for a read maps its neighbours in armed windows too: what it finds kept it leaves alone');
