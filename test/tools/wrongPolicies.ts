/** Policies that are wrong on purpose: an explorer that does not catch them is not to be trusted. */
import { storeState } from '../../src/model/convert.ts';
import { referenceCheckSteps } from '../../src/model/references.ts';
import { PageBit } from '../../src/model/file.ts';
import { cacheReferences, folioMapcount } from '../../src/model/folios.ts';
import { Flow, step } from '../../src/model/step.ts';
import type { Run, Step } from '../../src/model/step.ts';
import { unmapEverywhereSteps } from '../../src/model/zap.ts';
import { folioMmapped } from '../../src/policies/conversion/folio-mmapped.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../../src/policies/conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';

/** Steps of `steps` from the one named `first` to the one named `last`. */
function between(steps: readonly Step[], first: string, last: string): readonly Step[] {
  const names = steps.map(({ name }) => name);
  return steps.slice(names.indexOf(first), names.indexOf(last) + 1);
}

/** folio_expected_ref_count: mappings are expected, anything beyond them is a user. Chunks of one folio. */
const hasUnexpectedReference: Run = (world, task) => {
  const head = world.cursor[task];
  if ((world.pageState[head] & PageBit.Present) === 0) return Flow.Next;
  if (world.refcount[head] === cacheReferences(world) + folioMapcount(world, head) + 1) return Flow.Next;
  world.walkCursor[task] = head;
  return Flow.Otherwise;
};

/**
 * Check before unmap: while the folio is mapped its mappings are expected references, so the count looks good, and then
 * GUP-fast takes its pin between the read and the unmapping.
 */
export const checkBeforeUnmap: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'check-before-unmap',
  summary: 'wrong on purpose: reads the references first and unmaps afterwards',
  rules: (options) => {
    const right = unmapThenCheckSteps({ check: 'refcount' });
    const check = referenceCheckSteps({ check: 'refcount', drain: true, refused: 'invalidate.unlock' });
    return {
      ...sigbusOnFault.rules(options),
      toPrivate: [
        ...between(right, 'invalidate.writeLock', 'walk.folios'),
        ...check.map((one) => (one.name === 'folio.readRef' ? step(one.name, hasUnexpectedReference, one.otherwise) : one)),
        ...unmapEverywhereSteps(),
        ...between(right, 'mmuLock.write', 'end'),
      ],
    };
  },
};

/** Commits first and unmaps afterwards: what was mapped is within reach of the host for a while. */
export const storeBeforeUnmap: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'store-before-unmap',
  summary: 'wrong on purpose: stores the attribute before anything is unmapped',
  rules: (options) => {
    const right = unmapThenCheckSteps(options);
    return {
      ...sigbusOnFault.rules(options),
      toPrivate: right.flatMap((one) =>
        one.name === 'state.store' ? []
        : one.name === 'walk.folios' ? [one, step('state.store', storeState(true))]
        : [one],
      ),
    };
  },
};

/** The kernel's side of folio-mmapped alone: a VMM that does not unmap before it converts, and other threads that do. */
export const folioMmappedWithoutDance: ConversionPolicy = {
  ...folioMmapped,
  name: 'folio-mmapped-without-dance',
  summary: 'the kernel side of folio-mmapped under a VMM that breaks its part of the contract',
  rules: (options) => {
    const { toPrivate, toShared, mmapHook = [] } = folioMmapped.rules(options);
    return { toPrivate, toShared, mmapHook };
  },
};

/** `sigbus-on-fault` without one of its steps: the step does nothing and goes on. */
export const withoutStep = (name: string): ConversionPolicy => ({
  ...sigbusOnFault,
  name: `without ${name}`,
  rules: (options) => {
    const rules = sigbusOnFault.rules(options);
    return { ...rules, toPrivate: rules.toPrivate.map((one) => (one.name === name ? step(name, () => Flow.Next, one.otherwise) : one)) };
  },
});
