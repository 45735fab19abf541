/**
 * Buffers that stay pinned, with all vCPUs at work at the same time and at real prices: what the debate is about.
 *
 * What is pinned when, and so what may be converted, is told by plain maps beside the engine; how often the device reaches
 * private data is told by the reference model, which is given the same accesses in the order in which they ended.
 */
import { describe, expect, test } from 'vitest';
import { isPrivate } from '../src/model/file.ts';
import { Op } from '../src/model/operations.ts';
import { DEPTH_MAX } from '../src/model/step.ts';
import type { World } from '../src/model/world.ts';
import type { Check } from '../src/policies/policy.ts';
import { loadCostProfile } from '../src/simulate/costs.ts';
import { run, type RunOutcome } from '../src/simulate/run.ts';
import { fixedBuffers } from '../src/workloads/synthetic/fixedBuffers.ts';
import { Access, type Actor, type Workload, type WorkloadOptions } from '../src/workloads/workload.ts';
import { rulesOf } from './reference/conversions.ts';
import { createMachine } from './reference/machine.ts';
import { perform, type TimedAccess } from './reference/model.ts';
import { policyNamed } from './tools/runScript.ts';

const OPTIONS: WorkloadOptions = {
  pageCount: 4096, accessCount: 6000, seed: 1, vcpus: 3, processes: 1, windowsPerProcess: 1,
  conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed',
};
const KERNEL_UNMAPS = ['sigbus-on-fault', 'split-4k'] as const;

/** The workload, and what each of its actors was given so far. */
function recorded(workload: Workload): { readonly workload: Workload; readonly given: TimedAccess[][] } {
  const given: TimedAccess[][] = [];
  const record = (actor: Actor, cpu: number): Actor => {
    const accesses: TimedAccess[] = (given[cpu] = []);
    return {
      ...actor,
      async fill(batch) {
        const length = await actor.fill(batch);
        for (let at = 0; at < length; at++) {
          const { kind, page, count, slot, window, holdNs } = batch;
          accesses.push({ cpu, kind: kind[at], page: page[at], count: count[at], slot: slot[at], window: window[at], holdNs: holdNs[at], atNs: 0 });
        }
        return length;
      },
    };
  };
  return {
    given,
    workload: {
      ...workload,
      async open(options) {
        const opened = await workload.open(options);
        return { ...opened, actors: opened.actors.map(record) };
      },
    },
  };
}

/** Runs fixed-buffers and calls back as each access ends, in that order. */
async function runInOrder(policy: string, check: Check, onEnd: (access: TimedAccess, world: World) => void): Promise<RunOutcome> {
  const { workload, given } = recorded(fixedBuffers);
  const ended = given.map(() => 0);
  return run({
    policy: policyNamed(policy),
    workload,
    check,
    costs: loadCostProfile('published-x86'),
    folioOrder: 0,
    options: OPTIONS,
    onStep(world, task) {
      if (task >= world.shape.cpus || world.pc[task * DEPTH_MAX] !== 0) return;
      ended[task] = (ended[task] ?? 0) + 1;
      onEnd(given[task][ended[task] - 1], world);
    },
  });
}

const pagesOf = ({ page, count }: TimedAccess): readonly number[] => Array.from({ length: count }, (_, at) => page + at);
const TAKES: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice]);

describe.each(KERNEL_UNMAPS)('fixed-buffers under %s', (policy) => {
  test('with refcount: a page that is held stays shared, any other one converts, and a held one does after its release', async () => {
    const held = new Map<number, readonly number[]>();
    const isHeld = (page: number): boolean => [...held.values()].some((pages) => pages.includes(page));
    const asked = new Set<number>();
    const wrong: string[] = [];
    const seen = { granted: 0, refused: 0, grantedAfterRelease: 0 };
    const refusedPages = new Set<number>();
    let last: World | undefined;

    const { tally } = await runInOrder(policy, 'refcount', (access, world) => {
      last = world;
      if (TAKES.has(access.kind)) held.set(access.slot, pagesOf(access));
      if (access.kind === Access.Unpin) held.delete(access.slot);
      if (access.kind === Access.ToShared) for (const page of pagesOf(access)) asked.add(page);
      if (access.kind !== Access.ToPrivate) return;
      const pages = pagesOf(access);
      const inUse = pages.some(isHeld);
      seen[inUse ? 'refused' : 'granted']++;
      for (const page of pages) {
        asked.delete(page);
        if (inUse) refusedPages.add(page);
        else if (refusedPages.delete(page)) seen.grantedAfterRelease++;
        if (isPrivate(world, page) === inUse) wrong.push(`page ${page} is ${inUse ? 'private and held' : 'shared and free'}`);
      }
    });

    expect(wrong).toEqual([]);
    expect(seen.refused).toBeGreaterThan(10);
    expect(seen.grantedAfterRelease).toBeGreaterThanOrEqual(seen.refused);
    const { toPrivate } = tally.conversions;
    expect([toPrivate.succeeded, toPrivate.timedOut, toPrivate.gaveUp]).toEqual([seen.granted, seen.refused, 0]);
    expect([tally.operations[Op['access.rogue']], tally.operations[Op['access.exposed']]]).toEqual([0, 0]);
    // In the end nobody holds anything, and all that the guest asked to have back is its own.
    expect([held.size, refusedPages.size]).toEqual([0, 0]);
    const sharedPages = Array.from({ length: OPTIONS.pageCount }, (_, page) => page).filter((page) => last !== undefined && !isPrivate(last, page));
    expect(sharedPages).toEqual([...asked].sort((a, b) => a - b));
  }, 60_000);

  test('with mapcount: the device reaches private pages as often as the reference model says', async () => {
    const { pageCount: pages, processes, windowsPerProcess, vcpus } = OPTIONS;
    const machine = createMachine({
      rules: rulesOf(policy),
      check: 'mapcount',
      pages,
      folioOrder: 0,
      lazy: false,
      windowsPerProcess,
      processes,
      cpus: Array.from({ length: vcpus }, () => ({ process: 0, vcpu: true })),
      launch: [],
    });
    const { tally } = await runInOrder(policy, 'mapcount', (access) => perform(machine, access));
    const rogue = machine.counts.get('access.rogue') ?? 0;
    const exposed = machine.counts.get('access.exposed') ?? 0;
    expect(rogue).toBeGreaterThan(50);
    expect([tally.operations[Op['access.rogue']], tally.operations[Op['access.exposed']]]).toEqual([rogue, exposed]);
    expect(tally.conversions.toPrivate.timedOut).toBe(0);
  }, 60_000);
});
