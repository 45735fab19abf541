/** The summary tables of a group: the rows and figures of the terminal's tables, sortable. */
import type { Column } from '../columnLines.ts';
import { blocksOf } from '../families/index.ts';
import type { Group } from '../rows.ts';
import { bestRows, rowName } from '../table.ts';
import { htmlTable } from './markup.ts';
import { safeWords, safetyKind } from './verdicts.ts';

const TITLES = ['cost', 'contract', 'memory', 'interference'] as const;

export function summaryTables({ label, workloads, rows }: Group): readonly string[] {
  const what = workloads.length === 1 ? workloads[0] : `${workloads.length} workloads`;
  return blocksOf(rows).map(({ columns }) => {
    const best = columns.map((column) => bestRows(column, rows));
    return htmlTable({
      caption: `${titleOf(columns)}: ${label}, ${what}`,
      corner: 'policy',
      head: columns.map(({ head }) => ({ text: head.join(' ') })),
      rows: rows.map((row) => ({
        name: rowName(row, rows),
        isMeasure: row.isMeasure,
        cells: columns.map((column, at) => {
          if (column.head[0] === 'safe') return { text: row.isMeasure ? '' : safeWords(row.safe), kind: safetyKind(row.safe) };
          const figure = column.figure(row);
          return { text: column.text(row), value: figure === null || Number.isFinite(figure) ? figure : Number.MAX_VALUE, isBest: best[at].has(row) };
        }),
      })),
    });
  });
}

/** By what the first column of each is about. */
function titleOf([{ head }]: readonly Column[]): string {
  const [cost, contract, memory, interference] = TITLES;
  const words = head.join(' ');
  if (words.startsWith('completed')) return cost;
  if (words.startsWith('SIGBUS')) return contract;
  return words.startsWith('huge') ? memory : words.startsWith('blocked') ? interference : 'figures';
}
