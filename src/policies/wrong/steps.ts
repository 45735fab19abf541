/**
 * What a policy that is wrong on purpose is made of: the steps of a right one, some of them moved, changed or left out.
 *
 * A step that was changed carries no mark: nothing may be taken for granted of it.
 */
import { Flow, step } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';

/** Steps from the one named `first` to the one named `last`. */
export function between(steps: readonly Step[], first: string, last: string): readonly Step[] {
  return steps.slice(placeOf(steps, first), placeOf(steps, last) + 1);
}

/** The steps, of which the one named `name` does something else and goes on where it always went on. */
export function withStep(steps: readonly Step[], name: string, run: Run): readonly Step[] {
  const place = placeOf(steps, name);
  return steps.with(place, step(name, run, steps[place].otherwise));
}

/** The steps, of which the one named `name` does nothing. */
export const withoutStep = (steps: readonly Step[], name: string): readonly Step[] => withStep(steps, name, () => Flow.Next);

function placeOf(steps: readonly Step[], name: string): number {
  const place = steps.findIndex((one) => one.name === name);
  if (place < 0) throw new Error(`no step "${name}"; there are ${steps.map((one) => one.name).join(', ')}`);
  return place;
}
