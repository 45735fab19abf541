/** Small pieces of HTML: text that cannot become markup, and tables that a screen reader can walk. */

/** Text for between tags and for quoted attributes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A name for `id` and `href`: letters, digits and hyphens. */
export const idOf = (...words: readonly string[]): string => words.join('-').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

export interface TableCell {
  readonly text: string;
  /** What sorts the cell, where the text does not say it: `1.2k` is 1234. Null sorts last. */
  readonly value?: number | null;
  /** The best of its column, said in words as well as in bold. */
  readonly isBest?: boolean;
  /** A class of its own, such as that of a verdict. */
  readonly kind?: string;
}

export interface HtmlTable {
  readonly caption: string;
  /** Of the first column, which names the rows. */
  readonly corner: string;
  readonly head: readonly { readonly text: string; readonly unit?: string }[];
  readonly rows: readonly { readonly name: string; readonly isMeasure?: boolean; readonly cells: readonly TableCell[] }[];
  /** Whether headers are buttons that sort; default: yes, where there is anything to sort. */
  readonly sorts?: boolean;
}

/** A table with a caption and scopes, in a region that scrolls by itself where the page is narrow. */
export function htmlTable({ caption, corner, head, rows, sorts = rows.length > 2 }: HtmlTable): string {
  const header = (text: string, unit = ''): string => {
    const label = `${escapeHtml(text)}${unit === '' ? '' : ` <span class="unit">${escapeHtml(unit)}</span>`}`;
    return sorts ? `<th scope="col" aria-sort="none"><button type="button">${label}</button></th>` : `<th scope="col">${label}</th>`;
  };
  const body = rows.map(({ name, isMeasure = false, cells }) => `<tr${isMeasure ? ' class="measure"' : ''}><th scope="row">${lines(name)}</th>${cells.map(cellOf).join('')}</tr>`);
  return [
    `<div class="scroll" role="region" aria-label="${escapeHtml(caption)}" tabindex="0"><table${sorts ? ' class="sorts"' : ''}>`,
    `<caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${header(corner)}${head.map(({ text, unit }) => header(text, unit)).join('')}</tr></thead>`,
    `<tbody>\n${body.join('\n')}\n</tbody></table></div>`,
  ].join('\n');
}

function cellOf({ text, value, isBest = false, kind }: TableCell): string {
  const classes = [...(isBest ? ['best'] : []), ...(kind === undefined ? [] : [kind])].join(' ');
  const sortKey = value === undefined ? '' : ` data-value="${value === null ? '' : value}"`;
  return `<td${classes === '' ? '' : ` class="${classes}"`}${sortKey}>${lines(text)}${isBest ? '<span class="mark" title="best of the column">*</span>' : ''}</td>`;
}

/** Lines of a cell stay lines. */
const lines = (text: string): string => text.split('\n').map((line) => escapeHtml(line.trim())).join('<br>');

/** A section with its heading, which names it for whoever walks by landmarks. */
export function section(id: string, heading: string, content: readonly string[]): string {
  return [`<section id="${id}" aria-labelledby="${id}-h">`, `<h2 id="${id}-h">${escapeHtml(heading)}</h2>`, ...content, '</section>'].join('\n');
}

export const paragraph = (text: string, kind = ''): string => `<p${kind === '' ? '' : ` class="${kind}"`}>${escapeHtml(text)}</p>`;
