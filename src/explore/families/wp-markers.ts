/** The family `wp-markers` for the explorer: worlds of shmem under a userfaultfd, and what must hold of a page that is write-protected. */
import { acknowledgeFlush } from '../../model/crossCalls.ts';
import { Op } from '../../model/operations.ts';
import { buildShmemHost } from '../../model/shmem/host.ts';
import { SHMEM_INVARIANTS } from '../../model/shmem/invariants.ts';
import { populate, shmemShape, startShmem } from '../../model/shmem/start.ts';
import { clearShmemTask } from '../../model/shmem/tasks.ts';
import { createShmemWorld, shmemColumns } from '../../model/shmem/world.ts';
import type { ShmemShape, ShmemWorld } from '../../model/shmem/world.ts';
import type { WpMarkerPolicy } from '../../policies/wp-markers/policy.ts';
import { WpAccess } from '../../workloads/wp-markers/access.ts';
import type { Sentence } from '../commonSentences.ts';
import { askStates, columnsOf, sentencesOf } from '../family.ts';
import type { Debate, Scene, SceneOptions } from '../family.ts';
import { describeShmemChanges } from '../shmemChanges.ts';
import { WP_GRAMMAR } from '../shmemGrammar.ts';
import type { WpWorld } from '../shmemGrammar.ts';

const noLostWrite: Sentence = {
  name: 'no-lost-write',
  sentence: 'no page is written while it is write-protected without the monitor being told',
  why: 'a snapshot holds what was written after it was taken, a migration leaves the write behind: data is lost, and nothing says so',
};
const noMissedScan: Sentence = {
  name: 'no-missed-write',
  sentence: 'no scan leaves out a page that was written since it was last protected',
  why: 'who copies what scans report copies a stale page',
};

const MOVE_RULES = [
  { name: noLostWrite.name, operation: Op['wp.lost'] },
  { name: noMissedScan.name, operation: Op['scan.missed'] },
];

export const wpMarkers: Debate<ShmemWorld, WpMarkerPolicy, WpWorld> = {
  name: 'wp-markers',
  grammar: WP_GRAMMAR,
  sentences: sentencesOf([noLostWrite, noMissedScan], SHMEM_INVARIANTS),
  moveRules: MOVE_RULES,
  askedFor: 'write-protection',
  asked: new Set([WpAccess.Protect, WpAccess.ScanProtect]),
  createScene,
};

/** @throws UserError where the world cannot be built */
function createScene({ litmus, policy }: SceneOptions<WpMarkerPolicy, WpWorld>): Scene<ShmemWorld> {
  const { threads, buffers, world: stated } = litmus;
  const processOfCpu = threads.map(({ process }) => process);
  const operations = [...litmus.before.map(({ operation }) => operation), ...threads.flatMap((thread) => thread.operations)];
  const children = new Set(operations.filter(({ kind }) => kind === WpAccess.Fork || kind === WpAccess.ForkWithEvents).map(({ slot }) => processOfCpu[slot]));
  const processes = 1 + Math.max(0, ...processOfCpu);
  const shape = shmemShape({
    pages: stated.pages,
    cpus: threads.length,
    processes,
    slots: buffers.length,
    regionOrder: stated.regionOrder,
    chunk: 1,
    wpAsync: stated.wpAsync,
    faultAroundPages: stated.faultAroundPages,
    monitored: stated.monitored,
    contents: stated.contents,
    anonymous: stated.anonymous,
  });
  const world = createShmemWorld(shape);
  const { program, entries } = buildShmemHost(policy.rules({ check: 'refcount' }), shape);
  startShmem(world, { processOfCpu, alive: Array.from({ length: processes }, (_, mm) => mm).filter((mm) => !children.has(mm)), anonymous: stated.anonymous });
  for (const [page, cached] of stated.cached.entries()) if (cached) populate(world, page);
  return {
    world,
    program,
    entries,
    columns: columnsOf<ShmemShape>(shmemColumns, world, shape),
    actors: shape.monitored ? ['monitor'] : [],
    worldText: worldText(shape, stated),
    // A fork names the thread whose process it gives birth to.
    begin(task, { kind, slot }) {
      if (kind === WpAccess.Fork || kind === WpAccess.ForkWithEvents) world.slot[task] = processOfCpu[slot];
      // The window of a process has its number.
      world.window[task] = world.mm[task];
    },
    clearTask: clearShmemTask,
    acknowledge: acknowledgeFlush,
    invariants: askStates(SHMEM_INVARIANTS, world),
    describeMove: (rule) => (rule === noLostWrite.name ? 'the monitor of a page that is write-protected was not told of a write to it' : 'a scan left out a page that was written'),
    createAnother: () => createShmemWorld(shape),
    describeChanges: describeShmemChanges,
  };
}

function worldText({ pages, cpus, mms }: ShmemShape, { anonymous, wpAsync, faultAroundPages, monitored }: WpWorld): string {
  return [
    `${pages} ${pages === 1 ? 'page' : 'pages'} of ${anonymous ? 'anonymous memory' : 'shmem'}`,
    `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}`,
    `${mms} ${mms === 1 ? 'process' : 'processes'}`,
    faultAroundPages === 1 ? 'no fault-around' : `faults map ${faultAroundPages} pages around`,
    wpAsync ? 'the kernel resolves faults' : monitored ? 'a monitor resolves faults' : 'nobody resolves faults but the threads',
  ].join(', ');
}
