/**
 * The mmu_notifier: every zap of the host's entries says to secondary MMUs when it begins and when it has ended.
 *
 * Source: mm/mmu_notifier.c, mm/memory.c (zap_page_range_single), virt/kvm/pfncache.c (mmu_notifier_retry_cache).
 */
import { closeWay } from './exposure.ts';
import { PageBit } from './file.ts';
import { Op } from './operations.ts';
import { Flow } from './step.ts';
import type { Run } from './step.ts';
import { Kind, TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** Whether the task is between its look at the notifier's sequence and the installation. */
export const isMappingSecondary = (world: World, task: number): boolean =>
  (world.flags[task] & TaskFlag.InGuestFault) !== 0 && world.kind[task] === Kind.SecondaryMap;

/** What stands in the way of an installation in a process's page: a notifier of a range of its mm that has begun and not ended. */
export function isNotified(world: World, mm: number, page: number): boolean {
  for (let task = 0; task < world.shape.cpus; task++) {
    if (world.notifying[task] === 0 || world.windowMm[world.walkWindow[task]] !== mm) continue;
    if (page >= world.walkStart[task] && page < world.walkEnd[task]) return true;
  }
  return false;
}

/** Entries of the walk are dropped: the task begins its notifier. */
function dropEntries(world: World, task: number): void {
  const { pageState } = world;
  for (let page = world.walkStart[task]; page < world.walkEnd[task]; page++) {
    if ((pageState[page] & PageBit.Secondary) === 0) continue;
    pageState[page] &= ~PageBit.Secondary;
    world.secondaries[0]--;
    closeWay(world, page);
  }
}

/** The sequence rises: those who are about to install an entry in the walk start again. */
function raiseSequence(world: World, task: number): void {
  const mm = world.windowMm[world.walkWindow[task]];
  for (let other = 0; other < world.shape.cpus; other++) {
    if (!isMappingSecondary(world, other) || world.mm[other] !== mm) continue;
    if (world.page[other] >= world.walkStart[task] && world.page[other] < world.walkEnd[task]) world.flags[other] |= TaskFlag.SawInvalidation;
  }
}

/**
 * The process that has made the virtual machine: KVM subscribes to its mm and to no other, so that a zap of another process's entries
 * has nobody to tell (mm_has_notifiers). Source: virt/kvm/kvm_main.c (kvm_init_mmu_notifier).
 */
const VMM_MM = 0;

/** A zap of [walkStart, walkEnd) in `walkWindow` begins. Where nobody uses a secondary MMU, nothing is looked at. */
export const beginNotifier: Run = (world, task) => {
  if (world.windowMm[world.walkWindow[task]] === VMM_MM) world.meter.charge(Op.notifier);
  world.notifying[task] = 1;
  if (world.secondaries[0] !== 0) {
    dropEntries(world, task);
    raiseSequence(world, task);
  }
  world.walkCursor[task] = world.walkStart[task];
  return Flow.Next;
};

/** Its end is as good as a begin: whoever took a snapshot in between has found an entry that was about to go. */
export const endNotifier: Run = (world, task) => {
  world.notifying[task] = 0;
  if (world.secondaries[0] !== 0) raiseSequence(world, task);
  return Flow.Next;
};
