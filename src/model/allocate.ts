/**
 * Allocate: fallocate without a hole brings the pages of a range into the file before anybody touches them.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_fallocate, kvm_gmem_allocate). Nothing is mapped and no shareability changes.
 * A range that is not made of whole pages, or that reaches beyond the end of the file, is EINVAL.
 * Differs from Linux: a folio is zeroed here, where Linux leaves that to its first use.
 */
import { complete, fail } from './access.ts';
import { skipDrainingStep } from './draining.ts';
import { Errno } from './errno.ts';
import { clearFolioStep, getFolioSteps, putFolio, readLockInvalidate, readUnlockInvalidate, unlockFolio } from './fault.ts';
import { folioEnd } from './file.ts';
import { Op } from './operations.ts';
import { Flow, acquire, free, release, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';

const enterAllocate: Run = (world, task) => {
  world.meter.charge(Op.syscall);
  world.page[task] = world.rangeStart[task];
  world.outcome[task] = Errno.OK;
  if ((world.flags[task] & TaskFlag.Unaligned) === 0 && world.rangeEnd[task] <= world.shape.pages) return Flow.Next;
  world.outcome[task] = Errno.EINVAL;
  return Flow.Otherwise;
};

/** Drops the lookup's reference; otherwise the range goes on behind the folio. */
const putAndGoOn: Run = (world, task) => {
  putFolio(world, task);
  const next = folioEnd(world, world.page[task]);
  if (next >= world.rangeEnd[task]) return Flow.Next;
  world.page[task] = next;
  return Flow.Otherwise;
};

/** Routine `allocate`: fallocate(KEEP_SIZE) of [rangeStart, rangeEnd). @param drains see `guestAccessSteps` */
export function allocateSteps({ drains = false }: { readonly drains?: boolean } = {}): readonly Step[] {
  return [
    free('allocate', enterAllocate, 'invalid'),
    acquire('invalidate.readLock', readLockInvalidate),
    ...(drains ? [skipDrainingStep('invalidate.readUnlock')] : []),
    ...getFolioSteps(),
    clearFolioStep,
    release('folio.unlock', unlockFolio),
    steady('folio.put', putAndGoOn, drains ? 'state.read' : 'folio.lookupGet'),
    release('invalidate.readUnlock', readUnlockInvalidate),
    free('done', complete),
    free('invalid', fail),
  ];
}
