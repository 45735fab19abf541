/** The program as a whole: two worker threads against two processes, and the run that a newcomer starts with. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { catalogue } from '../../src/harness/builtIn.ts';
import { harnessFile } from '../../src/harness/distFile.ts';
import { createIsolated } from '../../src/harness/isolate.ts';
import { createPool } from '../../src/harness/pool.ts';
import type { CellTask } from '../../src/harness/runCell.ts';
import type { CellRunner } from '../../src/harness/schedule.ts';
import { DEFAULT_CHECK } from '../../src/policies/policy.ts';
import { median, once, scaled } from '../measurement.ts';
import type { BenchCase, Scale } from '../measurement.ts';

const WORKERS = 2;
const WORKERS_TARGET = 0.97;
const START_TARGET_S = 60;
const FULL_BYTES = 1 << 30;
const QUICK_BYTES = 1 << 24;
/** Each of them: workers, processes, processes, workers; so that a machine that gets busier treats both alike. */
const ROUNDS = 4;

async function cellTask(scale: Scale): Promise<CellTask> {
  const { hash } = await catalogue.loadCostProfile(catalogue.defaultCosts);
  const accesses = scaled(20_000_000, scale, 1000);
  const params = { memoryBytes: scale.quick ? QUICK_BYTES : FULL_BYTES, folio: '4K', vcpus: 4, processes: 1, vmas: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed', accesses } as const;
  return { cell: { family: 'conversion', policy: 'sigbus-on-fault', workload: 'zipf', check: DEFAULT_CHECK, seed: 1, params }, costs: { from: catalogue.defaultCosts, hash } };
}

/** Time that two cells take beside one another, each by its own clock, so that starting a thread or a process is not in it. */
async function timePair(runner: CellRunner, task: CellTask): Promise<number> {
  try {
    const results = await Promise.all(Array.from({ length: WORKERS }, () => runner.run(task)));
    return results.reduce((sum, result) => {
      if (result.status === 'failed') throw new Error(`${result.error.what}: ${result.error.why}`);
      return sum + result.wallClock.ns;
    }, 0);
  } finally {
    await runner.close();
  }
}

const workers: BenchCase = {
  name: 'workers',
  async measure(scale) {
    const task = await cellTask(scale);
    const byWorkers = () => timePair(createPool({ jobs: WORKERS, workerFile: harnessFile('worker') }), task);
    const byProcesses = () => timePair(createIsolated({ childFile: harnessFile('child') }), task);
    const ratios: number[] = [];
    if (scale.quick) ratios.push((await byProcesses()) / (await byWorkers()));
    while (!scale.quick && ratios.length < ROUNDS) {
      const first = await byWorkers();
      const others = (await byProcesses()) + (await byProcesses());
      ratios.push(others / (first + (await byWorkers())));
    }
    const value = median(ratios);
    return [
      {
        figure: 'two workers against two processes, zipf',
        unit: 'of their speed',
        better: 'more',
        value,
        low: Math.min(...ratios),
        high: Math.max(...ratios),
        samples: ratios.length,
        byWallClock: value,
        target: WORKERS_TARGET,
      },
    ];
  },
};

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const LITTLE = ['--workload', 'sequential', '--memory', '16MiB', '--accesses', '200'];

/** `npm start` without npm itself. It uses all cores, so its figure is wall clock. */
const start: BenchCase = {
  name: 'npm-start',
  async measure({ quick }) {
    const startMs = performance.now();
    await new Promise<void>((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, 'compare', ...(quick ? LITTLE : [])], { stdio: ['ignore', 'ignore', 'inherit'] });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`foliobench compare ended with ${code}`))));
    });
    const value = (performance.now() - startMs) / 1000;
    return [{ ...once({ figure: 'npm start, wall clock', unit: 's', better: 'less', value, target: START_TARGET_S }), byWallClock: value }];
  },
};

export const wholeCases: readonly BenchCase[] = [workers, start];
