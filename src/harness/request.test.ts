import { describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import type { Actor } from '../workloads/workload.ts';
import type { Catalogue } from './catalogue.ts';
import { planCells } from './experiment.ts';
import { labelOf } from './families/index.ts';
import { createExperiment, type Request } from './request.ts';

const create = (request: Request = {}) => createExperiment(request, fakeCatalogue);
const failure = async (request: Request) => {
  const { what, why, fix } = (await create(request).catch((error: unknown) => error)) as { readonly what: string; readonly why: string; readonly fix: string };
  return { what, why, fix };
};

describe('the default run', () => {
  test('shows synthetic guests as today, two of them lazily, and recorded guests under every label', async () => {
    const { runs, rows, seeds, command } = await create();
    expect(runs.map(({ workload, params }) => `${workload}: ${labelOf({ family: 'conversion', params })}`)).toEqual([
      'sequential: as today',
      'zipf: as today',
      'zipf: lazy donation',
      'boot-512m: as today',
      'boot-512m: lazy donation',
      'boot-512m: counterfactual',
      'file-1g-swiotlb: as today',
      'file-1g-swiotlb: lazy donation',
      'file-1g-swiotlb: counterfactual',
    ]);
    expect(rows).toEqual([
      { policy: 'null', check: null },
      { policy: 'lower-bound', check: null },
      { policy: 'sigbus-on-fault', check: 'refcount' },
      { policy: 'refuse-mmap', check: null },
    ]);
    expect(seeds).toEqual([1]);
    expect(command).toBe('foliobench compare');
  });

  test('leaves out a policy that is compared on request only; its name brings it, and so does `all`', async () => {
    const late = { name: 'late', summary: 'came later', checks: [], onRequest: true } as const;
    const namesOf = async (request: Request) => (await createExperiment(request, { ...fakeCatalogue, policies: [...fakeCatalogue.policies, late] })).rows.map(({ policy }) => policy);
    expect(await namesOf({})).toEqual(['null', 'lower-bound', 'sigbus-on-fault', 'refuse-mmap']);
    expect(await namesOf({ policies: ['late', 'null'] })).toEqual(['null', 'late']);
    expect(await namesOf({ policies: ['all'] })).toEqual(['null', 'lower-bound', 'sigbus-on-fault', 'refuse-mmap', 'late']);
  });

  test('gives a trace its own size and no length', async () => {
    const { runs } = await create({ memoryBytes: 16 * 1024 * 1024 });
    expect(runs.find(({ workload }) => workload === 'zipf')?.params).toMatchObject({ memoryBytes: 16_777_216, accesses: 100_000 });
    expect(runs.find(({ workload }) => workload === 'boot-512m')?.params).toMatchObject({ memoryBytes: 536_870_912, accesses: null });
  });
});

test('with folios of 1 GiB a recorded guest whose memory they do not divide is left out, unless somebody names it', async () => {
  const memoryBytes = 2 * 1024 * 1024 * 1024;
  const { runs } = await create({ folio: '1G', memoryBytes });
  expect([...new Set(runs.map(({ workload }) => workload))]).toEqual(['sequential', 'zipf', 'file-1g-swiotlb']);
  expect(await failure({ folio: '1G', memoryBytes, workloads: ['zipf', 'boot-512m'] })).toEqual({
    what: 'folios of 1G do not divide 512MiB of memory',
    why: '536870912 bytes would be left over',
    fix: 'pick a multiple of 1GiB with --memory, or --folio 4K',
  });
});

describe('a plan', () => {
  test('has a cell for each run, row and seed, and each has its key', async () => {
    const experiment = await create({ policies: ['refuse-mmap', 'sigbus-on-fault'], checks: ['all'], workloads: ['zipf'], seeds: [1, 2] });
    const plan = planCells(experiment);
    expect(plan.map(({ key }) => key.replace(/ \/ [0-9a-f]{16}$/, ''))).toEqual([
      'sigbus-on-fault (mapcount) / zipf / as today / seed 1',
      'sigbus-on-fault (mapcount) / zipf / as today / seed 2',
      'sigbus-on-fault (mapped-or-pinned) / zipf / as today / seed 1',
      'sigbus-on-fault (mapped-or-pinned) / zipf / as today / seed 2',
      'sigbus-on-fault (refcount) / zipf / as today / seed 1',
      'sigbus-on-fault (refcount) / zipf / as today / seed 2',
      'refuse-mmap / zipf / as today / seed 1',
      'refuse-mmap / zipf / as today / seed 2',
    ]);
    expect(plan.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(plan.map(({ key }) => key)).size).toBe(8);
  });

  test('runs a trace once, whatever the seeds: it is recorded', async () => {
    const plan = planCells(await create({ policies: ['null'], workloads: ['boot-512m'], conversion: 'lazy', seeds: [5, 6, 7] }));
    expect(plan.map(({ cell: { seed } }) => seed)).toEqual([5]);
  });

  test('names a cell by its inputs, not by its experiment', async () => {
    const [alone] = planCells(await create({ policies: ['null'], workloads: ['zipf'] }));
    const inAll = planCells(await create());
    expect(inAll.map(({ key }) => key)).toContain(alone.key);
    const [other] = planCells(await create({ policies: ['null'], workloads: ['zipf'], accesses: 5 }));
    expect(other.key).not.toBe(alone.key);
  });
});

describe('a platform and a strategy', () => {
  test('are inputs of a cell only where they are no default', async () => {
    const [plain] = planCells(await create({ policies: ['null'], workloads: ['zipf'] }));
    const [named] = planCells(await create({ policies: ['null'], workloads: ['zipf'], platform: 'sw-protected' }));
    expect(named.key).toBe(plain.key);
    expect(Object.keys(plain.cell.params)).not.toContain('platform');
    expect(Object.keys(plain.cell.params)).not.toContain('vmm');
    const other = await create({ policies: ['null'], workloads: ['zipf'], platform: 'snp', vmm: 'back-off' });
    const [there] = planCells(other);
    expect(there.cell.params).toEqual({ ...plain.cell.params, platform: 'snp', vmm: 'back-off' });
    expect(there.key).not.toBe(plain.key);
    expect(other.command).toBe('foliobench compare --policy null --workload zipf --platform snp --vmm back-off');
  });
});

describe('the size of a request', () => {
  test('is an input of a cell only where it was asked for', async () => {
    const [plain] = planCells(await create({ policies: ['null'], workloads: ['zipf'] }));
    const cut = await create({ policies: ['null'], workloads: ['zipf'], requestPages: 8 });
    expect(Object.keys(plain.cell.params)).not.toContain('requestPages');
    expect(planCells(cut)[0].cell.params).toEqual({ ...plain.cell.params, requestPages: 8 });
    expect(cut.command).toBe('foliobench compare --policy null --workload zipf --request-pages 8');
  });

  test.each([0, 2 ** 28 + 1])('of %s pages is refused', async (requestPages) => {
    await expect(create({ policies: ['null'], workloads: ['zipf'], requestPages })).rejects.toThrow(`--request-pages ${requestPages} is out of range`);
  });
});

describe('a request', () => {
  test('names the conversion and gets that one alone', async () => {
    const { runs } = await create({ workloads: ['zipf', 'boot-512m'], conversion: 'lazy' });
    expect(runs.map(({ workload, params }) => `${workload}: ${labelOf({ family: 'conversion', params })}`)).toEqual(['zipf: lazy donation', 'boot-512m: lazy donation']);
  });

  test('is repeated by its command', async () => {
    const { command } = await create({ policies: ['null'], workloads: ['zipf'], memoryBytes: 1024 * 1024 * 1024, folio: '2M', seeds: [1, 2], costs: 'fake' });
    expect(command).toBe('foliobench compare --policy null --workload zipf --memory 1GiB --folio 2M --seeds 1,2 --costs fake');
  });
});

describe('a mistake is told before any work', () => {
  test('unknown names, with the nearest', async () => {
    expect(await failure({ policies: ['sigbus-on-falt'] })).toEqual({
      what: 'unknown policy "sigbus-on-falt"',
      why: 'the nearest known are sigbus-on-fault',
      fix: 'pick one of `foliobench list policies`, or all, or the path of a module',
    });
    expect(await failure({ workloads: ['zip'] })).toMatchObject({ what: 'unknown workload "zip"', why: 'the nearest known are zipf' });
    expect(await failure({ checks: ['recount'] })).toMatchObject({ what: 'unknown check "recount"', fix: 'pick one of them' });
    expect(await failure({ costs: 'mine' })).toMatchObject({ what: 'unknown cost profile "mine"' });
    expect(await failure({ workloads: ['./gone.csv.gz'] })).toMatchObject({ what: 'cannot read ./gone.csv.gz' });
  });

  test('sizes that no guest can have', async () => {
    expect(await failure({ memoryBytes: 0 })).toMatchObject({ what: 'a guest cannot have 0 bytes of memory' });
    expect(await failure({ memoryBytes: 8_388_609 })).toMatchObject({ what: 'a guest cannot have 8388609 bytes of memory' });
    expect(await failure({ memoryBytes: 9 * 1024 * 1024, folio: '2M' })).toEqual({
      what: 'folios of 2M do not divide 9MiB of memory',
      why: '1048576 bytes would be left over',
      fix: 'pick a multiple of 2MiB with --memory, or --folio 4K',
    });
    expect(await failure({ memoryBytes: 4 * 1024 * 1024 })).toMatchObject({ what: 'sequential needs at least 2048 pages' });
  });

  test('memory that no run has: a recorded guest brings its own, and beside a synthetic one it is the synthetic one\'s', async () => {
    const memoryBytes = 1_073_741_824;
    expect(await failure({ workloads: ['boot-512m'], memoryBytes })).toEqual({
      what: '--memory 1GiB contradicts boot-512m',
      why: 'it was recorded in a guest of 512MiB',
      fix: 'leave --memory away, or name a synthetic workload, which takes any size',
    });
    await expect(create({ workloads: ['boot-512m'], memoryBytes: memoryBytes / 2 })).resolves.toBeDefined();
    await expect(create({ workloads: ['boot-512m', 'zipf'], memoryBytes })).resolves.toBeDefined();
  });

  test('more page-table entries than a column can hold', async () => {
    const pages = 268_435_456; // 1 TiB
    expect(await failure({ workloads: ['zipf'], memoryBytes: pages * 4096, vmas: 9 })).toMatchObject({
      what: '268435456 pages under 18 mappings are too many',
      why: `they have ${pages * 18} page-table entries, those of a forked child among them, and at most 4294967296 fit`,
    });
    await expect(create({ workloads: ['zipf'], memoryBytes: pages * 4096, vmas: 8 })).resolves.toBeDefined();
  });

  test('more actors or mappings than a world has room for, those that the workload brings among them', async () => {
    expect(await failure({ workloads: ['zipf'], vcpus: 129 })).toMatchObject({ what: '--vcpus 129 is out of range' });
    expect(await failure({ workloads: ['zipf'], vmas: 16_384 })).toMatchObject({ what: '--vmas 16384 is out of range' });
    expect(await failure({ workloads: ['zipf'], vmas: 16_383, processes: 2 })).toMatchObject({ what: '49149 mappings are too many' });
    const actors = (count: number, process: number): readonly Actor[] =>
      Array.from({ length: count }, (_, index) => ({ name: `vmm${index}`, role: 'vmm', process, fill: () => 0 }));
    const bringing = (brought: readonly Actor[]): Catalogue => ({
      ...fakeCatalogue,
      workloads: [{ name: 'crowd', summary: '', open: () => ({ actors: brought, slots: 0, slotPages: 0, ioDepth: 0, launch: [], notes: [] }) }],
    });
    const failing = (brought: readonly Actor[]) => createExperiment({ workloads: ['crowd'], memoryBytes: 8_388_608, vmas: 16_000 }, bringing(brought)).catch((error: unknown) => error);
    expect(await failing(actors(129, 0))).toMatchObject({ what: '129 actors are too many' });
    expect(await failing(actors(2, 1))).toMatchObject({ what: '48000 mappings are too many' });
  });

  test.each([
    [{ vcpus: 0 }, '--vcpus 0 is out of range'],
    [{ vmas: 1.5 }, '--vmas 1.5 is out of range'],
    [{ processes: 1000 }, '--processes 1000 is out of range'],
    [{ accesses: 0 }, '--accesses 0 is out of range'],
    [{ seeds: [-1] }, '-1 is no seed'],
    [{ seeds: [] }, 'there is no seed to run with'],
  ] satisfies readonly (readonly [Request, string])[])('%o', async (request, what) => expect((await failure(request)).what).toBe(what));
});
