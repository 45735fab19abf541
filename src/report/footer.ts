/** The method under the tables: what was run, how far to trust it, and the command that repeats it. */
import { DEFAULT_PLATFORM, PLATFORMS } from '../model/platform.ts';
import { PRICE_SOURCES, type CostProfile, type PriceSource } from '../simulate/costs.ts';
import type { ResultsRecord, SucceededCell } from '../harness/record.ts';
import { formatCount, formatPercent } from './numbers.ts';
import { orderLines } from './order.ts';
import { total, type Group } from './rows.ts';
import { wrap } from './wrap.ts';

export function footer(record: ResultsRecord, groups: readonly Group[], profile: CostProfile | undefined): string {
  const lines = [
    '* best of the column; withheld where who has it completed less work than another policy',
    '> at least: some of these requests were given up at that time',
    'safe: as foliobench explore found it in every interleaving of its litmus files; stale: the sources have changed since',
    methodLine(record),
    ...settings(record),
    ...rogueLines(groups),
    ...orphanLines(groups),
    `prices: ${record.experiment.costs.name}, hash ${record.experiment.costs.hash}; of the priced time ${priceShares(groups)}`,
    ...(profile === undefined ? [] : orderLines(groups, profile)),
    ...failures(record),
    ...missing(record),
  ];
  // The command stays in one piece, to be copied.
  return [...lines.flatMap((line) => wrap(line)), `repeat with: ${record.experiment.command}`].join('\n');
}

function methodLine({ cells, experiment: { seeds, runs }, tool: { version } }: ResultsRecord): string {
  const lengths = [...new Set(runs.flatMap(({ params }) => params.accesses ?? []))];
  const accesses = lengths.length === 0 ? 'recorded accesses' : `${lengths.join(', ')} accesses a cell (a recorded guest: its own)`;
  return `${accesses}; seed${seeds.length === 1 ? '' : 's'} ${seeds.join(', ')}; ${formatCount(cells.length)} cells; foliobench ${version}`;
}

/** What the figures depend on beside the workloads, where it is no default. */
function settings({ experiment: { runs } }: ResultsRecord): readonly string[] {
  const of = (what: 'platform' | 'vmm') => [...new Set(runs.flatMap(({ params }) => params[what] ?? []))].join(', ');
  const [platforms, strategies] = [of('platform'), of('vmm')];
  return [
    ...(platforms === '' ? [] : [`platform: ${platforms}, with what its conversions pay`]),
    ...(strategies === '' ? [] : [`VMM: ${strategies} after a refusal, under every policy`]),
  ];
}

/** What the rogue accesses of the tables mean: the count is the same everywhere, what becomes of the host is not. */
function rogueLines(groups: readonly Group[]): readonly string[] {
  const cells = groups.flatMap(({ rows }) => rows.flatMap((row) => row.cells)).filter((cell) => total({ cells: [cell] }, 'safety', 'rogueAccesses') > 0);
  return [...new Set(cells.map(({ params: { platform = DEFAULT_PLATFORM } }) => platform))].map((platform) => `rogue accesses on ${platform}: ${PLATFORMS[platform].rogue}`);
}

/** Nothing leaks and data is lost: no column says so. */
function orphanLines(groups: readonly Group[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { policy, cells } of groups.flatMap(({ rows }) => rows)) {
    const orphans = total({ cells }, 'orphanAccesses');
    if (orphans > 0) counts.set(policy, (counts.get(policy) ?? 0) + orphans);
  }
  if (counts.size === 0) return [];
  const told = [...counts].map(([policy, count]) => `${policy} ${formatCount(count)}`).join(', ');
  return [`lost data: accesses of devices and kernel users to pages that were punched while they held them: ${told}`];
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
