/**
 * in-place (P11): the in-place conversion series of guest_memfd, as its version 7 (22 May 2026) has it.
 *
 * Source: virt/kvm/guest_memfd.c of the series (kvm_gmem_set_attributes, kvm_gmem_is_safe_for_conversion, kvm_gmem_invalidate_begin).
 * All or nothing over the range: one folio in use changes no attribute, and the error offset tells where it is.
 *
 * What differs from sigbus-on-fault, which takes the mail's idea and leaves the steps to us:
 * - the series says in which order (preallocate, unmap, check, zap stage-2, store) and when the LRU batches are drained (once a call,
 *   at the first count that is too high); `sigbus-on-fault` follows it in both, so that at order 0 every verdict is the same;
 * - folios are looked up in batches of filemap_get_folios and tested one by one, so that a refusal has touched the batches up to it, and a
 *   drain has one batch read again, and not the whole range. Ranges of more than a batch have that difference, and there is no other.
 * Differs from Linux: the series has folios of order 0 only, and unmaps the range; here the folios that overlap it are unmapped as a
 * whole, since the count of a large folio has its neighbours' mappings in it.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { acquire, end, free, freeWhen, guarded, release, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import { unmapEverywhereSteps, walkWholeFolios } from '../../model/zap.ts';
import { CHECKS } from '../policy.ts';
import type { Check, ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL, IN_PLACE_SERIES } from '../sources.ts';

/** Folios of one filemap_get_folios (include/linux/pagevec.h, PAGEVEC_SIZE). */
export const FOLIO_BATCH = 31;

function convertInPlaceSteps({ check }: { readonly check: Check }): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', walkWholeFolios),
    ...unmapEverywhereSteps(),
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock', foliosMax: FOLIO_BATCH }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

export const inPlace: ConversionPolicy = {
  name: 'in-place',
  summary: 'the series on its way upstream: unmap the range, compare each folio\'s refcount, EAGAIN with an error offset or commit',
  argument: {
    idea:
      'shared and private are attributes of a range of one file, changed by an ioctl on it: the kernel unmaps the range, refuses with EAGAIN and an error offset ' +
      'where any folio has an unexpected reference, and never waits; who holds references is for user space to know',
    for: [
      { who: 'Ackerley Tng', says: 'a hole punched here and memory allocated there for each shared page fragments what was one huge page', mail: '22 May 2026' },
      { who: 'David Hildenbrand', says: 'mapcount and refcount are completely reliable here', mail: '20 Jun 2024' },
    ],
    against: [],
    price:
      'one zap and one flush a VMA and request, however many pages it has; a failing attempt pays them too, and the refaults: back-off matters. ' +
      'A reference that goes away by itself refuses as well as one that stays',
    sources: [IN_PLACE_SERIES, EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  onRequest: true,
  rules: ({ check }) => ({ toPrivate: convertInPlaceSteps({ check }), toShared: toSharedSteps() }),
};
