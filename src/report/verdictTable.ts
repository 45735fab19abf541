/** A table of words: a row a litmus file, a column a policy. As text at most 120 columns wide, in several parts where there are many policies. */
import Table from 'cli-table3';
import { UNBROKEN_RULES } from './rules.ts';
import { LINE_WIDTH } from './wrap.ts';

export interface VerdictTable {
  readonly policies: readonly string[];
  /** The file's name, then a cell a policy. */
  readonly rows: readonly (readonly string[])[];
}

/** Without a newline at its end. */
export function verdictTable({ policies, rows }: VerdictTable, format: 'table' | 'md'): string {
  if (format === 'md') return markdownTable(['litmus', ...policies], rows);
  return parts(policies, rows)
    .map((columns) => textTable(['litmus', ...columns.map((column) => policies[column])], rows.map(([name, ...cells]) => [name, ...columns.map((column) => cells[column])])))
    .join('\n\n');
}

const GAP = UNBROKEN_RULES.middle;
/** A column is at least as wide as a usual verdict, and a longer policy's name breaks at its hyphens. */
const HEAD_WIDTH = 16;
/** A longer file's name breaks at its hyphens. */
const NAME_WIDTH = 44;

/** Indices of the policies that fit beside each other, part by part. */
function parts(policies: readonly string[], rows: readonly (readonly string[])[]): readonly (readonly number[])[] {
  const nameWidth = widest(['litmus', ...rows.map(([name]) => name)].flatMap(nameLines));
  const found: number[][] = [[]];
  let used = nameWidth;
  for (const [column, policy] of policies.entries()) {
    const width = GAP.length + widest([...broken(policy, HEAD_WIDTH), ...rows.map((row) => row[column + 1])]);
    if (used + width > LINE_WIDTH && found[found.length - 1].length > 0) {
      found.push([]);
      used = nameWidth;
    }
    found[found.length - 1].push(column);
    used += width;
  }
  return found;
}

const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(({ length }) => length));

/** A name in lines, broken behind hyphens. */
function broken(name: string, width: number): readonly string[] {
  const [first, ...rest] = name.split(/(?<=-)/);
  const lines = [first];
  for (const part of rest) {
    if (lines[lines.length - 1].length + part.length <= width) lines[lines.length - 1] += part;
    else lines.push(part);
  }
  return lines;
}

const nameLines = (name: string): readonly string[] => broken(name, NAME_WIDTH).map((line, nth) => (nth === 0 ? line : `  ${line}`));

function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: head.map((name) => broken(name, HEAD_WIDTH).join('\n')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    chars: UNBROKEN_RULES,
  });
  for (const [name, ...cells] of rows) table.push([nameLines(name).join('\n'), ...cells]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Padded, so that it reads as a table where nobody renders it. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => widest([name, ...rows.map((row) => row[column])]));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
