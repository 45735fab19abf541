/** Both engines run the same code: whatever a simulation passes through, the explorer has been there. */
import { describe, expect, test } from 'vitest';
import type { Host } from '../src/model/host.ts';
import { Meter } from '../src/model/meter.ts';
import { OPERATIONS } from '../src/model/operations.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import { clearTask } from '../src/model/tasks.ts';
import { copyWorld, createWorld } from '../src/model/world.ts';
import type { World } from '../src/model/world.ts';
import { Engine } from '../src/simulate/engine.ts';
import { Access } from '../src/workloads/workload.ts';
import { explore } from './tools/explorer.ts';
import { Machine, isUnseen } from './tools/litmusMachine.ts';
import type { Litmus } from './tools/litmusMachine.ts';
import { races } from './tools/races.ts';
import { policyNamed } from './tools/runScript.ts';
import { scriptedActors } from './tools/scripted.ts';

/** Small numbers below `limit`, the same for the same seed. */
function numbersOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % limit;
  };
}

/** How long an access may come after the start: about as long as a request takes at the prices below. */
const START_NS = 2_000;
const PRICE_NS = 64;

/** The worlds that a simulation of the race passes through, as the explorer writes them down. */
async function simulatedWorlds(litmus: Litmus, seed: number): Promise<ReadonlySet<string>> {
  const { world, host } = new Machine(litmus);
  const seen = createWorld(world.shape);
  const bytes = Buffer.from(seen.buffer);
  const worlds = new Set<string>();
  // Prices and starts send the tasks through another interleaving for each seed.
  const below = numbersOf(seed);
  world.meter = new Meter(Float64Array.from(OPERATIONS, ({ kind }) => (kind === 'work' ? 1 + below(PRICE_NS) : 0)), world.shape.tasks);
  const threads = litmus.threads.map((thread) => ({ ...thread, accesses: thread.accesses.map((access) => ({ ...access, atNs: below(START_NS) })) }));
  const engine = new Engine({
    world,
    host,
    actors: scriptedActors(threads),
    windowsPerProcess: 1,
    launchPages: 0,
    runAhead: false,
    onStep: () => {
      if (!isStopOfExplorer(world, host)) return;
      copyWorld(world, seen);
      for (let task = 0; task < seen.shape.tasks; task++) if (seen.pc[task * DEPTH_MAX] === 0) clearTask(seen, task);
      worlds.add(bytes.toString('latin1'));
    },
  });
  await engine.run();
  return worlds;
}

/**
 * Whether the explorer stops here: not where a task stands at a step that it takes together with the one before, nor where
 * one has begun an access whose first step waits.
 */
function isStopOfExplorer(world: World, { program, entries }: Host): boolean {
  const { pc, depth, kind } = world;
  for (let task = 0; task < world.shape.tasks; task++) {
    if (isUnseen(program, pc[task * DEPTH_MAX + depth[task]])) return false;
    // A guest's access comes back to its first step after a fault.
    if (depth[task] === 0 && kind[task] > Access.GuestWrite && pc[task * DEPTH_MAX] === entries[kind[task]]) return false;
  }
  return true;
}

const SEEDS = 12;

describe('every world that a simulation passes through', () => {
  const pairs: readonly (readonly [keyof typeof races, string])[] = [
    ['pin', 'sigbus-on-fault'], ['fault', 'sigbus-on-fault'], ['munmapClean', 'sigbus-on-fault'], ['guestFault', 'sigbus-on-fault'], ['twoConversions', 'sigbus-on-fault'],
    ['fork', 'sigbus-on-fault'], ['punchFaulted', 'sigbus-on-fault'], ['io', 'split-4k'], ['copy', 'disallow-gup'],
    ['thereAndBack', 'folio-mmapped'], ['twoConversions', 'folio-mmapped'], ['mmap', 'folio-mmapped'], ['fault', 'refuse-mmap'], ['mmap', 'refuse-mmap'],
  ];

  test.each(pairs)('is one that the explorer reaches: %s under %s', async (race, name) => {
    const litmus: Litmus = { policy: policyNamed(name), ...races[race] };
    // A simulation tries again until its patience ends.
    const reached = explore({ ...litmus, retries: Infinity }).worlds();
    const simulated = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) for (const world of await simulatedWorlds(litmus, seed)) simulated.add(world);
    expect([...simulated].filter((world) => !reached.has(world))).toEqual([]);
    // The prices did send the tasks through more than one interleaving.
    expect(simulated.size).toBeGreaterThan(60);
  });
});
