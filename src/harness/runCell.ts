/** One cell in, one result out: the part that runs in a worker. */
import { UserError } from '../model/userError.ts';
import { StepError } from '../policies/guard.ts';
import { DEFAULT_CHECK } from '../policies/policy.ts';
import { catalogueOf, openWorkload, type Catalogue } from './catalogue.ts';
import { FOLIO_ORDERS, type Cell, type CellParams } from './experiment.ts';
import { metricsOf } from './families/index.ts';
import { readDeterministic } from './metrics.ts';
import type { PolicyOrigin } from './policyFiles.ts';
import type { CellError, CellResult } from './record.ts';
import { PAGE_BYTES } from './sizes.ts';
import { withIoHold } from '../workloads/ioHold.ts';
import { withRequestPages } from '../workloads/requestPages.ts';
import type { StreamOptions } from '../workloads/streams.ts';
import type { Workload } from '../workloads/workload.ts';

/** What a worker is asked: plain data, so that it can be sent to a thread or to another process. */
export interface CellTask {
  readonly cell: Cell;
  /** Name or path of the cost profile, and the hash that the experiment was planned with. */
  readonly costs: { readonly from: string; readonly hash: string };
  /** Where the policy comes from, if it is one of the user's own. */
  readonly origin?: PolicyOrigin;
}

/** Wall-clock nanoseconds of a monotonic clock; an argument, so that tests assert exact figures. */
export type Clock = () => bigint;

/** Runs the cell. Never throws: what goes wrong is the cell's result, and the other cells go on. */
export async function runCell(task: CellTask, catalogue: Catalogue, clock: Clock = () => process.hrtime.bigint()): Promise<CellResult> {
  try {
    return await simulate(task, catalogue, clock);
  } catch (error) {
    return { ...task.cell, status: 'failed', error: task.origin === undefined ? cellErrorOf(error) : ownErrorOf(error, task.origin) };
  }
}

async function simulate({ cell, costs: { from, hash }, origin }: CellTask, catalogue: Catalogue, clock: Clock): Promise<CellResult> {
  const costs = await catalogue.loadCostProfile(from);
  if (costs.hash !== hash) {
    throw new UserError({
      what: `cost profile ${from} changed while the experiment ran`,
      why: `its hash is ${costs.hash}, the experiment was planned with ${hash}`,
      fix: 'leave the file alone until the run has ended, and start again',
    });
  }
  const own = catalogueOf(catalogue, cell.family);
  const workload = asAsked(await openWorkload(own, cell.workload), cell.params);
  const start = clock();
  const { tally, notes } = await own.run({
    policy: cell.policy,
    ...(origin === undefined ? {} : { origin }),
    workload,
    check: cell.check ?? DEFAULT_CHECK,
    costs,
    folioOrder: FOLIO_ORDERS[cell.params.folio ?? '4K'],
    ...(cell.choices === undefined ? {} : { choices: cell.choices }),
    ...(cell.params.platform === undefined ? {} : { platform: cell.params.platform }),
    ...(cell.params.vmm === undefined ? {} : { vmm: cell.params.vmm }),
    options: workloadOptionsOf(cell),
  });
  const ns = Number(clock() - start);
  return {
    ...cell,
    status: 'ok',
    notes,
    deterministic: readDeterministic(metricsOf(cell.family), { tally, costs }),
    wallClock: { ns, accessesPerSecond: ns === 0 ? 0 : Math.round((tally.accesses / ns) * 1e9), residentBytesMax: null },
  };
}

/** The workload with what the cell changes about its streams. */
function asAsked(workload: Workload, { requestPages, ioHoldUs }: CellParams): Workload {
  const cut = requestPages === undefined ? workload : withRequestPages(workload, requestPages);
  return ioHoldUs === undefined ? cut : withIoHold(cut, ioHoldUs * 1000);
}

/** What the cell asks of its workload. What its family has no parameter for is as simple as can be. */
export function workloadOptionsOf({ seed, params }: Pick<Cell, 'seed' | 'params'>): StreamOptions {
  const { memoryBytes, accesses, vcpus = 1, processes = 1, vmas = 1, conversion = 'explicit', dma = 'pool', io = 'direct', pace = 'closed', convertShare } = params;
  return { pageCount: memoryBytes / PAGE_BYTES, accessCount: accesses ?? 0, seed, vcpus, processes, windowsPerProcess: vmas, conversion, dma, io, pace, ...(convertShare === undefined ? {} : { convertShare }) };
}

/**
 * An error as plain data, since the way back from a worker drops an error's own fields. A mistake of the user keeps its
 * words; anything else is a defect, and says where in our sources it happened.
 */
export function cellErrorOf(error: unknown): CellError {
  if (error instanceof UserError || error instanceof StepError) return { what: error.what, why: error.why, fix: error.fix };
  return { what: 'the cell ended with an unexpected error', why: textOf(error), fix: 'this is a defect: report it with the command that the record names' };
}

/** Under a policy of the user's own the model may find what cannot be, without any defect of ours. */
export function ownErrorOf(error: unknown, { path }: Pick<PolicyOrigin, 'path'>): CellError {
  if (error instanceof UserError || error instanceof StepError) return cellErrorOf(error);
  return {
    what: `the policy of ${path} left the model in a state that cannot be`,
    why: textOf(error),
    fix: `\`foliobench explore --policy ${path}\` shows which step breaks what: a reference dropped twice, a lock left held, a page stored without its checks`,
  };
}

const textOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}${placeOf(error)}` : String(error));

const FRAMES_SHOWN = 3;

/** The innermost frames, from `src/` on: the rest of a path belongs to the machine. */
function placeOf({ stack = '' }: Error): string {
  const frames = [...stack.matchAll(/[\\/](src[\\/][^\s():]+:\d+):\d+\)?$/gm)].slice(0, FRAMES_SHOWN);
  return frames.length === 0 ? '' : ` (at ${frames.map(([, place]) => place.replaceAll('\\', '/')).join(', ')})`;
}
