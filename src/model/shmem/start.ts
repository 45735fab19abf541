/**
 * Worlds at t = 0: one process whose window maps the file and is armed for write-protection, pages that are in the page cache already,
 * and the places of children that are not born.
 */
import { allocateFrame, dropReference } from '../memory/frames.ts';
import { MmState } from '../memory/processes.ts';
import { Backing, WindowFlag, openWindow } from '../memory/windows.ts';
import { Meter } from '../meter.ts';
import { bringIn } from './folios.ts';
import type { ShmemShape, ShmemWorld } from './world.ts';

export interface ShmemSizes {
  readonly pages: number;
  readonly cpus: number;
  /** Those that live from the start, and children that may be born. */
  readonly processes: number;
  /** Buffers of one page. */
  readonly slots: number;
  readonly regionOrder: number;
  readonly chunk: number;
  readonly wpAsync: boolean;
  readonly faultAroundPages: number;
  readonly monitored: boolean;
  readonly contents: boolean;
}

/** The shape of a world of these sizes. Frames: what the file can have, what pins and faults in flight keep beside it, and the zero page. */
export function shmemShape({ pages, cpus, processes, slots, regionOrder, chunk, wpAsync, faultAroundPages, monitored, contents, anonymous = false }: ShmemSizes & { readonly anonymous?: boolean }): ShmemShape {
  return {
    pages,
    windows: processes,
    mms: processes,
    cpus,
    vcpus: 0,
    tasks: cpus + (monitored ? 1 : 0),
    // An access names a child by its slot.
    slots: Math.max(slots, processes),
    broadcastFlush: false,
    windowsPerMm: 1,
    regionOrder,
    frames: 1 + pages * (anonymous ? processes : 1) + slots + 2 * cpus,
    hugeFolios: 0,
    filePages: pages,
    swapSlots: 0,
    slotPages: 1,
    wpAsync,
    faultAroundPages,
    chunk,
    monitored,
    contents,
  };
}

export interface Processes {
  /** By CPU. A child's does not live yet. */
  readonly processOfCpu: readonly number[];
  /** The processes that live from the start. */
  readonly alive: readonly number[];
  readonly anonymous?: boolean;
}

export function startShmem(world: ShmemWorld, { processOfCpu, alive, anonymous = false }: Processes): void {
  for (const mm of alive) {
    world.mmState[mm] = MmState.Alive;
    openWindow(world, mm, anonymous ? Backing.Anonymous : Backing.FileShared, WindowFlag.UffdWp);
  }
  for (const [cpu, mm] of processOfCpu.entries()) world.mm[cpu] = mm;
}

/** A page of the file that is in the page cache already; it is not counted. */
export function populate(world: ShmemWorld, page: number): void {
  if (world.cacheFrame[page] !== 0) return;
  const { meter } = world;
  const silent = new Meter();
  silent.gauge.set(meter.gauge);
  world.meter = silent;
  const frame = allocateFrame(world);
  bringIn(world, page, frame);
  dropReference(world, frame);
  world.meter = meter;
  meter.gauge.set(silent.gauge);
}
