import { describe, expect, test } from 'vitest';
import { fakeKvm } from '../../test/support/fakeKvm.ts';
import type { Asked, FakeKvm } from '../../test/support/fakeKvm.ts';
import { Kvm, KvmExtension } from './abi.ts';
import { openBacking } from './backing.ts';
import { openExperiment } from './experiments.ts';
import type { Experiment } from './experiments.ts';
import { placesOf } from './grids.ts';
import { measure } from './measure.ts';
import type { Place } from './points.ts';
import { createScope, withScope } from './scope.ts';
import { VM_OPERATIONS, openMachines } from './virtualMachine.ts';
import type { VmOperation } from './virtualMachine.ts';

const EOPNOTSUPP = 95;
const PLAIN = { pages: 128, vmas: 0, processes: 1, touched: false, dirty: false, cpus: 1 } as const;

/** Resets and runs the experiment of a place three times, and answers what the last run asked. */
async function runOf(some: Partial<Place> & { readonly operation: VmOperation }): Promise<FakeKvm & { readonly calls: number; readonly run: readonly Asked[] }> {
  const kvm = fakeKvm();
  const scope = createScope();
  const { backing } = openBacking(kvm.libc, scope, undefined);
  const experiment = await openExperiment({ libc: kvm.libc, backing, machines: openMachines(kvm.libc, scope, backing.name), scope }, { ...PLAIN, ...some }) as Experiment;
  for (let more = 0; more < 3; more++) {
    experiment.reset();
    kvm.asked.length = 0;
    kvm.holes.length = 0;
    experiment.run();
  }
  expect(experiment.foreignCalls).toBe(experiment.calls);
  await scope.close();
  expect(kvm.open()).toBe(0);
  return { ...kvm, calls: experiment.calls, run: kvm.asked };
}

describe('each call of a run finds what its place says', () => {
  test('a stage-2 fault: pages that have no leaves, or have them', async () => {
    expect((await runOf({ operation: 'stage2.fault' })).run.map(({ request, leaves }) => [request, leaves])).toEqual(Array.from({ length: 4 }, () => [Kvm.PreFaultMemory, 128]));
    expect((await runOf({ operation: 'stage2.fault', touched: true })).run.map(({ leaves }) => leaves)).toEqual([0, 0, 0, 0]);
    expect((await runOf({ operation: 'stage2.fault', pages: 1 })).calls).toBe(512);
    expect((await runOf({ operation: 'stage2.fault', pages: 512 })).calls).toBe(1);
  });

  test.each([{ vmas: 0 }, { vmas: 4, touched: true }, { vmas: 1, touched: true, dirty: true }])('a hole: pages of the file, all with leaves (%j)', async (some) => {
    const { holes, run } = await runOf({ operation: 'stage2.punch', ...some });
    expect([holes, run]).toEqual([Array.from({ length: 4 }, () => ({ leaves: 128, pages: 128 })), []]);
  });

  test.each([['convert.private', 128], ['convert.shared', -128]] as const)('%s: pages of the other kind, without leaves or with them', async (operation, converted) => {
    for (const touched of [false, true]) {
      const { run } = await runOf({ operation, touched });
      expect(run.map((asked) => [asked.request, asked.converted, -asked.leaves])).toEqual(Array.from({ length: 4 }, () => [Kvm.SetMemoryAttributes, converted, touched ? 128 : 0]));
    }
  });
});

describe('where the kernel refuses', () => {
  /** Measures places with a fake clock that goes on by a microsecond at each look. */
  const measured = (kvm: FakeKvm, places: readonly Place[]) =>
    withScope((scope) => {
      let ns = 0;
      const clockGettime = (_clock: number, time: Int32Array): number => ((time[2] = ns += 1000), 0);
      const libc = { ...kvm.libc, clockGettime, nothing: () => 0, schedSetAffinity: () => 0, gettid: () => 1 };
      const { backing } = openBacking(libc, scope, undefined);
      const machines = openMachines(libc, scope, backing.name);
      return measure({ libc, backing, machines, places, cpus: [0], rounds: 2, runs: 3, budgetMs: 1e9, nowMs: () => 0, signal: new AbortController().signal, onProgress() {} });
    });

  test('nothing of it is in the grid, where a KVM that has it gives every place a point', async () => {
    const grid = (vmOperations: readonly VmOperation[]) => placesOf({ quick: true, cpus: 1, vmOperations }).filter(({ operation }) => VM_OPERATIONS.some((one) => one === operation));
    const { points, notMeasured } = await measured(fakeKvm(), grid(VM_OPERATIONS));
    expect([points.length, notMeasured]).toEqual([grid(VM_OPERATIONS).length, []]);
    const { operations } = openMachines(fakeKvm({ extensions: { [KvmExtension.PreFaultMemory]: 0, [KvmExtension.VmTypes]: 1 } }).libc, createScope(), 'guest_memfd');
    expect(grid(operations)).toEqual([]);
  });

  test('what it said that it can, a place is tried once and told with its errno', async () => {
    const kvm = fakeKvm({ failures: { [Kvm.PreFaultMemory]: Array.from({ length: 100 }, () => EOPNOTSUPP) } });
    const { points, notMeasured } = await measured(kvm, [1, 512].map((pages) => ({ ...PLAIN, pages, operation: 'stage2.fault' })));
    expect(points).toEqual([]);
    expect(notMeasured).toEqual([{ operation: 'stage2.fault', why: expect.stringMatching(/^stage2\.fault (?:1|512) pages, 0 VMAs: KVM_PRE_FAULT_MEMORY: EOPNOTSUPP$/) as string }]);
    expect(kvm.asked.filter(({ request }) => request === Kvm.PreFaultMemory)).toHaveLength(2);
  });
});
