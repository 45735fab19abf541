/**
 * disallow-gup (P4): shared pages may be mapped, never pinned.
 *
 * Idea:  no get and no pin of any kind, so that after unmapping only references remain that go away by themselves.
 * For:   Sean Christopherson (20 Jun 2024): short-term GUP is fatal on TDX and SNP too; "disallow GUP, period".
 * Against: Jason Gunthorpe and David Hildenbrand: the refcount is reliable, short pins are bounded, O_DIRECT, vhost
 *        zero-copy and VFIO of shared memory break.
 * Price: a bounce copy a page of I/O. GUP-fast still takes and drops a transient reference before it is refused.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const disallowGup: ConversionPolicy = {
  name: 'disallow-gup',
  summary: 'shared pages may be mapped, never pinned; the VMM bounce-copies its I/O',
  family: 'conversion',
  checks: CHECKS,
  rules: ({ check }) => ({
    toPrivate: unmapThenCheckSteps({ check }),
    toShared: toSharedSteps(),
    gup: { allowed: false, longTermAllowed: false },
    vmm: { bounces: true },
  }),
};
