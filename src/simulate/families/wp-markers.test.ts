import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { Op } from '../../model/operations.ts';
import { scripted } from '../../workloads/scripted.ts';
import { WpAccess } from '../../workloads/wp-markers/access.ts';
import type { FamilyRunOptions } from '../family.ts';
import { wpMarkersFamily } from './wp-markers.ts';

const COSTS = flatCosts(100);
const optionsOf = (policy: string, workload: FamilyRunOptions['workload'], accessCount = 2000): FamilyRunOptions => ({
  policy,
  workload,
  costs: COSTS,
  folioOrder: 0,
  options: { pageCount: 2048, accessCount, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
});
const run = async (policy: string, workload: FamilyRunOptions['workload'], more: Partial<FamilyRunOptions> = {}) => (await wpMarkersFamily.run({ ...optionsOf(policy, workload), ...more })).tally;

describe.each(wpMarkersFamily.workloads)('$name', (workload) => {
  test.each(['pte-marker', 'protnone-zero-page', 'pte-marker-around'])('loses no protection under %s, and completes', async (policy) => {
    const { accesses, completed, operations } = await run(policy, workload);
    // Reclaim and migration fail where they find a page in use.
    expect([accesses, completed + operations[Op['access.failed']], operations[Op['wp.lost']]]).toEqual([2000, 2000, 0]);
  });
});

describe('the family wp-markers in virtual time', () => {
  test('loses protections under drop wherever entries go or children are born', async () => {
    const lost = await Promise.all(wpMarkersFamily.workloads.map(async (workload) => [workload.name, (await run('drop', workload)).operations[Op['wp.lost']] > 0]));
    expect(Object.fromEntries(lost)).toEqual({ snapshot: true, 'dirty-tracking': true, 'hole-punch': true, 'fork-server': true, 'numa-balancing': true, 'sparse-database': true });
  });

  test('gives the same figures without run-ahead', async () => {
    const [workload] = wpMarkersFamily.workloads;
    expect(await run('pte-marker', workload, { runAhead: false })).toEqual(await run('pte-marker', workload));
  });

  test('times calls from their begin to their end, and keeps gauges over time', async () => {
    const pages = 8;
    const workload = scripted({ actors: [{ role: 'vmm', accesses: [{ kind: WpAccess.Protect, page: 0, count: pages }, { kind: WpAccess.Unprotect, page: 0, count: pages }] }], slots: 0 });
    const { latencyNs, gauges, figures, virtualNs } = await run('pte-marker', workload);
    // The call, two locks, and a look at each entry, which is kept; then the same without keeping.
    expect([latencyNs.protect.count, latencyNs.protect.meanNs, latencyNs.unprotect.meanNs]).toEqual([1, (3 + 2 * pages) * 100, (3 + pages) * 100]);
    expect([gauges.keptEntries.max, gauges.keptEntries.end, gauges.keptTables.max, gauges.tables.max]).toEqual([pages, 0, 1, 1]);
    expect(gauges.keptEntries.mean).toBeGreaterThan(0);
    expect([figures, virtualNs]).toEqual([{ protectedPages: 0, processes: 1 }, (6 + 3 * pages) * 100]);
  });

  test('takes pages of 4 KiB alone, and the choice of a policy', async () => {
    const [workload] = wpMarkersFamily.workloads;
    await expect(wpMarkersFamily.run({ ...optionsOf('drop', workload), folioOrder: 9 })).rejects.toThrow('shmem of this family comes in pages of 4 KiB');
    const around = await run('drop', workload, { choices: { faultAround: 'into-armed' } });
    expect(around.operations[Op['fault.around']]).toBeGreaterThan(0);
    expect((await run('drop', workload)).operations[Op['fault.around']]).toBe(0);
  });
});
