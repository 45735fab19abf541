import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a, scripted } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { Errno } from '../../model/errno.ts';
import { LockClass } from '../../model/locks.ts';
import { PHASES } from '../../model/operations.ts';
import type { Phase } from '../../model/operations.ts';
import type { ConversionTally } from '../../simulate/tally.ts';

const policy = 'wait-for-pins';
/** Nothing takes any time but waiting. */
const free = { policy, costs: flatCosts(0) } as const;
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const phase = ({ phasesNs }: ConversionTally, name: Phase): number => phasesNs[PHASES.indexOf(name)];

describe('wait-for-pins', () => {
  describe('where nobody has a pin', () => {
    test.each([
      { pages: 1, vmas: 1 },
      { pages: 8, vmas: 16 },
      { pages: 600, vmas: 2 },
    ])('a request for N = $pages pages in V = $vmas mappings costs N lookups more than sigbus-on-fault, for the faults that it waits for', async ({ pages, vmas }) => {
      const script: readonly ScriptedAccess[] = [
        a.toShared(0, pages), ...range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window))), a.toPrivate(0, pages),
      ];
      const own = counts(await runScript(script, { policy, vmas }));
      const other = counts(await runScript(script, { vmas }));
      expect(own).toEqual({ ...other, 'pageCache.lookup': (other['pageCache.lookup'] ?? 0) + pages, 'folio.put': (other['folio.put'] ?? 0) + pages });
      expect(own['pte.zap']).toBe(pages * vmas);
      expect(own['rmap.walk']).toBe(1);
    });

    test('pages that have no folio cost nothing', async () => {
      const counted = counts(await runScript([a.toShared(0, 8), a.toPrivate(0, 8)], { policy }));
      expect(counted['pageCache.lookup']).toBeUndefined();
      expect(counted['folio.readRef']).toBeUndefined();
    });
  });

  describe('waits for a short pin, in the kernel and in one attempt', () => {
    test.each([
      // It looks every microsecond; at the very moment of the unpin it comes first.
      { holdNs: 500, latencyNs: 1_000 },
      { holdNs: 4_500, latencyNs: 5_000 },
      { holdNs: 5_000, latencyNs: 6_000 },
      { holdNs: 9_998_500, latencyNs: 9_999_000 },
    ])('an I/O of $holdNs ns costs $latencyNs ns and no retry', async ({ holdNs, latencyNs }) => {
      const { tally } = await runScript([a.toShared(0), a.io(0, 1, holdNs), a.toPrivate(0)], free);
      const { toPrivate } = tally.conversions;
      expect(toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(latencyNs);
      expect(tally.latencyNs.kernel.totalNs).toBe(latencyNs);
      expect(phase(toPrivate, 'referenceWait')).toBe(latencyNs);
      expect(phase(toPrivate, 'backoff')).toBe(0);
    });

    test('the limit is that of one wait: a range whose pins end one after the other may take longer', async () => {
      // Two lookups, since a step handles 512 pages.
      const { tally } = await runScript([a.toShared(0, 1024), a.io(0, 1, 6_000_500), a.io(600, 1, 12_000_500), a.toPrivate(0, 1024)], free);
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(12_001_000);
    });

    test('every fault of the file waits as long, on pages that nobody converts too', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0, 2), a.io(0, 1, 49_500), a.toPrivate(0)] },
          { role: 'vmm', accesses: [a.hostRead(1)] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(tally.lockBlockedNs[LockClass.Invalidate]).toBe(50_000);
      expect(tally.latencyNs.hostFault.totalNs).toBe(50_000);
      expect(tally.lockBlockedNs[LockClass.Folio]).toBe(0);
    });

    test('of a large folio it waits for the pins of every page, and unmaps all of them', async () => {
      const script = [a.toShared(1, 511), a.hostRead(1), a.toShared(0), ...range(512).map((page) => a.hostWrite(page)), a.io(77, 1, 20_500), a.toPrivate(5)];
      const outcome = await runScript(script, { ...free, folioOrder: 9, pages: 512 });
      expect(outcome.tally.latencyNs.toPrivate.totalNs).toBe(21_000);
      expect(counts(outcome)).toMatchObject({ 'pte.zap': 512, 'pte.zapNeighbour': 511 });
    });
  });

  describe('gives up after 10 ms with EAGAIN', () => {
    test('and the VMM tries again: an I/O of 25 ms costs two refusals and the two back-offs after them', async () => {
      const { tally, notes } = await runScript([a.toShared(0), a.io(0, 1, 25_000_500), a.toPrivate(0)], free);
      const { toPrivate } = tally.conversions;
      expect(toPrivate).toMatchObject({ succeeded: 1, retries: 2 });
      expect(toPrivate.refused[Errno.EAGAIN]).toBe(2);
      expect(tally.latencyNs.toPrivate.totalNs).toBe(25_001_000);
      expect(phase(toPrivate, 'backoff')).toBe(10_000 + 20_000);
      expect(phase(toPrivate, 'referenceWait')).toBe(25_001_000 - 30_000);
      expect(counts({ tally, notes })['refused.ownPin']).toBe(2);
    });

    test('where a vmsplice holds the page for ever, until the patience of the VMM ends too', async () => {
      const { tally } = await runScript([a.toShared(0), a.splice(0, 0), a.toPrivate(0)], free);
      // Ten waits of 10 ms; between them 10 + 20 + ... + 640 us and two of 1 ms. The tenth ends behind the limit of 100 ms.
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 0, timedOut: 1, retries: 9 });
      expect(tally.latencyNs.abandoned.totalNs).toBe(100_000_000 + 1_270_000 + 2_000_000);
    });

    test('and leaves the pages shared and unmapped', async () => {
      const counted = counts(await runScript([a.toShared(0), a.hostWrite(0), a.splice(0, 0), a.toPrivate(0), a.hostRead(0)], { policy }));
      expect(counted['host.fault']).toBe(2);
      expect(counted['signal.SIGBUS']).toBeUndefined();
      expect(counted['pte.zap']).toBe(1);
    });

    test('does not leave a thread stuck that needs a fault before it unpins', async () => {
      const workload = scripted({
        actors: [
          { role: 'vcpu', accesses: [a.toShared(0, 2), { ...a.toPrivate(0), atNs: 1_000 }] },
          { role: 'vmm', accesses: [a.pinShort(0, 0), { ...a.hostRead(1), atNs: 2_000 }, a.unpin(0)] },
        ],
      });
      const { tally } = await runScript(workload, free);
      expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 1 });
      expect(tally.latencyNs.toPrivate.totalNs).toBe(10_000_000 + 10_000);
      expect(tally.latencyNs.hostFault.totalNs).toBeLessThanOrEqual(10_000_000);
    });
  });

  test('a long-term pin is EFAULT, a short one and a get are not', async () => {
    const { tally } = await runScript([a.toShared(0, 4), a.hostWrite(0), a.pinLong(0, 0), a.pinShort(1, 1), a.splice(2, 2), a.io(3)], { policy });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(1);
    expect(counts({ tally, notes: [] })['access.failed']).toBe(1);
  });

  test('what it waits for is what its check asks: a pin under mapped-or-pinned, nothing of the kind under mapcount', async () => {
    const script = [a.toShared(0), a.io(0, 1, 50_500), a.toPrivate(0)];
    const latencyOf = async (check: 'mapcount' | 'mapped-or-pinned') => (await runScript(script, { ...free, check })).tally.latencyNs.toPrivate.totalNs;
    expect(await latencyOf('mapped-or-pinned')).toBe(51_000);
    expect(await latencyOf('mapcount')).toBe(0);
  });
});
