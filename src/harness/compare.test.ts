import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { createLocalRunner, type LocalRunner } from '../../test/tools/localRunner.ts';
import { compare, type CompareOptions } from './compare.ts';
import { mergeRecords } from './merge.ts';
import { deterministicBytes, formatRecord, readRecord, type Environment, type ResultsRecord } from './record.ts';
import { createExperiment } from './request.ts';
import { resultsSchema } from './schema.ts';

const environment: Environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };
const experiment = await createExperiment({ workloads: ['zipf', 'sequential'], seeds: [1, 2] }, fakeCatalogue); // 4 policies x 2 x 2 cells

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

const output = () => join(folder, 'results.json');
const journal = () => `${output()}.partial.jsonl`;
const start = (options: Partial<CompareOptions> = {}, runner: LocalRunner = createLocalRunner()) =>
  compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => runner, ...options });

/** Runs until `count` cells are in the journal, then dies as a killed process does: without a word. */
async function killAfter(count: number): Promise<void> {
  const abort = new AbortController();
  await start({ output: output(), signal: abort.signal, onProgress: ({ finished }) => finished.size === count && abort.abort() });
  await rm(output());
}

describe('a comparison', () => {
  test('gives a record of its cells in the order of the plan, which the schema accepts', async () => {
    const record = await start();
    expect(record.complete).toBe(true);
    expect(record.cells.map(({ policy, workload, seed }) => `${policy} ${workload} ${seed}`).slice(0, 3)).toEqual(['null sequential 1', 'null sequential 2', 'lower-bound sequential 1']);
    expect(record.cells).toHaveLength(16);
    expect(record.cells[0]).toMatchObject({ status: 'ok', notes: ['ran null'], wallClock: { ns: 1000, accessesPerSecond: 100_000_000_000, residentBytesMax: null } });
    const accepts = new Ajv().compile(resultsSchema());
    expect(accepts(record), JSON.stringify(accepts.errors)).toBe(true);
  });

  test('has the same bytes for any number of jobs', async () => {
    expect(deterministicBytes(await start({ jobs: 3 }))).toBe(deterministicBytes(await start({ jobs: 1 })));
  });

  test('writes the record and leaves nothing else behind', async () => {
    const record = await start({ output: output() });
    expect(await readdir(folder)).toEqual(['results.json']);
    expect(await readRecord(output())).toEqual(record);
    expect(await readFile(output(), 'utf8')).toBe(formatRecord(record));
  });

  test('begins the longest cells first', async () => {
    const mixed = await createExperiment({ policies: ['null'], workloads: ['zipf', 'boot-512m', 'file-1g-swiotlb'], conversion: 'explicit' }, fakeCatalogue);
    const runner = createLocalRunner();
    const record = await start({ experiment: mixed }, runner);
    expect(runner.begun.map(({ cell }) => cell.workload)).toEqual(['file-1g-swiotlb', 'boot-512m', 'zipf']);
    expect(record.cells.map(({ workload }) => workload)).toEqual(['zipf', 'boot-512m', 'file-1g-swiotlb']);
  });
});

describe('a cell that fails', () => {
  const failing = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
    if (options.policy === 'refuse-mmap') throw new TypeError('no such step');
    return fakeCatalogue.run(options);
  } };

  test('says why and does not stop the others', async () => {
    const record = await start({ output: output() }, createLocalRunner(failing));
    expect(record.complete).toBe(true);
    expect(record.cells.map(({ status }) => status).filter((status) => status === 'failed')).toHaveLength(4);
    expect(record.cells.find(({ policy }) => policy === 'refuse-mmap')).toMatchObject({ status: 'failed', error: { why: expect.stringContaining('TypeError: no such step') } });
  });

  test('runs again on resume, and the others do not', async () => {
    await start({ output: output() }, createLocalRunner(failing));
    const runner = createLocalRunner();
    const record = await start({ output: output(), resume: true }, runner);
    expect(runner.begun.map(({ cell }) => cell.policy)).toEqual(['refuse-mmap', 'refuse-mmap', 'refuse-mmap', 'refuse-mmap']);
    expect(deterministicBytes(record)).toBe(deterministicBytes(await start()));
    expect(await readdir(folder)).toEqual(['results.json']);
  });

  test('is tried once more when its worker was lost, then failed', async () => {
    const lost = createLocalRunner(fakeCatalogue, ({ cell }) => {
      if (cell.policy === 'lower-bound') throw new Error('killed by SIGKILL');
    });
    const record = await start({}, lost);
    expect(lost.begun.filter(({ cell }) => cell.policy === 'lower-bound')).toHaveLength(8);
    expect(record.cells.find(({ policy }) => policy === 'lower-bound')).toMatchObject({
      status: 'failed',
      error: { what: 'the worker of this cell was lost 2 times', why: 'killed by SIGKILL' },
    });

    const once = createLocalRunner(fakeCatalogue, (_, nth) => {
      if (nth === 3) throw new Error('killed by SIGKILL');
    });
    expect(deterministicBytes(await start({}, once))).toBe(deterministicBytes(await start()));
    expect(once.begun).toHaveLength(17);
  });

  test('fails where the cost profile changed under it', async () => {
    const changed = { ...fakeCatalogue, loadCostProfile: () => ({ ...(fakeCatalogue.loadCostProfile('fake') as object), hash: 'ffff' }) as never };
    expect((await start({}, createLocalRunner(changed))).cells[0]).toMatchObject({ status: 'failed', error: { what: 'cost profile fake changed while the experiment ran' } });
  });
});

describe('an interrupted run', () => {
  test('writes what it has, marked, and keeps its journal', async () => {
    const abort = new AbortController();
    const runner = createLocalRunner();
    const record = await start({ output: output(), signal: abort.signal, onProgress: ({ finished }) => finished.size === 5 && abort.abort() }, runner);
    expect(record.complete).toBe(false);
    expect(record.cells).toHaveLength(5);
    expect(runner.closed).toBe(true);
    expect((await readRecord(output())).complete).toBe(false);
    expect((await readdir(folder)).sort()).toEqual(['results.json', 'results.json.partial.jsonl']);
  });

  test('does not wait for a cell that is under way', async () => {
    const abort = new AbortController();
    const never = createLocalRunner(fakeCatalogue, () => new Promise(() => {}));
    const running = start({ signal: abort.signal, jobs: 2 }, never);
    setTimeout(() => abort.abort(), 10);
    expect((await running).cells).toEqual([]);
  });

  test.each([0, 1, 7, 15])('goes on after %i cells and ends with the same bytes', async (count) => {
    await killAfter(count);
    const runner = createLocalRunner();
    const record = await start({ output: output(), resume: true }, runner);
    expect(runner.begun).toHaveLength(16 - count);
    expect(deterministicBytes(record)).toBe(deterministicBytes(await start()));
    expect(await readdir(folder)).toEqual(['results.json']);
  });

  test('may be killed at any byte of its journal', async () => {
    await killAfter(3);
    const whole = await readFile(journal());
    const expected = deterministicBytes(await start());
    for (const length of [0, 1, 40, whole.indexOf('\n') + 1, whole.indexOf('\n') + 2, whole.length - 1]) {
      await writeFile(journal(), whole.subarray(0, length));
      expect(deterministicBytes(await start({ output: output(), resume: true })), `cut at byte ${length}`).toBe(expected);
    }
  });

  test('is not lost by starting again without --resume', async () => {
    await killAfter(3);
    const before = await readFile(journal(), 'utf8');
    await expect(start({ output: output() })).rejects.toMatchObject({ what: `${journal()} holds the finished cells of an earlier run` });
    expect(await readFile(journal(), 'utf8')).toBe(before);
  });

  test('does not go on as another experiment, nor from another version', async () => {
    await killAfter(3);
    const other = await createExperiment({ workloads: ['zipf'] }, fakeCatalogue);
    const before = await readFile(journal(), 'utf8');
    await expect(start({ experiment: other, output: output(), resume: true })).rejects.toMatchObject({ what: `${journal()} belongs to another experiment` });
    await expect(start({ version: '1.0.1', output: output(), resume: true })).rejects.toMatchObject({ what: `${journal()} belongs to another experiment` });
    expect(await readFile(journal(), 'utf8')).toBe(before);
  });

  test('tells damage in the middle of its journal', async () => {
    await killAfter(3);
    await appendFile(journal(), 'nonsense\n');
    await expect(start({ output: output(), resume: true })).rejects.toMatchObject({ what: `${journal()} is damaged`, why: 'line 5 is no finished cell, and only the last line may be torn' });
    await writeFile(journal(), 'nonsense\n');
    await expect(start({ output: output(), resume: true })).rejects.toMatchObject({ what: `${journal()} is no journal of this version` });
  });
});

describe('an output that cannot be written', () => {
  test('is told before any work', async () => {
    const runner = createLocalRunner();
    const missing = join(folder, 'no', 'results.json');
    await expect(start({ output: missing }, runner)).rejects.toMatchObject({ what: `cannot write ${missing}.partial.jsonl` });
    await expect(start({ output: folder }, runner)).rejects.toMatchObject({ what: `cannot write ${folder}`, why: 'it is a folder' });
    await expect(start({ output: '' }, runner)).rejects.toMatchObject({ what: 'cannot write ""', why: 'it names no file' });
    expect(runner.begun).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  test('is not a device or a pipe, which would be gone afterwards', async () => {
    const runner = createLocalRunner();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(start({ output: pipe }, runner)).rejects.toMatchObject({ what: `cannot write ${pipe}`, why: 'it is a device or a pipe, which the record would replace' });
    expect(runner.begun).toEqual([]);
    expect((await stat(pipe)).isFIFO()).toBe(true);
    expect(await readdir(folder)).toEqual(['pipe']);
  });

  test('is needed to resume or to divide', async () => {
    await expect(start({ resume: true })).rejects.toMatchObject({ what: '--resume needs -o FILE' });
    await expect(start({ shard: { index: 1, count: 2 } })).rejects.toMatchObject({ what: '--shard needs -o FILE' });
  });
});

describe('the parts of a divided run', () => {
  const part = async (index: number, count: number, options: Partial<CompareOptions> = {}) => {
    const path = join(folder, `part-${index}.json`);
    await start({ shard: { index, count }, output: path, ...options });
    return { path, record: await readRecord(path) };
  };

  test('are merged to the bytes of the whole', async () => {
    const parts = [await part(2, 3), await part(1, 3), await part(3, 3)];
    expect(parts.map(({ record }) => record.cells.length)).toEqual([5, 6, 5]);
    expect(parts.every(({ record }) => !record.complete)).toBe(true);
    const merged = mergeRecords(parts);
    expect(deterministicBytes(merged)).toBe(deterministicBytes(await start()));
    expect(merged.environment).toEqual(environment);
  });

  test('of several machines name them all', async () => {
    const elsewhere = { ...environment, cpus: 8, kernel: '6.8' };
    const { environment: merged } = mergeRecords([await part(1, 2), await part(2, 2, { environment: elsewhere })]);
    expect(merged).toEqual({ ...environment, cpus: null, kernel: '6.1 + 6.8' });
  });

  test('must all be there, once, and of one experiment', async () => {
    const [one, two] = [await part(1, 3), await part(2, 3)];
    const failure = (...parts: Parameters<typeof mergeRecords>[0]) => {
      try {
        return mergeRecords(parts).complete;
      } catch (error) {
        return error;
      }
    };
    expect(failure(one, two)).toMatchObject({ what: '5 of 16 cells are in no part', why: expect.stringContaining('absent: shard 3/3') });
    expect(failure(one, one)).toMatchObject({ what: 'shard 1/3 is given twice', why: `it is in ${one.path} and in ${one.path}` });
    const whole = { path: 'whole.json', record: await start() };
    expect(failure(whole, two)).toMatchObject({ what: `one cell is in two parts: ${two.path} and whole.json` });
    expect(failure(await part(1, 2), two)).toMatchObject({ what: expect.stringContaining('one cell is in two parts') });
    const other: ResultsRecord = { ...two.record, tool: { version: '2.0.0' } };
    expect(failure(one, { ...two, record: other })).toMatchObject({ what: `${two.path} and ${one.path} are parts of different experiments` });
    const stray: ResultsRecord = { ...two.record, cells: two.record.cells.map((cell) => ({ ...cell, seed: 9 })) };
    expect(failure(one, { ...two, record: stray })).toMatchObject({ what: `${two.path} has a cell that its experiment does not have` });
    expect(failure()).toMatchObject({ what: 'there is nothing to merge' });
  });

  test('resume by themselves, not as another part', async () => {
    const abort = new AbortController();
    await part(1, 2, { signal: abort.signal, onProgress: ({ finished }) => finished.size === 2 && abort.abort() });
    const path = join(folder, 'part-1.json');
    await expect(start({ shard: { index: 2, count: 2 }, output: path, resume: true })).rejects.toMatchObject({ what: `${path}.partial.jsonl belongs to another experiment` });
    expect((await start({ shard: { index: 1, count: 2 }, output: path, resume: true })).cells).toHaveLength(8);
  });
});

describe('a record that is no record', () => {
  test.each([
    ['missing', null, 'cannot read'],
    ['truncated', '{"schema": "folio', 'is not JSON'],
    ['of another kind', '{"schema": "foliobench/results@0"}', 'is not a results record of this version'],
    ['without cells', '{"schema": "foliobench/results@1"}', 'is damaged'],
    ['a number', '7', 'is not a results record of this version'],
  ])('%s', async (_, text, what) => {
    const path = join(folder, 'part.json');
    if (text !== null) await writeFile(path, text);
    await expect(readRecord(path)).rejects.toMatchObject({ what: expect.stringContaining(what) });
  });
});
