import { describe, expect, test } from 'vitest';
import { Flow, buildProgram, end, goTo, step, steady, waitsUpTo } from './step.ts';
import type { Run, Step } from './step.ts';

const wait: Run = () => Flow.Wait;
const next: Run = () => Flow.Next;
const programOf = (...steps: readonly Step[]) => buildProgram({ before: { steps: [end] }, wait: { steps } });

describe('a wait with a limit', () => {
  test('has its limit and the place that it goes on at in the program; other steps have none', () => {
    const { names, onTimeout, waitNsMax } = programOf(waitsUpTo('pins', wait, 2_500, 'late'), goTo('end'), steady('late', next), end);
    const rows = [...names.keys()].map((at) => [names[at], names[onTimeout[at]], waitNsMax[at]]);
    expect(rows).toEqual([['idle', 'idle', 0], ['end', 'idle', 0], ['pins', 'late', 2_500], ['to end', 'idle', 0], ['late', 'idle', 0], ['end', 'idle', 0]]);
  });

  test('is a plain one where the limit is Infinity', () => {
    expect(waitsUpTo('pins', wait, Infinity, 'nowhere')).not.toHaveProperty('onTimeout');
    expect([...programOf(waitsUpTo('pins', wait, Infinity, 'nowhere'), end).onTimeout]).toEqual([0, 0, 0, 0]);
  });

  test('is refused where it has no place to go on at, or no limit', () => {
    expect(() => programOf(waitsUpTo('pins', wait, 1, 'nowhere'), end)).toThrow('routine "wait", step "pins": no step "nowhere"');
    expect(() => programOf(waitsUpTo('pins', wait, 0, 'end'), end)).toThrow('routine "wait", step "pins": a wait with a limit needs one above zero, got 0');
    expect(() => programOf({ ...step('pins', wait), onTimeout: 'end' }, end)).toThrow('got undefined');
  });
});
