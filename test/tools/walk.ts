/**
 * One access walked step by step: the steps that the simulator really took for it, in order, with what each charged. The
 * lists of ARCHITECTURE are made of it, so that they cannot say what the program does not do.
 */
import { buildHost } from '../../src/model/host.ts';
import type { Host } from '../../src/model/host.ts';
import { OPERATIONS } from '../../src/model/operations.ts';
import { DEPTH_MAX } from '../../src/model/step.ts';
import type { World } from '../../src/model/world.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';
import { loadCostProfile, DEFAULT_COSTS } from '../../src/simulate/costs.ts';
import { run } from '../../src/simulate/run.ts';
import { a, scripted } from './scripted.ts';

/** A step as it was taken by one task. */
export interface WalkedStep {
  readonly routine: string;
  readonly name: string;
  /** How deep its routine was called: 0 is the access itself. */
  readonly depth: number;
  /** What it charged or noted, as operation names with their number where it is not one. */
  readonly charged: readonly string[];
}

/**
 * The story of ARCHITECTURE: a vCPU touches page 5 for the first time and asks to share it, a thread of the VMM writes to
 * it, the vCPU asks to have it back. Times are far enough apart for each access to be alone.
 */
const STORY = scripted({
  actors: [
    { role: 'vcpu', accesses: [a.guestWrite(5), { ...a.toShared(5), atNs: 100_000 }, { ...a.toPrivate(5), atNs: 300_000 }] },
    { role: 'vmm', accesses: [{ ...a.hostWrite(5), atNs: 200_000 }] },
  ],
});
export const VCPU = 0;
export const VMM = 1;

/** The accesses of one task in the story under a policy, each as the list of its steps. */
export async function walkStory(policy: ConversionPolicy, task: number): Promise<readonly (readonly WalkedStep[])[]> {
  const host = buildHost(policy.rules({ check: 'refcount' }), { lazy: false });
  const recorder = new Recorder(host, task);
  await run({
    policy,
    workload: STORY,
    check: 'refcount',
    costs: loadCostProfile(DEFAULT_COSTS),
    folioOrder: 0,
    options: { pageCount: 4096, accessCount: 0, seed: 1, vcpus: 1, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
    onStep: (world, stepped) => recorder.take(world, stepped),
  });
  return recorder.accesses;
}

/** Finds out which step a task took from where it stood before: 0 is idle, and then its access has just begun. */
class Recorder {
  readonly accesses: WalkedStep[][] = [];
  private readonly host: Host;
  private readonly task: number;
  private readonly counted = new Float64Array(OPERATIONS.length);
  private at = 0;
  private depth = 0;

  constructor(host: Host, task: number) {
    this.host = host;
    this.task = task;
  }

  take(world: World, stepped: number): void {
    const charged = this.chargedSince(world);
    if (stepped !== this.task) return;
    if (this.at === 0) this.begin(world);
    const { names, routineNames } = this.host.program;
    this.accesses[this.accesses.length - 1].push({ routine: routineNames[this.at], name: names[this.at], depth: this.depth, charged });
    this.depth = world.depth[stepped];
    this.at = world.pc[stepped * DEPTH_MAX + this.depth];
  }

  private begin(world: World): void {
    const kind = world.kind[this.task];
    if (kind === 0) throw new Error('an access of one step leaves no trace of its kind');
    this.accesses.push([]);
    this.at = this.host.entries[kind];
    this.depth = 0;
  }

  private chargedSince({ meter }: World): readonly string[] {
    const found: string[] = [];
    for (const [index, { name }] of OPERATIONS.entries()) {
      const times = meter.count[index] - this.counted[index];
      if (times > 0) found.push(times === 1 ? name : `${times} x ${name}`);
    }
    this.counted.set(meter.count);
    return found;
  }
}

/** Jumps cost nothing and nobody can see them. */
export const isVisible = ({ name, charged }: WalkedStep): boolean => charged.length > 0 || !(name.startsWith('to ') || name === 'end');
