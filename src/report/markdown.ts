/**
 * The summary of a comparison as Markdown, for a mail, a pull request or a cover letter: the same rows and figures as the tables.
 *
 * A mail has 72 columns: where a width is asked for, the columns of a table are dealt out over as many tables as it takes, each with the
 * names of the rows in front, padded so that it can be read as plain text too.
 */
import type { ResultsRecord } from '../harness/record.ts';
import type { Column } from './columnLines.ts';
import { blocksOf } from './families/index.ts';
import { footer } from './footer.ts';
import { groupCells, type Group, type SummaryRow } from './rows.ts';
import { MARK, bestRows, rowName, type TableOptions } from './table.ts';
import { wrap } from './wrap.ts';

export interface MarkdownOptions extends TableOptions {
  /** Characters that a line of a table may have; default: as many as it takes. */
  readonly width?: number;
}

/** Ends in a newline. */
export function formatMarkdown(record: ResultsRecord, { by = 'label', profile, safety, width = Infinity }: MarkdownOptions = {}): string {
  const groups = groupCells(record, by, safety);
  const sections = groups.map((group) => [title(group, width), ...blocksOf(group.rows).flatMap(({ columns }) => tablesOf(group.rows, columns, width))].join('\n\n'));
  const method = footer(record, groups, profile).split('\n').flatMap((line) => (Number.isFinite(width) && !line.startsWith('repeat with:') ? wrap(line, width) : [line]));
  return `${[...sections, ['```text', ...method, '```'].join('\n')].join('\n\n')}\n`;
}

function title({ label, meaning, workloads }: Group, width: number): string {
  const lines = [`## ${label}`, '', `${meaning}; ${workloads.length === 1 ? 'workload' : `${workloads.length} workloads`}: ${workloads.join(', ')}`];
  return lines.flatMap((line) => (Number.isFinite(width) ? wrap(line, width).map((part) => part.trim()) : [line])).join('\n');
}

interface Cells {
  readonly head: string;
  readonly texts: readonly string[];
  readonly width: number;
}

/** One table, or as many as the width asks for. */
function tablesOf(rows: readonly SummaryRow[], columns: readonly Column[], width: number): readonly string[] {
  const names = cellsOf('policy', rows.map((row) => rowName(row, rows)));
  const tables: Cells[][] = [];
  let left = 0;
  for (const column of columns) {
    const best = bestRows(column, rows);
    const cells = cellsOf(column.head.join(' '), rows.map((row) => `${column.text(row)}${best.has(row) ? MARK : ''}`));
    if (tables.length === 0 || cells.width + FRAME > left) {
      tables.push([]);
      left = width - names.width - 2 * FRAME;
    }
    tables[tables.length - 1].push(cells);
    left -= cells.width + FRAME;
  }
  return tables.map((table) => tableOf(names, table));
}

/** What a column takes beside its text: ` | `. */
const FRAME = 3;

/** Several lines of a cell become one: a break in it would end the row. A bar would be the next cell's. */
function cellsOf(head: string, texts: readonly string[]): Cells {
  const plain = texts.map((text) => text.split('\n').map((line) => line.trim()).join(' ').replaceAll('|', '\\|'));
  return { head, texts: plain, width: Math.max(3, head.length, ...plain.map(({ length }) => length)) };
}

function tableOf(names: Cells, columns: readonly Cells[]): string {
  const line = (name: string, parts: readonly string[]): string => `| ${name.padEnd(names.width)} | ${parts.map((part, at) => part.padStart(columns[at].width)).join(' | ')} |`;
  return [
    line(names.head, columns.map(({ head }) => head)),
    `| ${'-'.repeat(names.width)} | ${columns.map(({ width }) => `${'-'.repeat(width - 1)}:`).join(' | ')} |`,
    ...names.texts.map((name, row) => line(name, columns.map(({ texts }) => texts[row]))),
  ].join('\n');
}
