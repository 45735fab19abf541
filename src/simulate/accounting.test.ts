import { describe, expect, test } from 'vitest';
import { runScript } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import { WRITER } from '../model/locks.ts';

/** Somebody who is no task of the world takes the lock as the run begins, and never gives it back. */
function holdingInvalidateLock() {
  let taken = false;
  return {
    onStep: (world: { readonly invalidateLock: Uint16Array }) => {
      if (!taken) world.invalidateLock[0] = WRITER;
      taken = true;
    },
  };
}

describe('a request whose task waits for what nobody will ever release', () => {
  test('ends as timed out, and is among the abandoned ones, so that the sums hold', async () => {
    const { tally } = await runScript([a.toPrivate(0), a.toShared(0), a.toShared(1)], holdingInvalidateLock());
    // The guest never gets beyond the first request: everything is private already, but the state is read under the lock.
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 0, timedOut: 1, gaveUp: 0 });
    expect(tally.conversions.toShared).toMatchObject({ requested: 0, timedOut: 0 });
    expect(tally.latencyNs.abandoned.count).toBe(1);
  });

  test('is counted for a donation at its first attempt too', async () => {
    let held = false;
    const { tally } = await runScript([a.guestWrite(0)], {
      conversion: 'lazy',
      onStep: (world) => {
        // The fault has read the state and goes on to donate: from here on the lock is somebody else's.
        if (!held && world.depth[0] > 0) {
          world.invalidateLock[0] = WRITER;
          held = true;
        }
      },
    });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 0, timedOut: 1 });
    expect(tally.latencyNs.abandoned.count).toBe(1);
  });

  test('a task that starves outside of a request counts none', async () => {
    const { tally } = await runScript([a.guestWrite(0)], holdingInvalidateLock());
    expect([tally.conversions.toPrivate.requested, tally.conversions.toPrivate.timedOut, tally.latencyNs.abandoned.count]).toEqual([0, 0, 0]);
    expect([tally.accesses, tally.completed]).toEqual([1, 0]);
  });
});
