/**
 * split-4k (P5, eager): 4 KiB folios in core-mm over a gigantic page that only guest_memfd remembers.
 *
 * Idea:  take a large page from the pool and split it up front, so that core-mm counts pins and mappings for each 4 KiB
 *        page; one more reference a folio keeps it unmovable. Stage-2 may still use large leaves.
 * For:   David Hildenbrand (20 Jun 2024, option b): no change in core-mm.
 * Against: the vmemmap optimisation is lost (1.56 % of memory), user page tables hold single pages only. Sean
 *        Christopherson: acceptable, better still where the split waits for the first partial conversion.
 * Price: the split of a region at its first touch; after that a conversion as in sigbus-on-fault, page by page.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const split4k: ConversionPolicy = {
  name: 'split-4k',
  summary: '4K folios in core-mm over a remembered large page, split eagerly; pins and mappings are counted page by page',
  family: 'conversion',
  checks: CHECKS,
  coreOrder: () => 0,
  ownerRefs: 1,
  rules: ({ check }) => ({ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }),
};
