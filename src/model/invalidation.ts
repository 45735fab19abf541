/**
 * Stage-2 invalidation: announce it, clear the leaves, kick the vCPUs; it ends after the store that it was for.
 *
 * Source: kvm_mmu_invalidate_begin and _end (virt/kvm/kvm_main.c), kvm_gmem_invalidate_begin (virt/kvm/guest_memfd.c).
 */
import { writeLockMmu, writeUnlockMmu } from './access.ts';
import { sendKick, waitCalls } from './crossCalls.ts';
import { isMappingSecondary } from './notifier.ts';
import { Op } from './operations.ts';
import { clearLeaves } from './stage2.ts';
import { Flow, acquireUnless, freeWhen, releaseUnless, waitsUnless } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** Every stage-2 fault that is under way will start again. */
export function restartGuestFaults(world: World): void {
  const { cpus } = world.shape;
  for (let other = 0; other < cpus; other++) {
    if (world.flags[other] & TaskFlag.InGuestFault && !isMappingSecondary(world, other)) world.flags[other] |= TaskFlag.SawInvalidation;
  }
}

/** Announces the invalidation. */
const beginInvalidation: Run = (world, task) => {
  world.invalidating[0]++;
  restartGuestFaults(world);
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Clears the stage-2 leaves of the chunk. A large leaf is cleared whole or split. */
const clearStage2: Run = (world, task) => {
  const first = world.cursor[task];
  const last = Math.min(first + world.shape.chunk, world.rangeEnd[task]);
  const cleared = clearLeaves(world, first, last, world.rangeStart[task], world.rangeEnd[task], true);
  if (cleared > 0) {
    world.meter.chargeMany(Op['stage2.zap'], cleared);
    world.flags[task] |= TaskFlag.Zapped;
  }
  world.cursor[task] = last;
  return last < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next;
};

const kickVcpus: Run = (world, task) => {
  if (world.flags[task] & TaskFlag.Zapped) sendKick(world, task);
  return Flow.Next;
};

/** Steps that announce an invalidation and clear the stage-2 leaves of the range; `endInvalidation` comes after the store. */
export function stage2ZapSteps(): readonly Step[] {
  return [
    acquireUnless('stage2')('mmuLock.write', writeLockMmu),
    freeWhen('stage2')('seq.begin', beginInvalidation),
    freeWhen('stage2')('spte.clear', clearStage2, 'spte.clear'),
    freeWhen('kicks')('kick.send', kickVcpus),
    waitsUnless('kicks')('kick.wait', waitCalls),
    releaseUnless('stage2')('mmuLock.unlock', writeUnlockMmu),
  ];
}

export const endInvalidation: Run = (world) => {
  world.invalidating[0]--;
  return Flow.Next;
};
