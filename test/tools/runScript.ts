/** Runs a script under a policy and gives the tally, with defaults that keep numbers small. */
import { flatCosts } from './flatCosts.ts';
import { policies } from '../../src/policies/index.ts';
import type { Check, ConversionPolicy } from '../../src/policies/policy.ts';
import type { CostProfile } from '../../src/simulate/costs.ts';
import { run } from '../../src/simulate/run.ts';
import type { RunOutcome } from '../../src/simulate/run.ts';
import type { World } from '../../src/model/world.ts';
import type { PlatformName } from '../../src/model/platform.ts';
import type { VmmStrategy } from '../../src/model/request.ts';
import { OPERATIONS } from '../../src/model/operations.ts';
import type { OperationName } from '../../src/model/operations.ts';
import type { Workload, WorkloadOptions } from '../../src/workloads/workload.ts';
import { scripted } from './scripted.ts';
import type { ScriptedAccess } from './scripted.ts';

export interface ScriptOptions {
  readonly policy?: string | ConversionPolicy;
  readonly check?: Check;
  readonly costs?: CostProfile;
  readonly folioOrder?: number;
  readonly pages?: number;
  readonly vmas?: number;
  readonly processes?: number;
  readonly conversion?: WorkloadOptions['conversion'];
  readonly platform?: PlatformName;
  readonly vmm?: VmmStrategy;
  readonly runAhead?: boolean;
  readonly onStep?: (world: World, task: number) => void;
}

export function policyNamed(name: string): ConversionPolicy {
  const found = policies.find((policy) => policy.name === name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

/** @param work a script for one vCPU, or a workload */
export async function runScript(work: readonly ScriptedAccess[] | Workload, options: ScriptOptions = {}): Promise<RunOutcome> {
  const { policy = 'sigbus-on-fault', check = 'refcount', costs = flatCosts(), folioOrder = 0, pages = 4096, vmas = 1, processes = 1, conversion = 'explicit', platform, vmm, runAhead = true, onStep } = options;
  const workload = 'open' in work ? work : scripted({ actors: [{ accesses: work }] });
  return run({
    policy: typeof policy === 'string' ? policyNamed(policy) : policy,
    workload,
    check,
    costs,
    folioOrder,
    options: { pageCount: pages, accessCount: 0, seed: 1, vcpus: 1, processes, windowsPerProcess: vmas, conversion, dma: 'pool', io: 'direct', pace: 'closed' },
    runAhead,
    ...(platform === undefined ? {} : { platform }),
    ...(vmm === undefined ? {} : { vmm }),
    ...(onStep === undefined ? {} : { onStep }),
  });
}

/** The operations that were charged, by name. */
export function counts({ tally }: RunOutcome): Partial<Record<OperationName, number>> {
  const found: Partial<Record<OperationName, number>> = {};
  for (const [index, { name }] of OPERATIONS.entries()) if (tally.operations[index] > 0) found[name] = tally.operations[index];
  return found;
}
