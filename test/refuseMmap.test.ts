/** `refuse-mmap` keeps its promise by refusing nearly everything, and the table shows what that is worth. */
import { describe, expect, test } from 'vitest';
import { ERRNOS } from '../src/model/errno.ts';
import { Op } from '../src/model/operations.ts';
import { COST_COLUMNS } from '../src/report/columns.ts';
import { groupCells } from '../src/report/rows.ts';
import { loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';
import { workloads } from '../src/workloads/index.ts';
import { Access, createBatch, type Workload, type WorkloadOptions } from '../src/workloads/workload.ts';
import { recordOf } from './tools/cells.ts';
import { policyNamed } from './tools/runScript.ts';

const OPTIONS: WorkloadOptions = {
  pageCount: 4096, accessCount: 2000, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: 1,
  conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed',
};
const costs = loadCostProfile('published-x86');

/** What goes through a mapping of the host, or makes one. */
const NEEDS_MAPPING: ReadonlySet<number> = new Set([
  Access.HostRead, Access.HostWrite, Access.Io, Access.PinShort, Access.PinLong, Access.Splice, Access.Copy, Access.Map,
]);

/** Accesses of the streams that need a mapping, and requests that nobody can grant: those beyond the end of the file, and for a state that there is not. */
async function countStreams({ open }: Workload, options: WorkloadOptions) {
  const { actors } = await open(options);
  const batch = createBatch();
  let needMapping = 0;
  let ungrantable = 0;
  for (const { fill } of actors) {
    for (let length = await fill(batch); length > 0; length = await fill(batch)) {
      for (let at = 0; at < length; at++) {
        const { kind, page, count } = batch;
        if (NEEDS_MAPPING.has(kind[at])) needMapping++;
        const isBeyondFile = (kind[at] === Access.ToShared || kind[at] === Access.ToPrivate) && page[at] + count[at] > options.pageCount;
        if (isBeyondFile || kind[at] === Access.ToReadOnly) ungrantable++;
      }
    }
  }
  return { needMapping, ungrantable };
}

async function refusalsOf(workload: Workload, options: WorkloadOptions) {
  const { tally } = await run({ policy: policyNamed('refuse-mmap'), workload, check: 'refcount', costs, folioOrder: 0, options });
  const byErrno = (errors: Float64Array) => Object.fromEntries(ERRNOS.map((name, index) => [name, errors[index]] as const).filter(([, count]) => count > 0));
  return { mmap: byErrno(tally.errors.mmap), gup: byErrno(tally.errors.gup), failed: tally.operations[Op['access.failed']] };
}

describe('refuse-mmap, where everything is private from the start', () => {
  test.each(workloads)('under $name every access of the host asks for a mapping once, gets EBUSY, and fails', async (workload) => {
    const { needMapping, ungrantable } = await countStreams(workload, OPTIONS);
    const { mmap, gup, failed } = await refusalsOf(workload, OPTIONS);
    expect(needMapping).toBeGreaterThan(0);
    expect({ mmap, gup, failed }).toEqual({ mmap: { EBUSY: needMapping }, gup: {}, failed: needMapping + ungrantable });
  });

  test.each([
    ['zipf', 250],
    ['dma-storm', 798],
    ['many-mappings', 1062],
  ])('under %s at seed 1 those are %i', async (name, refused) => {
    const workload = workloads.find((one) => one.name === name);
    if (workload === undefined) throw new Error(`no workload ${name}`);
    expect((await refusalsOf(workload, OPTIONS)).mmap).toEqual({ EBUSY: refused });
  });
});

describe('refuse-mmap, where everything is shared until a guest touches it', () => {
  test('loses at least 90 % of the accesses that need a mapping, and nearly all of its losses are refused mmaps', async () => {
    const options = { ...OPTIONS, conversion: 'lazy' } as const;
    let needMapping = 0;
    let refused = 0;
    for (const workload of workloads) {
      needMapping += (await countStreams(workload, options)).needMapping;
      refused += (await refusalsOf(workload, options)).mmap['EBUSY'] ?? 0;
    }
    expect(refused).toBeGreaterThan(0.9 * needMapping);
    expect(refused).toBeLessThan(needMapping); // some came before the first private page
  });
});

describe('the table', () => {
  test('gives refuse-mmap the lowest figure of completed work, and of completed accesses', async () => {
    const record = await recordOf(`--workload ${workloads.map(({ name }) => name).join(',')} --conversion explicit --memory 16MiB --accesses 2000`);
    const [{ rows }] = groupCells(record, 'label');
    for (const { head, figure } of COST_COLUMNS.slice(0, 2)) {
      const figures = rows.map((row) => [row.policy, figure(row) ?? 0] as const).sort(([, a], [, b]) => a - b);
      expect(figures[0][0], head.join(' ')).toBe('refuse-mmap');
      expect(figures[1][1] / figures[0][1], head.join(' ')).toBeGreaterThan(1);
    }
  }, 60_000);
});
