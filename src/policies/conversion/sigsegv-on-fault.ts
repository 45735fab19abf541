/**
 * sigsegv-on-fault (P8a): as sigbus-on-fault, and a host access to a private page is SIGSEGV (si_code SEGV_ACCERR).
 *
 * A page that was never mapped ends in SIGSEGV as well (SEGV_MAPERR), so only the si_code tells a page without permission from a
 * pointer gone wild; it is not in the model. Beyond the end of the file it stays SIGBUS, and GUP's answer stays EFAULT.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { LAZY_DONATION_MAIL } from '../sources.ts';
import { unmapThenCheckSteps } from './sigbus-on-fault.ts';

export const sigsegvOnFault: ConversionPolicy = {
  name: 'sigsegv-on-fault',
  summary: 'as sigbus-on-fault, but a host access to a private page is SIGSEGV: a permission problem',
  argument: {
    idea: 'there is a page, and the process gave up its permission to access it: that is what SIGSEGV with SEGV_ACCERR says; everything else as in sigbus-on-fault',
    for: [
      { who: 'Quentin Perret', says: 'a process that donated memory and touches it could reasonably expect a SEGV instead of SIGBUS', mail: '28 Feb 2024' },
      { who: 'David Hildenbrand', says: 'other signals could be used, at least as the semantics are clear and it is documented; maybe SIGSEGV would be warranted', mail: '28 Feb 2024' },
    ],
    against: [
      { who: 'David Hildenbrand', says: 'a minor detail: if you do not play by the rules, you get a signal', mail: '28 Feb 2024' },
    ],
    price: 'that of sigbus-on-fault; only the number of the signal changes',
    sources: [LAZY_DONATION_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  onRequest: true,
  rules: ({ check }) => ({ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps(), privateSignal: 'SIGSEGV' }),
};
