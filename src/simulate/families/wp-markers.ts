/**
 * The family `wp-markers` in virtual time: a world of shmem for each run, and what its latencies and figures are called.
 */
import { MmState } from '../../model/memory/processes.ts';
import { Promised } from '../../model/shmem/world.ts';
import { WP_LATENCIES } from '../../model/shmem/calls.ts';
import { buildShmemHost } from '../../model/shmem/host.ts';
import { populate, shmemShape, startShmem } from '../../model/shmem/start.ts';
import { clearShmemTask } from '../../model/shmem/tasks.ts';
import { createShmemWorld } from '../../model/shmem/world.ts';
import type { ShmemWorld } from '../../model/shmem/world.ts';
import { UserError } from '../../model/userError.ts';
import { wpMarkerPolicies } from '../../policies/wp-markers/index.ts';
import type { WpMarkerPolicy } from '../../policies/wp-markers/policy.ts';
import { wpMarkerWorkloads } from '../../workloads/wp-markers/index.ts';
import { isAsync } from '../../workloads/wp-markers/access.ts';
import type { FamilyModel } from '../family.ts';
import { createSimulatedFamily } from '../family.ts';
import { checkActors } from '../prepare.ts';
import { wpMarkersScene } from './wpMarkersScene.ts';

/** log2 of the pages behind one page table. */
const REGION_ORDER = 9;
/** One step of a burst handles at most a page table. */
const CHUNK = 512;
/** fault_around_bytes: 64 KiB. */
const FAULT_AROUND_PAGES = 16;

export const wpMarkersModel: FamilyModel<ShmemWorld, WpMarkerPolicy> = {
  name: 'wp-markers',
  policies: wpMarkerPolicies,
  workloads: wpMarkerWorkloads,
  latencies: WP_LATENCIES,
  createStage({ policy, choices, folioOrder, opened, options: { pageCount }, createMeter }) {
    if (folioOrder !== 0) {
      throw new UserError({
        what: 'shmem of this family comes in pages of 4 KiB',
        why: 'write-protection is kept page by page, and a huge entry is split first',
        fix: 'leave --folio out, or give it as 4K',
      });
    }
    const { actors, slots, launch } = opened;
    checkActors(actors);
    const processOfCpu = actors.map(({ process }) => process);
    const shape = shmemShape({
      pages: pageCount,
      cpus: actors.length,
      processes: 1 + Math.max(0, ...processOfCpu),
      slots,
      regionOrder: REGION_ORDER,
      chunk: CHUNK,
      wpAsync: isAsync(opened),
      faultAroundPages: FAULT_AROUND_PAGES,
      monitored: true,
      contents: false,
    });
    const world = createShmemWorld(shape, createMeter(shape.tasks));
    startShmem(world, { processOfCpu, alive: [0] });
    for (const [page, count] of launch) for (let at = page; at < page + count; at++) populate(world, at);
    return { world, ...buildShmemHost(policy.rules({ check: 'refcount', choices }), shape) };
  },
  explained: wpMarkersScene,
  clearTask: clearShmemTask,
  figuresOf: ({ promise, mmState }) => ({
    protectedPages: promise.reduce((sum, is) => sum + (is === Promised.Now ? 1 : 0), 0),
    processes: mmState.reduce((sum, state) => sum + (state === MmState.Alive ? 1 : 0), 0),
  }),
};

export const wpMarkersFamily = createSimulatedFamily(wpMarkersModel);
