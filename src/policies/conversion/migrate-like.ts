/**
 * migrate-like (P10): a page turns private as if it moved: unmap it behind migration entries, drive its count to the owner's, freeze it,
 * and relabel it where it is.
 *
 * It differs from the policies that unmap and then count in what it does to others: whoever touches the page meanwhile sleeps in place of
 * getting a signal, a fault in flight is waited for, and a refusal gives the host its mappings back.
 * Only the refcount can be its test, since the count is what it freezes. A pin that is not short holds it up for ever, so long-term
 * GUP is refused, as in ZONE_MOVABLE; a vmsplice is not long-term for GUP and can be as long.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { migrateInPlaceSteps } from '../../model/migration.ts';
import { acquire, end, free, freeWhen, guarded, release, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import type { ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL } from '../sources.ts';

const toPrivate: readonly Step[] = [
  acquire('invalidate.writeLock', writeLockInvalidate),
  guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
  free('state.prealloc', preallocateState),
  ...migrateInPlaceSteps([...stage2ZapSteps(), steady('state.store', storeState(true)), freeWhen('stage2')('seq.end', endInvalidation)]),
  release('invalidate.unlock', writeUnlockInvalidate),
  end,
];

export const migrateLike: ConversionPolicy = {
  name: 'migrate-like',
  summary: 'as page migration: entries become migration entries, at which others wait; the count is frozen or, after ten passes, all is restored',
  argument: {
    idea:
      'making a page private is no different from moving it: unmap it behind migration entries, freeze its count at the owner\'s, relabel it, and let the waiters go. ' +
      'Where somebody else has a reference the entries are restored, and after ten passes it is EAGAIN',
    for: [
      { who: 'Jason Gunthorpe', says: 'unmap the page, drive the refcount to zero, then move it; short pins end, and long-term ones are refused as in ZONE_MOVABLE', mail: '20 Jun 2024' },
    ],
    against: [
      { who: 'David Hildenbrand', says: 'a long-term pin on one page of a large folio stands in the way of all others, and core-mm does not count pins page by page', mail: '20 Jun 2024' },
      { who: 'Sean Christopherson', says: 'short-term pins are a danger too: it takes a guarantee that nobody has the page, and not the hope that pins have gone away', mail: '20 Jun 2024' },
    ],
    price: 'an rmap walk a folio, and a second one to put the entries back, where others need one a range; a refusal costs ten passes; no refault after it, no signal meanwhile',
    sources: [EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: ['refcount'],
  onRequest: true,
  rules: () => ({
    toPrivate,
    toShared: toSharedSteps(),
    gup: { allowed: true, longTermAllowed: false },
    keeps: 'migrations',
  }),
};
