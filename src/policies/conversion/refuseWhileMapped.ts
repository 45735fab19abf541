/**
 * What `folio-mmapped` and `refuse-mmap` share: a kernel that unmaps nothing and refuses while a mapping stands in the
 * way, and an mmap hook that refuses while a private page does.
 */
import { preallocateState, readRangeState, storeState, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { readLockInvalidate, readUnlockInvalidate } from '../../model/fault.ts';
import { Op } from '../../model/operations.ts';
import { Flow, acquire, acquireUnless, end, free, freeWhen, goTo, guarded, release, releaseUnless, steady } from '../../model/step.ts';
import type { Step } from '../../model/step.ts';
import { readLockIMmap, readUnlockIMmap, walkWholeFolios } from '../../model/zap.ts';
import type { World } from '../../model/world.ts';
import type { Check } from '../policy.ts';

/**
 * The VMM's dance does its part in the process of `walkWindow`: asking another process takes one message a dance, however
 * many mappings that process has. Windows of a process stand together. The dance begins with `askedMm` at 0.
 */
export function askProcess(world: World, task: number): void {
  const mm = world.windowMm[world.walkWindow[task]];
  if (mm === world.mm[task] || world.askedMm[task] === mm + 1) return;
  world.askedMm[task] = mm + 1;
  world.meter.charge(Op.ipc);
}

export interface RefusalRules {
  readonly check: Check;
  /** Whether a mapping forbids the conversion of [walkStart, walkEnd); asked under i_mmap_rwsem. */
  readonly mappingForbids: (world: World, task: number) => boolean;
  readonly errno: number;
}

/** The kernel's to-private: ask for mappings, ask for references, commit. */
export function refuseThenCheckSteps({ check, mappingForbids, errno }: RefusalRules): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    free('walk.folios', walkWholeFolios),
    acquireUnless('vmas')('iMmap.readLock', readLockIMmap),
    steady('iMmap.query', (world, task) => {
      if (!mappingForbids(world, task)) return Flow.Next;
      world.meter.note(Op['refused.mapping']);
      world.outcome[task] = errno;
      return Flow.Otherwise;
    }, 'iMmap.readUnlockRefused'),
    releaseUnless('vmas')('iMmap.readUnlock', readUnlockIMmap),
    ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock' }),
    ...stage2ZapSteps(),
    steady('state.store', storeState(true)),
    freeWhen('stage2')('seq.end', endInvalidation),
    goTo('invalidate.unlock'),
    releaseUnless('vmas')('iMmap.readUnlockRefused', readUnlockIMmap),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}

export interface MmapHookRules {
  /** Whether private pages forbid the mapping of [walkStart, walkEnd); asked under invalidate_lock, before the VMA is linked. */
  readonly privacyForbids: (world: World, task: number) => boolean;
  readonly errno: number;
  /** The lock stays held until the VMA is linked: for `HostRules.locksUntilLinked`. */
  readonly holdsLock?: boolean;
}

/** The file's mmap hook. */
export function mmapHookSteps({ privacyForbids, errno, holdsLock = false }: MmapHookRules): readonly Step[] {
  return [
    acquire('invalidate.readLock', readLockInvalidate),
    guarded('state.readRange', (world, task) => {
      world.meter.charge(Op['state.read']);
      if (!privacyForbids(world, task)) return Flow.Next;
      world.outcome[task] = errno;
      return Flow.Otherwise;
    }, 'invalidate.readUnlockRefused'),
    ...(holdsLock ? [] : [release('invalidate.readUnlock', readUnlockInvalidate)]),
    goTo('vma.insert'),
    release('invalidate.readUnlockRefused', readUnlockInvalidate),
    goTo('mmap.refused'),
  ];
}
