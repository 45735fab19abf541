/** One stream through the model and through the reference, and where they part. */
import { isDeepStrictEqual } from 'node:util';
import { ERRNOS } from '../../src/model/errno.ts';
import { buildHost } from '../../src/model/host.ts';
import { brokenInvariant } from '../../src/model/invariants.ts';
import { DEPTH_MAX } from '../../src/model/step.ts';
import type { Program } from '../../src/model/step.ts';
import type { World } from '../../src/model/world.ts';
import type { CostProfile } from '../../src/simulate/costs.ts';
import { run } from '../../src/simulate/run.ts';
import type { RunOutcome } from '../../src/simulate/run.ts';
import { DIRECTIONS } from '../../src/simulate/tally.ts';
import type { ConversionTally } from '../../src/simulate/tally.ts';
import { flatCosts } from '../tools/flatCosts.ts';
import { policyNamed } from '../tools/runScript.ts';
import { scripted } from '../tools/scripted.ts';
import { differences, observeMachine, observeWorld } from './compare.ts';
import { rulesOf } from './conversions.ts';
import { createMachine } from './machine.ts';
import type { Machine, RequestCounts } from './machine.ts';
import { perform } from './model.ts';
import { formatAccess, formatStream } from './streams.ts';
import type { Stream } from './streams.ts';

/** Folios of this order and above are mapped by PMDs. */
const PMD_ORDER = 9;
/** Nothing costs anything, so that the only time that passes is the VMM's rests. */
const FREE = flatCosts(0);

function machineOf({ setup, cpus }: Stream): Machine {
  const { policy, check, pages, folioOrder, lazy, windowsPerProcess, processes, launch } = setup;
  const ranges = launch.map(([page, count]) => [page, page + count] as const);
  return createMachine({ rules: rulesOf(policy), check, pages, folioOrder, lazy, windowsPerProcess, processes, cpus, launch: ranges });
}

export interface Watch {
  readonly costs?: CostProfile;
  readonly onStep?: (world: World, task: number) => void;
}

/** Runs the stream through the model. */
export function runModel(stream: Stream, { costs = FREE, onStep }: Watch = {}): Promise<RunOutcome> {
  const { setup, cpus, accesses } = stream;
  return run({
    policy: policyNamed(setup.policy),
    workload: scripted({
      actors: cpus.map(({ process, vcpu }, cpu) => ({ role: vcpu ? 'vcpu' : 'vmm', process, accesses: accesses.filter((access) => access.cpu === cpu) })),
      slots: stream.slots,
      slotPages: stream.slotPages,
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
  const policy = policyNamed(setup.policy);
  const coreOrder = policy.coreOrder?.(setup.folioOrder) ?? setup.folioOrder;
  return buildHost(policy.rules({ check: setup.check }), { lazy: setup.lazy, pmdMappings: coreOrder >= PMD_ORDER }).program;
}

export interface BothOptions {
  /** Recounts the world after every step. */
  readonly everyStep?: boolean;
  /** Compares once, after the last access; a difference is looked for again after every access. */
  readonly atTheEnd?: boolean;
}

/** Runs the stream through both, and stops where they differ after an access, or where an invariant is broken. */
export async function runBoth(stream: Stream, { everyStep = false, atTheEnd = false }: BothOptions = {}): Promise<{ readonly outcome: RunOutcome; readonly machine: Machine }> {
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
    if (atTheEnd && ++done < accesses.length) return;
    if (atTheEnd) done--;
    const different = differences(observeWorld(world), observeMachine(machine));
    if (different.length > 0) failAt(different.join('\n'));
    done++;
  };
  const outcome = await runModel(stream, { onStep });
  if (done !== accesses.length) throw new Error(`${done} of ${accesses.length} accesses ended`);
  for (const direction of DIRECTIONS) {
    const model = talliedRequests(outcome.tally.conversions[direction]);
    const reference = requestsOf(machine.requests[direction]);
    if (!isDeepStrictEqual(model, reference)) {
      throw new Error(`${direction}: the model has ${JSON.stringify(model)}, the reference ${JSON.stringify(reference)}\n\n${formatStream(stream)}`);
    }
  }
  return { outcome, machine };
}

function requestsOf({ requested, pages, succeeded, timedOut, gaveUp, attempts, refused }: RequestCounts) {
  return { requested, pages, succeeded, timedOut, gaveUp, retries: attempts - requested, refused: ERRNOS.map((name) => refused.get(name) ?? 0) };
}

function talliedRequests({ requested, pages, succeeded, timedOut, gaveUp, retries, refused }: ConversionTally) {
  return { requested, pages, succeeded, timedOut, gaveUp, retries, refused: [...refused] };
}
