/** The catalogue that foliobench ships with. */
import { withChoices } from '../policies/choices.ts';
import { policies } from '../policies/index.ts';
import { DEFAULT_COSTS, listCostProfiles, loadCostProfile } from '../simulate/costs.ts';
import { run } from '../simulate/run.ts';
import { checkTrace, openTrace, traceNames, workloads } from '../workloads/index.ts';
import type { Catalogue } from './catalogue.ts';
import { loadOwnPolicy } from './policyFiles.ts';

export const catalogue: Catalogue = {
  policies,
  workloads,
  traceNames,
  openTrace,
  checkTrace,
  costProfiles: listCostProfiles,
  loadCostProfile,
  defaultCosts: DEFAULT_COSTS,
  async run({ policy: wanted, origin, choices, ...options }) {
    const policy = origin === undefined ? policies.find(({ name }) => name === wanted) : await loadOwnPolicy(origin, wanted, { bounded: true });
    if (policy === undefined) throw new Error(`no policy ${wanted}`);
    return run({ ...options, policy: withChoices(policy, choices) });
  },
};
