/** Bars in panels side by side: a row a policy, a panel a figure, each on its own scale from zero, with the value at the end of each bar. */
import type { HtmlTable } from '../markup.ts';
import type { NamedRow } from '../figure.ts';
import { CHART_WIDTH, COLOR, FONT_SIZE, widthOf } from '../theme.ts';

export interface Panel {
  readonly title: string;
  readonly unit: string;
  /** Null where the row has no such figure. */
  readonly value: (row: NamedRow['row']) => number | null;
  readonly text: (value: number) => string;
}

export const ROW_HEIGHT = 22;
const GAP = 18;
const PANELS_IN_LINE = 4;

/** Room for the names of rows on the left. */
export const nameWidth = (rows: readonly NamedRow[]): number => Math.max(60, ...rows.map(({ name }) => widthOf(name))) + 8;

/** The axis of names, or none beside the first panel. */
export const nameAxis = (width: number) => ({ title: null, ticks: false, domain: false, minExtent: width, maxExtent: width, labelPadding: 8, labelLimit: 0, labelOverlap: false });

export function barPanels(rows: readonly NamedRow[], panels: readonly Panel[], colorOf = barColor): Readonly<Record<string, unknown>> {
  const left = nameWidth(rows);
  const inLine = Math.min(PANELS_IN_LINE, Math.ceil(panels.length / Math.ceil(panels.length / PANELS_IN_LINE)));
  const width = Math.min(420, Math.floor((CHART_WIDTH - left) / inLine) - GAP);
  const linesOfPanels = Array.from({ length: Math.ceil(panels.length / inLine) }, (_, line) => panels.slice(line * inLine, (line + 1) * inLine));
  return {
    spacing: 26,
    vconcat: linesOfPanels.map((line) => ({ spacing: GAP, hconcat: line.map((panel, nth) => panelSpec(rows, panel, { width, left: nth === 0 ? left : null, colorOf })) })),
  };
}

export const barColor = ({ row: { isMeasure } }: NamedRow): string => (isMeasure ? COLOR.measure : COLOR.bar);

function panelSpec(rows: readonly NamedRow[], { title, unit, value, text }: Panel, { width, left, colorOf }: { readonly width: number; readonly left: number | null; readonly colorOf: (row: NamedRow) => string }) {
  const values = rows.map((named) => {
    const figure = value(named.row);
    const label = figure === null ? '-' : text(figure);
    return { name: named.name, value: figure === null || !Number.isFinite(figure) ? 0 : figure, label, color: colorOf(named), hover: `${named.name}: ${label}${figure === null || unit === '' ? '' : ` ${unit}`}` };
  });
  const most = Math.max(...values.map((one) => one.value));
  const labelWidth = Math.max(...values.map(({ label }) => widthOf(label))) + 6;
  return {
    width,
    height: { step: ROW_HEIGHT },
    title: { text: title, ...(unit === '' ? {} : { subtitle: unit, subtitleColor: COLOR.quiet, subtitleFontSize: FONT_SIZE }) },
    data: { values },
    encoding: { y: { field: 'name', type: 'nominal', sort: null, axis: left === null ? null : nameAxis(left) } },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.64 } },
        encoding: {
          x: { field: 'value', type: 'quantitative', stack: null, axis: null, scale: { domain: [0, most === 0 ? 1 : (most * width) / Math.max(40, width - labelWidth)], nice: false } },
          color: { field: 'color', type: 'nominal', scale: null },
          description: { field: 'hover', type: 'nominal' },
        },
      },
      {
        mark: { type: 'text', align: 'left', baseline: 'middle', dx: 5, aria: false },
        encoding: { x: { field: 'value', type: 'quantitative', axis: null }, text: { field: 'label', type: 'nominal' } },
      },
    ],
  };
}

/** The same figures as a table. */
export const panelTable = (caption: string, rows: readonly NamedRow[], panels: readonly Panel[]): HtmlTable => ({
  caption,
  corner: 'policy',
  head: panels.map(({ title, unit }) => ({ text: title, unit })),
  rows: rows.map(({ name, row }) => ({
    name,
    isMeasure: row.isMeasure,
    cells: panels.map(({ value, text }) => {
      const figure = value(row);
      return { text: figure === null ? '-' : text(figure), value: figure };
    }),
  })),
});
