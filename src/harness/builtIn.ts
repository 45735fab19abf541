/** The catalogue that foliobench ships with. */
import { policies } from '../policies/index.ts';
import { DEFAULT_COSTS, listCostProfiles, loadCostProfile } from '../simulate/costs.ts';
import { run } from '../simulate/run.ts';
import { checkTrace, openTrace, traceNames, workloads } from '../workloads/index.ts';
import type { Catalogue } from './catalogue.ts';

export const catalogue: Catalogue = {
  policies,
  workloads,
  traceNames,
  openTrace,
  checkTrace,
  costProfiles: listCostProfiles,
  loadCostProfile,
  defaultCosts: DEFAULT_COSTS,
  run({ policy: wanted, ...options }) {
    const policy = policies.find(({ name }) => name === wanted);
    if (policy === undefined) throw new Error(`no policy ${wanted}`);
    return run({ ...options, policy });
  },
};
