/**
 * Hosts that are built: the program of a policy is the same in many litmus files, and most of those have so few states that building it
 * would take longer than going through them. Each thread keeps its own.
 */
import { buildHost } from '../model/host.ts';
import type { Host, HostRules } from '../model/host.ts';
import type { Shape } from '../model/shape.ts';
import type { Check, ConversionPolicy } from '../policies/policy.ts';

const rulesOf = new WeakMap<ConversionPolicy, Map<Check, HostRules>>();
const hostsOf = new WeakMap<HostRules, Map<string, Host>>();

/** The rules of a policy under a check: the same object each time. */
export function builtRules(policy: ConversionPolicy, check: Check): HostRules {
  return kept(kept(rulesOf, policy, () => new Map<Check, HostRules>()), check, () => policy.rules({ check }));
}

/** The host of such rules in a world of this shape. */
export function builtHost(rules: HostRules, shape: Pick<Shape, 'lazy' | 'platform' | 'pmdMappings'>): Host {
  const { lazy, platform = '', pmdMappings = false } = shape;
  return kept(kept(hostsOf, rules, () => new Map<string, Host>()), `${lazy} ${platform} ${pmdMappings}`, () => buildHost(rules, shape));
}

function kept<Key, Value>(store: { get(key: Key): Value | undefined; set(key: Key, value: Value): unknown }, key: Key, make: () => Value): Value {
  const found = store.get(key);
  if (found !== undefined) return found;
  const made = make();
  store.set(key, made);
  return made;
}
