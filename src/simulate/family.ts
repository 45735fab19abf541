/**
 * A family of policies in engine 1, beside conversions: what it brings, and one run of it, from a policy and a workload to a tally.
 *
 * A family is data (`FamilyModel`): its policies, its workloads, how a world is made of them, and what its latencies and figures are
 * called. Its steps raise `meter.beginSpan` and `meter.endSpan` for what is timed, charge operations for what is priced, and move
 * gauges for what there is of something; the rest is the same for every family.
 */
import { acknowledgeFlush } from '../model/crossCalls.ts';
import { GAUGES } from '../model/gauges.ts';
import { Meter } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { ChosenValues } from '../policies/choices.ts';
import type { Policy } from '../policies/policy.ts';
import type { ScriptedAccess } from '../workloads/scripted.ts';
import type { OpenedWorkload, Workload, WorkloadOptions } from '../workloads/workload.ts';
import type { CostProfile } from './costs.ts';
import { Engine } from './engine.ts';
import type { EngineFamily, Staging } from './engineFamily.ts';
import type { RunOutcome } from './run.ts';
import { Spans } from './spans.ts';
import type { BaseTally, FamilyTally } from './tally.ts';
import type { LockWords } from './walk.ts';

/** What the world and the program of one run are made of. */
export interface StageRequest<P extends Policy> {
  readonly policy: P;
  /** What was chosen otherwise than by default. */
  readonly choices: ChosenValues;
  /** Order of the folios that the run asks for: 0, 9 or 18. */
  readonly folioOrder: number;
  readonly opened: OpenedWorkload;
  readonly options: WorkloadOptions;
  /** The world's meter. It has the prices of the run. @param tasks of the world */
  readonly createMeter: (tasks: number) => Meter;
}

/** A world at t = 0, with the program that its tasks run. */
export interface Stage<W extends TaskWorld> extends Staging<W> {
  readonly world: W;
}

/** An access of a scene; the n-th of a script comes after n milliseconds, so that each is alone. */
export interface SceneAccess {
  /** Number of the actor. */
  readonly by: number;
  readonly access: ScriptedAccess;
  /** It is told step by step, under this name and as this request. */
  readonly told?: { readonly name: string; readonly asked: string };
}

/** A few accesses that a policy of the family is explained by. */
export interface ExplainedScene<W extends TaskWorld> {
  /** What there is, in words. */
  readonly scene: string;
  readonly pages: number;
  /** One an actor: its process. */
  readonly processes: readonly number[];
  readonly launch?: OpenedWorkload['launch'];
  readonly script: readonly SceneAccess[];
  /** What is shown of the world after a step: headers of columns, and a sentence that says what they mean. */
  readonly columns: readonly string[];
  readonly legend: string;
  /** One text a column. */
  view(world: W): readonly string[];
  /** Words of its locks, where they tell who reads and who writes. */
  lockWords(world: W): LockWords;
}

export interface FamilyModel<W extends TaskWorld, P extends Policy> {
  readonly name: string;
  /** In the order of the documents. */
  readonly policies: readonly P[];
  readonly workloads: readonly Workload[];
  /** What its steps time, by the index that they raise. */
  readonly latencies: readonly string[];
  /** @throws UserError where there is no room for the run */
  readonly createStage: (request: StageRequest<P>) => Stage<W>;
  readonly clearTask: (world: W, task: number) => void;
  /** What an interrupted CPU does; default: it flushes. */
  readonly acknowledge?: (world: W, task: number, cpu: number) => void;
  /** Whether the task is at what the family's policies are about: what it loses then is its own price; default: never. */
  readonly isAtRequest?: (world: W, task: number) => boolean;
  /** Figures of the world as it stands at the end, by name. */
  readonly figuresOf?: (world: W) => Readonly<Record<string, number>>;
  /** What `foliobench explain` plays. */
  readonly explained: ExplainedScene<W>;
}

export interface FamilyRunOptions<W extends TaskWorld = TaskWorld> {
  /** Of the family, by name. */
  readonly policy: string;
  readonly choices?: ChosenValues;
  readonly workload: Workload;
  readonly costs: CostProfile;
  readonly folioOrder: number;
  readonly options: WorkloadOptions;
  /** For the proof that run-ahead changes nothing. */
  readonly runAhead?: boolean;
  /** Called now and then with the number of accesses so far; for progress. */
  readonly onProgress?: (accesses: number) => void;
  /** For tests and walks: after each step, with the world, the task that took it, and the program that it is a step of. */
  onStep?(world: W, task: number, staging: Staging<W>): void;
}

/** A family as the harness sees it: the types of its world and its policies are its own matter. */
export interface SimulatedFamily {
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly workloads: readonly Workload[];
  readonly latencies: readonly string[];
  readonly explained: ExplainedScene<TaskWorld>;
  /** Runs one cell in virtual time. @throws UserError for a run that there is no room for */
  run(options: FamilyRunOptions): Promise<RunOutcome<FamilyTally>>;
}

/** Waits that have no queue are for a folio's lock. */
const awaitsNothing = (): boolean => false;

export function createSimulatedFamily<W extends TaskWorld, P extends Policy>(model: FamilyModel<W, P>): SimulatedFamily {
  const { name, policies, workloads, latencies, clearTask, explained, acknowledge = acknowledgeFlush, isAtRequest = () => false } = model;
  const engineFamily: EngineFamily<W> = { clearTask, acknowledge, isAtRequest, awaitsReferences: awaitsNothing, plainKinds: 0 };
  return { name, policies, workloads, latencies, explained, run: (options: FamilyRunOptions<W>) => runFamily(model, engineFamily, options) };
}

async function runFamily<W extends TaskWorld, P extends Policy>(model: FamilyModel<W, P>, family: EngineFamily<W>, runOptions: FamilyRunOptions<W>): Promise<RunOutcome<FamilyTally>> {
  const { policy: wanted, choices = {}, workload, costs, folioOrder, options, runAhead = true, onProgress, onStep } = runOptions;
  const policy = model.policies.find((one) => one.name === wanted);
  if (policy === undefined) throw new Error(`family ${model.name} has no policy ${wanted}`);
  const opened = await workload.open(options);
  try {
    const stage = model.createStage({ policy, choices, folioOrder, opened, options, createMeter: (tasks) => new Meter(costs.priceNs, tasks) });
    const { world } = stage;
    const spans = new Spans(world, model.latencies);
    const engine = new Engine({
      family,
      account: spans,
      world,
      host: stage,
      actors: opened.actors,
      windowsPerProcess: options.windowsPerProcess,
      runAhead,
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(onStep === undefined ? {} : { onStep: (task: number) => onStep(world, task, stage) }),
    });
    await engine.run();
    const { gauges, virtualNs } = engine;
    return {
      tally: {
        ...baseTallyOf(engine),
        latencyNs: spans.latencyNs,
        gauges: Object.fromEntries(GAUGES.map((gauge, at) => [gauge, { mean: gauges.mean(at, virtualNs), max: gauges.max[at], end: gauges.end(at) }])) as FamilyTally['gauges'],
        figures: model.figuresOf?.(world) ?? {},
      },
      notes: opened.notes,
    };
  } finally {
    opened.close?.();
  }
}

/** What the engine and its meter counted of any family. */
function baseTallyOf<W extends TaskWorld>({ meter, streams, interrupts, waits, virtualNs }: Engine<W>): Omit<BaseTally, 'latencyNs'> {
  return {
    accesses: streams.accesses,
    completed: meter.count[Op['access.done']],
    work: meter.count[Op['work.done']],
    virtualNs,
    operations: meter.count,
    bystanderNs: interrupts.bystanderNs,
    lostNs: interrupts.lostNs + waits.othersNs,
    lockBlockedNs: waits.lockBlockedNs,
    errors: { mmap: meter.mmapErrors, gup: meter.gupErrors },
  };
}
