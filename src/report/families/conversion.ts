/** The conversion family in reports. */
import { DEFAULT_PLATFORM, PLATFORMS } from '../../model/platform.ts';
import type { ResultsRecord } from '../../harness/record.ts';
import { BLOCKS } from '../columns.ts';
import { formatCount } from '../numbers.ts';
import { total, type Group } from '../rows.ts';
import type { FamilyReport } from './family.ts';

export const conversionReport: FamilyReport = {
  family: 'conversion',
  blocks: BLOCKS,
  legend: ['> at least: some of these requests were given up at that time'],
  footerLines: (record, groups) => [...settings(record), ...rogueLines(groups), ...orphanLines(groups)],
};

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
