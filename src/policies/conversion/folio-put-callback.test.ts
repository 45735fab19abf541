import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a, scripted } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';
import { PHASES } from '../../model/operations.ts';
import type { Phase } from '../../model/operations.ts';
import type { ConversionTally } from '../../simulate/tally.ts';

const policy = 'folio-put-callback';
/** Nothing takes any time but waiting. */
const free = { policy, costs: flatCosts(0) } as const;
const phase = ({ phasesNs }: ConversionTally, name: Phase): number => phasesNs[PHASES.indexOf(name)];

describe('folio-put-callback', () => {
  describe('where nobody has a reference', () => {
    test.each([1, 8, 600])('a request for N = %i pages that the host has touched looks at N counts (and once more after the LRU drain), stores N times, and registers nothing', async (pages) => {
      const script = [a.toShared(0, pages), ...Array.from({ length: pages }, (_, page) => a.hostWrite(page)), a.toPrivate(0, pages)];
      const counted = counts(await runScript(script, { policy }));
      expect(counted).toMatchObject({ 'folio.readRef': 1 + pages, 'state.store': 1 + pages, 'munmap': 1, 'pte.zap': pages });
      expect([counted['work.queue'], counted['work.run'], counted['rmap.walk']]).toEqual([undefined, undefined, undefined]);
    });

    test('a page without a folio costs its store alone', async () => {
      const counted = counts(await runScript([a.toShared(0), a.toPrivate(0)], { policy }));
      expect([counted['folio.readRef'], counted['lock.folio'], counted['state.store']]).toEqual([undefined, undefined, 2]);
    });
  });

  describe('waits for the last put, and asks once', () => {
    test.each([1, 500, 4_500, 9_998_500, 99_999_999])('an I/O of %i ns costs just as much, one refusal, one work item, and no retry', async (holdNs) => {
      const outcome = await runScript([a.toShared(0), a.io(0, 1, holdNs), a.toPrivate(0)], free);
      const { tally } = outcome;
      const { toPrivate } = tally.conversions;
      expect(toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
      expect(toPrivate.refused[Errno.EAGAIN]).toBe(1);
      expect(tally.latencyNs.toPrivate.totalNs).toBe(holdNs);
      expect(phase(toPrivate, 'referenceWait')).toBe(holdNs);
      expect(tally.latencyNs.kernel.totalNs).toBe(0);
      expect(counts(outcome)).toMatchObject({ 'work.queue': 1, 'work.run': 1, 'refused.ownPin': 1 });
    });

    test('with prices of 1 ns, an I/O of T ns costs T + 6: the device\'s access, its unpin, the item queued and run, invalidate_lock, the store', async () => {
      const { tally } = await runScript([a.toShared(0), a.io(0, 1, 10_000), a.toPrivate(0)], { policy });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(10_006);
      expect(tally.conversions.toPrivate.phasesNs.reduce((sum, ns) => sum + ns, 0)).toBe(10_006);
    });

    test('of several pins it is the last that counts', async () => {
      const { tally } = await runScript([a.toShared(0), a.io(0, 1, 2_000), a.io(0, 1, 7_000), a.io(0, 1, 5_000), a.toPrivate(0)], free);
      expect(tally.latencyNs.toPrivate.totalNs).toBe(7_000);
      expect(counts({ tally, notes: [] })['work.queue']).toBe(1);
    });

    test('a range waits for each of its pages, and is stored page by page as their pins go', async () => {
      const { tally } = await runScript([a.toShared(0, 8), a.io(1, 1, 9_000), a.io(5, 1, 3_000), a.toPrivate(0, 8)], free);
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(9_000);
      // Once to shared, six of the request, two into the third state, two of the worker.
      expect(counts({ tally, notes: [] })).toMatchObject({ 'work.queue': 2, 'state.store': 1 + 6 + 2 + 2 });
    });

    test('a pin on a neighbour is nobody\'s business, also where the run asks for large folios', async () => {
      const { tally } = await runScript([a.toShared(0, 512), a.io(77, 1, 20_000), a.toPrivate(5)], { ...free, folioOrder: 9, pages: 512 });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(0);
      expect(tally.conversions.toPrivate.refused[Errno.EAGAIN]).toBe(0);
    });
  });

  describe('between the sides', () => {
    test('a vCPU waits in its fault until the last put, and so does a second request', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0), a.io(0, 1, 50_000), a.toPrivate(0)] },
          { role: 'vcpu', accesses: [{ ...a.guestWrite(0), atNs: 10_000 }] },
          { role: 'vcpu', accesses: [{ ...a.toPrivate(0), atNs: 20_000 }] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(tally.latencyNs.guestFault.totalNs).toBe(40_000);
      expect(tally.latencyNs.toPrivate.totalNs).toBe(50_000 + 30_000);
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 2, succeeded: 2, retries: 0 });
      expect(counts({ tally, notes: [] })['access.failed']).toBeUndefined();
    });

    test('the host gets SIGSEGV, or SIGBUS where it maps the page again; GUP gets EFAULT', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0), a.io(0, 1, 50_000), a.toPrivate(0)] },
          { role: 'vmm', accesses: [{ ...a.hostRead(0), atNs: 10_000 }, a.map(0), a.hostRead(0), a.pinShort(0, 0)] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'signal.SIGSEGV': 1, 'signal.SIGBUS': 1 });
      expect(tally.errors.gup[Errno.EFAULT]).toBe(1);
      expect(tally.conversions.toPrivate.succeeded).toBe(1);
    });

    test('a to-shared takes the callback back: the put frees nothing and queues nothing, and the request tries again until its patience ends', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0), a.splice(0, 0), a.toPrivate(0)] },
          { role: 'vcpu', accesses: [{ ...a.toShared(0), atNs: 10_000 }, a.guestRead(0)] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(tally.conversions.toShared.succeeded).toBe(2);
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 0, timedOut: 1, retries: 1 });
      expect(counts({ tally, notes: [] })['folio.free']).toBeUndefined();
    });

    test('a hole ends the wait', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0), a.splice(0, 0), a.toPrivate(0), a.guestWrite(0)] },
          { role: 'vmm', accesses: [{ ...a.punch(0), atNs: 30_000 }] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(tally.latencyNs.toPrivate.totalNs).toBe(30_000);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'guest.access': 1 });
      expect(counts({ tally, notes: [] })['work.queue']).toBeUndefined();
    });
  });

  describe('gives up after 100 ms', () => {
    test('and leaves the page between the sides: the guest\'s access waits as long, and fails', async () => {
      const { tally } = await runScript([a.toShared(0), a.splice(0, 0), a.toPrivate(0), a.guestRead(0), a.unpin(0), a.guestRead(0)], free);
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 0, timedOut: 1, retries: 0 });
      expect(tally.latencyNs.abandoned.totalNs).toBe(100_000_000);
      expect(tally.virtualNs).toBe(200_000_000);
      // The second read comes after the last put: the page is the guest's own.
      expect(counts({ tally, notes: [] })).toMatchObject({ 'access.failed': 2, 'guest.access': 1, 'work.queue': 1 });
      expect(counts({ tally, notes: [] })['access.degraded']).toBeUndefined();
    });
  });

  test('a fresh page waits in an LRU batch, which is drained once a request', async () => {
    const counted = counts(await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0)], { policy }));
    expect(counted).toMatchObject({ 'lru.drainWork': 1, 'folio.readRef': 2 });
    expect(counted['work.queue']).toBeUndefined();
  });
});
