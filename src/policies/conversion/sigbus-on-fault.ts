/**
 * sigbus-on-fault (P1): map anything; a host fault on a private page is SIGBUS.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { acquire, end, free, freeWhen, guarded, release, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import { unmapEverywhereSteps, walkWholeFolios } from '../../model/zap.ts';
import { valueOf } from '../choices.ts';
import { CHECKS } from '../policy.ts';
import type { Check, ConversionPolicy, PolicyChoice } from '../policy.ts';
import { FOLIO_MMAPPED_MAIL, LAZY_DONATION_MAIL } from '../sources.ts';
import { mapSharedPages, unmapFolios } from './dance.ts';

/**
 * The kernel's to-private of every policy that unmaps by itself: unmap first, then ask who else holds the folios, then
 * commit. A refusal changes no attribute and leaves the host unmapped; entries come back by faults.
 */
export function unmapThenCheckSteps({ check }: { readonly check: Check }): readonly Step[] {
  return convertSteps(check, unmapEverywhereSteps());
}

/** Without any unmapping a page that is mapped fails the reference check: its mappings hold references. */
function convertSteps(check: Check, unmap: readonly Step[]): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', walkWholeFolios),
    ...unmap,
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock' }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

const KERNEL_UNMAPS: PolicyChoice<'true' | 'false'> = {
  name: 'kernelUnmaps',
  values: ['true', 'false'],
  default: 'true',
  what: 'who unmaps before a to-private; the mails leave it open. false: the kernel does not, a page that is mapped is EAGAIN, and the VMM unmaps before it asks and maps again afterwards',
};

export const sigbusOnFault: ConversionPolicy = {
  name: 'sigbus-on-fault',
  summary: 'map anything; a host fault on a private page is SIGBUS; convert only when no unexpected reference remains',
  argument: {
    idea: 'the kernel unmaps the range itself, then converts only where nobody but the page cache holds a folio; a private page cannot be faulted',
    for: [
      { who: 'David Hildenbrand', says: 'simple, easier and harder to mess up; other faults end in SIGBUS already', mail: '27 Feb 2024' },
      { who: 'David Hildenbrand', says: 'user space should not access that memory; if it does, it gets a slap on the hand', mail: '28 Feb 2024' },
    ],
    against: [
      { who: 'Elliot Berman', says: 'a crash where an early error could have been', mail: '27 Feb 2024' },
      { who: 'Quentin Perret', says: 'with lazy donation user space cannot know which page is private; a permission problem should be SIGSEGV', mail: '28 Feb 2024' },
    ],
    price: 'one zap and one flush a VMA, a refault a page after to-shared; a pin makes the VMM retry',
    sources: [FOLIO_MMAPPED_MAIL, LAZY_DONATION_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  choices: [KERNEL_UNMAPS],
  rules: (options) => {
    const { check } = options;
    if (valueOf(KERNEL_UNMAPS, options) === 'true') return { toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() };
    return {
      toPrivate: convertSteps(check, []),
      toShared: toSharedSteps(),
      vmm: { beforeToPrivate: { steps: unmapFolios }, afterRequest: { steps: mapSharedPages } },
    };
  },
};
