/** What `npm run bench -- -o FILE` writes: how fast foliobench itself is on one machine. `diff` reads two of them. */
import { UserError } from '../model/userError.ts';
import type { Environment } from '../harness/record.ts';
import type { WallClock } from './wallClock.ts';

export const BENCH_SCHEMA = 'foliobench/bench@1';

/**
 * A figure stands per second of *CPU time* of its process, because a core that is shared would otherwise be measured
 * together with its neighbours; the wall clock of the same samples stands beside it.
 */
export interface Measurement {
  readonly figure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Median over the samples; by CPU time where that can be told, else by wall clock. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly samples: number;
  /** The same median by wall clock; null where the figure is no time. */
  readonly byWallClock: number | null;
  readonly target: number | null;
  /**
   * The figure by the yardstick of its process, which says more than the figure where machines differ: of a rate how many items pass in the time
   * of one round of the yardstick, of a cost how many rounds pass in the time of one item. Null where the figure is no speed.
   */
  readonly byYardstick?: number | null;
}

export interface BenchRecord {
  readonly schema: typeof BENCH_SCHEMA;
  readonly tool: { readonly version: string };
  readonly environment: Environment;
  /** Figures of a quick run say that the cases work, and nothing about speed. */
  readonly quick: boolean;
  readonly cases: readonly { readonly name: string; readonly measurements: readonly Measurement[] }[];
  /** What this machine shows between runs of one program (`--aa`). */
  readonly floor?: WallClock;
}

/** Whether a file's content claims to be such a record. */
export const isBenchRecord = (content: unknown): boolean => typeof content === 'object' && content !== null && String((content as { schema?: unknown }).schema).startsWith('foliobench/bench@');

/** @param label names the file in errors. @throws UserError where it is of another version, or damaged */
export function parseBenchRecord(content: unknown, label: string): BenchRecord {
  const record = (typeof content === 'object' && content !== null ? content : {}) as Partial<BenchRecord>;
  if (record.schema !== BENCH_SCHEMA) {
    throw new UserError({ what: `${label} is not a bench record of this version`, why: `its schema is ${JSON.stringify(record.schema ?? null)}, expected "${BENCH_SCHEMA}"`, fix: 'measure again with this version: npm run bench -- -o FILE' });
  }
  const refuse = (why: string) => new UserError({ what: `${label} is damaged`, why, fix: 'measure again: npm run bench -- -o FILE' });
  if (!Array.isArray(record.cases) || typeof record.environment !== 'object' || record.environment === null) throw refuse('it lacks its cases or its environment');
  const names = new Set<string>();
  for (const { name, measurements } of record.cases as BenchRecord['cases']) {
    if (!Array.isArray(measurements)) throw refuse(`case ${name} has no measurements`);
    for (const { figure, value, low, high } of measurements as readonly Measurement[]) {
      if (names.has(figure)) throw refuse(`it has "${figure}" twice`);
      names.add(figure);
      if (![value, low, high].every((number) => Number.isFinite(number) && number >= 0)) throw refuse(`"${figure}" is ${value} between ${low} and ${high}`);
    }
  }
  return record as BenchRecord;
}
