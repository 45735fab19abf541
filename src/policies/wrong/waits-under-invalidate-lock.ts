/**
 * waits-under-invalidate-lock, wrong on purpose: where a folio is in use it waits for the last user, and keeps invalidate_lock.
 *
 * What is wrong: the user may need that lock before it lets go. A fault on any page of the file takes it, so a thread that touches guest
 * memory before it reaps its I/O waits for the conversion, and the conversion for it. A pin that is dropped only after the
 * conversion needs no fault for that. And not long-term is not short: a vmsplice lasts until the pipe is read.
 * Right:  refuse with EAGAIN, drop the lock, and let the VMM try again. "Busy-wait until all the short-term pins are gone" (David
 *         Hildenbrand, 20 Jun 2024) holds nothing of the kind while it waits only if refaults can block on something else.
 * Caught by litmus/conversion/pin-holder-faults-before-unpin.litmus.yaml.
 */
import { PageBit } from '../../model/file.ts';
import { cacheReferences } from '../../model/folios.ts';
import { lockId, waitFor } from '../../model/locks.ts';
import { Waiting } from '../../model/meter.ts';
import { Flow } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policy.ts';
import { withStep } from './steps.ts';

/** Chunks of one folio. */
const waitForLastUser: Run = (world, task) => {
  const head = world.cursor[task];
  const inUse = (world.pageState[head] & PageBit.Present) !== 0 && world.refcount[head] !== cacheReferences(world) + 1;
  return inUse ? waitFor(world, lockId(Waiting.Folio, head)) : Flow.Next;
};

export const waitsUnderInvalidateLock: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'waits-under-invalidate-lock',
  summary: 'wrong on purpose: waits for the users of a folio while it holds invalidate_lock',
  checks: ['refcount'],
  rules: (options) => ({
    ...sigbusOnFault.rules(options),
    toPrivate: withStep(unmapThenCheckSteps({ check: 'refcount' }), 'folio.readRef', waitForLastUser),
  }),
};
