/** A figure of the page: a chart that says in a sentence what is seen, and the table behind it. */
import type { SummaryRow } from '../rows.ts';
import { rowName } from '../table.ts';
import { escapeHtml, htmlTable, type HtmlTable } from './markup.ts';
import type { Renderer } from './svg.ts';



export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  /** Lengths of dashes and gaps; a whole line without. A square where it is no line at all. */
  readonly dash?: readonly number[];
  readonly isArea?: boolean;
}

export interface Figure {
  readonly id: string;
  /** What is seen, in a sentence out of the record's figures. */
  readonly finding: string;
  /** What is drawn, in which unit, and how to read it. */
  readonly caption: string;
  readonly legend?: readonly LegendEntry[];
  readonly spec: Readonly<Record<string, unknown>>;
  readonly table: HtmlTable;
  /** Further findings, below the chart. */
  readonly notes?: readonly string[];
}

export async function htmlFigure({ id, finding, caption, legend, spec, table, notes = [] }: Figure, renderer: Renderer): Promise<string> {
  const svg = await renderer.draw({ id, title: finding, description: caption, spec });
  return [
    `<figure id="${id}">`,
    `<figcaption><p class="finding">${escapeHtml(finding)}</p><p class="caption">${escapeHtml(caption)}</p></figcaption>`,
    ...(legend === undefined ? [] : [legendOf(legend)]),
    `<div class="chart" role="region" aria-label="${escapeHtml(`chart: ${table.caption}`)}" tabindex="0">${svg}</div>`,
    ...(notes.length === 0 ? [] : [`<ul class="findings">${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`]),
    `<details><summary>The figures as a table</summary>\n${htmlTable(table)}\n</details>`,
    '</figure>',
  ].join('\n');
}

const legendOf = (entries: readonly LegendEntry[]): string => `<ul class="legend">${entries.map((entry) => `<li>${sample(entry)}${escapeHtml(entry.name)}</li>`).join('')}</ul>`;

function sample({ color, dash, isArea = false }: LegendEntry): string {
  const drawn = isArea
    ? `<path d="M0,1h14v12h-14Z" fill="${color}"/>`
    : `<path d="M0,7h28" stroke="${color}" stroke-width="2.5" fill="none"${dash === undefined || dash.length === 0 ? '' : ` stroke-dasharray="${dash.join(',')}"`}/>`;
  const width = isArea ? 14 : 28;
  return `<svg aria-hidden="true" width="${width}" height="14" viewBox="0 0 ${width} 14">${drawn}</svg>`;
}

/** Rows of a table as charts name them: in one line, with what tells them apart. */
export interface NamedRow {
  readonly name: string;
  readonly row: SummaryRow;
}

/** Rows that have any figures. */
export const namedRows = (rows: readonly SummaryRow[]): readonly NamedRow[] =>
  rows.filter(({ cells }) => cells.length > 0).map((row) => ({ row, name: rowName(row, rows).split('\n').map((line) => line.trim()).join(' ') }));

/** Rows of proposals: a measure competes with none. */
export const proposals = (rows: readonly NamedRow[]): readonly NamedRow[] => rows.filter(({ row }) => !row.isMeasure);

/** "a", "a and b", "a, b and c", "a, b, c and 4 more". */
export function listed(names: readonly string[], most = 4): string {
  if (names.length <= 1) return names.join('');
  const [shown, more] = names.length > most ? [names.slice(0, most - 1), names.length - most + 1] : [names.slice(0, -1), 0];
  return `${shown.join(', ')} and ${more > 0 ? `${more} more` : names[names.length - 1]}`;
}

export interface Extreme {
  readonly names: readonly string[];
  readonly value: number;
}

/** Who has the least and who the most of something; undefined where fewer than two have any of it. */
export function extremesOf(rows: readonly NamedRow[], figure: (row: SummaryRow) => number | null): { readonly least: Extreme; readonly most: Extreme } | undefined {
  const known = rows.flatMap(({ name, row }) => {
    const value = figure(row);
    return value === null || !Number.isFinite(value) ? [] : [{ name, value }];
  });
  if (known.length < 2) return undefined;
  const at = (value: number): Extreme => ({ value, names: known.filter((one) => one.value === value).map(({ name }) => name) });
  const values = known.map(({ value }) => value);
  return { least: at(Math.min(...values)), most: at(Math.max(...values)) };
}
