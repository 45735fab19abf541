/**
 * forgets-own-reference, wrong on purpose: compares the refcount with the page cache's references alone.
 *
 * What is wrong: filemap_get_folios takes a reference on each folio that it finds, so "nobody else" is one more than what the
 * page cache holds. Without that one no folio that is in the file ever looks unused, and every conversion is refused.
 * Nothing unsafe comes of it: it is the policy that shows why "no sentence was broken" is not enough.
 * Right:  folio_nr_pages(folio) + 1 (kvm_gmem_is_safe_for_conversion, in-place conversion series of guest_memfd).
 * Caught by litmus/conversion/mapped-page.litmus.yaml.
 */
import { PageBit } from '../../model/file.ts';
import { cacheReferences } from '../../model/folios.ts';
import { Flow } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policy.ts';
import { withStep } from './steps.ts';

/** Chunks of one folio. */
const isNotTheCachesAlone: Run = (world, task) => {
  const head = world.cursor[task];
  if ((world.pageState[head] & PageBit.Present) === 0) return Flow.Next;
  if (world.refcount[head] === cacheReferences(world, head)) return Flow.Next;
  world.walkCursor[task] = head;
  return Flow.Otherwise;
};

export const forgetsOwnReference: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'forgets-own-reference',
  summary: "wrong on purpose: forgets the reference of its own lookup, and refuses every page that is in the file",
  checks: ['refcount'],
  rules: (options) => ({
    ...sigbusOnFault.rules(options),
    toPrivate: withStep(unmapThenCheckSteps({ check: 'refcount' }), 'folio.readRef', isNotTheCachesAlone),
  }),
};
