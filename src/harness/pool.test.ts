import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { conversion } from './families/conversion.ts';
import { createIsolated } from './isolate.ts';
import { createPool } from './pool.ts';
import type { CellResult } from './record.ts';
import type { CellTask } from './runCell.ts';
import type { CellRunner } from './schedule.ts';

const support = (name: string) => fileURLToPath(new URL(`../../test/tools/${name}`, import.meta.url));
const { memoryBytes = 0, folio = '4K', vcpus = 1, processes = 1, vmas = 1, io = 'direct', pace = 'closed', accesses = 0 } = conversion.defaults;
const params = { memoryBytes, folio, vcpus, processes, vmas, conversion: 'explicit', dma: 'pool', io, pace, accesses } as const;
const task = (policy: string): CellTask => ({
  cell: { family: 'conversion', policy, workload: 'zipf', check: null, seed: 1, params },
  costs: { from: 'fake', hash: '0' },
});
const notesOf = async (running: ReturnType<CellRunner['run']>) => {
  const result = await running;
  return result.status === 'ok' ? result.notes : result.error;
};

let runner: CellRunner;
afterEach(() => runner.close());

describe('a pool of threads', () => {
  const createFakePool = () => createPool<CellTask, CellResult>({ jobs: 2, workerFile: support('fakeWorker.mjs'), resourceLimits: { maxOldGenerationSizeMb: 16 } });

  test('runs cells in this process', async () => {
    runner = createFakePool();
    expect(await notesOf(runner.run(task('good')))).toEqual([`pid ${process.pid}`]);
  });

  test.each([
    ['throws', 'thrown on purpose'],
    ['exits', 'worker exited with code: 7'],
    ['grows', 'Worker terminated due to reaching memory limit'],
  ])('loses no other cell when one %s', async (policy, reason) => {
    runner = createFakePool();
    const [lost, ...others] = await Promise.allSettled([runner.run(task(policy)), ...Array.from({ length: 6 }, () => runner.run(task('good')))]);
    expect(lost).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining(reason) } });
    expect(others.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 'fulfilled'));
    expect(await notesOf(runner.run(task('good')))).toEqual([`pid ${process.pid}`]);
  });

  test('says for every cell that its module cannot be loaded, and waits for none', async () => {
    runner = createPool<CellTask, CellResult>({ jobs: 2, workerFile: support('noSuchWorker.mjs') });
    for (let cell = 0; cell < 5; cell++) await expect(runner.run(task('good'))).rejects.toThrow('noSuchWorker.mjs');
  });

  test('ends with a cell still under way', async () => {
    runner = createFakePool();
    const hanging = runner.run(task('hangs')).catch(() => 'dropped');
    await runner.run(task('good'));
    await runner.close();
    expect(await hanging).toBe('dropped');
  });
});

describe('a process for each cell', () => {
  const createFakeIsolated = () => createIsolated({ childFile: support('fakeChild.mjs') });

  test('shares it with nobody', async () => {
    runner = createFakeIsolated();
    const pids = await Promise.all([notesOf(runner.run(task('good'))), notesOf(runner.run(task('good')))]);
    expect(new Set([...pids.flat(), `pid ${process.pid}`]).size).toBe(3);
  });

  test.each([
    ['throws', 'its process exited with code 1'],
    ['exits', 'its process exited with code 7'],
    ['is-killed', 'its process was killed by SIGKILL'],
  ])('tells how it ended when it %s', async (policy, reason) => {
    runner = createFakeIsolated();
    await expect(runner.run(task(policy))).rejects.toThrow(reason);
  });

  test('is killed at the end', async () => {
    runner = createFakeIsolated();
    const hanging = runner.run(task('hangs')).catch((error: Error) => error.message);
    await runner.close();
    expect(await hanging).toBe('its process was killed by SIGKILL');
  });
});
