/**
 * Reasons why mutants survive: each stands for all policies, lists of steps and pairs of steps that it names, and what is wrong with a
 * list of them can be asked.
 */

/** Two steps that change places: of which policy, and in which list or routine. */
export interface Swap<L extends string> {
  readonly policy: string;
  readonly list: L;
  readonly first: string;
  readonly second: string;
}

export interface Reason<L extends string> {
  /** All policies where it names none. */
  readonly policies?: readonly string[];
  readonly lists: readonly L[];
  readonly pairs: readonly (readonly [first: string, second: string])[];
  readonly because: string;
}

/**
 * `order`: the order decides nothing: a lock that is held over both, or what others look at, hides it.
 * `birth`: one of the steps is a wait of the model, of threads for their process, which no kernel has.
 * `idle`: one of the steps has nothing to do or to find wherever the other could matter.
 * `price`: the mutant does more work than it has to, or less of what only makes something cheap.
 * `unmodelled`: a kernel would break, by what these families have not: TLBs, memory that runs short, trees that are changed in pieces.
 */
export type SurvivorKind = 'order' | 'birth' | 'idle' | 'price' | 'unmodelled';

export interface FamilyReason extends Reason<string> {
  readonly kind: SurvivorKind;
  /** Both orders lead to the same state, where nobody comes in between: test/tools/bothOrders.ts asks that. */
  readonly same?: true;
}

/** The reasons that fit a mutant. */
export const fitting = <L extends string, R extends Reason<L>>(reasons: readonly R[], { policy, list, first, second }: Swap<L>): readonly R[] =>
  reasons.filter(({ policies, lists, pairs }) => (policies?.includes(policy) ?? true) && lists.includes(list) && pairs.some((pair) => pair[0] === first && pair[1] === second));

/**
 * What is wrong with the reasons for these survivors: one that has none or several, a pair of a reason that fits none of them.
 * @param file where the reasons stand
 */
export function complaintsOf<L extends string>(reasons: readonly Reason<L>[], survivors: readonly Swap<L>[], file: string): readonly string[] {
  const unlike = survivors.flatMap((mutant) => {
    const count = fitting(reasons, mutant).length;
    const name = `${mutant.policy} ${mutant.list}: ${mutant.first}, ${mutant.second}`;
    return count === 1 ? [] : [count === 0 ? `${name} survives, and ${file} has no reason` : `${name} has ${count} reasons in ${file}`];
  });
  const unused = reasons.flatMap(({ policies = [undefined], lists, pairs }) =>
    policies.flatMap((policy) => lists.flatMap((list) => pairs.flatMap(([first, second]) =>
      survivors.some((one) => (policy === undefined || one.policy === policy) && one.list === list && one.first === first && one.second === second)
        ? []
        : [`the reason for ${policy ?? 'any policy'} ${list}: ${first}, ${second} fits no survivor`]))));
  return [...unlike, ...unused];
}
