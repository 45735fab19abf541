/** The first picture: completed work of each policy against the lower bound, with the verdict of exploration beside it. */
import { ratio, workPerVirtualSecond, type Column } from '../../columnLines.ts';
import { formatFigure, formatPercent } from '../../numbers.ts';
import { total, type Group, type SummaryRow } from '../../rows.ts';
import { bestRows } from '../../table.ts';
import { extremesOf, listed, namedRows, proposals, type Figure, type NamedRow } from '../figure.ts';
import { idOf } from '../markup.ts';
import { CHART_WIDTH, COLOR, widthOf } from '../theme.ts';
import { safetyKind, verdictShort } from '../verdicts.ts';
import { ROW_HEIGHT, nameAxis, nameWidth } from './barPanels.ts';

const WORK: Column = { head: ['completed work'], better: 'more', figure: workPerVirtualSecond, text: (row) => formatFigure(workPerVirtualSecond(row) ?? 0) };
const completedShare = (row: SummaryRow): number | null => ratio(total(row, 'completed'), total(row, 'accesses'));

/** Null where nothing was completed in any virtual time. */
export function overviewFigure({ label, rows }: Group): Figure | null {
  // Of the harness itself there is no bar: it does no conversions, and its length would leave nothing of the others'.
  const all = namedRows(rows).filter(({ row }) => WORK.figure(row) !== null);
  const named = all.length > 1 ? all.filter(({ row }) => row.policy !== 'null') : all;
  if (named.length === 0) return null;
  const bound = named.find(({ row }) => row.policy === 'lower-bound');
  return {
    id: idOf('work', label),
    finding: workFinding(named, rows),
    caption: `Completed work in pages per second of virtual time, higher is better${bound === undefined ? '' : '; the line is the lower bound, the bare state change and its flush'}. Beside it what exploration says of safety.`,
    spec: overviewSpec(named, bound),
    table: {
      caption: `completed work and verdict, ${label}`,
      corner: 'policy',
      head: [{ text: 'completed work', unit: 'pages/s' }, { text: 'of the lower bound', unit: '%' }, { text: 'accesses completed', unit: '%' }, { text: 'safe' }],
      rows: named.map(({ name, row }) => {
        const [work, share, completed] = [WORK.figure(row), shareOf(row, bound), completedShare(row)];
        return {
          name,
          isMeasure: row.isMeasure,
          cells: [
            { text: work === null ? '-' : formatFigure(work), value: work },
            { text: share === null ? '-' : formatPercent(share), value: share },
            { text: completed === null ? '-' : formatPercent(completed), value: completed },
            { text: row.isMeasure ? '' : row.safe, kind: safetyKind(row.safe) },
          ],
        };
      }),
    },
  };
}

function shareOf(row: SummaryRow, bound: NamedRow | undefined): number | null {
  const [work, most] = [WORK.figure(row), bound === undefined ? null : WORK.figure(bound.row)];
  return work === null || most === null || most === 0 ? null : work / most;
}

export function workFinding(named: readonly NamedRow[], rows: readonly SummaryRow[]): string {
  const competing = proposals(named);
  const bound = named.find(({ row }) => row.policy === 'lower-bound');
  const ofBound = ({ row }: NamedRow): string => {
    const share = shareOf(row, bound);
    return share === null ? '' : `, ${formatPercent(share)} % of the lower bound`;
  };
  const work = ({ row }: NamedRow): string => `${formatFigure(WORK.figure(row) ?? 0)} pages/s`;
  const [first] = competing;
  if (first === undefined) return `The measures alone complete ${listed(named.map((one) => `${work(one)} (${one.name})`))}`;
  if (competing.length === 1) return `${first.name} completes ${work(first)}${ofBound(first)}`;
  const best = bestRows(WORK, rows);
  const winners = competing.filter(({ row }) => best.has(row));
  const ends = extremesOf(competing, WORK.figure);
  if (ends === undefined || ends.least.value === ends.most.value) return `All policies complete the same work: ${work(first)}${ofBound(first)}`;
  const slowest = `${listed(ends.least.names, 3)} the least: ${formatFigure(ends.least.value)} pages/s`;
  if (winners.length > 0) return `${listed(winners.map(({ name }) => name), 3)} ${winners.length === 1 ? 'completes' : 'complete'} most work: ${work(winners[0])}${ofBound(winners[0])}; ${slowest}`;
  return `No policy is best in a fair way: ${listed(ends.most.names, 3)} ${ends.most.names.length === 1 ? 'is' : 'are'} fastest (${formatFigure(ends.most.value)} pages/s) but completed less than another; ${slowest}`;
}

const COLORS: Readonly<Record<ReturnType<typeof safetyKind>, string>> = { proved: 'var(--good)', broken: 'var(--bad)', unknown: 'var(--quiet)' };

/** Also for a picture of its own. */
export function overviewSpec(named: readonly NamedRow[], bound: NamedRow | undefined): Readonly<Record<string, unknown>> {
  const values = named.map(({ name, row }) => {
    const value = WORK.figure(row) ?? 0;
    const share = shareOf(row, bound);
    const kind = safetyKind(row.safe);
    return {
      name,
      value,
      label: `${formatFigure(value)}${share === null || row.isMeasure ? '' : `  ${formatPercent(share)} %`}`,
      color: row.isMeasure ? COLOR.measure : kind === 'broken' ? COLOR.bad : COLOR.bar,
      hover: `${name}: ${formatFigure(value)} pages/s${share === null || row.isMeasure ? '' : `, ${formatPercent(share)} % of the lower bound`}${row.isMeasure ? '' : `; safety: ${row.safe}`}`,
      verdict: row.isMeasure ? 'measure' : verdictShort(row.safe),
      verdictColor: row.isMeasure ? COLOR.quiet : COLORS[kind],
    };
  });
  const left = nameWidth(named);
  const right = Math.max(...values.map(({ verdict }) => widthOf(verdict))) + 8;
  const width = CHART_WIDTH - left - right - 20;
  const most = Math.max(...values.map(({ value }) => value));
  const labelWidth = Math.max(...values.map(({ label }) => widthOf(label))) + 8;
  const x = { field: 'value', type: 'quantitative', stack: null, axis: null, scale: { domain: [0, most === 0 ? 1 : (most * width) / (width - labelWidth)], nice: false } };
  const y = { field: 'name', type: 'nominal', sort: null };
  const boundWork = bound === undefined ? null : WORK.figure(bound.row);
  return {
    spacing: 12,
    data: { values },
    hconcat: [
      {
        width,
        height: { step: ROW_HEIGHT + 2 },
        encoding: { y: { ...y, axis: nameAxis(left) } },
        layer: [
          { mark: { type: 'bar', height: { band: 0.66 } }, encoding: { x, color: { field: 'color', type: 'nominal', scale: null }, description: { field: 'hover', type: 'nominal' } } },
          ...(boundWork === null ? [] : [{ mark: { type: 'rule', color: COLOR.text, strokeDash: [4, 3], strokeWidth: 1.2, aria: false }, data: { values: [{ value: boundWork }] }, encoding: { x, y: null } }]),
          { mark: { type: 'text', align: 'left', baseline: 'middle', dx: 5, aria: false }, encoding: { x: { field: 'value', type: 'quantitative', axis: null }, text: { field: 'label', type: 'nominal' } } },
        ],
      },
      {
        width: right,
        height: { step: ROW_HEIGHT + 2 },
        mark: { type: 'text', align: 'left', baseline: 'middle', fontWeight: 600, aria: false },
        encoding: { y: { ...y, axis: null }, x: { value: 0 }, text: { field: 'verdict', type: 'nominal' }, color: { field: 'verdictColor', type: 'nominal', scale: null } },
      },
    ],
  };
}
