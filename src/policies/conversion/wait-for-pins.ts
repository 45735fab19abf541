/**
 * wait-for-pins (P6): no long-term pins; the kernel unmaps, makes refaults block, and waits until the short ones are gone.
 *
 * Refaults block on invalidate_lock, which is held throughout. That is not all of it: a fault drops that lock before its entry
 * exists. It still holds the folio lock then, so each folio is waited for once before the unmapping, and no entry appears after it.
 * Without that, such an entry's reference would be waited for until the limit, for nothing.
 *
 * The mail has no limit ("busy-wait until all the short-term pins are gone"). Here a wait ends after 10 ms with EAGAIN, because
 * - not long-term is not short: a vmsplice (FOLL_GET) lasts until somebody reads the pipe, O_DIRECT as long as its device needs;
 * - whoever holds a pin may need a fault on this file before it lets go, and the waiter has the lock which that fault needs.
 * With `patience: forever` there is no limit, and both get stuck: litmus/conversion/pipe-is-never-read-forever.litmus.yaml,
 * litmus/conversion/pin-holder-faults-before-unpin.litmus.yaml.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { PageBit } from '../../model/file.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { LockClass, lockId, waitFor } from '../../model/locks.ts';
import { Op } from '../../model/operations.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { Flow, acquire, end, free, freeWhen, guarded, release, steady, waits } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { unmapEverywhereSteps, walkWholeFolios } from '../../model/zap.ts';
import { CHECKS } from '../policy.ts';
import type { Check, ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL } from '../sources.ts';

/** How long the kernel waits for the users of one lookup's folios. */
export const WAIT_NS_MAX = 10_000_000;

const beginFaults: Run = (world, task) => {
  walkWholeFolios(world, task);
  world.cursor[task] = world.walkStart[task];
  return Flow.Next;
};

/**
 * folio_wait_locked for each folio of the chunk. Who holds such a lock under invalidate_lock is past it, in a fault that is about to
 * set its entry; and nobody else waits for one, because a fault takes it with invalidate_lock held.
 */
const waitForFaults: Run = (world, task) => {
  const { folioPages } = world.sizes;
  const last = Math.min(world.cursor[task] + Math.max(world.shape.chunk, folioPages), world.walkEnd[task]);
  let found = 0;
  for (let head = world.cursor[task]; head < last; head += folioPages) {
    if (world.pageState[head] & PageBit.Locked) return waitFor(world, lockId(LockClass.Folio, head));
    if (world.pageState[head] & PageBit.Present) found++;
  }
  world.meter.chargeMany(Op['pageCache.lookup'], found);
  world.meter.chargeMany(Op['folio.put'], found);
  world.cursor[task] = last;
  return last < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

export interface UnmapThenWaitOptions {
  readonly check: Check;
  /** Infinity: it waits for ever. */
  readonly waitNsMax: number;
}

/** The kernel's to-private: block refaults, unmap, wait for who is left, commit. */
export function unmapThenWaitSteps({ check, waitNsMax }: UnmapThenWaitOptions): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', beginFaults),
    waits('faults.wait', waitForFaults, 'faults.wait'),
    ...unmapEverywhereSteps(),
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock', waitNsMax }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

export const waitForPins: ConversionPolicy = {
  name: 'wait-for-pins',
  summary: 'no long-term pins; the kernel unmaps whole folios, lets refaults block, and waits until the short pins are gone',
  argument: {
    idea: 'as migration does: after the unmapping, and with refaults blocked, only short-term pins are left, and the kernel waits until they are gone',
    for: [
      { who: 'David Hildenbrand', says: 'unmap the large folio completely and make any refaults block, busy-wait until all the short-term pins are gone; not the best approach, but doable', mail: '20 Jun 2024' },
      { who: 'Jason Gunthorpe', says: 'making a page private is no different from moving it; and a guest knows by its virtio completions when the pins are gone', mail: '20 Jun 2024' },
    ],
    against: [
      { who: 'Sean Christopherson', says: 'crossing our fingers that short-term GUP will have gone away is not enough: disallow GUP, period', mail: '20 Jun 2024' },
      { who: 'David Hildenbrand', says: 'vmsplice and some O_DIRECT take references that are no pins', mail: '20 Jun 2024' },
    ],
    price:
      'the latency of the longest I/O on the folio, spent with invalidate_lock held: every fault of the file waits as long; registered buffers and VFIO fail; ' +
      'a whole large folio is unmapped for each of its pages',
    sources: [EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  onRequest: true,
  rules: ({ check }) => ({
    toPrivate: unmapThenWaitSteps({ check, waitNsMax: WAIT_NS_MAX }),
    toShared: toSharedSteps(),
    gup: { allowed: true, longTermAllowed: false },
  }),
};
