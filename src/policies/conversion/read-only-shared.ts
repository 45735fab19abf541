/**
 * read-only-shared (P8b): sigbus-on-fault with a third state between private and shared, in which the host may read a page and not write it.
 *
 * The guest asks for it by a request of its own (to-read-only); what else it asks is as in sigbus-on-fault. A write of the host to
 * such a page is SIGBUS, GUP with FOLL_WRITE is EFAULT, and one for reading is allowed. From read-only to private is the way from shared
 * to private; to-shared lifts it.
 * Only under the refcount: what the weaker checks miss on the way to private sigbus-on-fault shows.
 * No source says what happens to a range with a private page in it: it is EINVAL, the page has to be shared first.
 */
import { liftToSharedSteps, storeLifted, toReadOnlySteps } from '../../model/readOnly.ts';
import { steady } from '../../model/step.ts';
import type { ConversionPolicy } from '../policy.ts';
import { LAZY_DONATION_MAIL } from '../sources.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const readOnlyShared: ConversionPolicy = {
  name: 'read-only-shared',
  summary: 'as sigbus-on-fault, and the guest may share a page that the host can read and not write: a write is SIGBUS',
  argument: {
    idea:
      'a third state: read faults map write-protected entries, write faults raise the signal. The way down write-protects every entry and is refused while anybody has ' +
      'a reference that is no mapping\'s, since the counts do not tell a pin for reading from one for writing',
    for: [
      { who: 'Quentin Perret', says: 'where the protection is by an MMU nothing prevents a guest from sharing a page back as read-only', mail: '28 Feb 2024' },
      { who: 'David Hildenbrand', says: 'then allow faults that read, and give a signal on those that write, with no new mmap for it', mail: '28 Feb 2024' },
    ],
    against: [{ who: 'Quentin Perret', says: 'it is not supported today', mail: '28 Feb 2024' }],
    price: 'a write fault a page after each read fault, and page_mkwrite in guest_memfd; a walk, a flush a VMA and a count on the way down; a reader\'s pin refuses it',
    sources: [LAZY_DONATION_MAIL],
  },
  family: 'conversion',
  checks: ['refcount'],
  onRequest: true,
  rules: () => ({
    toPrivate: unmapThenCheckSteps({ check: 'refcount' }).map((one) => (one.name === 'state.store' ? steady('state.store', storeLifted(true)) : one)),
    toShared: liftToSharedSteps(),
    toReadOnly: toReadOnlySteps(),
    keeps: 'read-only',
  }),
};
