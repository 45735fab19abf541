/**
 * split-4k (P5, eager): 4 KiB folios in core-mm over a gigantic page that only guest_memfd remembers.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL } from '../sources.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const split4k: ConversionPolicy = {
  name: 'split-4k',
  summary: '4K folios in core-mm over a remembered large page, split eagerly; pins and mappings are counted page by page',
  argument: {
    idea:
      'take a large page from the pool and split it up front, so that core-mm counts pins and mappings for each 4 KiB page; ' +
      'one more reference a folio keeps it unmovable. Stage-2 may still use large leaves',
    for: [
      { who: 'David Hildenbrand', says: 'option b: core-mm tracks pins and mappings page by page without any change', mail: '20 Jun 2024' },
      { who: 'Sean Christopherson', says: 'acceptable, better still where the split waits for the first partial conversion', mail: '20 Jun 2024' },
    ],
    against: [{ who: 'David Hildenbrand', says: 'the vmemmap optimisation is lost (1.56 % of memory), and user page tables hold single pages only', mail: '20 Jun 2024' }],
    price: 'the split of a region at its first touch; after that a conversion as in sigbus-on-fault, page by page',
    sources: [EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  coreOrder: () => 0,
  ownerRefs: 1,
  rules: ({ check }) => ({ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }),
};
