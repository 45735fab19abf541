/**
 * protnone-zero-page: where a write-protected entry of a file is zapped, a PROTNONE entry of the zero page stays, with the bit. What was
 * thought of beside the marker.
 */
import { FAULT_AROUND, FAULT_AROUND_MAIL, aroundArmed, intoArmed } from './policy.ts';
import type { WpMarkerPolicy } from './policy.ts';

export const protnoneZeroPage: WpMarkerPolicy = {
  name: 'protnone-zero-page',
  summary: 'a zapped entry leaves a PROTNONE entry of the zero page; whoever looks at present entries, and NUMA balancing, has to know it',
  argument: {
    idea: 'an entry that is present and lets nobody through keeps the bit; with the pfn of the zero page vm_normal_page() finds nothing, and nothing is counted',
    for: [
      { who: 'Peter Xu', says: 'the next access traps anyway, and then the entry can be made a normal one again', mail: '2 Dec 2020' },
      { who: 'Hugh Dickins', says: 'it should work, too, with the zero page as pfn; which way causes less trouble cannot be predicted', mail: '3 Dec 2020' },
    ],
    against: [
      { who: 'Hugh Dickins', says: 'we usually keep away from protnone games: NUMA balancing with it is confusing enough', mail: '3 Dec 2020' },
      { who: 'Andrea Arcangeli', says: 'PROTNONE says that a page is really mapped; here it must really be unmapped', mail: 'Dec 2020' },
    ],
    price: 'an entry, and its page table, for each protected page that is not mapped; every path over present entries, GUP and NUMA hints tells them apart',
    sources: [FAULT_AROUND_MAIL],
  },
  family: 'wp-markers',
  checks: [],
  choices: [FAULT_AROUND],
  rules: (options) => ({ keeps: 'protnone', aroundArmed: aroundArmed(options), forkCopies: true, punchKeeps: true }),
};

export const protnoneAround = intoArmed(protnoneZeroPage, 'protnone-around', 'as protnone-zero-page, and a fault for a read maps its neighbours in armed windows too');
