/** The synthetic workloads on the model and on the reference model, one access after the other. */
import { describe, expect, test } from 'vitest';
import { Op } from '../src/model/operations.ts';
import { CHECKS } from '../src/policies/policy.ts';
import { fixedBuffers } from '../src/workloads/synthetic/fixedBuffers.ts';
import { workloads } from '../src/workloads/index.ts';
import { runBoth } from './reference/runBoth.ts';
import { POLICY_NAMES, streamOfWorkload } from './reference/streams.ts';

describe('the model and the reference model end alike', () => {
  describe.each(workloads)('$name', (workload) => {
    test.each(POLICY_NAMES)('under %s, explicit and lazy', async (policy) => {
      for (const lazy of [false, true]) {
        const stream = await streamOfWorkload(workload, { policy, lazy, accesses: 300 });
        const { outcome } = await runBoth(stream, { atTheEnd: true });
        expect(outcome.tally.accesses).toBe(stream.accesses.length);
      }
    }, 60_000);
  });
});

describe('buffers that stay pinned (fixed-buffers, 4000 accesses)', () => {
  test.each(CHECKS)('reach private data under %s as often as the reference says', async (check) => {
    const stream = await streamOfWorkload(fixedBuffers, { policy: 'sigbus-on-fault', check, lazy: false, accesses: 4000 });
    const { outcome, machine } = await runBoth(stream, { atTheEnd: true });
    const { operations } = outcome.tally;
    const exposures = machine.counts.get('access.exposed') ?? 0;
    expect(operations[Op['access.exposed']]).toBe(exposures);
    expect(operations[Op['access.rogue']]).toBe(machine.counts.get('access.rogue') ?? 0);
    // The device reaches each exposed page twice: in the I/O after the conversion, and before the release.
    expect(operations[Op['access.rogue']]).toBe(2 * exposures);
    expect(exposures > 0).toBe(check !== 'refcount');
  }, 60_000);

  test('convert once they are released: what was refused was pinned, and at the end nothing that was asked for is shared', async () => {
    const stream = await streamOfWorkload(fixedBuffers, { policy: 'sigbus-on-fault', lazy: false, accesses: 4000 });
    const { outcome, machine } = await runBoth(stream, { atTheEnd: true });
    const { requested, succeeded, timedOut, gaveUp } = outcome.tally.conversions.toPrivate;
    expect(gaveUp).toBe(0);
    expect(timedOut).toBeGreaterThan(0);
    expect(succeeded).toBe(requested - timedOut);
    expect(machine.counts.get('refused.transient')).toBeUndefined();
    expect(machine.counts.get('refused.neighbourPin')).toBeUndefined();
    expect(machine.degraded.size).toBe(0);
    expect(machine.privatePages.size + machine.asked.size).toBe(stream.setup.pages);
  }, 60_000);
});
