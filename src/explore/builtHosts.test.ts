import { expect, test } from 'vitest';
import { buildHost } from '../model/host.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import { builtHost, builtRules } from './builtHosts.ts';
import { controlPoints } from './control.ts';

test('a host is built once for each policy, check and kind of world', () => {
  const rules = builtRules(sigbusOnFault, 'refcount');
  expect(builtRules(sigbusOnFault, 'refcount')).toBe(rules);
  expect(builtRules(sigbusOnFault, 'mapcount')).not.toBe(rules);
  expect(builtRules({ ...sigbusOnFault }, 'refcount')).not.toBe(rules);
  const host = builtHost(rules, { lazy: false });
  expect(builtHost(rules, { lazy: false, pmdMappings: false })).toBe(host);
  for (const other of [{ lazy: true }, { lazy: false, platform: 'pkvm' }, { lazy: false, pmdMappings: true }] as const) expect(builtHost(rules, other)).not.toBe(host);
  expect(controlPoints(host.program)).toBe(controlPoints(host.program));
});

test('it is the host that would be built', () => {
  for (const shape of [{ lazy: true }, { lazy: false, platform: 'snp' }, { lazy: false, pmdMappings: true }] as const) {
    const rules = sigbusOnFault.rules({ check: 'refcount' });
    expect(builtHost(builtRules(sigbusOnFault, 'refcount'), shape).program.names).toEqual(buildHost(rules, shape).program.names);
  }
});
