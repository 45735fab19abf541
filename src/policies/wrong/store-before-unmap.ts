/**
 * store-before-unmap, wrong on purpose: stores the attribute before anything is unmapped.
 *
 * What is wrong: what was mapped when the attribute was stored is within reach of the host until the zap and its flush are
 * over; and where the reference check then refuses, the page is private although the request has failed.
 * Right:  the commit comes last, when nothing of the host reaches the page.
 * Caught by litmus/conversion/mapped-page.litmus.yaml.
 */
import { storeState } from '../../model/convert.ts';
import { step } from '../../model/step.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policy.ts';

export const storeBeforeUnmap: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'store-before-unmap',
  summary: 'wrong on purpose: stores the attribute before anything is unmapped',
  rules: (options) => ({
    ...sigbusOnFault.rules(options),
    toPrivate: unmapThenCheckSteps(options).flatMap((one) =>
      one.name === 'state.store' ? []
      : one.name === 'walk.folios' ? [one, step('state.store', storeState(true))]
      : [one],
    ),
  }),
};
