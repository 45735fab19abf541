import { describe, expect, test } from 'vitest';
import { runScript } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import { Access } from '../workloads/workload.ts';

/** Steps for which the reference stays: more than half of the time that one access may spin. */
const HELD_STEPS = 60_000;

describe('a punch that finds a reference which no slot and no batch holds', () => {
  test('looks again until it is gone, and has the same patience in every access', async () => {
    const page = 0;
    let punches = 0;
    let steps = 0;
    const { tally } = await runScript([a.guestWrite(page), a.punch(page), a.guestWrite(page), a.punch(page)], {
      onStep: (world, task) => {
        if (world.kind[task] !== Access.Punch) steps = 0;
        else if (++steps === 1) {
          punches++;
          world.refcount[page]++;
        } else if (steps === HELD_STEPS) world.refcount[page]--;
      },
    });
    expect([punches, tally.completed]).toEqual([2, 4]);
  });
});
