/**
 * Reclaim: pages of the file go to swap, and every process loses its entry for them.
 *
 * Source: mm/vmscan.c (shrink_folio_list), mm/rmap.c (try_to_unmap), mm/shmem.c (shmem_writepage).
 * A folio is taken by trylock; it goes where nobody but the page cache and reclaim has a reference. What somebody pins stays, unmapped.
 * Differs from Linux: no LRU chooses the pages, the workload does; the device is not modelled.
 */
import { dropReference, takeReference } from '../memory/frames.ts';
import { FrameBit } from '../memory/frames.ts';
import { Gauge } from '../gauges.ts';
import { Errno } from '../errno.ts';
import { LockClass, noteHeld } from '../locks.ts';
import { Op } from '../operations.ts';
import { Flow, callRoutine, free, goTo, release, steady } from '../step.ts';
import { putFolio, unlockFolio } from './folios.ts';
import { beginCall, endCall } from './calls.ts';
import { WpFlag } from './tasks.ts';
import type { ShmemRun, ShmemStep } from './world.ts';

/** Locks the next folio of the range that is in the page cache and that nobody has locked, with a reference; otherwise there is none. */
const tryNextFolio: ShmemRun = (world, task) => {
  const { cursor, rangeEnd, cacheFrame, frameFlags } = world;
  for (let page = cursor[task]; page < rangeEnd[task]; page++) {
    const frame = cacheFrame[page] - 1;
    if (frame < 0) continue;
    if (frameFlags[frame] & FrameBit.Locked) {
      world.flags[task] |= WpFlag.Busy;
      continue;
    }
    frameFlags[frame] |= FrameBit.Locked;
    noteHeld(world, task, LockClass.Folio);
    takeReference(world, frame);
    world.page[task] = page;
    world.oldFrame[task] = frame + 1;
    world.grabFrame[task] = frame + 1;
    world.walkStart[task] = page;
    world.walkEnd[task] = page + 1;
    world.cursor[task] = page + 1;
    world.meter.charge(Op['lock.folio']);
    return Flow.Next;
  }
  world.cursor[task] = rangeEnd[task];
  return Flow.Otherwise;
};

/** Otherwise somebody else has it. folio_ref_freeze, and the page is in swap. */
const swapOut: ShmemRun = (world, task) => {
  const frame = world.grabFrame[task] - 1;
  const page = world.page[task];
  world.meter.charge(Op['folio.freeze']);
  if (world.frameRefs[frame] !== 2 || world.frameMaps[frame] !== 0) {
    world.flags[task] |= WpFlag.Busy;
    return Flow.Otherwise;
  }
  world.cacheFrame[page] = 0;
  world.swapped[page] = 1;
  if (world.shape.contents) world.swappedContent[page] = world.frameContent[frame];
  dropReference(world, frame);
  world.meter.charge(Op['pageCache.remove']);
  world.meter.charge(Op['shmem.swapOut']);
  world.meter.move(Gauge.pages, -1);
  return Flow.Next;
};

const tellBusy: ShmemRun = (world, task) => {
  world.outcome[task] = world.flags[task] & WpFlag.Busy ? Errno.EBUSY : Errno.OK;
  return Flow.Next;
};

export const reclaimSteps: readonly ShmemStep[] = [
  free('call.begin', beginCall),
  steady('folio.tryLock', tryNextFolio, 'reclaim.result'),
  callRoutine('unmap', 'unmapKeep'),
  steady('folio.freeze', swapOut, 'folio.unlock'),
  release('folio.unlock', unlockFolio),
  steady('folio.put', putFolio),
  goTo('folio.tryLock'),
  free('reclaim.result', tellBusy),
  free('call.end', endCall),
];
