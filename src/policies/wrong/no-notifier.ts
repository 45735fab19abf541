/**
 * no-notifier, wrong on purpose: clears page-table entries without telling secondary MMUs.
 *
 * What is wrong: a gfn_to_pfn_cache or an ODP device holds neither a reference nor an entry in the host's page tables. No count
 * and no flush knows of it; only the mmu_notifier call that zap_page_range_single makes around the zap does.
 * Right:  mmu_notifier_invalidate_range_start before the first entry is cleared (mm/memory.c).
 * Caught by litmus/conversion/secondary-mmu.litmus.yaml.
 */
import { Flow } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { withStep } from './steps.ts';

/** Only the walk begins. */
const beginWithoutNotifier: Run = (world, task) => {
  world.walkCursor[task] = world.walkStart[task];
  return Flow.Next;
};

export const noNotifier: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'no-notifier',
  summary: 'wrong on purpose: unmaps without telling secondary MMUs',
  checks: CHECKS,
  rules: (options) => ({
    ...sigbusOnFault.rules(options),
    toPrivate: withStep(unmapThenCheckSteps(options), 'notifier.begin', beginWithoutNotifier),
  }),
};
