/**
 * Separate memory: private pages in a guest_memfd that nobody can map, shared ones in a file of their own; an attribute of the VM
 * says which of the two the guest uses (`Shape.keeps`). A conversion changes the attribute, and then the VMM gives back what the
 * guest no longer uses.
 *
 * The file of the world, its folios, entries and references are the shared memory: what is true of them is true of any memfd.
 * Private pages: `src/model/privatePages.ts`.
 *
 * Source: virt/kvm/kvm_main.c (kvm_vm_set_mem_attributes, kvm_mmu_invalidate_end), virt/kvm/guest_memfd.c (kvm_gmem_punch_hole),
 * mm/shmem.c (shmem_fallocate), QEMU's accel/kvm/kvm-all.c (kvm_convert_memory).
 * Attributes change under slots_lock and under the lock of no file, or faults of the host on shared memory would wait for them;
 * guest_memfd has an invalidate_lock of its own. Both are words in the class of invalidate_lock, whose place they take: nobody takes two of it.
 * KVM's fault takes neither. It reads the attribute as it stands, and what holds it to that is the sequence, which rises at both ends
 * of an invalidation: a fault that began while one was open starts again too.
 * Differs from Linux: the attributes of a range are stored at once, where Linux stores one a page; the range of a punch is unmapped under
 * the lock of the file, where shmem does it before; a fault of the guest on shared memory goes to the file and not through a mapping of
 * the VMM; whoever punches one memory by a fallocate of its own punches both, as a VMM's balloon does, and the last close closes both.
 */
import { outcomeOk } from './access.ts';
import { preallocateState, readRangeState, storeState } from './convert.ts';
import { endInvalidation, restartGuestFaults, stage2ZapSteps } from './invalidation.ts';
import { InvalidateWord, LockClass, acquireWrite, releaseWrite } from './locks.ts';
import { Op } from './operations.ts';
import { removePrivatePages } from './privatePages.ts';
import { truncateSteps, unmapFirst } from './punch.ts';
import { wantsPrivate } from './request.ts';
import { Flow, acquire, callRoutine, end, free, freeWhen, goTo, guarded, release, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import { unmapEverywhereSteps } from './zap.ts';

const lockWord = (word: number): Run => (world, task) => {
  const flow = acquireWrite(world, task, world.invalidateLock, word, LockClass.Invalidate);
  if (flow === Flow.Next) world.meter.charge(Op['lock.invalidate']);
  return flow;
};

const unlockWord = (word: number): Run => (world, task) => {
  releaseWrite(world, task, world.invalidateLock, word, LockClass.Invalidate);
  return Flow.Next;
};

const endAndRaise: Run = (world, task) => {
  restartGuestFaults(world);
  return endInvalidation(world, task);
};

/** KVM_SET_MEMORY_ATTRIBUTES: no reference is looked at and nothing of the host unmapped; the shared memory stays as it is. */
export function setAttributeSteps(toPrivate: boolean): readonly Step[] {
  return [
    acquire('slots.lock', lockWord(InvalidateWord.Slots)),
    guarded('state.readRange', readRangeState(toPrivate), 'slots.unlock'),
    free('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    steady('state.store', storeState(toPrivate)),
    freeWhen('stage2')('seq.end', endAndRaise),
    release('slots.unlock', unlockWord(InvalidateWord.Slots)),
    end,
  ];
}

/* ---- what the guest no longer uses ---- */

const walkRange: Run = (world, task) => {
  world.walkStart[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  return Flow.Next;
};

/** Whole folios only are taken out; a part of one is zeroed and stays. */
const startAtFolio: Run = (world, task) => {
  const mask = world.sizes.folioPages - 1;
  world.walkStart[task] = (world.rangeStart[task] + mask) & ~mask;
  return Flow.Next;
};

/** Routine `unmapRange`: what comes first of a punch in the shared memory, one walk over all of the range, which may end in the middle of a folio. */
export const unmapRangeSteps = (): readonly Step[] => [free('walk.range', walkRange), ...unmapEverywhereSteps(), free('walk.folios', startAtFolio), end];

const enterFallocate: Run = (world, task) => {
  world.meter.charge(Op.syscall);
  world.flags[task] &= ~TaskFlag.Zapped;
  return Flow.Next;
};

const enterDiscard: Run = (world, task) => {
  world.meter.charge(Op.syscall);
  world.flags[task] &= ~TaskFlag.Zapped;
  world.walkCursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** Takes the private pages of a chunk out; otherwise there are more. */
const removeChunk: Run = (world, task) => {
  const { meter } = world;
  const first = world.walkCursor[task];
  const last = Math.min(first + world.shape.chunk, world.rangeEnd[task]);
  const removed = removePrivatePages(world, first, last);
  for (const operation of REMOVAL) meter.chargeMany(operation, removed);
  world.walkCursor[task] = last < world.rangeEnd[task] ? last : 0;
  return last < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next;
};

/** As truncation has it: look the folio up, lock it, take it out, drop the last reference. */
const REMOVAL = [Op['pageCache.lookup'], Op['lock.folio'], Op['pageCache.remove'], Op['folio.put'], Op['folio.free']];

/** Routine `discardPrivate`: fallocate(PUNCH_HOLE) of [rangeStart, rangeEnd) in guest_memfd. */
export const discardPrivateSteps = (): readonly Step[] => [
  free('fallocate', enterDiscard),
  acquire('gmem.writeLock', lockWord(InvalidateWord.Private)),
  ...stage2ZapSteps(),
  freeWhen('stage2')('gmem.remove', removeChunk, 'gmem.remove'),
  freeWhen('stage2')('seq.end', endAndRaise),
  release('gmem.unlock', unlockWord(InvalidateWord.Private)),
  end,
];

/** The VMM's routine after a request: a granted one leaves a memory that the guest no longer uses, and the VMM punches it. */
export const discardUnusedSteps = (): readonly Step[] => [
  free('vmm.granted', outcomeOk, 'end'),
  free('vmm.unused', (world, task) => (wantsPrivate(world, task) ? Flow.Next : Flow.Otherwise), 'vmm.discardPrivate'),
  free('fallocate', enterFallocate),
  ...truncateSteps({ splits: false, drains: false }, unmapFirst),
  goTo('end'),
  callRoutine('vmm.discardPrivate', 'discardPrivate'),
  end,
];
