/**
 * Hole punch: the range is unmapped first, with no folio locked, and then truncated page by page; a page that somebody has mapped in
 * between is unmapped once more, with its folio locked.
 *
 * Source: mm/shmem.c (shmem_fallocate, shmem_undo_range), mm/truncate.c (truncate_inode_folio), mm/memory.c (unmap_mapping_folio).
 * The first walk makes the second one cheap and decides nothing; only the second may drop what is kept. Faults in the hole wait until
 * it is punched; what fault-around maps does not.
 * Differs from Linux: order-0 folios one by one; a hole that several punch at once waits for i_rwsem alone.
 */
import { dropReference } from '../memory/frames.ts';
import { FrameBit } from '../memory/frames.ts';
import { lockFrame } from '../memory/locks.ts';
import { Gauge } from '../gauges.ts';
import { LockClass, acquireWrite, releaseWrite } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, callRoutine, free, goTo, guarded, release, steady, waits } from '../step.ts';
import { unlockFolio } from './folios.ts';
import type { WpRules } from './kept.ts';
import { beginCall, endCall } from './calls.ts';
import { Promised } from './world.ts';
import type { ShmemRun, ShmemStep, ShmemWorld } from './world.ts';

const lockInode: ShmemRun = (world, task) => {
  const flow = acquireWrite(world, task, world.inodeLock, 0, LockClass.Invalidate);
  if (flow === Flow.Next) world.meter.charge(Op['lock.invalidate']);
  return flow;
};

const unlockInode: ShmemRun = (world, task) => {
  releaseWrite(world, task, world.inodeLock, 0, LockClass.Invalidate);
  return Flow.Next;
};

/** Faults in the hole wait from here on. */
const beginHole: ShmemRun = (world, task) => {
  world.holeStart[0] = world.rangeStart[task];
  world.holeEnd[0] = world.rangeEnd[task];
  world.walkStart[task] = world.rangeStart[task];
  world.walkEnd[task] = world.rangeEnd[task];
  return Flow.Next;
};

const endHole: ShmemRun = (world) => {
  world.holeStart[0] = 0;
  world.holeEnd[0] = 0;
  return Flow.Next;
};

/** What stood at a page of the file is gone: nothing of it is promised any more. */
function forget(world: ShmemWorld, page: number): void {
  const { pages, windows } = world.shape;
  for (let window = 0; window < windows; window++) {
    world.promise[window * pages + page] = Promised.Nothing;
    world.touched[window * pages + page] = 0;
  }
}

/** Finds the next folio of the range, and frees what is in swap before it; otherwise there is none. */
const nextFolio: ShmemRun = (world, task) => {
  const { cursor, rangeEnd, cacheFrame, swapped } = world;
  for (let page = cursor[task]; page < rangeEnd[task]; page++) {
    if (cacheFrame[page] !== 0) {
      world.cursor[task] = page;
      world.page[task] = page;
      return Flow.Next;
    }
    if (swapped[page] !== 0) {
      swapped[page] = 0;
      if (world.shape.contents) world.swappedContent[page] = 0;
    }
    forget(world, page);
  }
  return Flow.Otherwise;
};

/** Locks the folio of the page; the page cache keeps it while it is looked up. Otherwise it has gone. */
const lockCached: ShmemRun = (world, task) => {
  const frame = world.cacheFrame[world.page[task]] - 1;
  if (frame < 0) return Flow.Otherwise;
  const flow = lockFrame(world, task, frame);
  if (flow === Flow.Next) world.grabFrame[task] = frame + 1;
  return flow;
};

/** Otherwise nobody maps it. */
const isMapped: ShmemRun = (world, task) => {
  world.walkStart[task] = world.page[task];
  world.walkEnd[task] = world.page[task] + 1;
  return world.frameMaps[world.grabFrame[task] - 1] > 0 ? Flow.Next : Flow.Otherwise;
};

/** The cache's reference is the task's from here on. */
const removeFolio: ShmemRun = (world, task) => {
  const page = world.page[task];
  world.cacheFrame[page] = 0;
  world.oldFrame[task] = world.grabFrame[task];
  forget(world, page);
  world.meter.charge(Op['pageCache.remove']);
  world.meter.move(Gauge.pages, -1);
  world.cursor[task] = page + 1;
  return Flow.Next;
};

const putRemoved: ShmemRun = (world, task) => {
  const frame = world.oldFrame[task] - 1;
  world.frameFlags[frame] &= ~FrameBit.Dirty;
  world.oldFrame[task] = 0;
  dropReference(world, frame);
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};

export const punchSteps = ({ punchKeeps }: WpRules): readonly ShmemStep[] => [
  free('call.begin', beginCall),
  acquire('inode.lock', lockInode),
  steady('hole.begin', beginHole),
  callRoutine('unmapFirst', punchKeeps ? 'unmapKeep' : 'unmapDrop'),
  steady('truncate.next', nextFolio, 'hole.end'),
  waits('folio.lock', lockCached, 'truncate.next'),
  guarded('folio.isMapped', isMapped, 'pageCache.remove'),
  callRoutine('unmapAgain', 'unmapDrop'),
  steady('pageCache.remove', removeFolio),
  release('folio.unlock', unlockFolio),
  steady('folio.put', putRemoved),
  goTo('truncate.next'),
  steady('hole.end', endHole),
  release('inode.unlock', unlockInode),
  free('call.end', endCall),
];
