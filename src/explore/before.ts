/** The operations of `before`: each runs alone while everybody else rests, and has to end as the file says. */
import { DEPTH_MAX } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import { UserError } from '../model/userError.ts';
import type { LitmusOperation } from './litmus.ts';
import { resultText } from './results.ts';

/** What never comes to its end takes no more steps than this. */
const STEPS_ALONE_MAX = 100_000;

export interface Turns {
  readonly world: Pick<TaskWorld, 'pc' | 'depth' | 'shape'>;
  /** By program position: where a wait with a limit goes on, or 0. */
  readonly onTimeout: ArrayLike<number>;
  /** Takes the task's step at this position. @returns whether it was taken: false where the task must wait */
  step(task: number, at: number): boolean;
  /** CPUs do what this task asks of them, as far as they can. */
  acknowledge(task: number): void;
}

/** Whoever is at work takes a step, in turn, until nobody can. A wait with a limit, the last task's first, ends where nothing else goes on. */
export function stepUntilNobodyCan({ world: { pc, depth, shape }, onTimeout, step, acknowledge }: Turns): void {
  let steps = 0;
  for (let moved = true; moved && steps < STEPS_ALONE_MAX; ) {
    moved = false;
    let limited = -1;
    for (let task = 0; task < shape.tasks; task++) {
      const at = pc[task * DEPTH_MAX + depth[task]];
      if (at === 0) continue;
      if (step(task, at)) {
        moved = true;
        steps++;
      } else if (onTimeout[at] !== 0) {
        limited = task;
      }
      acknowledge(task);
    }
    if (!moved && limited >= 0) {
      const level = limited * DEPTH_MAX + depth[limited];
      pc[level] = onTimeout[pc[level]];
      moved = true;
    }
  }
}

/** @param at the step that it stands at */
export function neverEnds(path: string, { line, text }: LitmusOperation, at: string): UserError {
  return new UserError({
    what: `${path}:${line}: "${text}" of \`before\` never ends`,
    why: `it stands at ${at} while everybody else rests`,
    fix: 'move it into a thread, or release first what it waits for',
  });
}

/** @param result the `resultId` that it ended with */
export function endsOtherwise(path: string, { line, text, expected = { errno: 'OK' } }: LitmusOperation, result: number): UserError {
  return new UserError({
    what: `${path}:${line}: "${text}" of \`before\` ends with ${resultText(result)}`,
    why: `what comes before everything must end with ${expected.errno}, or as the file says`,
    fix: 'state the result that it has behind `=>`, leave it out, or restrict `policies`',
  });
}
