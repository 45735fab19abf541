/** The family `unsharing` in engine 1: how a world of processes is made of a run. */
import { buildAnonymousHost } from '../../model/anonymous/host.ts';
import { ANONYMOUS_SPANS } from '../../model/anonymous/kinds.ts';
import { startAnonymousWorld } from '../../model/anonymous/start.ts';
import { clearAnonymousTask, createAnonymousWorld } from '../../model/anonymous/world.ts';
import type { AnonymousWorld } from '../../model/anonymous/world.ts';
import type { MemoryShape } from '../../model/memory/shape.ts';
import { Backing, WindowFlag } from '../../model/memory/windows.ts';
import { unsharingPolicies } from '../../policies/unsharing/index.ts';
import type { UnsharingPolicy } from '../../policies/unsharing/policy.ts';
import { unsharingWorkloads } from '../../workloads/unsharing/index.ts';
import { isOfFile } from '../../workloads/unsharing/rounds.ts';
import { createSimulatedFamily } from '../family.ts';
import type { FamilyModel, StageRequest } from '../family.ts';
import { unsharingScene } from './unsharingScene.ts';

/** Pages behind one page table, and in a huge folio: 2 MiB. */
const REGION_ORDER = 9;
/** A slot of swap is found by looking from the first one on. */
const SWAP_SLOTS_MAX = 4096;

/** Room for every page of every process to be its own, for what buffers hold beyond it, and for what each task has in its hands. */
export function shapeOfRun({ opened, options: { pageCount, windowsPerProcess } }: Pick<StageRequest<UnsharingPolicy>, 'opened' | 'options'>): MemoryShape {
  const { actors, slots, slotPages } = opened;
  const mms = Math.max(...actors.map(({ process }) => process)) + 1;
  const cpus = actors.length;
  const swapSlots = Math.min(SWAP_SLOTS_MAX, pageCount);
  const filePages = isOfFile(opened) ? pageCount : 0;
  return {
    pages: pageCount, windows: mms * windowsPerProcess, windowsPerMm: windowsPerProcess, mms, cpus, vcpus: 0, tasks: cpus, slots, slotPages, broadcastFlush: false, regionOrder: REGION_ORDER,
    frames: 1 + pageCount * windowsPerProcess * mms + slots * slotPages + swapSlots + filePages + 2 * cpus,
    hugeFolios: Math.ceil(pageCount / (1 << REGION_ORDER)) * windowsPerProcess * (mms + 1), filePages, swapSlots,
  };
}

export const unsharingModel: FamilyModel<AnonymousWorld, UnsharingPolicy> = {
  name: 'unsharing',
  policies: unsharingPolicies,
  workloads: unsharingWorkloads,
  latencies: ANONYMOUS_SPANS,
  createStage(request) {
    const { policy, folioOrder, opened, options: { windowsPerProcess }, createMeter } = request;
    const shape = shapeOfRun(request);
    const world = createAnonymousWorld(shape, createMeter(shape.tasks));
    const window = isOfFile(opened) ? { backing: Backing.FilePrivate } : { backing: Backing.Anonymous, flags: folioOrder >= REGION_ORDER ? WindowFlag.Huge : 0 };
    startAnonymousWorld(world, { processOfCpu: opened.actors.map(({ process }) => process), windows: Array.from({ length: windowsPerProcess }, () => window) });
    return { world, ...buildAnonymousHost(policy.rules(), shape) };
  },
  explained: unsharingScene,
  clearTask: clearAnonymousTask,
};

export const unsharingFamily = createSimulatedFamily(unsharingModel);
