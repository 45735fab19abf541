/**
 * The main job: run the cells of an experiment, keep each as it ends, and make one record of them.
 */
import { UserError } from '../model/userError.ts';
import { experimentHash, planCells, type Experiment, type PlannedCell } from './experiment.ts';
import { hashOf } from './json.ts';
import { openJournal, type Journal } from './journal.ts';
import { refuseUnlessFile, writeWhole } from './output.ts';
import { STEP_SECONDS, type PolicyOrigin } from './policyFiles.ts';
import { formatRecord, RESULTS_SCHEMA, type CellResult, type Environment, type ResultsRecord, type Shard } from './record.ts';
import { runCells, type CellRunner } from './schedule.ts';

export interface CompareOptions {
  readonly experiment: Experiment;
  /** Name or path that the cost profile is loaded from; the experiment has its hash. */
  readonly costsFrom: string;
  /** What a step of a policy of the user's own may take before its cell is ended. */
  readonly stepSeconds?: number;
  readonly version: string;
  readonly environment: Environment;
  /** Where the record goes; no file and no journal without. */
  readonly output?: string;
  readonly resume?: boolean;
  readonly shard?: Shard;
  readonly jobs: number;
  /** Called only once there is work, since a pool of threads takes its time to start, with the number of cells that will run at a time. */
  readonly createRunner: (jobs: number) => CellRunner;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly cells: readonly PlannedCell[];
  /** Cells that ended, by key; those of an earlier run (`resumed` of them) included. */
  readonly finished: ReadonlyMap<string, CellResult>;
  readonly resumed: number;
}

/** Resolves to the record; on an abort to that of the cells that had ended. @throws UserError before any work, or none at all. */
export async function compare(options: CompareOptions): Promise<ResultsRecord> {
  const { experiment, output, shard, signal = new AbortController().signal } = options;
  const plan = planCells(experiment);
  const cells = shard === undefined ? plan : plan.filter(({ index }) => index % shard.count === shard.index - 1);
  const journal = await openOutput(options);
  const finished = new Map(journal?.finished);
  const resumed = finished.size;
  const report = () => options.onProgress?.({ cells, finished, resumed });
  try {
    report();
    const missing = cells.filter(({ key }) => !finished.has(key));
    if (missing.length > 0) {
      await runMissing(options, missing, signal, async ({ key }, result) => {
        await journal?.append(key, result);
        finished.set(key, result);
        report();
      });
    }
    const record = recordOf(options, plan, finished);
    if (output !== undefined) await writeWhole(output, formatRecord(record));
    // An interrupted run goes on from its journal; a finished one needs it no more.
    if (cells.every(({ key }) => finished.get(key)?.status === 'ok')) await journal?.remove();
    else await journal?.close();
    return record;
  } catch (error) {
    await journal?.close().catch(() => {});
    throw error;
  }
}

async function runMissing(
  { createRunner, costsFrom, experiment, jobs: jobsMax, stepSeconds = STEP_SECONDS }: CompareOptions,
  cells: readonly PlannedCell[],
  signal: AbortSignal,
  onResult: (planned: PlannedCell, result: CellResult) => Promise<void>,
): Promise<void> {
  const jobs = Math.min(jobsMax, cells.length);
  const runner = createRunner(jobs);
  const originOf = (policy: string): PolicyOrigin | undefined => {
    const source = experiment.policyFiles?.find(({ policies }) => policies.includes(policy));
    return source === undefined ? undefined : { path: source.path, hash: source.hash, stepSeconds };
  };
  try {
    await runCells({ cells, costs: { from: costsFrom, hash: experiment.costs.hash }, originOf, runner, jobs, signal, onResult });
  } finally {
    await runner.close();
  }
}

async function openOutput({ experiment, version, output, resume = false, shard }: CompareOptions): Promise<Journal | undefined> {
  if (output === undefined) {
    if (resume || shard !== undefined) {
      throw new UserError({
        what: `--${resume ? 'resume' : 'shard'} needs -o FILE`,
        why: resume ? 'the finished cells are in FILE.partial.jsonl' : 'a part that is not written cannot be merged',
        fix: 'add -o FILE',
      });
    }
    return undefined;
  }
  await refuseUnlessFile(output);
  const hash = experimentHash(experiment, version);
  return openJournal({ output, experiment: shard === undefined ? hash : hashOf([hash, shard.index, shard.count]), resume });
}

function recordOf({ experiment, version, environment, shard }: CompareOptions, plan: readonly PlannedCell[], finished: ReadonlyMap<string, CellResult>): ResultsRecord {
  return createRecord({ version, environment, experiment, ...(shard === undefined ? {} : { shard }), plan, finished });
}

/** The record of an experiment out of those of its cells that have ended, in the order of the plan. */
export function createRecord({ version, environment, experiment, shard, plan, finished }: {
  readonly version: string;
  readonly environment: Environment;
  readonly experiment: Experiment;
  readonly shard?: Shard;
  readonly plan: readonly PlannedCell[];
  readonly finished: ReadonlyMap<string, CellResult>;
}): ResultsRecord {
  const cells = plan.flatMap(({ key }) => finished.get(key) ?? []);
  return {
    schema: RESULTS_SCHEMA,
    tool: { version },
    environment,
    complete: cells.length === plan.length,
    ...(shard === undefined ? {} : { shard }),
    experiment,
    cells,
  };
}
