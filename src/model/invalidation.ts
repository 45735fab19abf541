/**
 * Stage-2 invalidation: announce it, clear the leaves, kick the vCPUs; it ends after the store that it was for.
 *
 * Source: kvm_mmu_invalidate_begin and _end (virt/kvm/kvm_main.c), kvm_gmem_invalidate_begin (virt/kvm/guest_memfd.c).
 */
import { writeLockMmu, writeUnlockMmu } from './access.ts';
import { sendKick, waitCalls } from './crossCalls.ts';
import { PageBit } from './file.ts';
import { isMappingSecondary } from './notifier.ts';
import { Op } from './operations.ts';
import { RegionBit } from './stage2.ts';
import { Flow, acquireUnless, freeWhen, releaseUnless, waitsUnless } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** Announces the invalidation: every stage-2 fault that is under way will start again. */
const beginInvalidation: Run = (world, task) => {
  world.invalidating[0]++;
  const { cpus } = world.shape;
  for (let other = 0; other < cpus; other++) {
    if (world.flags[other] & TaskFlag.InGuestFault && !isMappingSecondary(world, other)) world.flags[other] |= TaskFlag.SawInvalidation;
  }
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Clears the stage-2 leaves of the chunk. A large leaf is cleared whole or split. */
const clearStage2: Run = (world, task) => {
  const { pageState, regionState, meter } = world;
  const { regionOrder, chunk } = world.shape;
  const first = world.cursor[task];
  const last = Math.min(first + chunk, world.rangeEnd[task]);
  let cleared = 0;
  for (let page = first; page < last; page++) {
    const region = page >> regionOrder;
    if (regionState[region] & RegionBit.Leaf) {
      regionState[region] &= ~RegionBit.Leaf;
      if (coversRegion(world, task, region)) {
        cleared++;
        continue;
      }
      meter.charge(Op['stage2.split']);
      splitLeaf(world, region);
    }
    if (pageState[page] & PageBit.Leaf) {
      pageState[page] &= ~PageBit.Leaf;
      cleared++;
    }
  }
  if (cleared > 0) {
    meter.chargeMany(Op['stage2.zap'], cleared);
    world.flags[task] |= TaskFlag.Zapped;
  }
  world.cursor[task] = last;
  return last < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next;
};

function coversRegion(world: World, task: number, region: number): boolean {
  const { regionPages } = world.sizes;
  return world.rangeStart[task] <= region * regionPages && world.rangeEnd[task] >= (region + 1) * regionPages;
}

function splitLeaf(world: World, region: number): void {
  const { regionPages } = world.sizes;
  for (let page = region * regionPages; page < (region + 1) * regionPages; page++) world.pageState[page] |= PageBit.Leaf;
}

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
