/** The vCPUs of a pattern that has no other actors: an equal share of the accesses each, and a plan of its own. */
import { createRandom } from '../random.ts';
import type { RandomState } from '../random.ts';
import type { Actor, WorkloadOptions } from '../workload.ts';
import { requirePages, shareOf } from './layout.ts';
import { createActor } from './stream.ts';
import type { Plan } from './stream.ts';

export interface Vcpu {
  readonly index: number;
  /** Accesses of this vCPU. */
  readonly accessCount: number;
  readonly random: RandomState;
}

/** @throws UserError where the guest is too small */
export function createVcpus(workload: string, options: WorkloadOptions, planOf: (vcpu: Vcpu) => Plan): readonly Actor[] {
  const { vcpus, accessCount, seed } = options;
  requirePages(workload, options, vcpus);
  return Array.from({ length: vcpus }, (_, index) => {
    const share = shareOf(accessCount, index, vcpus);
    return createActor({ name: `vcpu${index}`, accessCount: share, plan: planOf({ index, accessCount: share, random: createRandom(seed, index) }) });
  });
}
