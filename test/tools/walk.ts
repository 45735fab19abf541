/** The story of ARCHITECTURE, walked step by step (src/simulate/walk.ts). */
import type { ConversionPolicy } from '../../src/policies/policy.ts';
import { loadCostProfile, DEFAULT_COSTS } from '../../src/simulate/costs.ts';
import { run } from '../../src/simulate/run.ts';
import { WALKED_CONVERSIONS, Walker } from '../../src/simulate/walk.ts';
import type { WalkedStep } from '../../src/simulate/walk.ts';
import { a, scripted } from './scripted.ts';
import type { ScriptedActor } from './scripted.ts';

/**
 * A vCPU touches page 5 for the first time and asks to share it, a thread of the VMM writes to it, the vCPU asks to have it
 * back. Times are far enough apart for each access to be alone.
 */
const ACTORS: readonly ScriptedActor[] = [
  { role: 'vcpu', accesses: [a.guestWrite(5), { ...a.toShared(5), atNs: 100_000 }, { ...a.toPrivate(5), atNs: 300_000 }] },
  { role: 'vmm', accesses: [{ ...a.hostWrite(5), atNs: 200_000 }] },
];
export const VCPU = 0;
export const VMM = 1;

/** The accesses of one task in the story under a policy, each as the list of its steps. */
export async function walkStory(policy: ConversionPolicy, task: number): Promise<readonly (readonly WalkedStep[])[]> {
  const walker = new Walker(task, ACTORS[task].accesses.map(({ kind }) => kind), (step) => step, WALKED_CONVERSIONS);
  await run({
    policy,
    workload: scripted({ actors: ACTORS }),
    check: 'refcount',
    costs: loadCostProfile(DEFAULT_COSTS),
    folioOrder: 0,
    options: { pageCount: 4096, accessCount: 0, seed: 1, vcpus: 1, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
    onStep: (world, stepped, host) => walker.take(world, stepped, host),
  });
  return walker.accesses;
}
