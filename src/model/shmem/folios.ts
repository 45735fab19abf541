/**
 * The folios of the file: how a task finds, makes, locks and puts them. Each of these is a step.
 *
 * Source: mm/shmem.c (shmem_get_folio_gfp, shmem_swapin_folio), mm/filemap.c.
 */
import { FrameBit, allocateFrame, dropReference, takeReference } from '../memory/frames.ts';
import { lockFrame, unlockFrame } from '../memory/locks.ts';
import { LockClass, noteHeld } from '../locks.ts';
import { Gauge } from '../gauges.ts';
import { Op } from '../operations.ts';
import { Flow } from '../step.ts';
import type { ShmemRun, ShmemWorld } from './world.ts';

/** Takes a reference on the folio of `page`; otherwise the page cache has none. */
export const lookupFolio: ShmemRun = (world, task) => {
  const frame = world.cacheFrame[world.page[task]] - 1;
  if (frame < 0) return Flow.Otherwise;
  takeReference(world, frame);
  world.oldFrame[task] = frame + 1;
  world.meter.charge(Op['pageCache.lookup']);
  return Flow.Next;
};

export const allocateFolio: ShmemRun = (world, task) => {
  world.newFrame[task] = allocateFrame(world) + 1;
  return Flow.Next;
};

/** The page comes into the page cache: from swap, or cleared. The new reference is the cache's. */
export function bringIn(world: ShmemWorld, page: number, frame: number): void {
  world.cacheFrame[page] = frame + 1;
  takeReference(world, frame);
  world.frameFlags[frame] |= FrameBit.UpToDate;
  const { meter } = world;
  if (world.swapped[page] !== 0) {
    world.swapped[page] = 0;
    if (world.shape.contents) {
      world.frameContent[frame] = world.swappedContent[page];
      world.swappedContent[page] = 0;
    }
    meter.charge(Op['shmem.swapIn']);
  } else {
    meter.charge(Op['page.clear']);
  }
  meter.charge(Op['pageCache.insert']);
  meter.move(Gauge.pages, 1);
}

/** Adds the new folio to the page cache, locked; otherwise somebody else was first. */
export const insertFolio: ShmemRun = (world, task) => {
  const page = world.page[task];
  if (world.cacheFrame[page] !== 0) return Flow.Otherwise;
  const frame = world.newFrame[task] - 1;
  bringIn(world, page, frame);
  world.frameFlags[frame] |= FrameBit.Locked;
  noteHeld(world, task, LockClass.Folio);
  world.newFrame[task] = 0;
  world.oldFrame[task] = frame + 1;
  world.grabFrame[task] = frame + 1;
  return Flow.Next;
};

/** Gives a folio back that nobody has seen. */
export const freeNewFolio: ShmemRun = (world, task) => {
  dropReference(world, world.newFrame[task] - 1);
  world.newFrame[task] = 0;
  world.meter.charge(Op['folio.free']);
  return Flow.Next;
};

/** Locks the folio that the task has a reference on. */
export const lockFolio: ShmemRun = (world, task) => {
  const flow = lockFrame(world, task, world.oldFrame[task] - 1);
  if (flow === Flow.Next) world.grabFrame[task] = world.oldFrame[task];
  return flow;
};

export const unlockFolio: ShmemRun = (world, task) => {
  unlockFrame(world, task, world.grabFrame[task] - 1);
  world.grabFrame[task] = 0;
  return Flow.Next;
};

/** Otherwise the folio is no longer that of `page`: it was truncated, or went to swap. */
export const isStillOfPage: ShmemRun = (world, task) => (world.cacheFrame[world.page[task]] === world.grabFrame[task] ? Flow.Next : Flow.Otherwise);

export const putFolio: ShmemRun = (world, task) => {
  dropReference(world, world.oldFrame[task] - 1);
  world.oldFrame[task] = 0;
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};
