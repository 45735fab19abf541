/** What can be wrong with the operations of `before`, which run alone and have to end as the file says. */
import { UserError } from '../model/userError.ts';
import type { LitmusOperation } from './litmus.ts';
import { resultText } from './results.ts';

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
