/**
 * The model against an obviously right one: random streams of accesses through both, compared after every access.
 *
 * FOLIOBENCH_SOAK multiplies the number of streams, FOLIOBENCH_SEED starts elsewhere:
 *     FOLIOBENCH_SOAK=100 FOLIOBENCH_SEED=7 npx vitest run test/differential.test.ts
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERRNOS } from '../src/model/errno.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import type { World } from '../src/model/world.ts';
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

/** Runs the stream through both, and stops at the first access after which they differ. */
async function runBoth(stream: Stream): Promise<{ readonly outcome: RunOutcome; readonly machine: Machine }> {
  const { setup, cpus, accesses } = stream;
  const machine = machineOf(stream);
  let done = 0;
  const compareAfterAccess = (world: World, task: number): void => {
    if (task >= cpus.length || world.pc[task * DEPTH_MAX] !== 0) return;
    const access = accesses[done];
    perform(machine, access);
    const different = differences(observeWorld(world), observeMachine(machine));
    if (different.length > 0) {
      throw new Error(`after access ${formatAccess(access, done)}\n${different.join('\n')}\n\n${formatStream(stream)}`);
    }
    done++;
  };
  const outcome = await run({
    policy: policyNamed(setup.policy),
    workload: scripted({
      actors: cpus.map(({ process, vcpu }, cpu) => ({ role: vcpu ? 'vcpu' : 'vmm', process, accesses: accesses.filter((access) => access.cpu === cpu) })),
      slots: SLOTS,
      slotPages: SLOT_PAGES,
      ioDepth: accesses.length,
      launch: setup.launch,
    }),
    check: setup.check,
    costs: FREE,
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
    onStep: compareAfterAccess,
  });
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
async function agreeing(size: StreamSize, numRuns: number): Promise<number> {
  let agreed = 0;
  await fc.assert(
    fc.asyncProperty(streams(size), async (stream) => {
      const { outcome, machine } = await runBoth(stream);
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
    expect(await agreeing({ folioOrders: [0], pages: [1030], places: [0, 1, 510, 511, 512, 513, 1023, 1024, 1029], counts: [1, 2, 512, 513, 1030], accesses: 20 }, 60)).toBe(60 * SOAK);
  }, 60_000 * SOAK);

  test('on 2 MiB memory, where split-4k has small folios and the others large ones', async () => {
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 2, 510, 511, 512, 513, 1023], counts: [1, 2, 3, 512, 1024], accesses: 20 }, 60)).toBe(60 * SOAK);
  }, 60_000 * SOAK);

  test('where large stage-2 leaves come and go under conversions', async () => {
    const kinds = [Access.GuestWrite, Access.GuestWrite, Access.ToShared, Access.ToPrivate, Access.Punch];
    expect(await agreeing({ folioOrders: [9], pages: [1024], places: [0, 1, 511, 512], counts: [1, 2, 512], accesses: 40, kinds }, 40)).toBe(40 * SOAK);
  }, 60_000 * SOAK);
});
