/**
 * Routines that the kernel has and no policy needs: what is measured beside the routines of the model, made of the model's own steps.
 *
 * Source: kernel/fork.c (dup_mmap), mm/madvise.c (madvise_populate, madvise_dontneed_free), mm/shmem.c (shmem_fallocate: unmap_mapping_range of the whole range
 * comes before the truncation, so that each VMA is flushed once and not once a page), virt/kvm/kvm_main.c (kvm_vcpu_pre_fault_memory,
 * kvm_vm_set_mem_attributes).
 */
import { complete, guestAccessSteps } from '../model/access.ts';
import { EntryBit } from '../model/entries.ts';
import { faultCoreSteps, readLockMmap, readUnlockMmap } from '../model/fault.ts';
import { forkSteps } from '../model/fork.ts';
import { LockClass, lockId, releaseWrite } from '../model/locks.ts';
import { Waiting } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import { punchSteps } from '../model/punch.ts';
import { setAttributeSteps } from '../model/separate.ts';
import { stage2Maps } from '../model/stage2.ts';
import { Flow, acquire, buildProgram, callRoutine, free, release, steady } from '../model/step.ts';
import type { Program, Run, Step } from '../model/step.ts';
import { closeWindow } from '../model/windows.ts';
import type { World } from '../model/world.ts';
import { flushGatherSteps, unmapEverywhereSteps, zapWindowSteps } from '../model/zap.ts';

/** The walk becomes the range, in the task's window. */
const enterZap: Run = (world, task) => {
  world.meter.charge(Op.syscall);
  world.walkWindow[task] = world.window[task];
  world.walkStart[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  world.walkCursor[task] = world.rangeStart[task];
  return Flow.Next;
};

const enterPopulate: Run = (world) => {
  world.meter.charge(Op.syscall);
  return Flow.Next;
};

/** Finds the VMA and the entry of the page, as slow GUP does; it takes no reference. */
const findEntry: Run = (world) => {
  world.meter.charge(Op['gup.slow']);
  return Flow.Next;
};

/** Otherwise the range goes on with the next page. */
const nextPage: Run = (world, task) => (++world.page[task] < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next);

export const populateSteps: readonly Step[] = [
  free('populate', enterPopulate),
  acquire('mmapLock.read', readLockMmap),
  free('gup.slow', findEntry),
  callRoutine('fault', 'faultCore'),
  free('page.next', nextPage, 'gup.slow'),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('done', complete),
];

const zapSteps: readonly Step[] = [
  free('zap', enterZap),
  acquire('mmapLock.read', readLockMmap),
  ...zapWindowSteps(EntryBit.StaleZap),
  ...flushGatherSteps(EntryBit.StaleZap),
  release('mmapLock.readUnlock', readUnlockMmap),
  free('done', complete),
];

const walkRange: Run = (world, task) => {
  world.walkStart[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  return Flow.Next;
};

/** The walk stands at its end after the zap; truncation goes over the range once more. */
const rewind: Run = (world, task) => {
  world.walkStart[task] = world.rangeStart[task];
  return Flow.Next;
};

/** As the model's punch, but the range is unmapped before its folios are taken out, and none of them is mapped then. */
function punchRangeSteps(): readonly Step[] {
  const steps = punchSteps();
  const at = (name: string): number => steps.findIndex((one) => one.name === name);
  const [next, mapped, remove] = [at('folio.next'), at('folio.mapped'), at('pageCache.remove')];
  if (next < 0 || mapped < next || remove < mapped) throw new Error('the punch of the model has other steps than those that are put in another order here');
  return [
    ...steps.slice(0, next),
    steady('range.walk', walkRange),
    ...unmapEverywhereSteps(),
    steady('range.rewind', rewind),
    ...steps.slice(next, mapped),
    ...steps.slice(remove),
  ];
}

const firstChildWindow = ({ shape }: World): number => shape.windows - shape.childWindows;

/** The child ends, and what it got goes with it: it is not this call that pays for that. */
const forgetChild: Run = (world, task) => {
  releaseWrite(world, task, world.mmapLock, world.mm[task], LockClass.Mmap);
  for (let window = firstChildWindow(world); window < world.shape.windows; window++) closeWindow(world, window);
  world.childAlive[0] = 0;
  world.meter.release(lockId(Waiting.Child, 0));
  return Flow.Next;
};

/** The model's fork, as far as the parent does it. */
function forkParentSteps(): readonly Step[] {
  const steps = forkSteps();
  const end = steps.findIndex(({ name }) => name === 'fork.return');
  if (end < 0) throw new Error('the fork of the model has other steps than those that end with the return of the parent');
  return [...steps.slice(0, end), steady('child.forget', forgetChild), free('done', complete)];
}

const enterStage2Fault: Run = (world) => {
  world.meter.charge(Op['stage2.fault']);
  return Flow.Next;
};

/** A fault that finds its leaf has nothing to install (RET_PF_SPURIOUS). */
const unlessMapped = (map: Run): Run => (world, task) => (stage2Maps(world, world.page[task]) ? Flow.Next : map(world, task));

/**
 * The guest's stage-2 fault without the guest: no exit and no entry. A guest_memfd that is shared as a whole has no shareability that would have to be
 * looked up, and KVM takes its pages without invalidate_lock (kvm_gmem_get_pfn).
 */
function preFaultSteps(): readonly Step[] {
  const steps = guestAccessSteps({ lazy: false });
  const at = (name: string): number => steps.findIndex((one) => one.name === name);
  const [begin, put, retry, end] = [at('seq.snapshot'), at('folio.put'), at('mmuLock.unlockRetry'), at('invalidate.readUnlockToDonate')];
  const other = new Set(['invalidate.readLock', 'state.read', 'invalidate.readUnlock']);
  if (begin < 0 || put < begin || retry < put || end < retry || [...other].some((name) => at(name) < begin)) throw new Error('the stage-2 fault of the model has other steps than those that are taken here');
  const fault = steps.slice(begin, put + 1).filter(({ name }) => !other.has(name));
  return [
    free('preFault', enterPopulate),
    free('stage2.fault', enterStage2Fault),
    ...fault.map((one) => (one.name === 'stage2.map' ? steady(one.name, unlessMapped(one.run)) : one)),
    free('page.next', nextPage, 'stage2.fault'),
    free('done', complete),
    ...steps.slice(retry, end),
  ];
}

const setAttribute = (routine: string): readonly Step[] => [free('ioctl', enterPopulate), callRoutine('set', routine), free('done', complete)];

/** Routines `populate`, `zap`, `punchRange` and `fork`; `preFault`; and, where private pages have a memory of their own, `convert.private` and `convert.shared`. */
export const ownProgram: Program = buildProgram({
  populate: { steps: populateSteps },
  zap: { steps: zapSteps },
  punchRange: { steps: punchRangeSteps() },
  fork: { steps: forkParentSteps() },
  faultCore: { steps: faultCoreSteps({}) },
  preFault: { steps: preFaultSteps() },
  'convert.private': { steps: setAttribute('toPrivate') },
  'convert.shared': { steps: setAttribute('toShared') },
  toPrivate: { steps: setAttributeSteps(true) },
  toShared: { steps: setAttributeSteps(false) },
});
