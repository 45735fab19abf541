import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { runScript } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import { Errno } from '../model/errno.ts';
import { folioMaybeDmaPinned } from '../model/folios.ts';
import { lockId, waitFor } from '../model/locks.ts';
import { Waiting } from '../model/meter.ts';
import { PHASES } from '../model/operations.ts';
import { Flow, step, waitsUpTo } from '../model/step.ts';
import type { Run } from '../model/step.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
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

describe('a wait with a limit', () => {
  const PAGE = 0;
  const untilUnpinned: Run = (world) => (folioMaybeDmaPinned(world, PAGE) ? waitFor(world, lockId(Waiting.Folio, PAGE)) : Flow.Next);
  const ends = (errno: number): Run => (world, task) => {
    world.outcome[task] = errno;
    return Flow.Done;
  };
  /** A to-private that does nothing but wait, twice, until page 0 is not pinned; EBUSY after the limit. */
  const waiting = (waitNsMax: number): ConversionPolicy => ({
    ...sigbusOnFault,
    rules: (options) => ({
      ...sigbusOnFault.rules(options),
      toPrivate: [waitsUpTo('wait', untilUnpinned, waitNsMax, 'late'), waitsUpTo('wait.again', untilUnpinned, waitNsMax, 'late'), step('done', ends(Errno.OK)), step('late', ends(Errno.EBUSY))],
    }),
  });
  const requestAfter = async (holdNs: number, waitNsMax: number) => {
    const script = [a.toShared(PAGE), a.io(PAGE, 1, holdNs), a.toPrivate(PAGE), a.guestRead(1)];
    return (await runScript(script, { policy: waiting(waitNsMax), costs: flatCosts(0) })).tally;
  };

  test('looks again every microsecond, and goes on when it has what it waited for', async () => {
    const { conversions, latencyNs, completed } = await requestAfter(3_500, 10_000);
    expect(conversions.toPrivate.succeeded).toBe(1);
    expect(latencyNs.toPrivate.totalNs).toBe(4_000);
    expect(completed).toBe(4);
  });

  test('ends at its limit to the nanosecond, though that be no whole microsecond', async () => {
    const { conversions, latencyNs } = await requestAfter(1_000_000, 2_500);
    expect(conversions.toPrivate.gaveUp).toBe(1);
    expect(latencyNs.abandoned.totalNs).toBe(2_500);
    expect(conversions.toPrivate.refused[Errno.EBUSY]).toBe(1);
  });

  test('begins anew with every wait, those of a later request too', async () => {
    const script = [a.toShared(PAGE), a.io(PAGE, 1, 3_500), a.toPrivate(PAGE), a.io(PAGE, 1, 3_500), a.toPrivate(PAGE)];
    const { conversions } = (await runScript(script, { policy: waiting(5_000), costs: flatCosts(0) })).tally;
    expect(conversions.toPrivate).toMatchObject({ succeeded: 2, gaveUp: 0 });
    expect(conversions.toPrivate.phasesNs[PHASES.indexOf('referenceWait')]).toBe(8_000);
  });
});
