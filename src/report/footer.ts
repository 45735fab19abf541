/** The method under the tables: what was run, how far to trust it, and the command that repeats it. */
import { PRICE_SOURCES, type CostProfile, type PriceSource } from '../simulate/costs.ts';
import { familyNamed } from '../harness/families/index.ts';
import type { ResultsRecord, SucceededCell } from '../harness/record.ts';
import { reportOf } from './families/index.ts';
import { formatCount, formatPercent } from './numbers.ts';
import { orderLines } from './order.ts';
import type { Group } from './rows.ts';
import { wrap } from './wrap.ts';

export function footer(record: ResultsRecord, groups: readonly Group[], profile: CostProfile | undefined): string {
  const lines = [...legendOf(record), ...methodLines(record, groups), ...(profile === undefined ? [] : orderLines(groups, profile)), ...gapLines(record)];
  // The command stays in one piece, to be copied.
  return [...lines.flatMap((line) => wrap(line)), `repeat with: ${record.experiment.command}`].join('\n');
}

/** What the marks of the tables mean. */
export const legendOf = ({ experiment: { family } }: ResultsRecord): readonly string[] => [
  '* best of the column; withheld where who has it completed less work than another policy',
  ...(reportOf(family).legend ?? []),
  'safe: as foliobench explore found it in every interleaving of its litmus files; stale: the sources have changed since',
];

/** What was run, at which prices, and what figures of the tables mean there. */
export const methodLines = (record: ResultsRecord, groups: readonly Group[]): readonly string[] => [
  methodLine(record),
  ...reportOf(record.experiment.family).footerLines(record, groups),
  `prices: ${record.experiment.costs.name}, hash ${record.experiment.costs.hash}; of the priced time ${priceShares(groups)}`,
];

/** Cells that failed, and cells that are not there. */
export const gapLines = (record: ResultsRecord): readonly string[] => [...failures(record), ...missing(record)];

function methodLine({ cells, experiment: { family, seeds, runs }, tool: { version } }: ResultsRecord): string {
  const isRecorded = familyNamed(family).defaultTraces.length > 0;
  const lengths = [...new Set(runs.flatMap(({ params }) => params.accesses ?? []))];
  const accesses = lengths.length === 0 ? 'recorded accesses' : `${lengths.join(', ')} accesses a cell${isRecorded ? ' (a recorded guest: its own)' : ''}`;
  return `${accesses}; seed${seeds.length === 1 ? '' : 's'} ${seeds.join(', ')}; ${formatCount(cells.length)} cells; foliobench ${version}`;
}

/** The range over all cells, since policies lean on different prices. */
function priceShares(groups: readonly Group[]): string {
  const cells = groups.flatMap(({ rows }) => rows.flatMap((row) => row.cells));
  return PRICE_SOURCES.map((source) => `${shareRange(cells, source)} % ${source}`).join(', ');
}

function shareRange(cells: readonly SucceededCell[], source: PriceSource): string {
  const shares = cells.map(({ deterministic }) => (deterministic.priceShare as Readonly<Record<PriceSource, number>>)[source]);
  if (shares.length === 0) return '0';
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map(formatPercent);
  return least === most ? least : `${least} to ${most}`;
}

const FAILURES_SHOWN = 5;

function failures({ cells }: ResultsRecord): readonly string[] {
  const failed = cells.filter((cell) => cell.status === 'failed');
  if (failed.length === 0) return [];
  const lines = failed
    .slice(0, FAILURES_SHOWN)
    .map(({ policy, workload, seed, error }) => `- ${policy} / ${workload} / seed ${seed}: ${error.what} (${error.why})`);
  const more = failed.length - lines.length;
  return [`${failed.length} of ${cells.length} cells failed:`, ...lines, ...(more > 0 ? [`- and ${more} more`] : [])];
}

function missing({ complete, shard }: ResultsRecord): readonly string[] {
  if (complete) return [];
  if (shard !== undefined) return [`part ${shard.index} of ${shard.count}: merge all parts before you compare`];
  return ['interrupted: cells are missing, so rows may not be comparable; a run with -o FILE goes on with --resume'];
}
