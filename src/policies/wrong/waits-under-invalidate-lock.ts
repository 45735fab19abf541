/**
 * waits-under-invalidate-lock, wrong on purpose: wait-for-pins without a limit to the wait, as the mail has it.
 *
 * What is wrong: the user of the folio may need invalidate_lock before it lets go, and the waiter keeps it. A fault on any page of the file
 * takes it, so a thread that touches guest memory before it reaps its I/O waits for the conversion, and the conversion for it. A pin
 * that is dropped only after the conversion needs no fault for that. And not long-term is not short: a vmsplice lasts until the
 * pipe is read.
 * Right:  a wait with a limit (src/policies/conversion/wait-for-pins.ts), or none at all: refuse with EAGAIN, drop the lock, and let the
 *         VMM try again. "Busy-wait until all the short-term pins are gone" (David Hildenbrand, 20 Jun 2024) holds nothing of the kind
 *         while it waits only if refaults can block on something else.
 * Caught by litmus/conversion/pin-holder-faults-before-unpin.litmus.yaml, and with a VMM of little patience by
 * litmus/conversion/pin-holder-faults-within-limit.litmus.yaml.
 */
import { unmapThenWaitSteps, waitForPins } from '../conversion/wait-for-pins.ts';
import type { ConversionPolicy } from '../policy.ts';

export const waitsUnderInvalidateLock: ConversionPolicy = {
  ...waitForPins,
  name: 'waits-under-invalidate-lock',
  summary: 'wrong on purpose: waits without a limit for the users of a folio while it holds invalidate_lock',
  checks: ['refcount'],
  rules: (options) => ({ ...waitForPins.rules(options), toPrivate: unmapThenWaitSteps({ check: 'refcount', waitNsMax: Infinity }) }),
};
