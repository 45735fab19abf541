/** One simulated run with the settings that the cases share: a guest of 1 GiB, folios of 4 KiB, the default prices. */
import { DEFAULT_CHECK } from '../src/policies/policy.ts';
import type { ConversionPolicy } from '../src/policies/policy.ts';
import { DEFAULT_COSTS, loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';
import type { Tally } from '../src/simulate/tally.ts';
import type { Workload, WorkloadOptions } from '../src/workloads/workload.ts';

export const GIB_PAGES = 262_144;
const SEED = 1;

export interface Simulated {
  readonly policy: ConversionPolicy;
  readonly workload: Workload;
  readonly accesses: number;
  readonly tasks: number;
  readonly vmas?: number;
  readonly pages?: number;
  /** Steps are counted where this is given, which costs time. */
  readonly onStep?: () => void;
}

export function optionsOf({ accesses, tasks, vmas = 1, pages = GIB_PAGES }: Pick<Simulated, 'accesses' | 'tasks' | 'vmas' | 'pages'>): WorkloadOptions {
  return {
    pageCount: pages,
    accessCount: accesses,
    seed: SEED,
    vcpus: tasks,
    processes: 1,
    windowsPerProcess: vmas,
    conversion: 'explicit',
    dma: 'pool',
    io: 'direct',
    pace: 'closed',
  };
}

export async function simulate(simulated: Simulated): Promise<Tally> {
  const { policy, workload, onStep } = simulated;
  const { tally } = await run({
    policy,
    workload,
    check: DEFAULT_CHECK,
    costs: loadCostProfile(DEFAULT_COSTS),
    folioOrder: 0,
    options: optionsOf(simulated),
    ...(onStep === undefined ? {} : { onStep }),
  });
  return tally;
}

/** The steps of a run. Only for runs without hits, which the engine otherwise takes without a step. */
export async function countSteps(simulated: Simulated): Promise<number> {
  let steps = 0;
  await simulate({ ...simulated, onStep: () => void steps++ });
  return steps;
}
