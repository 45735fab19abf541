/**
 * What a policy of your own is written with: `import { step, Flow } from 'foliobench/policy'`.
 *
 * The blocks that the shipped policies are made of, under the names that they have in src/model/. Anything else of the package may
 * change without a word; this list only grows.
 */
export type { HostRules, StartMapping } from '../model/host.ts';
export type { CheckName, ReferenceCheckOptions } from '../model/references.ts';
export type { FlowKind, MarkKind, Quietable, Routine, Run, Step } from '../model/step.ts';
export type { World } from '../model/world.ts';
export type { VmmStrategy } from '../model/request.ts';
export type { Argument, Check, ConversionPolicy, PolicyChoice, PolicyOptions, Voice } from './policy.ts';

export { CHECKS } from './policy.ts';

/* ---- steps: names, what they answer, what may be taken for granted of them ---- */
export {
  Flow, Mark, acquire, acquireUnless, callRoutine, end, free, freeWhen, goTo, guarded, release, releaseUnless, releaseWhen, steady, step, waits, waitsUnless,
  waitsUpTo,
} from '../model/step.ts';
export { ERRNOS, Errno } from '../model/errno.ts';
export { Op } from '../model/operations.ts';
export { TaskFlag } from '../model/tasks.ts';

/* ---- the kernel's to-private and to-shared ---- */
export { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../model/convert.ts';
export { endInvalidation, stage2ZapSteps } from '../model/invalidation.ts';
export { referenceCheckSteps } from '../model/references.ts';
export { flushGatherSteps, readLockIMmap, readUnlockIMmap, unmapEverywhereSteps, walkWholeFolios, zapWindowSteps } from '../model/zap.ts';
export { sendDrain, sendFlush, sendKick, waitCalls } from '../model/crossCalls.ts';
export { unmapThenCheckSteps } from './conversion/sigbus-on-fault.ts';

/* ---- locks: taking one out of order throws ---- */
export { LockClass, acquireRead, acquireWrite, lockId, releaseRead, releaseWrite, waitFor } from '../model/locks.ts';
export { Waiting } from '../model/meter.ts';

/* ---- what the world says of pages, folios and mappings ---- */
export { PageBit, headOf, isPrivate, privatePages, rangeIs } from '../model/file.ts';
export { cacheReferences, dropReference, folioMapcount, folioMaybeDmaPinned } from '../model/folios.ts';
export { inIMmap, inMm, overlaps, treeLevels, vmaCount } from '../model/windows.ts';
export { outcomeOk } from '../model/access.ts';
export { askProcess, mmapHookSteps, refuseThenCheckSteps } from './conversion/refuseWhileMapped.ts';
