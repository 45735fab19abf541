/**
 * The measuring loop: rounds over all places in changing order, a few runs of each, medians at the end.
 *
 * A round visits every place, so that a machine that is slower for a while is slower for all of them; within a visit the first runs
 * warm caches and the compiler and are dropped. Places whose runs disagree after all rounds are visited again, a few times more. The clock is that of the thread's own running time: nothing that is measured sleeps, and
 * what others do with the CPU meanwhile is not counted (time that a hypervisor steals is). From each run goes off what calling from here costs: the median time of as many calls
 * that do nothing, timed the same way and in the same visit.
 *
 * Units: nanoseconds of one call.
 */
import { below, createRandom } from '../workloads/random.ts';
import { pinTo } from './affinity.ts';
import { CLOCK_THREAD_CPUTIME_ID, Timespec } from './abi.ts';
import { KernelError } from './backing.ts';
import type { Backing, Lack } from './backing.ts';
import { openExperiment } from './experiments.ts';
import type { Experiment } from './experiments.ts';
import type { Libc } from './libc.ts';
import { spinOn } from './neighbours.ts';
import { isSteady, placeName } from './points.ts';
import type { Place, Point } from './points.ts';
import { withScope } from './scope.ts';
import type { Machines } from './virtualMachine.ts';

export interface MeasureOptions {
  readonly libc: Libc;
  readonly backing: Backing;
  readonly machines: Machines;
  readonly places: readonly Place[];
  /** CPUs that this process may use; the measuring thread takes the last one. */
  readonly cpus: readonly number[];
  readonly rounds: number;
  /** Runs of a visit that count. */
  readonly runs: number;
  /** No round begins that would end behind it, and none goes on behind it; milliseconds of `nowMs`. */
  readonly budgetMs: number;
  /** A monotonic clock, for the budget. */
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export interface Measured {
  readonly points: readonly Point[];
  readonly notMeasured: readonly Lack[];
}

const WARM_UP_RUNS = 2;
const NULL_RUNS = 9;

/** Measures every place. Stops between two places when it is interrupted, with what it has. */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const { libc, backing, places, cpus, rounds, budgetMs, nowMs, signal, onProgress } = options;
  pinTo(libc, cpus[cpus.length - 1]);
  const samples = places.map((): number[] => []);
  const refused = places.map((): string | null => null);
  const random = createRandom(1);
  const order = places.map((_, index) => index);
  const startMs = nowMs();
  let visits = 0;
  const visitAll = async (indices: readonly number[], total: number): Promise<void> => {
    for (const index of indices) {
      if (signal.aborted || nowMs() - startMs > budgetMs) break;
      onProgress(++visits, total);
      const place = places[index];
      if (refused[index] !== null) continue;
      const outcome = await visit(options, place);
      if (typeof outcome === 'string') refused[index] = outcome;
      else samples[index].push(...outcome);
      // Signals and the other threads of this process are heard in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    // A round that would not come to its end counts some places more often than others: rather none.
    if (round > 0 && ((nowMs() - startMs) / round) * (round + 1) > budgetMs) break;
    shuffle(order, (limit) => below(random, limit));
    await visitAll(order, rounds * places.length);
  }
  for (let more = 0; more < rounds && !signal.aborted; more++) {
    const unsteady = order.filter((index) => refused[index] === null && samples[index].length > 0 && !isSteady(pointOf(places[index], backing, samples[index])));
    if (unsteady.length === 0) break;
    await visitAll(unsteady, visits + unsteady.length);
  }
  for (const [index, times] of samples.entries()) if (times.length === 0) refused[index] ??= 'there was no time left';
  const points = places.flatMap((place, index) => (refused[index] !== null ? [] : [pointOf(place, backing, samples[index])]));
  return { points, notMeasured: lacksOf(places, refused) };
}

/** What was refused, once for each operation and reason, with the first place that it was refused for. */
function lacksOf(places: readonly Place[], refused: readonly (string | null)[]): readonly Lack[] {
  const lacks = new Map<string, Lack>();
  for (const [index, place] of places.entries()) {
    const reason = refused[index];
    if (reason === null) continue;
    const key = `${place.operation} ${reason}`;
    if (!lacks.has(key)) lacks.set(key, { operation: place.operation, why: `${placeName(place)}: ${reason}` });
  }
  return [...lacks.values()];
}

/** Times of the runs of one place, or why there are none. */
async function visit({ libc, backing, machines, cpus, runs }: MeasureOptions, place: Place): Promise<readonly number[] | string> {
  const clockNs = createThreadClock(libc);
  return withScope(async (scope) => {
    try {
      for (let more = 1; more < place.cpus; more++) await spinOn(cpus[cpus.length - 1 - more], scope);
      const experiment = await openExperiment({ libc, backing, machines, scope }, place);
      if (typeof experiment === 'string') return experiment;
      const overheadNs = medianOf(Array.from({ length: NULL_RUNS }, () => timeNothing(libc, experiment, clockNs)));
      const times: number[] = [];
      for (let run = -WARM_UP_RUNS; run < runs; run++) {
        experiment.reset();
        const beginNs = clockNs();
        const elsewhereNs = experiment.run();
        const ns = elsewhereNs ?? clockNs() - beginNs - overheadNs;
        if (run >= 0) times.push(Math.max(0, ns) / experiment.calls);
      }
      return times;
    } catch (error) {
      if (error instanceof KernelError) return error.reason;
      throw error;
    }
  });
}

/** Nanoseconds of a run that does nothing but call. */
function timeNothing(libc: Libc, { foreignCalls }: Experiment, clockNs: () => number): number {
  const beginNs = clockNs();
  for (let call = 0; call < foreignCalls; call++) libc.nothing(0, 0, call, 0);
  return clockNs() - beginNs;
}

/** Nanoseconds that this thread has run, modulo what a double holds. */
function createThreadClock(libc: Libc): () => number {
  const time = new Int32Array(Timespec.words);
  return () => {
    libc.clockGettime(CLOCK_THREAD_CPUTIME_ID, time);
    return time[Timespec.seconds] * 1e9 + time[Timespec.nanoseconds];
  };
}

export function pointOf(place: Place, { name }: Backing, times: readonly number[]): Point {
  const sorted = times.toSorted((a, b) => a - b);
  // Between the two runs that a quartile lies between, so that a disturbed run among five or more does not make it.
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const lower = Math.floor(place);
    const above = Math.min(sorted.length - 1, lower + 1);
    return sorted[lower] + (place - lower) * (sorted[above] - sorted[lower]);
  };
  return { ...place, backing: name, ns: rounded(medianOf(sorted)), spread: rounded(at(0.75) - at(0.25)), runs: sorted.length };
}

const rounded = (ns: number): number => Math.round(ns * 10) / 10;

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** In place, each order as likely as any other. @param below a random whole number below its argument */
function shuffle(order: number[], below: (limit: number) => number): void {
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
}
