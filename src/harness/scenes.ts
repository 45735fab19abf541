/**
 * Scenes: runs of a few scripted accesses that an explanation is made of. A file of 2 MiB, two vCPUs (the second of them idle),
 * one thread of the VMM in the same process; accesses are a millisecond apart, so that each is alone.
 */
import type { Host } from '../model/host.ts';
import type { PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { World } from '../model/world.ts';
import type { Check, ConversionPolicy } from '../policies/policy.ts';
import type { CostProfile } from '../simulate/costs.ts';
import { run } from '../simulate/run.ts';
import type { RunOutcome } from '../simulate/run.ts';
import { WALKED_CONVERSIONS, Walker } from '../simulate/walk.ts';
import type { WalkedStep } from '../simulate/walk.ts';
import { scripted } from '../workloads/scripted.ts';
import type { ScriptedAccess } from '../workloads/scripted.ts';

/** Everything that a scene depends on beside its script. */
export interface Stage {
  readonly policy: ConversionPolicy;
  readonly check: Check;
  readonly costs: CostProfile;
  readonly folioOrder: number;
  /** Mappings of the file. */
  readonly vmas: number;
  /** Default: `sw-protected`. */
  readonly platform?: PlatformName;
  /** What the VMM does with a refusal; default: the policy's own. */
  readonly vmm?: VmmStrategy;
}

export const MS = 1_000_000;
export const FILE_PAGES = 512;
export const VCPU = 0;
export const VMM_THREAD = 2;

/** An access of one of the two actors that do something. */
export interface SceneAccess {
  readonly by: 'vcpu' | 'vmm';
  readonly access: ScriptedAccess;
}

/** In the order in which they come, a millisecond or more apart. */
export type Script = readonly SceneAccess[];

/** Accesses of one actor with their times: the n-th of the script comes after n milliseconds, what has a time of its own at that. */
function accessesOf(script: Script, actor: SceneAccess['by']): readonly ScriptedAccess[] {
  return script.flatMap(({ by, access }, nth) => (by === actor ? [{ atNs: nth * MS, ...access }] : []));
}

function runScene({ policy, check, costs, folioOrder, vmas, platform, vmm }: Stage, script: Script, onStep: (world: World, task: number, host: Host) => void): Promise<RunOutcome> {
  const actors = [{ role: 'vcpu', accesses: accessesOf(script, 'vcpu') }, { role: 'vcpu', accesses: [] }, { role: 'vmm', accesses: accessesOf(script, 'vmm') }] as const;
  return run({
    policy,
    workload: scripted({ actors }),
    check,
    costs,
    folioOrder,
    ...(platform === undefined ? {} : { platform }),
    ...(vmm === undefined ? {} : { vmm }),
    options: { pageCount: FILE_PAGES, accessCount: 0, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: vmas, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
    onStep,
  });
}

/** Plays a script to its end. @returns what was counted, and the world as it stands then */
export async function playScene(stage: Stage, script: Script): Promise<{ readonly outcome: RunOutcome; readonly world: World }> {
  let last: World | undefined;
  const outcome = await runScene(stage, script, (world) => {
    last = world;
  });
  if (last === undefined) throw new Error('nobody took a step');
  return { outcome, world: last };
}

/** Plays a script and walks some of its accesses, by their place in it; `look` adds to each step what is wanted of the world after it. @returns them and the program they are steps of */
export async function walkScene<Step extends WalkedStep>(
  stage: Stage,
  script: Script,
  places: readonly number[],
  look: (step: WalkedStep, world: World) => Step,
): Promise<{ readonly walked: readonly (readonly Step[])[]; readonly host: Host }> {
  let program: Host | undefined;
  const walkers = { vcpu: walkerOf(VCPU, 'vcpu'), vmm: walkerOf(VMM_THREAD, 'vmm') };
  await runScene(stage, script, (world, task, host) => {
    program = host;
    walkers.vcpu.take(world, task, host);
    walkers.vmm.take(world, task, host);
  });
  if (program === undefined) throw new Error('nobody took a step');
  const walked = places.map((place) => {
    const { by } = script[place];
    const nth = script.slice(0, place).filter((other) => other.by === by).length;
    return walkers[by].accesses[nth];
  });
  return { walked, host: program };

  function walkerOf(task: number, actor: SceneAccess['by']): Walker<World, Step> {
    return new Walker(task, accessesOf(script, actor).map(({ kind }) => kind), look, WALKED_CONVERSIONS);
  }
}
