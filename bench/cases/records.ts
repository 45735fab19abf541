/** What goes in and what comes out: reading recorded guests, and recording latencies. */
import { fileURLToPath } from 'node:url';
import { createRandom, nextInt32 } from '../../src/workloads/random.ts';
import { Histogram } from '../../src/simulate/histogram.ts';
import { openTrace } from '../../src/workloads/index.ts';
import { openTraceFile } from '../../src/workloads/traces/reader.ts';
import { createBatch } from '../../src/workloads/workload.ts';
import { scaled } from '../measurement.ts';
import type { BenchCase } from '../measurement.ts';
import { optionsOf } from '../simulated.ts';
import { costOf, rateOf, timeRuns } from '../timing.ts';

const TRACE = 'file-1g-swiotlb';
// This file is dist/bench/cases/records.js when it runs.
const TRACE_FILE = fileURLToPath(new URL(`../../../traces/${TRACE}.csv.gz`, import.meta.url));

async function readRecords(): Promise<number> {
  const reader = await openTraceFile(TRACE_FILE);
  let count = 0;
  for (let records = await reader.read(); records !== null; records = await reader.read()) count += records.count;
  return count;
}

/** Actors one after the other; their queues keep what belongs to the others. */
async function readAccesses(): Promise<number> {
  const workload = await openTrace(TRACE);
  const { actors, close } = await workload.open(optionsOf({ accesses: 0, tasks: 1 }));
  const batch = createBatch();
  let count = 0;
  for (const actor of actors) for (let filled = await actor.fill(batch); filled > 0; filled = await actor.fill(batch)) count += filled;
  close?.();
  return count;
}

const traceReading: BenchCase = {
  name: 'trace-reading/records',
  async measure(scale) {
    const records = await readRecords();
    const timing = await timeRuns(async () => void (await readRecords()), scale, { isAsync: true });
    return [rateOf(timing, records, { figure: `trace reading, gunzip included (${TRACE})`, unit: 'records/s' })];
  },
};

const traceAccesses: BenchCase = {
  name: 'trace-reading/accesses',
  async measure(scale) {
    const accesses = await readAccesses();
    const timing = await timeRuns(async () => void (await readAccesses()), scale, { isAsync: true });
    return [rateOf(timing, accesses, { figure: 'trace reading, merged with its DMA and split by actor', unit: 'accesses/s' })];
  },
};

const VALUES = 65_536;

const histogram: BenchCase = {
  name: 'histogram',
  async measure(scale) {
    const random = createRandom(1);
    // Latencies of conversions lie between a microsecond and a hundred milliseconds.
    const values = Float64Array.from({ length: VALUES }, () => (nextInt32(random) >>> 0) >>> (nextInt32(random) & 15));
    const rounds = scaled(200, scale);
    const target = new Histogram();
    const timing = await timeRuns(
      () => {
        for (let round = 0; round < rounds; round++) for (let i = 0; i < VALUES; i++) target.record(values[i]);
      },
      scale,
      { isAsync: false },
    );
    if (target.count !== rounds * VALUES * (scale.samples + scale.warmups)) throw new Error(`${target.count} values were recorded`);
    return [costOf(timing, rounds * VALUES, { figure: 'histogram, one latency recorded', unit: 'ns/value' })];
  },
};

export const recordCases: readonly BenchCase[] = [traceReading, traceAccesses, histogram];
