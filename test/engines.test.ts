/** Both engines run the same code: whatever a simulation passes through, the explorer has been there. */
import { assert, asyncProperty, nat, pre } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Litmus } from '../src/explore/litmus.ts';
import { Machine } from '../src/explore/machine.ts';
import { search } from '../src/explore/search.ts';
import { NO_REDUCTIONS } from '../src/explore/verdict.ts';
import type { Host } from '../src/model/host.ts';
import { Meter } from '../src/model/meter.ts';
import { OPERATIONS } from '../src/model/operations.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import { clearTask } from '../src/model/tasks.ts';
import { UserError } from '../src/model/userError.ts';
import { copyWorld, createWorld } from '../src/model/world.ts';
import type { World } from '../src/model/world.ts';
import type { ConversionPolicy } from '../src/policies/policy.ts';
import { createConversionEngine } from '../src/simulate/conversion.ts';
import { Access } from '../src/workloads/workload.ts';
import { IS_SOAK, libraryFiles, shippedPolicies } from './tools/library.ts';
import { randomLitmus, readRandom, textOf } from './tools/randomLitmus.ts';
import { policyNamed } from './tools/runScript.ts';
import { scriptedActors } from './tools/scripted.ts';
import type { ScriptedActor } from './tools/scripted.ts';

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
const STATES_MAX = 60_000;
/** In the worlds of random workloads, which are many; a soak has larger ones, too. */
const RANDOM_STATES_MAX = IS_SOAK ? 4_000 : 1_200;

const machineOf = (litmus: Litmus, policy: ConversionPolicy): Machine => new Machine({ litmus, policy, check: 'refcount', reductions: NO_REDUCTIONS, keepResults: false });

/** How often a VMM has tried is for its patience alone, which one engine counts in attempts and the other in time. */
function writtenDown(world: World): string {
  world.attempts.fill(0);
  return Buffer.from(world.buffer).toString('latin1');
}

/** Every world that the explorer comes to; undefined where there are too many. */
function reachedWorlds(litmus: Litmus, policy: ConversionPolicy, statesMax: number): ReadonlySet<string> | undefined {
  const machine = machineOf(litmus, policy);
  const { states, result } = search({ machine, reductions: NO_REDUCTIONS, statesMax });
  if (!result.exhaustive && result.stuck === undefined) return undefined;
  const worlds = new Set<string>();
  for (let row = 0; row < states.rows.count; row++) {
    states.load(row);
    worlds.add(writtenDown(machine.world));
  }
  return worlds;
}

/** The worlds that a simulation of the threads passes through. Prices and starts send them through another interleaving for each seed. */
async function simulatedWorlds(litmus: Litmus, policy: ConversionPolicy, seed: number): Promise<ReadonlySet<string>> {
  const { world, host } = machineOf(litmus, policy);
  const seen = createWorld(world.shape);
  const worlds = new Set<string>();
  const below = numbersOf(seed);
  world.meter = new Meter(Float64Array.from(OPERATIONS, ({ kind }) => (kind === 'work' ? 1 + below(PRICE_NS) : 0)), world.shape.tasks);
  const { engine } = createConversionEngine({
    world,
    host,
    actors: scriptedActors(litmus.threads.map((thread) => actorOf(thread, below))),
    windowsPerProcess: litmus.world.windowsPerProcess,
    runAhead: false,
    onStep: () => {
      if (!isStopOfExplorer(world, host)) return;
      copyWorld(world, seen);
      for (let task = 0; task < seen.shape.tasks; task++) if (seen.pc[task * DEPTH_MAX] === 0) clearTask(seen, task);
      worlds.add(writtenDown(seen));
    },
  });
  await engine.run();
  return worlds;
}

function actorOf({ role, process, operations }: Litmus['threads'][number], below: (limit: number) => number): ScriptedActor {
  const accesses = operations.map(({ kind, page, count, slot, window }) => ({ kind, page: Number(page), count, slot, window, atNs: below(START_NS) }));
  return { role, process, accesses };
}

/** The litmus as a workload can say it: no choice of a page, no value, no flags. One retry stands for all: a simulation tries until its patience ends. */
const asWorkload = (litmus: Litmus): Litmus => ({
  ...litmus,
  world: { ...litmus.world, content: 'none', patience: 1 },
  threads: litmus.threads.map((thread) => ({
    ...thread,
    operations: thread.operations.map((operation) => ({ ...operation, page: operation.page === 'any' ? 0 : operation.page, value: 0, flags: 0 })),
  })),
});

/** Whether the explorer stops here: not where a task has begun an access whose first step waits. A guest's access comes back to its first step after a fault. */
function isStopOfExplorer(world: World, { entries }: Host): boolean {
  const { pc, depth, kind } = world;
  for (let task = 0; task < world.shape.tasks; task++) if (depth[task] === 0 && kind[task] > Access.GuestWrite && pc[task * DEPTH_MAX] === entries[kind[task]]) return false;
  return true;
}

describe('every world that a simulation passes through', () => {
  const SEEDS = 12;
  const pairs: readonly (readonly [file: string, policy: string])[] = [
    ['gup-fast-pin', 'sigbus-on-fault'], ['host-fault-in-flight', 'sigbus-on-fault'], ['munmap-clean', 'sigbus-on-fault'], ['guest-fault-in-flight', 'sigbus-on-fault'],
    ['two-converters', 'sigbus-on-fault'], ['fork-race', 'sigbus-on-fault'], ['guest-fault-against-punch', 'sigbus-on-fault'], ['io-in-flight', 'split-4k'],
    ['buffered-io', 'disallow-gup'], ['there-and-back', 'folio-mmapped'], ['two-converters', 'folio-mmapped'], ['mmap-race', 'folio-mmapped'],
    ['host-fault-in-flight', 'refuse-mmap'], ['mmap-race', 'refuse-mmap'], ['lazy-donation', 'sigbus-on-fault'], ['lru-batch', 'sigbus-on-fault'],
  ];
  const files = libraryFiles();

  test.each(pairs)('is one that the explorer reaches: %s under %s', async (file, name) => {
    const found = files.find((litmus) => litmus.name === file);
    if (found === undefined) throw new Error(`no file ${file}`);
    const litmus = asWorkload(found);
    const policy = policyNamed(name);
    const reached = reachedWorlds(litmus, policy, STATES_MAX);
    if (reached === undefined) throw new Error('too many states');
    const simulated = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) for (const world of await simulatedWorlds(litmus, policy, seed)) simulated.add(world);
    expect([...simulated].filter((world) => !reached.has(world)).length).toBe(0);
    // The prices did send the tasks through more than one interleaving.
    expect(simulated.size).toBeGreaterThan(60);
  });

  test('is one that it reaches in random workloads too', async () => {
    let workloads = 0;
    await assert(
      asyncProperty(randomLitmus, nat(shippedPolicies.length - 1), nat(1000), async (random, policy, seed) => {
        const text = textOf(random);
        const read = readRandom(text);
        pre(read !== undefined);
        const litmus = asWorkload(read);
        const reached = reachedIn(litmus, shippedPolicies[policy]);
        pre(reached !== undefined);
        workloads++;
        for (const each of [seed, seed + 1]) {
          const simulated = await simulatedWorlds(litmus, shippedPolicies[policy], each);
          expect([...simulated].filter((world) => !reached.has(world)).length, `seed ${each} under ${shippedPolicies[policy].name}:\n${text}`).toBe(0);
        }
      }),
      { seed: 1, numRuns: 20 },
    );
    expect(workloads).toBeGreaterThanOrEqual(20);
  }, 60_000);

  /** undefined where the policy does not do what comes before, too. */
  function reachedIn(litmus: Litmus, policy: ConversionPolicy): ReadonlySet<string> | undefined {
    try {
      return reachedWorlds(litmus, policy, RANDOM_STATES_MAX);
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
});
