/**
 * Conversion: the blocks that the kernel's side of a policy is written in.
 *
 * Source: the in-place conversion series of guest_memfd. The commit is the step that stores the attribute, alone.
 */
import { convertContent } from './content.ts';
import { Errno } from './errno.ts';
import { noteExposure } from './exposure.ts';
import { PageBit, noteFlip, rangeIs } from './file.ts';
import { stage2ZapSteps, endInvalidation } from './invalidation.ts';
import { LockClass, acquireWrite, releaseWrite } from './locks.ts';
import { Op } from './operations.ts';
import { Flow, acquire, end, free, freeWhen, guarded, release, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import type { World } from './world.ts';

export const writeLockInvalidate: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  if (flow === Flow.Next) world.meter.charge(Op['lock.invalidate']);
  return flow;
};

export const writeUnlockInvalidate: Run = (world, task) => {
  releaseWrite(world, task, world.invalidateLock, 0, LockClass.Invalidate);
  return Flow.Next;
};

/** Otherwise the whole range is in the wanted state: success without any effect. */
export const readRangeState = (toPrivate: boolean): Run => (world, task) => {
  world.meter.charge(Op['state.read']);
  world.outcome[task] = Errno.OK;
  return rangeIs(world, world.rangeStart[task], world.rangeEnd[task], toPrivate) ? Flow.Otherwise : Flow.Next;
};

export const preallocateState: Run = (world) => {
  world.meter.charge(Op['state.prealloc']);
  return Flow.Next;
};

/** Stores the shareability of [first, last); the platform does to the contents what it does. */
export function storePages(world: World, first: number, last: number, toPrivate: boolean): void {
  const { pageState } = world;
  const { initShared } = world.shape;
  const flip = toPrivate === initShared;
  let changed = 0;
  for (let page = first; page < last; page++) {
    const state = pageState[page];
    if (((state & PageBit.Flipped) !== 0) === flip) continue;
    pageState[page] = (state ^ PageBit.Flipped) & ~PageBit.Exposed;
    noteFlip(world, page, flip ? 1 : -1);
    changed++;
    convertContent(world, page);
    if (toPrivate) noteExposure(world, page);
  }
  world.flippedPages[0] += flip ? changed : -changed;
}

/** The commit: stores the shareability of the whole range. */
export const storeState = (toPrivate: boolean): Run => (world, task) => {
  storePages(world, world.rangeStart[task], world.rangeEnd[task], toPrivate);
  world.outcome[task] = Errno.OK;
  world.meter.charge(Op['state.store']);
  return Flow.Next;
};

/** To-shared as every policy of the family does it: no reference is checked. */
export function toSharedSteps(): readonly Step[] {
  return [
    acquire('invalidate.writeLock', writeLockInvalidate),
    guarded('state.readRange', readRangeState(false), 'invalidate.unlock'),
    free('state.prealloc', preallocateState),
    ...stage2ZapSteps(),
    steady('state.store', storeState(false)),
    freeWhen('stage2')('seq.end', endInvalidation),
    release('invalidate.unlock', writeUnlockInvalidate),
    end,
  ];
}
