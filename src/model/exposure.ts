/**
 * Exposure and rogue accesses: the safety property, kept as ghosts.
 *
 * From the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data: (a) no present
 * entry, (b) no stale TLB entry, (c) no reference whose holder may touch data, (d) no GUP in flight that will succeed, (e) no
 * fault in flight that will set an entry, (f) no secondary MMU.
 *
 * An exposure is a (page, private interval) in which some way to the page's data was ever open, counted once.
 * A rogue access is a host access that reaches the data of a private page. No policy can see either.
 */
import { PageBit, isPrivate } from './file.ts';
import { Op } from './operations.ts';
import type { World } from './world.ts';

/** To be called when a way to the frame opens, and for each page when it becomes private. */
export function noteExposure(world: World, page: number): void {
  if (page >= world.shape.pages || world.dataRefs[page] === 0 || !isPrivate(world, page)) return;
  if (world.pageState[page] & PageBit.Exposed) return;
  world.pageState[page] |= PageBit.Exposed;
  world.meter.note(Op['access.exposed']);
}

/** A way to the data of the frame opens: an entry, a pin, a get. */
export function openWay(world: World, frame: number): void {
  world.dataRefs[frame]++;
  noteExposure(world, frame);
}

export function closeWay(world: World, frame: number): void {
  world.dataRefs[frame]--;
}

/** A host access reached the frame. */
export function noteReach(world: World, frame: number): void {
  if (frame < world.shape.pages && isPrivate(world, frame)) world.meter.note(Op['access.rogue']);
}
