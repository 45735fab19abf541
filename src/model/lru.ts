/**
 * LRU batches: a new page-cache folio waits in its CPU's batch with a reference of the batch until that is drained
 * (mm/swap.c, folio_batch of 31). Large folios are not held back.
 */
import { column } from './columns.ts';
import { dropReference } from './folios.ts';
import { Op } from './operations.ts';
import type { World } from './world.ts';

export const lruColumns = {
  /** Pages in the batch of a CPU, as page + 1, in the order of their coming: [cpu x lruBatch + place]. */
  lruPage: column('u32', 'cpu', ({ cpus, lruBatch }) => cpus * lruBatch, ({ pages, spareFolios }) => pages + spareFolios, 'frame'),
  lruCount: column('u8', 'cpu', ({ cpus }) => cpus, ({ lruBatch }) => lruBatch),
} as const;

/** The batch takes a reference on the folio; a full batch drains itself first. */
export function addToBatch(world: World, cpu: number, frame: number): void {
  const { lruBatch } = world.shape;
  if (lruBatch === 0 || world.shape.folioOrder > 0) return;
  world.meter.charge(Op['lru.add']);
  if (world.lruCount[cpu] === lruBatch) drainBatch(world, cpu);
  world.lruPage[cpu * lruBatch + world.lruCount[cpu]++] = frame + 1;
  world.refcount[frame]++;
}

/** Drops the references of one CPU's batch. */
export function drainBatch(world: World, cpu: number): void {
  const { lruBatch } = world.shape;
  const base = cpu * lruBatch;
  const count = world.lruCount[cpu];
  for (let place = base; place < base + count; place++) {
    dropReference(world, world.lruPage[place] - 1, 1);
    world.lruPage[place] = 0;
  }
  world.lruCount[cpu] = 0;
}

/** A frame moved (its page was punched while it was referenced): the batches follow. */
export function repointBatches(world: World, from: number, to: number): void {
  const { lruPage } = world;
  for (let place = 0; place < lruPage.length; place++) if (lruPage[place] === from + 1) lruPage[place] = to + 1;
}
