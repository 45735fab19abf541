/**
 * drop: the bit is in the entry, and goes with it. What shmem would have done had userfaultfd's write-protection been allowed there as it
 * was for anonymous memory.
 */
import { FAULT_AROUND, FAULT_AROUND_MAIL, aroundArmed, intoArmed } from './policy.ts';
import type { WpMarkerPolicy } from './policy.ts';

export const drop: WpMarkerPolicy = {
  name: 'drop',
  summary: 'write-protection is a bit of the entry: reclaim, MADV_DONTNEED and fork lose it, and nobody is told',
  argument: {
    idea: 'an entry of a file may be zapped at any time, since a fault will fill it again; the bit is part of the entry',
    for: [],
    against: [
      { who: 'Andrea Arcangeli', says: 'the bit of a virtual address in one mm has to survive the invalidation of its entry; how?', mail: '1 Dec 2020' },
      { who: 'Peter Xu', says: 'a page that is mapped again without the bit is writable, and the write is lost to the monitor: severe data loss', mail: '30 Nov 2020' },
    ],
    price: 'nothing is kept, and a snapshot is wrong after the first page that was reclaimed',
    sources: [FAULT_AROUND_MAIL],
  },
  family: 'wp-markers',
  checks: [],
  choices: [FAULT_AROUND],
  rules: (options) => ({ keeps: 'nothing', aroundArmed: aroundArmed(options), forkCopies: false, punchKeeps: true }),
};

export const dropAround = intoArmed(drop, 'drop-around', 'as drop, and a fault for a read maps its neighbours in armed windows too: the kernel that the thread of Nov 2020 found');
