/** The conversion family for the explorer: worlds of guest_memfd, and what must hold of a private page. */
import { acknowledge } from '../../model/crossCalls.ts';
import { openWays } from '../../model/exposure.ts';
import { PageBit, isPrivate } from '../../model/file.ts';
import { shapeUnder } from '../../model/host.ts';
import { invariants } from '../../model/invariants.ts';
import { Op } from '../../model/operations.ts';
import { recountWorld } from '../../model/recount.ts';
import { firstDevice, isWorked } from '../../model/shape.ts';
import type { Shape } from '../../model/shape.ts';
import { setShareability, startWorld } from '../../model/start.ts';
import type { Program } from '../../model/step.ts';
import { clearTask } from '../../model/tasks.ts';
import { createWorld, worldColumns } from '../../model/world.ts';
import type { World } from '../../model/world.ts';
import type { ConversionPolicy } from '../../policies/policy.ts';
import { Access } from '../../workloads/workload.ts';
import { builtHost, builtRules } from '../builtHosts.ts';
import { describeChanges } from '../changes.ts';
import { WORLD_KEYS, readWorld, threadGrammar } from '../conversionWorld.ts';
import { columnsOf } from '../family.ts';
import type { Broken, Debate, Scene, SceneOptions } from '../family.ts';
import type { Litmus, LitmusWorld } from '../litmus.ts';
import { KINDS, OPERATIONS } from '../litmusOperations.ts';
import { mayTouchMapping, shapeOfLitmus } from '../litmusShape.ts';
import { marksWhere, quietIn } from '../quiet.ts';
import { noExposure, noRogueAccess, sentences } from '../sentences.ts';
import { createSymmetry, pagesAreAlike } from '../symmetry.ts';

export const conversion: Debate<World, ConversionPolicy, LitmusWorld> = {
  name: 'conversion',
  grammar: { worldKeys: WORLD_KEYS, readWorld, threads: threadGrammar, operations: OPERATIONS, kinds: KINDS },
  sentences,
  moveRules: [{ name: noRogueAccess.name, operation: Op['access.rogue'] }, { name: noExposure.name, operation: Op['access.exposed'] }],
  asked: new Set([Access.ToPrivate]),
  askedFor: 'conversion',
  createScene,
};

/** @throws UserError where the world cannot be built */
function createScene({ litmus, policy, check, reductions }: SceneOptions<ConversionPolicy, LitmusWorld>): Scene<World> {
  const rules = builtRules(policy, check ?? 'refcount');
  const shape = shapeUnder(rules, shapeOfLitmus(litmus, policy, rules));
  const world = createWorld(shape);
  const { program, entries } = builtHost(rules, shape);
  startWorld(world, rules, { processOfCpu: litmus.threads.map(({ process }) => process), windowsPerProcess: litmus.world.windowsPerProcess });
  for (const [page, shared] of litmus.world.shared.entries()) setShareability(world, page, shared);
  const quiet = reductions.movers ? quietIn({ litmus, shape, rules, check, program }) : new Set<never>();
  return {
    world,
    program,
    entries,
    columns: columnsOf<Shape>(worldColumns, world, shape),
    actors: [...(isWorked(shape) ? ['worker'] : []), ...Array.from({ length: shape.tasks - firstDevice(shape) }, (_, device) => `device${device}`)],
    worldText: worldText(shape, litmus),
    clearTask,
    acknowledge,
    acknowledgesAtOnce: (cpu) => !mayTouchMapping(litmus, cpu, rules.vmm?.bounces ?? false),
    marks: marksWhere(quiet, program),
    ghostsOf: (column) => ghostsOf(column, shape),
    pagesAreAlike: pagesAreAlike(litmus, rules.vmm !== undefined),
    createSymmetry: () => createSymmetry(litmus, world),
    invariants: (names) => questionOf(names, world, program),
    describeMove: () => exposed(world, program),
    createAnother: () => createWorld(shape),
    describeChanges,
  };
}

/** Bits that no step's behaviour depends on: ghosts, and in runs that are not lazy the guest's wishes. */
function ghostsOf(column: string, { lazy }: Shape): number {
  if (column !== 'pageState') return 0;
  return PageBit.Exposed | PageBit.NeighbourZapped | (lazy ? 0 : PageBit.Asked | PageBit.Degraded);
}

function questionOf(names: ReadonlySet<string>, world: World, program: Program): (() => Broken | undefined) | undefined {
  const asked = invariants.filter(({ name }) => names.has(name));
  if (asked.length === 0) return undefined;
  return () => {
    const recount = recountWorld(world, program);
    for (const { name, broken } of asked) {
      const what = broken(world, recount);
      if (what !== undefined) return { rule: name, what };
    }
    return undefined;
  };
}

/** Which private pages are within reach, and by which way. */
function exposed(world: World, program: Program): string {
  const pages: string[] = [];
  for (let page = 0; page < world.shape.pages; page++) {
    if (!isPrivate(world, page)) continue;
    const ways = openWays(world, program, page);
    if (ways.length > 0) pages.push(`page ${page} is private and within reach by ${ways.map(({ letter, sentence }) => `(${letter}) ${sentence}`).join(' and ')}`);
  }
  for (let page = 0; page < world.shape.pages; page++) {
    if (world.pageState[page] & PageBit.ReadOnly && world.pageState[page] & PageBit.Exposed) pages.push(`page ${page} is read-only for the host, which can write it`);
  }
  return pages.length > 0 ? pages.join('; ') : 'the host reaches a private page';
}

function worldText(shape: Shape, { world: { patience, content } }: Litmus): string {
  const cpus = `${shape.cpus} ${shape.cpus === 1 ? 'CPU' : 'CPUs'} (${shape.vcpus} ${shape.vcpus === 1 ? 'vCPU' : 'vCPUs'})`;
  return [
    `${shape.pages} ${shape.pages === 1 ? 'page' : 'pages'} in folios of order ${shape.folioOrder}`,
    cpus,
    `${shape.mms - 1} ${shape.mms === 2 ? 'process' : 'processes'}`,
    `flushes by ${shape.broadcastFlush ? 'broadcast' : 'IPI'}`,
    ...(content === 'none' ? [] : [`contents: ${content}`]),
    `patience ${patience === Infinity ? 'for ever' : patience}`,
  ].join(', ');
}
