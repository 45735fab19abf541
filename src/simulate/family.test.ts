import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { ledgerFamily, ledgerModel, LedgerSpan } from '../../test/tools/ledgerFamily.ts';
import type { LedgerWorld } from '../../test/tools/ledgerFamily.ts';
import { Op } from '../model/operations.ts';
import { LOCKS } from './tally.ts';
import { createSimulatedFamily, type FamilyRunOptions } from './family.ts';

const workloadNamed = (name: string) => {
  const workload = ledgerFamily.workloads.find((one) => one.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  return workload;
};

interface Asked {
  readonly policy?: string;
  readonly workload?: string;
  readonly vcpus?: number;
  readonly accesses?: number;
  readonly pages?: number;
}

const optionsOf = ({ policy = 'locked', workload = 'rounds', vcpus = 2, accesses = 60, pages = 9 }: Asked): FamilyRunOptions => ({
  policy,
  workload: workloadNamed(workload),
  costs: flatCosts(100),
  folioOrder: 0,
  options: { pageCount: pages, accessCount: accesses, seed: 1, vcpus, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' },
});

const run = (asked: Asked = {}, more: Partial<FamilyRunOptions> = {}) => ledgerFamily.run({ ...optionsOf(asked), ...more });

describe('a family that is not about conversions', () => {
  test('runs its accesses in virtual time, and counts what its steps did', async () => {
    const { tally, notes } = await run({ workload: 'alone', accesses: 20 });
    // 20 accesses are two rounds of 9 pages and a flush each.
    expect([tally.accesses, tally.completed, tally.work]).toEqual([20, 20, 20]);
    expect([tally.operations[Op['pte.check']], tally.operations[Op['pte.set']], tally.operations[Op['tlb.flush']]]).toEqual([18, 18, 2]);
    expect(tally.virtualNs).toBe((18 + 18 + 2 * 2) * 100);
    expect(tally.figures).toEqual({ sum: 18 });
    expect(notes).toEqual([]);
  });

  test('has a latency for each span that its steps raise, from before the first step to after the last', async () => {
    const { tally } = await run({ workload: 'alone', accesses: 10 });
    expect([tally.latencyNs.add.count, tally.latencyNs.add.minNs, tally.latencyNs.add.maxNs]).toEqual([9, 200, 200]);
    expect([tally.latencyNs.flush.count, tally.latencyNs.flush.maxNs]).toEqual([1, 200]); // the flush, and its one entry
  });

  test('has gauges over time: the mean, the most, the end', async () => {
    const { tally } = await run({ workload: 'alone', accesses: 2, pages: 2 });
    // The first page counts from 200 ns on, the second from 400 ns on, which is the end.
    expect(tally.gauges.pages).toEqual({ mean: 0.5, max: 2, end: 2 });
    expect(tally.gauges.tables).toEqual({ mean: 0, max: 0, end: 0 });
  });

  test('waits for its locks in the order of waiting, and loses nothing under them', async () => {
    const { tally } = await run({ vcpus: 3, accesses: 90 });
    expect(tally.figures).toEqual({ sum: 81 });
    expect(tally.operations[Op['access.orphan']]).toBe(0);
    expect(tally.lockBlockedNs[LOCKS.indexOf('pageTable')]).toBeGreaterThan(0);
  });

  test('shows in its figures what its policy gets wrong', async () => {
    const { tally } = await run({ policy: 'unlocked' });
    expect(tally.operations[Op['access.orphan']]).toBeGreaterThan(0);
    expect(tally.figures.sum).toBe(54 - tally.operations[Op['access.orphan']]);
    expect(tally.lockBlockedNs[LOCKS.indexOf('pageTable')]).toBe(0);
  });

  test('interrupts others: who is at no request of its own loses that time to others', async () => {
    const { tally } = await run({ vcpus: 2 });
    expect(tally.operations[Op['tlb.ipi']]).toBe(6);
    expect(tally.bystanderNs).toBeGreaterThan(0);
    expect(tally.lostNs).toBe(tally.bystanderNs + tally.lockBlockedNs.reduce((sum, ns) => sum + ns, 0));
    const own = createSimulatedFamily({ ...ledgerModel, isAtRequest: () => true });
    expect((await own.run(optionsOf({}))).tally.lostNs).toBe(0);
  });

  test('gives the same figures without run-ahead, and with somebody who looks on', async () => {
    const plain = (await run({ vcpus: 3, accesses: 90 })).tally;
    let steps = 0;
    expect((await run({ vcpus: 3, accesses: 90 }, { runAhead: false })).tally).toEqual(plain);
    expect((await run({ vcpus: 3, accesses: 90 }, { onStep: () => void steps++ })).tally).toEqual(plain);
    expect(steps).toBeGreaterThan(3 * 27 * 5);
  });

  test('takes what was chosen, and refuses a policy that it does not have', async () => {
    expect((await run({ accesses: 20, vcpus: 1 }, { choices: { start: 'one' } })).tally.figures).toEqual({ sum: 9 + 18 });
    await expect(run({ policy: 'none' })).rejects.toThrow('family ledger has no policy none');
  });

  test('may say what an interrupted CPU does', async () => {
    const seen: number[] = [];
    const own = createSimulatedFamily({ ...ledgerModel, acknowledge: (world: LedgerWorld, task, cpu) => {
      seen.push(cpu);
      world.callPending[task * world.shape.cpus + cpu] = 0;
      world.callCount[task]--;
    } });
    await own.run(optionsOf({ accesses: 20 }));
    expect(seen).toEqual([1, 0]);
  });
});

describe('a span', () => {
  const broken = (change: (world: LedgerWorld) => void) =>
    ledgerFamily.run({ ...optionsOf({ workload: 'alone', accesses: 3 }), onStep: (world) => change(world as LedgerWorld) });

  test('that begins again has only its last begin', async () => {
    let times = 0;
    // Somebody raises the first begin a second time, after the reading.
    const { tally } = await broken((world) => {
      if (times++ === 2) world.meter.beginSpan(LedgerSpan.Add);
    });
    expect([tally.latencyNs.add.count, tally.latencyNs.add.minNs]).toEqual([3, 100]);
  });

  test('that ends without a begin is a defect of the family, and so is an event of conversions', async () => {
    await expect(broken((world) => world.meter.endSpan(LedgerSpan.Flush))).rejects.toThrow('span 1 of task 0 ends and has not begun');
    await expect(broken((world) => world.meter.raise(5))).rejects.toThrow('event 5 of task 0 is of another family');
  });
});
