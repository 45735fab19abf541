/** How metrics are written down: a line each, and the lines that all families share. */
import { Errno, ERRNOS, type ErrnoName } from '../model/errno.ts';
import { Op, OPERATIONS, type OperationName } from '../model/operations.ts';
import { PRICE_SOURCES } from '../simulate/costs.ts';
import { LOCKS, type BaseTally, type LockName } from '../simulate/tally.ts';
import type { CountsMetric, Metric, MetricFacts, MetricSource, NumberMetric, Unit } from './metrics.ts';
import { priceShare } from './priceShare.ts';

type Better = MetricFacts['better'];
export type Facts = readonly [path: string, name: string, unit: Unit, better: Better, summary: string];

export const facts = ([path, name, unit, better, summary]: Facts): MetricFacts => ({
  path: path.split('.'),
  name,
  unit,
  better,
  tolerance: 0,
  summary,
});

/** A figure that every run has. */
export const figure = <T extends BaseTally = BaseTally>(...line: [...Facts, (source: MetricSource<T>) => number]): NumberMetric<T> => {
  const [path, name, unit, better, summary, read] = line;
  return { ...facts([path, name, unit, better, summary]), kind: 'number', nullable: false, read };
};

/** A figure that does not exist where its sample is empty. */
export const nullable = <T extends BaseTally = BaseTally>(...line: [...Facts, (source: MetricSource<T>) => number | null]): NumberMetric<T> => {
  const [path, name, unit, better, summary, read] = line;
  return { ...facts([path, name, unit, better, summary]), kind: 'number', nullable: true, read };
};

/** A figure that is the count of one operation. */
export const operation = (path: string, name: string, unit: Unit, better: Better, operationName: OperationName): NumberMetric => {
  const index = Op[operationName];
  return figure(path, name, unit, better, OPERATIONS[index].summary, ({ tally }) => tally.operations[index]);
};

export const counts = <T extends BaseTally = BaseTally>(line: Facts, keys: readonly string[], read: (source: MetricSource<T>) => ArrayLike<number>): CountsMetric<T> => ({ ...facts(line), kind: 'counts', keys, read });

/**
 * Counts by errno, with the errnos that a policy of today can answer as its keys. Another one has no field, and is told
 * aloud: a record must not lose it.
 */
export const errnos = <T extends BaseTally = BaseTally>(line: Facts, names: readonly ErrnoName[], read: (source: MetricSource<T>) => ArrayLike<number>): CountsMetric<T> =>
  counts(line, names, (source) => {
    const values = read(source);
    const lost = ERRNOS.find((name) => values[Errno[name]] > 0 && !names.includes(name));
    if (lost !== undefined) throw new Error(`the registry has no field ${line[0]}.${lost}, and ${values[Errno[lost]]} were counted`);
    return names.map((name) => values[Errno[name]]);
  });

const perSecond = (count: number, { virtualNs }: BaseTally): number | null => (virtualNs === 0 ? null : (count / virtualNs) * 1e9);

/** What a workload asked for and got. */
export const WORK_METRICS: readonly Metric[] = [
  figure('accesses', 'accesses', 'accesses', 'neither', `accesses taken from the workload's streams`, ({ tally }) => tally.accesses),
  figure('completed', 'completed', 'accesses', 'more', 'accesses that completed; the others ended in a signal or an error and were dropped', ({ tally }) => tally.completed),
  figure('work', 'work', 'pages', 'more', 'pages of work that were done: a load or store is one, an I/O as many as it has pages, a conversion none', ({ tally }) => tally.work),
  figure('virtualNs', 'virtual time', 'ns', 'less', 'virtual time at which the last actor was done', ({ tally }) => tally.virtualNs),
  nullable('completedPerVirtualSecond', 'completed accesses per second', 'per second', 'more', 'completed accesses per second of virtual time', ({ tally }) => perSecond(tally.completed, tally)),
  nullable('workPerVirtualSecond', 'completed work', 'pages per second', 'more', 'pages of work per second of virtual time', ({ tally }) => perSecond(tally.work, tally)),
];

/** Time that tasks waited, by lock. @param locks that somebody may wait for */
export const lockMetric = (locks: readonly LockName[]): Metric =>
  counts(['lockBlockedNs', 'lock waits', 'ns', 'less', 'time that tasks waited, by lock'], locks, ({ tally }) => locks.map((lock) => tally.lockBlockedNs[LOCKS.indexOf(lock)]));

/** What the priced time rests on. */
export const PRICE_METRICS: readonly Metric[] = PRICE_SOURCES.map((source) =>
  figure(`priceShare.${source}`, `${source} prices`, 'share', 'neither', `share of the priced time that rests on ${source} prices`, ({ tally, costs }) => priceShare(tally.operations, costs)[source]),
);

/** How often each operation was charged. @param names of those that a run may charge: another one that was is told aloud, since the record would lose it */
export const operationsMetric = (names: readonly OperationName[]): Metric =>
  counts(['operations', 'operations', 'count', 'neither', 'how often each operation was charged'], names, ({ tally }) => {
    const lost = OPERATIONS.find(({ name }, at) => tally.operations[at] > 0 && !names.includes(name));
    if (lost !== undefined) throw new Error(`the registry has no field operations.${lost.name}, and ${tally.operations[Op[lost.name]]} were counted`);
    return names.map((name) => tally.operations[Op[name]]);
  });
