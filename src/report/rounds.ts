/** Rounds of a loop: where the same steps come many times, the first and the last round tell it all. */
import type { ExplainedStep, Seen, View } from '../harness/explanation.ts';

/** Rounds between the first and the last one. */
export interface Rounds<V extends Seen = View> {
  /** Steps of one round. */
  readonly steps: number;
  readonly times: number;
  /** Of all of them. */
  readonly ns: number;
  /** After the last of them. */
  readonly view: V;
}

export const isRounds = <V extends Seen>(one: ExplainedStep<V> | Rounds<V>): one is Rounds<V> => 'times' in one;

/** A round has at most so many steps. */
const LENGTH_MAX = 64;
const ROUNDS_MIN = 3;

/** The steps with the middle of each loop of three rounds or more taken together. */
export function foldRounds<V extends Seen>(steps: readonly ExplainedStep<V>[]): readonly (ExplainedStep<V> | Rounds<V>)[] {
  const folded: (ExplainedStep<V> | Rounds<V>)[] = [];
  for (let at = 0; at < steps.length; ) {
    const { length, times } = loopAt(steps, at);
    if (times < ROUNDS_MIN) {
      folded.push(steps[at++]);
      continue;
    }
    const end = at + length * times;
    const middle = steps.slice(at + length, end - length);
    folded.push(...steps.slice(at, at + length), { steps: length, times: times - 2, ns: middle.reduce((sum, { ns }) => sum + ns, 0), view: middle[middle.length - 1].view }, ...steps.slice(end - length, end));
    at = end;
  }
  return folded;
}

/** The loop that begins here and takes the most steps; `times` is 1 where there is none. */
function loopAt(steps: readonly ExplainedStep<Seen>[], at: number): { readonly length: number; readonly times: number } {
  let best = { length: 1, times: 1 };
  for (let length = 1; length <= LENGTH_MAX && at + length * ROUNDS_MIN <= steps.length; length++) {
    let times = 1;
    while (isRound(steps, at, at + times * length, length)) times++;
    if (times >= ROUNDS_MIN && times * length > best.times * best.length) best = { length, times };
  }
  return best;
}

/** Whether the steps from `second` on are those from `first` on again. */
function isRound(steps: readonly ExplainedStep<Seen>[], first: number, second: number, length: number): boolean {
  for (let nth = 0; nth < length; nth++) {
    const [one, other] = [steps[first + nth], steps[second + nth]];
    if (other === undefined || one.name !== other.name || one.routine !== other.routine || one.depth !== other.depth) return false;
  }
  return true;
}
