/**
 * The model against an obviously right one: random streams of accesses through both, compared after every access.
 *
 * FOLIOBENCH_SOAK multiplies the number of streams, FOLIOBENCH_SEED starts elsewhere:
 *     FOLIOBENCH_SOAK=100 FOLIOBENCH_SEED=7 npx vitest run test/differential.test.ts
 */
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERRNOS } from '../src/model/errno.ts';
import { buildHost } from '../src/model/host.ts';
import { brokenInvariant } from '../src/model/invariants.ts';
import { Op } from '../src/model/operations.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import type { Program } from '../src/model/step.ts';
import type { World } from '../src/model/world.ts';
import type { CostProfile } from '../src/simulate/costs.ts';
import { DIRECTIONS } from '../src/simulate/tally.ts';
import type { ConversionTally } from '../src/simulate/tally.ts';
import { Access } from '../src/workloads/workload.ts';
import { run } from '../src/simulate/run.ts';
import type { RunOutcome } from '../src/simulate/run.ts';
import { differences, observeMachine, observeWorld } from './reference/compare.ts';
import { rulesOf } from './reference/conversions.ts';
import { createMachine } from './reference/machine.ts';
import type { Machine, RequestCounts } from './reference/machine.ts';
import { perform } from './reference/model.ts';
import { SLOTS, SLOT_PAGES, formatAccess, formatStream, streams } from './reference/streams.ts';
import type { Stream, StreamSize } from './reference/streams.ts';
import { flatCosts } from './tools/flatCosts.ts';
import { policyNamed } from './tools/runScript.ts';
import { scripted } from './tools/scripted.ts';

const SOAK = Number(process.env['FOLIOBENCH_SOAK'] ?? 1);
const SEED = Number(process.env['FOLIOBENCH_SEED'] ?? 1);
/** Nothing costs anything, so that the only time that passes is the VMM's rests. */
const FREE = flatCosts(0);

function machineOf({ setup, cpus }: Stream): Machine {
  const { policy, check, pages, folioOrder, lazy, windowsPerProcess, processes, launch } = setup;
  const ranges = launch.map(([page, count]) => [page, page + count] as const);
  return createMachine({ rules: rulesOf(policy), check, pages, folioOrder, lazy, windowsPerProcess, processes, cpus, launch: ranges });
}

interface Watch {
  readonly costs?: CostProfile;
  readonly onStep?: (world: World, task: number) => void;
}

/** Runs the stream through the model. */
function runModel({ setup, cpus, accesses }: Stream, { costs = FREE, onStep }: Watch = {}): Promise<RunOutcome> {
  return run({
    policy: policyNamed(setup.policy),
    workload: scripted({
      actors: cpus.map(({ process, vcpu }, cpu) => ({ role: vcpu ? 'vcpu' : 'vmm', process, accesses: accesses.filter((access) => access.cpu === cpu) })),
      slots: SLOTS,
      slotPages: SLOT_PAGES,
      ioDepth: accesses.length,
      launch: setup.launch,
    }),
    check: setup.check,
    costs,
    folioOrder: setup.folioOrder,
    options: {
      pageCount: setup.pages,
      accessCount: 0,
      seed: 1,
      vcpus: 2,
      processes: setup.processes,
      windowsPerProcess: setup.windowsPerProcess,
      conversion: setup.lazy ? 'lazy' : 'explicit',
      dma: 'pool',
      io: 'direct',
      pace: 'recorded',
    },
    ...(onStep === undefined ? {} : { onStep }),
  });
}

/** The program that a run of the stream follows: what the invariants recount a world by. */
function programOf({ setup }: Stream): Program {
  return buildHost(policyNamed(setup.policy).rules({ check: setup.check }), { lazy: setup.lazy }).program;
}

interface BothOptions {
  /** Recounts the world after every step. */
  readonly everyStep?: boolean;
}

/** Runs the stream through both, and stops where they differ after an access, or where an invariant is broken. */
async function runBoth(stream: Stream, { everyStep = false }: BothOptions = {}): Promise<{ readonly outcome: RunOutcome; readonly machine: Machine }> {
  const { cpus, accesses } = stream;
  const machine = machineOf(stream);
  const program = programOf(stream);
  let done = 0;
  const failAt = (what: string): never => {
    throw new Error(`at access ${formatAccess(accesses[done], done)}\n${what}\n\n${formatStream(stream)}`);
  };
  const onStep = (world: World, task: number): void => {
    const ends = task < cpus.length && world.pc[task * DEPTH_MAX] === 0;
    if (everyStep) {
      const broken = brokenInvariant(world, program);
      if (broken !== undefined) failAt(broken);
    }
    if (!ends) return;
    perform(machine, accesses[done]);
    const different = differences(observeWorld(world), observeMachine(machine));
    if (different.length > 0) failAt(different.join('\n'));
    done++;
  };
  const outcome = await runModel(stream, { onStep });
  expect(done).toBe(accesses.length);
  return { outcome, machine };
}

function requestsOf({ requested, pages, succeeded, timedOut, gaveUp, attempts, refused }: RequestCounts) {
  return { requested, pages, succeeded, timedOut, gaveUp, retries: attempts - requested, refused: ERRNOS.map((name) => refused.get(name) ?? 0) };
}

function talliedRequests({ requested, pages, succeeded, timedOut, gaveUp, retries, refused }: ConversionTally) {
  return { requested, pages, succeeded, timedOut, gaveUp, retries, refused: [...refused] };
}

/** @returns how many streams ended alike in both: all of them, or the shrunk one that did not is thrown */
async function agreeing(size: StreamSize, numRuns: number, options: BothOptions = {}): Promise<number> {
  let agreed = 0;
  await fc.assert(
    fc.asyncProperty(streams(size), async (stream) => {
      const { outcome, machine } = await runBoth(stream, options);
      const { toPrivate, toShared } = outcome.tally.conversions;
      expect(talliedRequests(toPrivate)).toEqual(requestsOf(machine.requests.toPrivate));
      expect(talliedRequests(toShared)).toEqual(requestsOf(machine.requests.toShared));
      agreed++;
    }),
    { numRuns: numRuns * SOAK, seed: SEED },
  );
  return agreed;
}

describe('the model and the reference model agree after every access', () => {
  test('on small files of 4 KiB folios, with every kind of access', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [5, 12], counts: [1, 1, 2, 3, 12], accesses: 60 }, 300)).toBe(300 * SOAK);
  }, 60_000 * SOAK);

  test('on files of more than one page table', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [1030], places: [0, 1, 510, 511, 512, 513, 1023, 1024, 1029], counts: [1, 2, 512, 513, 1030], accesses: 20 }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);

  test('on 2 MiB memory, where split-4k has small folios and the others large ones', async () => {
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 2, 510, 511, 512, 513, 1023], counts: [1, 2, 3, 512, 1024], accesses: 20 }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);

  test('and every invariant holds after every step', async () => {
    expect(await agreeing({ folioOrders: [0], pages: [3, 6], counts: [1, 2, 6], accesses: 15 }, 60, { everyStep: true })).toBe(60 * SOAK);
  }, 60_000 * SOAK);

  test('where large stage-2 leaves come and go under conversions', async () => {
    const kinds = [Access.GuestWrite, Access.GuestWrite, Access.ToShared, Access.ToPrivate, Access.Punch];
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 511, 512], counts: [1, 2, 512], accesses: 40, kinds }, 20)).toBe(20 * SOAK);
  }, 60_000 * SOAK);
});

describe('a random stream', () => {
  const size: StreamSize = { folioOrders: [0], pages: [5, 12], counts: [1, 2, 12], accesses: 80 };
  const property = (check: (stream: Stream) => Promise<void>): Promise<void> =>
    fc.assert(fc.asyncProperty(streams(size), check), { numRuns: 100 * SOAK, seed: SEED });

  test('counts the same whether hits are taken in a burst or step by step', async () => {
    let alike = 0;
    await property(async (stream) => {
      const burst = await runModel(atOnce(stream), { costs: flatCosts() });
      const stepped = await runModel(atOnce(stream), { costs: flatCosts(), onStep: () => undefined });
      // The deep comparison of the test runner prints more and takes 50 times as long.
      expect(isDeepStrictEqual(burst.tally, stepped.tally)).toBe(true);
      alike++;
    });
    expect(alike).toBe(100 * SOAK);
  });

  test('keeps its sums: phases are the latency, and every request ends in one of three ways', async () => {
    await property(async (stream) => {
      const { tally } = await runModel(atOnce(stream), { costs: flatCosts() });
      for (const direction of DIRECTIONS) {
        const { requested, succeeded, timedOut, gaveUp, phasesNs } = tally.conversions[direction];
        expect(succeeded + timedOut + gaveUp).toBe(requested);
        expect(tally.latencyNs[direction].count).toBe(succeeded);
        expect(phasesNs.reduce((sum, ns) => sum + ns, 0)).toBe(tally.latencyNs[direction].totalNs);
      }
      const { toPrivate, toShared } = tally.conversions;
      expect(tally.latencyNs.abandoned.count).toBe(toPrivate.timedOut + toPrivate.gaveUp + toShared.timedOut + toShared.gaveUp);
      expect(tally.operations[Op['access.done']] + tally.operations[Op['access.failed']]).toBe(tally.accesses);
    });
    expect.hasAssertions();
  });
});

const SLOT_KINDS: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice, Access.DeviceAccess, Access.Unpin]);

/** The same accesses, each as soon as its CPU is free: everything overlaps with everything, but each slot stays with one CPU. */
function atOnce(stream: Stream): Stream {
  const { cpus, accesses } = stream;
  return {
    ...stream,
    accesses: accesses.map((access) => ({
      ...access,
      cpu: SLOT_KINDS.has(access.kind) ? access.slot % cpus.length : access.cpu,
      holdNs: access.holdNs > 1000 ? 300_000 : access.holdNs,
      atNs: 0,
    })),
  };
}
