/** A cost profile in which every priced operation costs the same: times become counts. */
import { OPERATIONS } from '../../src/model/operations.ts';
import type { CostProfile } from '../../src/simulate/costs.ts';

export function flatCosts(ns = 1): CostProfile {
  const priced = OPERATIONS.filter(({ kind }) => kind === 'work');
  return {
    name: 'flat',
    hash: `flat-${ns}`,
    machine: 'none',
    kernel: 'none',
    hypervisor: 'none',
    method: 'every operation costs the same',
    date: '2026-01-01',
    prices: Object.fromEntries(priced.map(({ name }) => [name, { ns, low: ns, high: ns, source: 'measured', reference: 'test' }])),
    priceNs: Float64Array.from(OPERATIONS, ({ kind }) => (kind === 'work' ? ns : 0)),
  } as unknown as CostProfile;
}
