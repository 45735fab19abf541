/**
 * Choices: what a policy leaves open because no source fixes it. Each has a default, which the committed records and verdicts
 * were made with.
 */
import type { PolicyChoice, PolicyOptions } from './policy.ts';

/** Values of choices by their names. */
export type ChosenValues = Readonly<Record<string, string>>;

/** What was chosen, or else the default. @throws Error for a value that the choice does not have */
export function valueOf<V extends string>({ name, values, default: usual }: PolicyChoice<V>, { choices = {} }: PolicyOptions): V {
  const wanted = choices[name] ?? usual;
  const value = values.find((one) => one === wanted);
  if (value === undefined) throw new Error(`choice ${name} has no value "${wanted}"; it has ${values.join(', ')}`);
  return value;
}

/** The policy with some of its choices made. @typeParam P a policy of any family */
export function withChoices<P extends { rules(options: PolicyOptions): unknown }>(policy: P, chosen: ChosenValues | undefined): P {
  if (chosen === undefined || Object.keys(chosen).length === 0) return policy;
  return { ...policy, rules: (options: PolicyOptions) => policy.rules({ ...options, choices: { ...options.choices, ...chosen } }) };
}
