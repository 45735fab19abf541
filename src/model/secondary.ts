/**
 * Secondary MMUs: users that map a page by its host address and hold no reference on it: a gfn_to_pfn_cache, ODP, SVA. No
 * count tells of their entries, and no TLB flush reaches them; only the mmu_notifier does, which every zap begins with.
 *
 * Source: virt/kvm/pfncache.c (hva_to_pfn_retry, gfn_to_pfn_cache_invalidate_start), mm/mmu_notifier.c.
 * The mapping reads the notifier's sequence, finds the page by slow GUP (FOLL_GET), installs its entry only where no
 * notifier of the page has begun or ended since and none is under way, and drops the reference.
 * Differs from Linux: one secondary MMU with one entry a page, whoever mapped it, and a notifier for any mapping of the page
 * drops it.
 */
import { complete, enterHostFault, fail, faultResult, remapSteps } from './access.ts';
import { deliverContent, storeContent } from './content.ts';
import { Errno } from './errno.ts';
import { noteReach, noteWritable, noteWrite, openWay } from './exposure.ts';
import { lockEntry, putFolio, readLockMmap, readUnlockMmap, serves, unlockEntry } from './fault.ts';
import { PageBit, headOf } from './file.ts';
import { countRefusal } from './gup.ts';
import type { GupRules } from './gup.ts';
import { isMappingSecondary, isNotified } from './notifier.ts';
import { Op } from './operations.ts';
import { Flow, acquire, acquireUnless, callRoutine, free, freeWhen, goTo, release, releaseUnless, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { inMm } from './windows.ts';

const takeSnapshot: Run = (world, task) => {
  if (!isMappingSecondary(world, task)) world.secondaries[0]++;
  world.flags[task] = (world.flags[task] & ~TaskFlag.SawInvalidation) | TaskFlag.InGuestFault;
  return Flow.Next;
};

const findVma: Run = (world, task) => {
  const page = world.page[task];
  world.meter.charge(Op['gup.slow']);
  return page < world.shape.pages && inMm(world, world.window[task], page) ? Flow.Next : Flow.Otherwise;
};

/** Takes a get under the page-table lock; otherwise the page has to be faulted in. */
const grabLocked: Run = (world, task) => {
  const page = world.page[task];
  if (!serves(world, task, world.entry[world.window[task] * world.shape.pages + page])) return Flow.Otherwise;
  world.refcount[headOf(world, page)]++;
  world.flags[task] |= TaskFlag.HoldsFolio;
  world.meter.charge(Op['gup.grab']);
  return Flow.Next;
};

/** Installs the entry under the lock that a notifier drops it under; otherwise a notifier was there, and all starts again. */
const install: Run = (world, task) => {
  const page = world.page[task];
  if (world.flags[task] & TaskFlag.SawInvalidation || isNotified(world, world.mm[task], page)) return Flow.Otherwise;
  world.flags[task] &= ~TaskFlag.InGuestFault;
  // What was counted for the mapping is counted for its entry from now on.
  if (world.pageState[page] & PageBit.Secondary) world.secondaries[0]--;
  else {
    world.pageState[page] |= PageBit.Secondary;
    openWay(world, page);
    noteWritable(world, page);
  }
  return Flow.Next;
};

const giveUp: Run = (world, task) => {
  world.flags[task] &= ~(TaskFlag.InGuestFault | TaskFlag.SawInvalidation);
  world.secondaries[0]--;
  return fail(world, task);
};

/** Routine `secondaryMap`: the task's process has a secondary MMU map `page` as its window has it. */
export function secondaryMapSteps({ allowed, remap }: Pick<GupRules, 'allowed' | 'remap'>): readonly Step[] {
  return [
    ...(remap ? remapSteps('notifier.snapshot', 'mmap.failed') : []),
    steady('notifier.snapshot', takeSnapshot),
    acquireUnless('vmas')('mmapLock.read', readLockMmap),
    freeWhen('vmas')('vma.check', allowed ? findVma : () => Flow.Otherwise, 'efault'),
    acquire('ptl.lock', lockEntry),
    steady('folio.grab', grabLocked, 'ptl.unlockFault'),
    release('ptl.unlock', unlockEntry),
    releaseUnless('vmas')('mmapLock.readUnlock', readUnlockMmap),
    steady('secondary.install', install, 'folio.putRetry'),
    steady('folio.put', putFolio),
    free('done', complete),
    steady('folio.putRetry', putFolio),
    goTo('notifier.snapshot'),
    release('ptl.unlockFault', unlockEntry),
    free('fault.begin', enterHostFault),
    callRoutine('fault', 'faultCore'),
    free('fault.end', faultResult, 'efault'),
    goTo('ptl.lock'),
    free('efault', countRefusal),
    releaseUnless('vmas')('mmapLock.readUnlockRefused', readUnlockMmap),
    steady('refused', giveUp),
    ...(remap ? [free('mmap.failed', fail)] : []),
  ];
}

/** Reads or writes the page through the entry; otherwise there is none. */
const access: Run = (world, task) => {
  const page = world.page[task];
  if (page >= world.shape.pages || (world.pageState[page] & PageBit.Secondary) === 0) {
    world.outcome[task] = Errno.EFAULT;
    return Flow.Otherwise;
  }
  noteReach(world, page);
  noteWrite(world, page);
  storeContent(world, task, page);
  deliverContent(world, page);
  world.meter.charge(Op['device.access']);
  world.meter.note(Op['work.done']);
  return Flow.Next;
};

/** Routine `secondaryAccess`: the secondary MMU's user touches `page`; EFAULT where it has no entry. */
export function secondaryAccessSteps(): readonly Step[] {
  return [steady('secondary.access', access, 'refused'), free('done', complete), free('refused', fail)];
}
