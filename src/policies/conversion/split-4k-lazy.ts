/**
 * split-4k-lazy: split on shared, merge on private: a large page is in pieces only while a part of it is shared.
 *
 * Source: the series "1G page support for guest_memfd" (RFC v2 00/51, Ackerley Tng, May 2025), kvm_gmem_convert_range and
 * kvm_gmem_restructure_folios_in_range in virt/kvm/guest_memfd.c: the shareability is stored, then folios are restructured, all between
 * the begin and the end of one invalidation.
 * Beside that a conversion is one of `in-place`; the check is asked of pieces, since a shared page is in one.
 * Differs from the series: stage-2 is zapped behind the check, as in-place does, so that a refusal leaves the guest's mappings.
 */
import { preallocateState, readRangeState, storeState, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { mergeSteps, splitSteps } from '../../model/restructure.ts';
import { acquire, end, free, freeWhen, guarded, release, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import { unmapEverywhereSteps, walkWholeFolios } from '../../model/zap.ts';
import { CHECKS } from '../policy.ts';
import type { Check, ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL, GIGANTIC_SERIES } from '../sources.ts';
import { FOLIO_BATCH } from './in-place.ts';

function toPrivateAndMergeSteps({ check }: { readonly check: Check }): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    guarded('walk.folios', walkWholeFolios),
    ...unmapEverywhereSteps(),
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock', foliosMax: FOLIO_BATCH }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    ...mergeSteps(),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

/** No reference is checked; the split waits for those that there are. */
function toSharedAndSplitSteps(): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(false), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    steady('state.store', storeState(false)),
    ...splitSteps(),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

export const split4kLazy: ConversionPolicy = {
  name: 'split-4k-lazy',
  summary: 'large folios while all of their pages are private; the first shared one splits them to 4K, and the last one back merges them',
  argument: {
    idea:
      'a large page is one folio while the guest has all of it, and needs no counts page by page then. As a page of it turns shared it is split to 4 KiB folios, ' +
      'and put together again as the last shared page turns private, so that large mappings and the saved struct pages come back',
    for: [
      { who: 'Sean Christopherson', says: 'a split is acceptable, better still where it waits for the first partial conversion', mail: '20 Jun 2024' },
      { who: 'Ackerley Tng', says: 'a large page is in the file only while all of it is private; what has a shared page is 4 KiB folios, until it has none', mail: '14 May 2025' },
    ],
    against: [{ who: 'David Hildenbrand', says: 'to defer the split brings back what it was to spare: it works only where nobody has an unexpected reference', mail: '20 Jun 2024' }],
    price: 'a split and a merge of the whole large page for each first and last shared page of it, struct pages included; one pin keeps a large page in pieces as long as it lasts',
    sources: [GIGANTIC_SERIES, EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  onRequest: true,
  rules: ({ check }) => ({ toPrivate: toPrivateAndMergeSteps({ check }), toShared: toSharedAndSplitSteps(), splits: true }),
};
