/**
 * sigbus-on-fault (P1): map anything; a host fault on a private page is SIGBUS.
 *
 * Idea:  the kernel unmaps the range itself, then converts only where nobody but the page cache holds a folio.
 * For:   David Hildenbrand (27 and 28 Feb 2024): simple, hard to mess up; "if you don't play by the rules, you get a signal".
 * Against: Elliot Berman: a crash where an early error could have been; Quentin Perret: with lazy donation user space
 *        cannot know which page is private; some want SIGSEGV.
 * Price: one zap and one flush a VMA, a refault a page after to-shared; a pin makes the VMM retry.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { acquire, end, free, freeWhen, guarded, release, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import { unmapEverywhereSteps, walkWholeFolios } from '../../model/zap.ts';
import { CHECKS } from '../policy.ts';
import type { Check, ConversionPolicy } from '../policy.ts';

/**
 * The kernel's to-private of every policy that unmaps by itself: unmap first, then ask who else holds the folios, then
 * commit. A refusal changes no attribute and leaves the host unmapped; entries come back by faults.
 */
export function unmapThenCheckSteps({ check }: { readonly check: Check }): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', walkWholeFolios),
    ...unmapEverywhereSteps(),
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock' }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

export const sigbusOnFault: ConversionPolicy = {
  name: 'sigbus-on-fault',
  summary: 'map anything; a host fault on a private page is SIGBUS; convert only when no unexpected reference remains',
  family: 'conversion',
  checks: CHECKS,
  rules: ({ check }) => ({ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }),
};
