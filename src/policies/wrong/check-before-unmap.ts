/**
 * check-before-unmap, wrong on purpose: reads the references first and unmaps afterwards.
 *
 * What is wrong: while the folio is mapped its mappings are expected references, so the count looks good; then GUP-fast takes
 * its pin between the read and the unmapping, and the page turns private under it. Nothing reads the count again.
 * Right:  unmap, flush, and only then read the count: GUP-fast re-reads the entry after it has grabbed the folio, so that either
 *         it sees the entry gone or the count has its reference (mm/gup.c, gup_fast_pte_range).
 * Caught by litmus/conversion/planted-race.litmus.yaml.
 */
import { PageBit } from '../../model/file.ts';
import { cacheReferences, folioMapcount } from '../../model/folios.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { Flow } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import { unmapEverywhereSteps } from '../../model/zap.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policy.ts';
import { between, withStep } from './steps.ts';

/** folio_expected_ref_count: mappings are expected, anything beyond them is a user. Chunks of one folio. */
const hasUnexpectedReference: Run = (world, task) => {
  const head = world.cursor[task];
  if ((world.pageState[head] & PageBit.Present) === 0) return Flow.Next;
  if (world.refcount[head] === cacheReferences(world, head) + folioMapcount(world, head) + 1) return Flow.Next;
  world.walkCursor[task] = head;
  return Flow.Otherwise;
};

export const checkBeforeUnmap: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'check-before-unmap',
  summary: 'wrong on purpose: reads the references first and unmaps afterwards',
  checks: ['refcount'],
  rules: (options) => {
    const right = unmapThenCheckSteps({ check: 'refcount' });
    return {
      ...sigbusOnFault.rules(options),
      toPrivate: [
        ...between(right, 'invalidate.writeLock', 'walk.folios'),
        ...withStep(referenceCheckSteps({ check: 'refcount', drain: true, refused: 'invalidate.unlock' }), 'folio.readRef', hasUnexpectedReference),
        ...unmapEverywhereSteps(),
        ...between(right, 'mmuLock.write', 'end'),
      ],
    };
  },
};
