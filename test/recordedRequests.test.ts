/** A recording of a guest's conversions, from the file to what a simulated host did for it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createExperiment } from '../src/harness/request.ts';
import { labelOf } from '../src/harness/families/index.ts';
import { catalogue } from '../src/harness/builtIn.ts';
import { isPrivate } from '../src/model/file.ts';
import type { Host } from '../src/model/host.ts';
import { brokenInvariant } from '../src/model/invariants.ts';
import type { World } from '../src/model/world.ts';
import { policies } from '../src/policies/index.ts';
import { run } from '../src/simulate/run.ts';
import { checkTrace, openTrace } from '../src/workloads/index.ts';
import type { WorkloadOptions } from '../src/workloads/workload.ts';
import { OPTIONS, complaintOf, requestTrace } from './support/traceFiles.ts';
import { ROOT } from './tools/documents.ts';
import { EXAMPLE_TRACE, exampleTrace } from './tools/exampleTrace.ts';
import { flatCosts } from './tools/flatCosts.ts';

const EXAMPLE = join(ROOT, EXAMPLE_TRACE);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foliobench-requests-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Watched {
  readonly onStep?: (world: World, host: Host) => void;
}

async function simulate(file: string, policyName: string, changes: Partial<WorkloadOptions> = {}, { onStep }: Watched = {}) {
  const policy = policies.find(({ name }) => name === policyName);
  if (policy === undefined) throw new Error(`no policy ${policyName}`);
  const workload = await openTrace(file);
  let privateAtStart: readonly number[] | null = null;
  const { tally, notes } = await run({
    policy,
    workload,
    check: 'refcount',
    costs: flatCosts(),
    folioOrder: 0,
    options: { ...OPTIONS, pageCount: workload.memoryPages ?? 0, ...changes },
    onStep: (world, _task, host) => {
      onStep?.(world, host);
      // Before the first request has come far enough to change anything.
      privateAtStart ??= Array.from({ length: world.shape.pages }, (_, page) => page).filter((page) => isPrivate(world, page));
    },
  });
  return { tally, notes, privateAtStart };
}

describe('the example', () => {
  test('is what its seed makes of it, says that it is synthetic, and is whole', async () => {
    expect(readFileSync(EXAMPLE, 'utf8')).toBe(exampleTrace());
    expect(exampleTrace()).toContain('# workload: synthetic');
    await expect(checkTrace(EXAMPLE)).resolves.toBeUndefined();
  });
  test.each(['sigbus-on-fault', 'in-place', 'split-4k', 'wait-for-pins'])('under %s: each request is made once, with its pages, at either pace', async (policy) => {
    const records = exampleTrace().split('\n').map((line) => line.split(','));
    const counted = (op: string) => {
      const rows = records.filter(([, , name]) => name === op);
      return { requested: rows.length, pages: rows.reduce((sum, [, , , , count]) => sum + Number(count), 0) };
    };
    for (const pace of ['recorded', 'closed'] as const) {
      const { conversions } = (await simulate(EXAMPLE, policy, { pace })).tally;
      expect(conversions.toShared).toMatchObject({ ...counted('to-shared'), succeeded: 50 });
      expect(conversions.toPrivate).toMatchObject({ ...counted('to-private'), succeeded: 48 });
    }
  });
});

describe('pages that start shared', () => {
  const records = ['1000,vcpu0,to-private,8,4', '2000,vcpu0,to-shared,8,1', '3000,host,first-touch-write,8,1'];
  test('are shared before the first step, so that the first request really takes them back', async () => {
    const file = join(folder, 'attached.csv');
    writeFileSync(file, requestTrace(records, { initial_state: 'by-first-request' }));
    const { tally, privateAtStart, notes } = await simulate(file, 'sigbus-on-fault', { pace: 'recorded' });
    expect(privateAtStart).toEqual(Array.from({ length: 64 }, (_, page) => page).filter((page) => page < 8 || page >= 12));
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, pages: 4, succeeded: 1 });
    expect(notes).toContain('4 pages start shared, since the first request for them is to-private');
  });
  test('are none where the header says private: the same request finds nothing to do, and costs less', async () => {
    const changed = join(folder, 'changed.csv');
    const unchanged = join(folder, 'unchanged.csv');
    writeFileSync(changed, requestTrace(records, { initial_state: 'by-first-request' }));
    writeFileSync(unchanged, requestTrace(records));
    const timeOf = async (file: string) => (await simulate(file, 'sigbus-on-fault')).tally.virtualNs;
    expect((await simulate(unchanged, 'sigbus-on-fault')).privateAtStart).toHaveLength(64);
    expect(await timeOf(unchanged)).toBeLessThan(await timeOf(changed));
  });
  test('make no difference to a lazy run, where the host owns everything at first', async () => {
    const file = join(folder, 'lazy.csv');
    writeFileSync(file, requestTrace(records, { initial_state: 'by-first-request' }));
    expect((await simulate(file, 'sigbus-on-fault', { conversion: 'lazy' })).privateAtStart).toEqual([]);
  });
});

describe('any recording of requests, by a guest that was running already', () => {
  const PAGES = 1024;
  const request = fc.record({ waitNs: fc.nat({ max: 40_000 }), vcpu: fc.nat({ max: 1 }), toShared: fc.boolean(), page: fc.nat({ max: PAGES - 1 }), count: fc.integer({ min: 1, max: 600 }) });

  // `null` takes no requests, and counts none.
  test.each(policies.map(({ name }) => name).filter((name) => name !== 'null'))('leaves a sound world, and every request is counted, under %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (asked) => {
        let tNs = 0;
        const lines = asked.map(({ waitNs, vcpu, toShared, page, count }) => `${(tNs += waitNs)},vcpu${vcpu},${toShared ? 'to-shared' : 'to-private'},${page},${Math.min(count, PAGES - page)}`);
        const file = join(folder, 'any.csv');
        writeFileSync(file, requestTrace(lines, { initial_state: 'by-first-request', guest_ram_bytes: String(PAGES * 4096) }));
        const broken: string[] = [];
        let last: (() => string | undefined) | undefined;
        const { tally } = await simulate(file, name, { pace: 'recorded' }, {
          onStep: (world, host) => {
            // The start, of which no step of a policy knows, and the end.
            if (last === undefined) broken.push(brokenInvariant(world, host.program) ?? 'none');
            last = () => brokenInvariant(world, host.program);
          },
        });
        expect([...broken, last?.() ?? 'none']).toEqual(['none', 'none']);
        const { toShared, toPrivate } = tally.conversions;
        expect(toShared.requested + toPrivate.requested).toBe(asked.length);
        expect(toPrivate.requested).toBe(asked.filter((one) => !one.toShared).length);
      }),
      { numRuns: 8 },
    );
  });
});

describe('a comparison', () => {
  test('shows such a trace as today and lazily, and refuses to guess what is recorded', async () => {
    const { runs } = await createExperiment({ policies: ['null'], workloads: [EXAMPLE] }, catalogue);
    expect(runs.map(({ params }) => labelOf({ family: 'conversion', params }))).toEqual(['as today', 'lazy donation']);
    expect(await complaintOf(() => createExperiment({ policies: ['null'], workloads: [EXAMPLE], dma: 'direct' }, catalogue))).toEqual({
      what: '--dma direct contradicts conversions',
      why: 'the trace has the conversions that its guest asked for (to-shared, to-private), and direct would infer others from its DMA',
    });
  });
});
