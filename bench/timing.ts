/** Timed runs of one piece of work, by tinybench, with the CPU time of the process taken at the same places. */
import { Bench } from 'tinybench';
import { median } from './measurement.ts';
import type { Measurement, Scale } from './measurement.ts';

export interface Timing {
  /** Of each sample, in the order of the runs. */
  readonly cpuNs: readonly number[];
  /** tinybench gives these sorted. */
  readonly wallNs: readonly number[];
}

/** @param work synchronous work is called without an await in its time */
export async function timeRuns(work: () => void | Promise<void>, { samples, warmups }: Scale, { isAsync }: { readonly isAsync: boolean }): Promise<Timing> {
  const bench = new Bench({ iterations: samples, time: 0, warmup: warmups > 0, warmupIterations: warmups, warmupTime: 0, retainSamples: true, throws: true });
  const cpuNs: number[] = [];
  let started = process.cpuUsage();
  const task = bench.add('work', work, {
    async: isAsync, // else tinybench calls the work once more, to see what it returns
    beforeEach() {
      started = process.cpuUsage();
    },
    afterEach(mode) {
      const { user, system } = process.cpuUsage(started);
      if (mode === 'run') cpuNs.push((user + system) * 1000);
    },
  }).tasks[0];
  await bench.run();
  const { result } = task;
  if (result.state !== 'completed') throw new Error(`the work ended as ${result.state}`);
  return { cpuNs, wallNs: (result.latency.samples ?? []).map((ms) => ms * 1e6) };
}

interface Figure {
  readonly figure: string;
  readonly unit: string;
  readonly target?: number | null;
}

/** Items a second, where one run does `items` of them. */
export function rateOf({ cpuNs, wallNs }: Timing, items: number, { figure, unit, target = null }: Figure): Measurement {
  const rates = cpuNs.map((ns) => (items * 1e9) / ns);
  return { figure, unit, better: 'more', ...spreadOf(rates), byWallClock: median(wallNs.map((ns) => (items * 1e9) / ns)), target };
}

/** Nanoseconds an item. */
export function costOf({ cpuNs, wallNs }: Timing, items: number, { figure, unit, target = null }: Figure): Measurement {
  return { figure, unit, better: 'less', ...spreadOf(cpuNs.map((ns) => ns / items)), byWallClock: median(wallNs.map((ns) => ns / items)), target };
}

function spreadOf(values: readonly number[]): Pick<Measurement, 'value' | 'low' | 'high' | 'samples'> {
  return { value: median(values), low: Math.min(...values), high: Math.max(...values), samples: values.length };
}
