/**
 * The start of a world of the family `unsharing`: process 0 is alive with its windows, all others wait to be forked.
 */
import { allocateFrame, FrameBit } from '../memory/frames.ts';
import { MmState } from '../memory/processes.ts';
import { windowOf } from '../memory/shape.ts';
import { openWindow } from '../memory/windows.ts';
import type { AnonymousWorld } from './world.ts';

export interface WindowStart {
  readonly backing: number;
  readonly flags?: number;
}

export interface AnonymousStart {
  /** The process of each CPU. */
  readonly processOfCpu: readonly number[];
  /** The windows of process 0, by number. */
  readonly windows: readonly WindowStart[];
  /** Contents of the file's pages that are in the page cache, by page; 0 = not there. */
  readonly file?: readonly number[];
}

export function startAnonymousWorld(world: AnonymousWorld, { processOfCpu, windows, file = [] }: AnonymousStart): void {
  world.mmState[0] = MmState.Alive;
  for (const [cpu, process] of processOfCpu.entries()) world.mm[cpu] = process;
  for (const [number, { backing, flags = 0 }] of windows.entries()) openWindow(world, windowOf(world, 0, number), backing, flags);
  for (const [page, content] of file.entries()) {
    if (content === 0) continue;
    const frame = allocateFrame(world);
    world.cacheFrame[page] = frame + 1;
    world.frameContent[frame] = content;
    world.frameFlags[frame] = FrameBit.UpToDate;
  }
}
