/** The catalogue that foliobench ships with. */
import { withChoices } from '../policies/choices.ts';
import { policies } from '../policies/index.ts';
import { UserError } from '../model/userError.ts';
import { DEFAULT_COSTS, listCostProfiles, loadCostProfile } from '../simulate/costs.ts';
import type { SimulatedFamily } from '../simulate/family.ts';
import { simulatedFamilies } from '../simulate/families/index.ts';
import { run } from '../simulate/run.ts';
import { checkTrace, openTrace, traceNames, workloads } from '../workloads/index.ts';
import type { Catalogue, FamilyCatalogue } from './catalogue.ts';
import { DEFAULT_FAMILY } from './families/index.ts';
import { loadOwnPolicy } from './policyFiles.ts';

/** A family that brings its own policies and workloads, and no recorded guests. */
export function catalogueOfFamily(simulated: SimulatedFamily): FamilyCatalogue {
  const { name: family, policies: own, workloads: synthetic, run: runFamily } = simulated;
  return {
    family,
    simulated,
    policies: own,
    workloads: synthetic,
    traceNames: () => [],
    // What looks like a path is no workload of this family.
    openTrace: (nameOrPath) => Promise.reject(new UserError({ what: `${nameOrPath} is no workload of the family ${family}`, why: 'it has no recorded guests', fix: `pick among ${synthetic.map(({ name }) => name).join(', ')}` })),
    checkTrace: () => Promise.resolve(),
    run: (options) => runFamily(options),
  };
}

export const catalogue: Catalogue = {
  family: DEFAULT_FAMILY,
  policies,
  workloads,
  traceNames,
  openTrace,
  checkTrace,
  costProfiles: listCostProfiles,
  loadCostProfile,
  defaultCosts: DEFAULT_COSTS,
  others: simulatedFamilies.map(catalogueOfFamily),
  async run({ policy: wanted, origin, choices, ...options }) {
    const policy = origin === undefined ? policies.find(({ name }) => name === wanted) : await loadOwnPolicy(origin, wanted, { bounded: true });
    if (policy === undefined) throw new Error(`no policy ${wanted}`);
    return run({ ...options, policy: withChoices(policy, choices) });
  },
};
