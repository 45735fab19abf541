/**
 * The summary of a comparison for a terminal, at most 120 columns wide, in plain characters: it reads the same in a file, in
 * a mail and without colours.
 *
 * For each label the same rows twice: what a policy costs, then whom it turns away and what it lets through.
 */
import Table from 'cli-table3';
import type { CostProfile } from '../simulate/costs.ts';
import type { ResultsRecord } from '../harness/record.ts';
import type { Safety } from '../harness/verdicts.ts';
import type { Column } from './columnLines.ts';
import { blocksOf } from './families/index.ts';
import { footer } from './footer.ts';
import { RULES } from './rules.ts';
import { groupCells, total, type Group, type SummaryRow } from './rows.ts';
import { wrap } from './wrap.ts';

export interface TableOptions {
  /** A table for each label, or for each workload under each label. */
  readonly by?: 'label' | 'workload';
  /** The profile that the record was priced with; without it nothing is said about the order of the policies. */
  readonly profile?: CostProfile;
  /** What exploration has shown; nothing was checked without it. */
  readonly safety?: Safety;
}

export const MARK = '*';

/** The tables and their footer, ending in a newline. */
export function formatTables(record: ResultsRecord, { by = 'label', profile, safety }: TableOptions = {}): string {
  const groups = groupCells(record, by, safety);
  const sections = groups.map((group) => `${title(group)}\n${blocksOf(group.rows).map(({ columns }) => formatBlock(group.rows, columns)).join('\n\n')}`);
  return `${[...sections, footer(record, groups, profile)].join('\n\n')}\n`;
}

function title({ label, meaning, workloads }: Group): string {
  const heading = `${label}: ${meaning}`;
  return [heading, ...wrap(`${workloads.length === 1 ? 'workload' : `${workloads.length} workloads`}: ${workloads.join(', ')}`)].join('\n');
}

function formatBlock(rows: readonly SummaryRow[], columns: readonly Column[]): string {
  const table = new Table({
    head: ['policy', ...columns.map(({ head }) => head.join('\n'))],
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    chars: RULES,
  });
  const marked = columns.map((column) => bestRows(column, rows));
  for (const row of rows) {
    table.push([rowName(row, rows), ...columns.map((column, index) => `${column.text(row)}${marked[index].has(row) ? MARK : ' '}`)]);
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** The check stands in the name where it tells rows apart, and a choice wherever it is no default; what is beside such a row has the defaults. */
export function rowName({ policy, check, choices = {}, missing, cells }: SummaryRow, rows: readonly SummaryRow[]): string {
  const isRepeated = rows.some((row) => row.policy === policy && row.check !== check);
  const isBesideChosen = Object.keys(choices).length === 0 && rows.some((row) => row.policy === policy && row.choices !== undefined);
  const chosen = isBesideChosen ? '\n  (defaults)' : Object.entries(choices).map(([choice, value]) => `\n  ${choice}=${value}`).join('');
  const name = `${isRepeated && check !== null ? `${policy}\n  ${check}` : policy}${chosen}`;
  return missing === 0 ? name : `${name}\n  (${cells.length} of ${cells.length + missing} cells)`;
}

/**
 * The rows to mark in a column: the best figure of all policies, unless who has it completed less work than another or lacks
 * cells. A policy that refuses nearly everything is quick, and must not win; then nobody does. No mark where all are alike.
 */
export function bestRows({ better, figure }: Column, rows: readonly SummaryRow[]): ReadonlySet<SummaryRow> {
  const policies = rows.filter(({ isMeasure, cells }) => !isMeasure && cells.length > 0);
  const figures = policies.flatMap((row) => figure(row) ?? []);
  if (better === 'neither' || new Set(figures).size < 2) return new Set();
  const best = (better === 'less' ? Math.min : Math.max)(...figures);
  const workMost = Math.max(...policies.map((row) => total(row, 'work')));
  return new Set(policies.filter((row) => figure(row) === best && row.missing === 0 && total(row, 'work') === workMost));
}
