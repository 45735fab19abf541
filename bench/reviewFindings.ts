/** What the committed review comes to, in sentences. No figure in them is typed: each is computed from the record and the verdicts. */
import type { FolioSize } from '../src/harness/experiment.ts';
import type { CommittedVerdict } from '../src/harness/verdicts.ts';
import { CHECKS } from '../src/policies/policy.ts';
import { requestLatencies } from '../src/report/columns.ts';
import { ratio, workPerVirtualSecond } from '../src/report/columnLines.ts';
import { extremesOf, listed, namedRows, proposals, type NamedRow } from '../src/report/html/figure.ts';
import { formatCount, formatFigure, formatPercent, formatTime } from '../src/report/numbers.ts';
import { total, totalOf, type Group, type SummaryRow } from '../src/report/rows.ts';
import { safetyFinding } from '../src/report/html/verdicts.ts';

/** A row of one folio size, or of one workload, or of both. */
export const only = (row: SummaryRow, { folio, workload }: { readonly folio?: FolioSize; readonly workload?: string }): SummaryRow => ({
  ...row,
  cells: row.cells.filter((cell) => (folio === undefined || cell.params.folio === folio) && (workload === undefined || cell.workload === workload)),
});

/** Completed work as a share of what the lower bound completes in the same cells. */
export function shareOfBound(row: SummaryRow, { rows }: Group, part: Parameters<typeof only>[1]): number | null {
  const bound = rows.find(({ policy }) => policy === 'lower-bound');
  const [work, most] = [workPerVirtualSecond(only(row, part)), bound === undefined ? null : workPerVirtualSecond(only(bound, part))];
  return work === null || most === null ? null : ratio(work, most);
}

export interface ReviewFinding {
  readonly about: string;
  readonly text: string;
}

export function reviewFindings(group: Group, verdicts: readonly CommittedVerdict[]): readonly ReviewFinding[] {
  const named = proposals(namedRows(group.rows));
  const folios = foliosOf(group);
  return [
    { about: 'Safety', text: `${safetyFinding(group.rows)} ${checkFinding(group, verdicts)}` },
    { about: 'Work', text: `${folios.map((folio) => workFinding(group, named, folio)).join(' ')}` },
    { about: 'Latency', text: folios.map((folio) => latencyFinding(named, folio)).join(' ') },
    { about: 'Size of folios', text: folioFinding(named, folios) },
    { about: 'Rmap', text: rmapFinding(named) },
    { about: 'Signals and refusals', text: refusalFinding(named) },
    { about: 'Bystanders', text: bystanderFinding(named) },
    { about: 'Memory', text: memoryFinding(named) },
    { about: 'Worst workloads', text: worstFinding(group, named, folios[0]) },
  ];
}

export const foliosOf = ({ rows }: Group): readonly FolioSize[] => [...new Set(rows.flatMap(({ cells }) => cells.flatMap(({ params: { folio } }) => folio ?? [])))];

const isAre = (names: readonly string[], one: string, many: string): string => (names.length === 1 ? one : many);

/** Of the weaker checks: how many policies each leaves broken. */
function checkFinding({ rows }: Group, verdicts: readonly CommittedVerdict[]): string {
  const policies = new Set(rows.map(({ policy }) => policy));
  const told = CHECKS.map((check) => {
    const cells = verdicts.filter((verdict) => verdict.check === check && policies.has(verdict.policy));
    const explored = new Set(cells.map(({ policy }) => policy));
    const broken = new Set(cells.filter(({ safety }) => safety === 'broken').map(({ policy }) => policy));
    const files = new Set(cells.filter(({ safety }) => safety === 'broken').map(({ litmus }) => litmus));
    return { check, explored: explored.size, broken: broken.size, files: files.size };
  }).filter(({ explored }) => explored > 0);
  return `Of the policies that take a reference check, ${told.map(({ check, explored, broken, files }) => `${broken} of ${explored} are broken under ${check}${files === 0 ? '' : ` (in ${files} litmus files)`}`).join(', ')}.`;
}

function workFinding(group: Group, named: readonly NamedRow[], folio: FolioSize): string {
  const ends = extremesOf(named, (row) => shareOfBound(row, group, { folio }));
  if (ends === undefined) return `With folios of ${folio} nothing is to be compared.`;
  return `With folios of ${folio} ${listed(ends.most.names, 3)} ${isAre(ends.most.names, 'completes', 'complete')} ${formatPercent(ends.most.value)} % of what the lower bound does, ${listed(ends.least.names, 3)} ${formatPercent(ends.least.value)} %.`;
}

function latencyFinding(named: readonly NamedRow[], folio: FolioSize): string {
  const at = (percent: number) => extremesOf(named, (row) => percentileOf(only(row, { folio }), percent));
  const [middle, tail] = [at(50), at(99)];
  if (middle === undefined || tail === undefined) return '';
  const ends = ({ least, most }: typeof middle): string => `${formatTime(least.value / 1000)} (${listed(least.names, 3)}) to ${formatTime(most.value / 1000)} (${listed(most.names, 3)})`;
  return `Folios of ${folio}: half of the conversions within ${ends(middle)}, 99 % within ${ends(tail)}.`;
}

const percentileOf = (row: SummaryRow, percent: number): number | null => requestLatencies(row).percentile(percent);

function folioFinding(named: readonly NamedRow[], folios: readonly FolioSize[]): string {
  const [first, last] = [folios[0], folios[folios.length - 1]];
  const growth = (row: SummaryRow): number | null => {
    const [small, large] = [requestLatencies(only(row, { folio: first })).meanNs, requestLatencies(only(row, { folio: last })).meanNs];
    return small === null || large === null ? null : ratio(large, small);
  };
  const ends = extremesOf(named, growth);
  if (first === last || ends === undefined) return 'The record has one size of folios.';
  const grown = named.filter(({ row }) => (growth(row) ?? 0) > 2).map(({ name }) => name);
  return `From ${first} to ${last} the mean latency of a conversion changes by a factor of ${formatFigure(ends.least.value)} (${listed(ends.least.names, 3)}) to ${formatFigure(ends.most.value)} (${listed(ends.most.names, 3)}); it more than doubles under ${grown.length} of ${named.length} rows.`;
}

function rmapFinding(named: readonly NamedRow[]): string {
  const visits = (row: SummaryRow): number | null => ratio(total(only(row, { workload: 'many-mappings' }), 'rmap', 'vmasVisited'), total(only(row, { workload: 'many-mappings' }), 'conversions', 'toPrivate', 'requested'));
  const ends = extremesOf(named, visits);
  if (ends === undefined) return 'No row walked an rmap under many mappings.';
  const none = named.filter(({ row }) => visits(row) === 0).map(({ name }) => name);
  return `On many-mappings a to-private request visits ${formatFigure(ends.most.value)} VMAs under ${listed(ends.most.names, 3)}${none.length === 0 ? '' : `, and none under ${listed(none, 6)}`}.`;
}

function refusalFinding(named: readonly NamedRow[]): string {
  const kinds: readonly (readonly [string, (row: SummaryRow) => number])[] = [
    ['SIGBUS', (row) => total(row, 'signals', 'SIGBUS')], ['SIGSEGV', (row) => total(row, 'signals', 'SIGSEGV')], ['failed mmap calls', (row) => totalOf(row, 'errors', 'mmap')],
    ['failed GUP calls', (row) => totalOf(row, 'errors', 'gup')], ['refused conversions', (row) => totalOf(row, 'conversions', 'toPrivate', 'refused')],
    ['conversions given up', (row) => total(row, 'conversions', 'toPrivate', 'gaveUp') + total(row, 'conversions', 'toPrivate', 'timedOut')], ['rogue accesses', (row) => total(row, 'safety', 'rogueAccesses')],
  ];
  const told = kinds.map(([kind, figure]) => {
    const ends = extremesOf(named, figure);
    return ends === undefined || ends.most.value === 0 ? `no ${kind}` : `${formatCount(ends.most.value)} ${kind} (${listed(ends.most.names, 3)})`;
  });
  return `Most of each over all cells of a row: ${told.join(', ')}.`;
}

function bystanderFinding(named: readonly NamedRow[]): string {
  const lost = extremesOf(named, (row) => ratio(total(row, 'lostNs') / 1000, total(row, 'conversions', 'toPrivate', 'succeeded') + total(row, 'conversions', 'toShared', 'succeeded')));
  return lost === undefined ? '' : `A conversion takes ${formatTime(lost.least.value)} from tasks that convert nothing under ${listed(lost.least.names, 3)}, and ${formatTime(lost.most.value)} under ${listed(lost.most.names, 3)}.`;
}

function memoryFinding(named: readonly NamedRow[]): string {
  const coverage = extremesOf(named, (row) => ratio(total(row, 'memory', 'hugeCoverageMean'), row.cells.length));
  const double = named.filter(({ row }) => total(row, 'memory', 'doubleMaxBytes') > 0).map(({ name }) => name);
  const told = coverage === undefined ? '' : `Over all sizes of folios large leaves map ${formatPercent(coverage.most.value)} % of what is mapped under ${listed(coverage.most.names, 3)} and ${formatPercent(coverage.least.value)} % under ${listed(coverage.least.names, 3)}. `;
  return `${told}${double.length === 0 ? 'No row holds guest memory twice.' : `${listed(double, 6)} ${isAre(double, 'holds', 'hold')} guest memory twice for a time.`}`;
}

/** For each workload the policy that it hurts most. */
function worstFinding(group: Group, named: readonly NamedRow[], folio: FolioSize): string {
  const told = group.workloads.flatMap((workload) => {
    const ends = extremesOf(named, (row) => shareOfBound(row, group, { folio, workload }));
    return ends === undefined || ends.least.value === ends.most.value ? [] : [`${workload}: ${listed(ends.least.names, 3)} (${formatPercent(ends.least.value)} %)`];
  });
  return `Who completes least on each workload, folios of ${folio}, as a share of the lower bound: ${told.join('; ')}.`;
}
