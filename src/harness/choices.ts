/** Choices of policies as a user writes them: `--choose folio-mmapped.errno=EBUSY`, and in a comparison `=EPERM,EBUSY` for a row of each. */
import { nearestNames, UserError } from '../model/userError.ts';
import type { ChosenValues } from '../policies/choices.ts';
import type { PolicyChoice } from '../policies/policy.ts';
import type { PolicyFacts } from './catalogue.ts';

/** What was chosen otherwise than by default, by the policy's name. */
export type Chosen = Readonly<Record<string, ChosenValues>>;

type Known = Pick<PolicyFacts, 'name' | 'choices'>;

/** Words against what there is to choose; a default that is chosen is no choice. @throws UserError */
export function parseChosen(words: readonly string[], policies: readonly Known[]): Chosen {
  const all = new Map<string, string>();
  const chosen: Record<string, Record<string, string>> = {};
  for (const word of words) {
    const { policy, choice, value } = parseWord(word, policies);
    const key = `${policy}.${choice.name}`;
    const before = all.get(key) ?? value;
    if (before !== value) throw new UserError({ what: `${key} is chosen twice`, why: `as ${before} and as ${value}`, fix: 'leave one of them away' });
    all.set(key, value);
    if (value !== choice.default) (chosen[policy] ??= {})[choice.name] = value;
  }
  return chosen;
}

/** What is compared: for each policy that anything was chosen of, its values, one set a row. */
export type Alternatives = Readonly<Record<string, readonly ChosenValues[]>>;

/**
 * As `parseChosen`, and a word may have several values: `POLICY.NAME=A,B`, or `all`. Two choices of one policy give every pair of
 * their values. The default among them is a row without choices. @throws UserError
 */
export function parseAlternatives(words: readonly string[], policies: readonly Known[]): Alternatives {
  return Object.fromEntries(
    [...new Set(words.map(nameOf))].map((policy) => {
      const sets = productOf(words.filter((word) => nameOf(word) === policy).map((word) => valuesOfWord(word, policies)));
      const chosen = sets.map((set): ChosenValues => parseChosen(set, policies)[policy] ?? {});
      return [policy, chosen.filter((values, place) => chosen.findIndex((one) => chosenText(one) === chosenText(values)) === place)];
    }),
  );
}

const nameOf = (word: string): string => word.split('.')[0];

/** One word for each of its values. */
function valuesOfWord(word: string, policies: readonly Known[]): readonly string[] {
  const [, head, list] = /^([^=]*=)(.+)$/.exec(word) ?? [];
  if (head === undefined) return [word];
  if (list === 'all') {
    const [name, choice] = head.slice(0, -1).split('.');
    const values = policies.find((one) => one.name === name)?.choices?.find((one) => one.name === choice)?.values;
    return values === undefined ? [word] : values.map((value) => head + value);
  }
  return list.split(',').map((value) => head + value.trim());
}

const productOf = (lists: readonly (readonly string[])[]): readonly (readonly string[])[] =>
  lists.reduce<readonly (readonly string[])[]>((sets, list) => sets.flatMap((set) => list.map((word) => [...set, word])), [[]]);

function parseWord(word: string, policies: readonly Known[]): { readonly policy: string; readonly choice: PolicyChoice; readonly value: string } {
  const [, name, choiceName, value] = /^([^.=]+)\.([^.=]+)=(.+)$/.exec(word) ?? [];
  if (name === undefined) {
    throw new UserError({ what: `"${word}" chooses nothing`, why: 'a choice is POLICY.NAME=VALUE', fix: 'write it as in folio-mmapped.errno=EBUSY' });
  }
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined) throw unknown(`policy "${name}" in "${word}"`, name, policies.map((one) => one.name), 'pick one of `foliobench list policies`');
  const { choices = [] } = policy;
  if (choices.length === 0) {
    const others = policies.filter((one) => (one.choices ?? []).length > 0).map((one) => one.name);
    throw new UserError({ what: `${name} leaves nothing to choose`, why: others.length === 0 ? 'nor does any other policy' : `these do: ${others.join(', ')}`, fix: `leave "${word}" away` });
  }
  const choice = choices.find((one) => one.name === choiceName);
  if (choice === undefined) throw unknown(`choice "${choiceName}" of ${name}`, choiceName, choices.map((one) => one.name), `foliobench explain ${name} tells what there is to choose`);
  if (!choice.values.includes(value)) throw unknown(`value "${value}" of ${name}.${choiceName}`, value, choice.values, 'pick one of them');
  return { policy: name, choice, value };
}

function unknown(what: string, wanted: string, known: readonly string[], fix: string): UserError {
  const near = nearestNames(wanted, known);
  return new UserError({ what: `unknown ${what}`, why: near.length > 0 && known.length > 4 ? `the nearest known are ${near.join(', ')}` : `known are ${known.join(', ')}`, fix });
}

/** Refuses choices of policies that do not take part. @throws UserError */
export function refuseUnusedChoices(words: readonly string[], taking: readonly string[]): void {
  for (const word of words) {
    const name = nameOf(word);
    if (taking.includes(name)) continue;
    throw new UserError({ what: `"${word}" chooses for a policy that does not take part`, why: `these do: ${[...new Set(taking)].join(', ')}`, fix: `add ${name} to --policy, or leave the choice away` });
  }
}

/** "errno=EBUSY, closure=lock". */
export const chosenText = (values: ChosenValues): string => Object.entries(values).map(([name, value]) => `${name}=${value}`).join(', ');

/** The options that choose the same again. */
export const chooseOptions = (policy: string, values: ChosenValues = {}): readonly string[] => Object.entries(values).flatMap(([name, value]) => ['--choose', `${policy}.${name}=${value}`]);
