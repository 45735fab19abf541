/**
 * Mutation of the families beside conversions: two adjacent steps of a routine swapped, and what of the family's litmus files sees it
 * (as test/tools/mutation.ts does it with the lists of a conversion policy).
 *
 * Their policies are rules, and the routines that ask them are where the debate is: those are mutated, under each proposal. Where a
 * routine is other steps in another world (one with swap, or with huge folios), a pair is swapped wherever it is adjacent.
 * Steps that only jump stay where they are: what they mean is their place.
 */
import { checkLitmus } from '../../src/explore/checkLitmus.ts';
import { explorableOf, proposalsOf } from '../../src/explore/family.ts';
import type { ExploredFamily, ExploredPolicy, Scene } from '../../src/explore/family.ts';
import type { AnyLitmus } from '../../src/explore/litmus.ts';
import { ALL_REDUCTIONS } from '../../src/explore/verdict.ts';
import type { Reductions } from '../../src/explore/verdict.ts';
import { Flow } from '../../src/model/step.ts';
import type { Program, Run } from '../../src/model/step.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';
import { UserError } from '../../src/model/userError.ts';
import { filesOf, otherFamilies } from './library.ts';
import type { Kill, KilledHow } from './mutation.ts';

/**
 * By family: the policies that keep what they promise, and the routines that ask their rules. A policy that is broken anyway would hide
 * its mutants, and one that refuses comes to few files.
 */
const MUTATED: Readonly<Record<string, { readonly policies: readonly string[]; readonly routines: readonly string[] }>> = {
  unsharing: { policies: ['unshare-and-pin'], routines: ['gup', 'writeProtected', 'fork', 'swapOut'] },
  'wp-markers': { policies: ['pte-marker', 'protnone-zero-page'], routines: ['fault', 'protect', 'unmapKeep', 'punch', 'fork', 'scanProtect'] },
};

export interface FamilyMutant {
  readonly family: string;
  readonly policy: string;
  readonly routine: string;
  /** The steps that change places, `first` stands before `second` in the routine. */
  readonly first: string;
  readonly second: string;
}

export interface FamilyFate extends FamilyMutant {
  readonly killedBy: Kill | null;
}

/** A file of the family with what it says of the policy as it is. */
interface Said {
  readonly litmus: AnyLitmus;
  readonly verdict: string;
  readonly outcomes: string;
  readonly states: number;
}

/** Files with more states than this are left out, and a mutant's search ends at so many times the states of the policy itself, and these at least. */
const STATES_MAX = 20_000;
const BOUND_FACTOR = 4;
const BOUND_MIN = 1000;

/** A mark is true where its step stands: movers rest on that, and are off. */
const REDUCTIONS: Reductions = { ...ALL_REDUCTIONS, movers: false };

export const familyMutantName = ({ policy, routine, first, second }: FamilyMutant): string => `${policy} ${routine}: ${first}, ${second}`;

const mutatedOf = (family: ExploredFamily): readonly ExploredPolicy[] => proposalsOf(family).filter(({ name }) => MUTATED[family.name]?.policies.includes(name) === true);

/** The cheapest first. What a file says of the policy as it is; files whose `before` the policy does not do are left out. */
function saidOf(family: ExploredFamily, policy: ExploredPolicy, file?: string): readonly Said[] {
  const said = filesOf(family).filter(({ name }) => file === undefined || name === file).flatMap((litmus): readonly Said[] => {
    if (!(litmus.policies?.includes(policy.name) ?? true)) return [];
    const { exhaustive, verdict, outcomes, states } = checkLitmus({ litmus, policy, check: undefined, reductions: REDUCTIONS, statesMax: STATES_MAX });
    return exhaustive ? [{ litmus, verdict, outcomes: JSON.stringify(outcomes), states }] : [];
  });
  return said.toSorted((a, b) => a.states - b.states || (a.litmus.name < b.litmus.name ? -1 : 1));
}

const sceneOf = (litmus: AnyLitmus, policy: ExploredPolicy): Scene => litmus.family.createScene({ litmus, policy, check: undefined, reductions: REDUCTIONS, keepResults: false });

/** Every adjacent pair of the routines of a family, under each of its policies, in the order of the first file that has it. */
export function mutantsOf(family: ExploredFamily): readonly FamilyMutant[] {
  const found = new Map<string, FamilyMutant>();
  for (const policy of mutatedOf(family)) {
    for (const routine of MUTATED[family.name]?.routines ?? []) {
      for (const litmus of filesOf(family)) {
        const { names, routineNames } = sceneOf(litmus, policy).program;
        for (let at = 1; at < names.length; at++) {
          if (routineNames[at - 1] !== routine || routineNames[at] !== routine || isPlace(names[at - 1]) || isPlace(names[at])) continue;
          const mutant = { family: family.name, policy: policy.name, routine, first: names[at - 1], second: names[at] };
          found.set(familyMutantName(mutant), mutant);
        }
      }
    }
  }
  return [...found.values()];
}

/** Whether a step only says where to go on, or that it is over. */
const isPlace = (name: string): boolean => name === 'end' || name.startsWith('to ');

/** Where the pair stands in a program; -1 where it does not. */
export const placeOf = ({ names, routineNames }: Pick<Program, 'names' | 'routineNames'>, { routine, first, second }: FamilyMutant): number =>
  names.findIndex((name, at) => name === first && routineNames[at] === routine && routineNames[at + 1] === routine && names[at + 1] === second);

/** The program with the step at `at` and the one behind it swapped. Who goes on at one of them by its name still does. */
export function swapSteps<W extends TaskWorld>(program: Program<W>, at: number): Program<W> {
  const swapped = <T>(list: readonly T[]): readonly T[] => list.map((one, place) => (place === at ? list[at + 1] : place === at + 1 ? list[at] : one));
  const moved = (numbers: Uint16Array): Uint16Array => Uint16Array.from(swapped([...numbers]), (target) => (target === at ? at + 1 : target === at + 1 ? at : target));
  const run = [...swapped(program.run)];
  const isLast = program.routineNames[at + 2] !== program.routineNames[at];
  if (isLast) run[at + 1] = endless(run[at + 1]);
  return {
    ...program,
    run,
    otherwise: moved(program.otherwise),
    onTimeout: moved(program.onTimeout),
    callee: Uint16Array.from(swapped([...program.callee])),
    waitNsMax: Float64Array.from(swapped([...program.waitNsMax])),
    vmm: Uint8Array.from(swapped([...program.vmm])),
    marks: Uint8Array.from(swapped([...program.marks])),
    whenQuiet: swapped(program.whenQuiet),
    names: swapped(program.names),
  };
}

/** What comes behind a routine is another one, and no part of it. */
const endless = <W extends TaskWorld>(run: Run<W>): Run<W> => (world, task) => {
  const flow = run(world, task);
  if (flow === Flow.Next || flow === Flow.Call) throw new Error('a routine goes on behind its last step');
  return flow;
};

/** The file with a family whose kernel has the two steps swapped; undefined where it does not have them side by side. */
export function mutated(litmus: AnyLitmus, policy: ExploredPolicy, mutant: FamilyMutant): AnyLitmus | undefined {
  if (placeOf(sceneOf(litmus, policy).program, mutant) < 0) return undefined;
  const family: ExploredFamily = {
    ...litmus.family,
    createScene: (options) => {
      const scene = litmus.family.createScene(options);
      return { ...scene, program: swapSteps(scene.program, placeOf(scene.program, mutant)) };
    },
  };
  return { ...litmus, family };
}

/** How what a file says of the mutant is unlike what it says of the policy; undefined where it is the same. */
function howItDiffers({ litmus, verdict, outcomes, states }: Said, policy: ExploredPolicy, mutant: FamilyMutant): KilledHow | undefined {
  const other = mutated(litmus, policy, mutant);
  if (other === undefined) return undefined;
  try {
    const found = checkLitmus({ litmus: other, policy, check: undefined, reductions: REDUCTIONS, statesMax: Math.max(BOUND_MIN, BOUND_FACTOR * states) });
    if (found.verdict !== verdict) return found.verdict;
    return JSON.stringify(found.outcomes) === outcomes ? undefined : 'outcomes';
  } catch (error) {
    if (!(error instanceof UserError)) return 'broken';
    if (!error.what.includes('`before`')) throw error;
    return error.what.endsWith('never ends') ? 'stuck' : 'differs';
  }
}

/** What becomes of mutants of one policy. */
export function fatesOf(family: ExploredFamily, policy: ExploredPolicy, mutants: readonly FamilyMutant[]): readonly FamilyFate[] {
  const said = saidOf(family, policy);
  return mutants.map((mutant) => {
    for (const one of said) {
      const how = howItDiffers(one, policy, mutant);
      if (how !== undefined) return { ...mutant, killedBy: { file: one.litmus.name, how } };
    }
    return { ...mutant, killedBy: null };
  });
}

/** The whole list: every mutant of every family, policy by policy. */
export function allFamilyFates(onPolicy: (what: string) => void): readonly FamilyFate[] {
  return otherFamilies.flatMap((family) => {
    const mutants = mutantsOf(family);
    return mutatedOf(family).flatMap((policy) => {
      onPolicy(`${family.name}: ${policy.name}`);
      return fatesOf(family, policy, mutants.filter((mutant) => mutant.policy === policy.name));
    });
  });
}

/** What becomes of a mutant by the file that killed it. */
export function fateOfKilled({ killedBy, ...mutant }: FamilyFate): FamilyFate {
  const { family, policy } = policyOf(mutant);
  for (const said of saidOf(family, policy, killedBy?.file ?? '')) {
    const how = howItDiffers(said, policy, mutant);
    if (how !== undefined) return { ...mutant, killedBy: { file: said.litmus.name, how } };
  }
  return { ...mutant, killedBy: null };
}

export function policyOf({ family: name, policy }: FamilyMutant): { readonly family: ExploredFamily; readonly policy: ExploredPolicy } {
  const family = otherFamilies.find((one) => one.name === name);
  const found = family === undefined ? undefined : explorableOf(family).find((one) => one.name === policy);
  if (family === undefined || found === undefined) throw new Error(`no policy ${policy} of a family ${name}`);
  return { family, policy: found };
}

/** results/family-mutants.json, one line a mutant. */
export const formatFamilyMutants = (fates: readonly FamilyFate[]): string => `{\n  "mutants": [\n${fates.map((fate) => `    ${JSON.stringify(fate)}`).join(',\n')}\n  ]\n}\n`;
