/**
 * disallow-gup (P4): shared pages may be mapped, never pinned.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL } from '../sources.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const disallowGup: ConversionPolicy = {
  name: 'disallow-gup',
  summary: 'shared pages may be mapped, never pinned; the VMM bounce-copies its I/O',
  argument: {
    idea: 'no get and no pin of any kind, so that after unmapping only references remain that go away by themselves',
    for: [{ who: 'Sean Christopherson', says: 'short-term GUP is fatal on TDX and SNP too: disallow GUP, period', mail: '20 Jun 2024' }],
    against: [
      { who: 'David Hildenbrand', says: 'mapcount and refcount are completely reliable here, and short pins go away with a bit of waiting', mail: '20 Jun 2024' },
      { who: 'Jason Gunthorpe', says: 'short pins are like those that page migration waits for: a guest knows by its virtio completions that they are gone', mail: '20 Jun 2024' },
    ],
    price: 'a bounce copy a page of I/O, since O_DIRECT, vhost zero-copy and VFIO of shared memory fail; GUP-fast still takes and drops a transient reference before it is refused',
    sources: [EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  vmmStrategy: 'bounce-copy',
  rules: ({ check }) => ({
    toPrivate: unmapThenCheckSteps({ check }),
    toShared: toSharedSteps(),
    gup: { allowed: false, longTermAllowed: false },
    vmm: { bounces: true },
  }),
};
