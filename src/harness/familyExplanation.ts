/** The explanation of a policy of a family beside conversions: the scene of its family, walked step by step. */
import type { TaskWorld } from '../model/taskWorld.ts';
import type { ChosenValues } from '../policies/choices.ts';
import type { Policy } from '../policies/policy.ts';
import type { CostProfile } from '../simulate/costs.ts';
import type { Staging } from '../simulate/engineFamily.ts';
import type { SimulatedFamily } from '../simulate/family.ts';
import { Walker, type WalkedStep } from '../simulate/walk.ts';
import { scriptedActors, type ScriptedAccess } from '../workloads/scripted.ts';
import type { Workload } from '../workloads/workload.ts';
import { EXPLANATION_SCHEMA, partOf, type FamilyExplanation } from './explanation.ts';
import { MS } from './scenes.ts';
import { nothingChecked, type CommittedVerdict, type Safety, type VerdictsRecord } from './verdicts.ts';

export interface FamilyExplainOptions {
  readonly family: SimulatedFamily;
  readonly policy: Policy;
  /** Absent: the defaults. */
  readonly choices?: ChosenValues;
  readonly costs: CostProfile;
  readonly safety: Safety;
  readonly verdicts: VerdictsRecord<CommittedVerdict> | undefined;
}

type Step = WalkedStep & { readonly view: readonly string[] };

const SLOTS = 4;

export async function explainFamilyPolicy({ family, policy, choices: chosen, costs, safety, verdicts }: FamilyExplainOptions): Promise<FamilyExplanation> {
  const { name, summary, argument = null } = policy;
  const { scene, columns, legend } = family.explained;
  return {
    schema: EXPLANATION_SCHEMA,
    family: family.name,
    policy: name,
    summary,
    check: null,
    argument,
    choices: (policy.choices ?? []).map((choice) => ({ ...choice, value: chosen?.[choice.name] ?? choice.default })),
    contract: [],
    scene,
    look: { columns, legend },
    costs: { name: costs.name, hash: costs.hash },
    parts: await partsOf(family, name, chosen, costs),
    answers: [],
    verdicts: [{
      check: null,
      // What is committed was found with the defaults.
      safe: chosen === undefined ? safety(name, null, family.name) : nothingChecked(name, null),
      litmusFiles: chosen === undefined ? (verdicts?.verdicts.filter((verdict) => verdict.policy === name).length ?? 0) : 0,
    }],
  };
}

async function partsOf(family: SimulatedFamily, policy: string, choices: ChosenValues | undefined, costs: CostProfile): Promise<FamilyExplanation['parts']> {
  const { explained } = family;
  const { script, pages, processes, launch = [] } = explained;
  const accessesOf = (actor: number): readonly ScriptedAccess[] => script.flatMap(({ by, access }, nth) => (by === actor ? [{ atNs: nth * MS, ...access }] : []));
  const workload: Workload = {
    name: 'scene',
    summary: scene(family),
    open: () => ({ actors: scriptedActors(processes.map((process, actor) => ({ role: 'vmm' as const, process, accesses: accessesOf(actor) }))), slots: SLOTS, slotPages: 1, ioDepth: 1, launch, notes: [] }),
  };
  const look = (step: WalkedStep, world: TaskWorld): Step => ({ ...step, view: explained.view(world) });
  const walkers = processes.map((_, actor) => new Walker<TaskWorld, Step>(actor, accessesOf(actor).map(({ kind }) => kind), look, { clearsPhases: () => false, lockWords: (world) => explained.lockWords(world) }));
  let before: Step['view'] = [];
  const begins = new Map<number, readonly string[]>();
  let host: Staging<TaskWorld> | undefined;
  await family.run({
    policy,
    ...(choices === undefined ? {} : { choices }),
    workload,
    costs,
    folioOrder: 0,
    options: { pageCount: pages, accessCount: 0, seed: 1, vcpus: processes.length, processes: 1 + Math.max(...processes), windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
    runAhead: false,
    onStep(world, task, staging) {
      host = staging;
      const begun = walkers.reduce((sum, { accesses }) => sum + accesses.length, 0);
      for (const walker of walkers) walker.take(world, task, staging);
      // The scene is played in the order of its script: the next one begins where the last one left the world.
      if (walkers.reduce((sum, { accesses }) => sum + accesses.length, 0) > begun) begins.set(begun, before);
      before = explained.view(world);
    },
  });
  if (host === undefined) throw new Error('nobody took a step');
  const played = host;
  return script.flatMap(({ by, told }, nth) => {
    if (told === undefined) return [];
    const steps = walkers[by].accesses[script.slice(0, nth).filter((other) => other.by === by).length];
    return [partOf({ ...told, earlier: [{ ...steps[0], view: begins.get(nth) ?? [] }], steps, host: played, costs })];
  });
}

const scene = ({ explained }: SimulatedFamily): string => explained.scene;
