/** `sigbus-on-fault` without one of its steps. Policies with a mistake of their own are in src/policies/wrong. */
import { sigbusOnFault } from '../../src/policies/conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';
import { withoutStep as leaveOut } from '../../src/policies/wrong/steps.ts';

export { checkBeforeUnmap } from '../../src/policies/wrong/check-before-unmap.ts';
export { folioMmappedWithoutDance } from '../../src/policies/wrong/folio-mmapped-without-dance.ts';
export { storeBeforeUnmap } from '../../src/policies/wrong/store-before-unmap.ts';

/** The step does nothing and goes on. */
export const withoutStep = (name: string): ConversionPolicy => ({
  ...sigbusOnFault,
  name: `without ${name}`,
  rules: (options) => {
    const rules = sigbusOnFault.rules(options);
    return { ...rules, toPrivate: leaveOut(rules.toPrivate, name) };
  },
});
