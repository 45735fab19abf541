/**
 * What there is to compare, and the engine that runs it. The harness takes it as an argument: its tests bring a small
 * catalogue and an engine of their own, and a user's module can add to it later.
 */
import type { PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { ChosenValues } from '../policies/choices.ts';
import type { Check, PolicyChoice } from '../policies/policy.ts';
import type { CostProfile } from '../simulate/costs.ts';
import type { SimulatedFamily } from '../simulate/family.ts';
import type { RunOutcome } from '../simulate/run.ts';
import type { BaseTally } from '../simulate/tally.ts';
import type { Workload, WorkloadOptions } from '../workloads/workload.ts';
import type { PolicyOrigin } from './policyFiles.ts';

/** What the harness knows about a policy; the engine finds the rest by its name. */
export interface PolicyFacts {
  readonly name: string;
  readonly summary: string;
  readonly checks: readonly Check[];
  readonly reference?: 'null' | 'lower-bound';
  readonly choices?: readonly PolicyChoice[];
  /** Compared only where it is named, or all are. */
  readonly onRequest?: true;
}

/** What there is to compare in one family. */
export interface FamilyCatalogue {
  readonly family: string;
  /** What its policies are explained by, where it brings all of itself. */
  readonly simulated?: SimulatedFamily;
  readonly policies: readonly PolicyFacts[];
  /** Synthetic workloads, in the order of the documents. */
  readonly workloads: readonly Workload[];
  /** Recorded guests that are known by name. */
  readonly traceNames: () => readonly string[];
  /** A recorded guest by its name, or by the path of its file. @throws UserError */
  readonly openTrace: (nameOrPath: string) => Promise<Workload>;
  /** Reads a recorded guest to its end, so that damage is told before work begins. @throws UserError with line and reason */
  readonly checkTrace: (nameOrPath: string) => Promise<void>;
  /** Runs one cell of a policy of this family. */
  readonly run: (options: EngineOptions) => Promise<RunOutcome<BaseTally>>;
}

/** The family that a command is about which names none, and what all of them share. */
export interface Catalogue extends FamilyCatalogue {
  /** The families beside it. */
  readonly others?: readonly FamilyCatalogue[];
  readonly costProfiles: () => readonly CostProfile[];
  /** @throws UserError */
  readonly loadCostProfile: (nameOrPath: string) => CostProfile | Promise<CostProfile>;
  readonly defaultCosts: string;
}

/** In the order of the documents. */
export const familiesOf = (catalogue: Catalogue): readonly FamilyCatalogue[] => [catalogue, ...(catalogue.others ?? [])];

/** @throws Error where the catalogue does not have the family */
export function catalogueOf(catalogue: Catalogue, wanted: string): FamilyCatalogue {
  const found = familiesOf(catalogue).find(({ family }) => family === wanted);
  if (found === undefined) throw new Error(`the catalogue has no family ${wanted}`);
  return found;
}

export interface EngineOptions {
  readonly policy: string;
  /** Where it comes from, if it is one of the user's own. */
  readonly origin?: PolicyOrigin;
  readonly workload: Workload;
  readonly check: Check;
  readonly costs: CostProfile;
  readonly folioOrder: number;
  /** Of the policy, where they are no default. */
  readonly choices?: ChosenValues;
  readonly platform?: PlatformName;
  readonly vmm?: VmmStrategy;
  readonly options: WorkloadOptions;
}

/** A workload of the catalogue: a synthetic one by its name, else a trace by name or path. @throws UserError */
export async function openWorkload({ workloads, openTrace }: FamilyCatalogue, nameOrPath: string): Promise<Workload> {
  return workloads.find(({ name }) => name === nameOrPath) ?? openTrace(nameOrPath);
}
