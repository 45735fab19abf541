import { describe, expect, test } from 'vitest';
import { escapeHtml, htmlTable, idOf } from './markup.ts';

describe('text in a page', () => {
  test('never becomes markup', () => expect(escapeHtml(`<b a="1">'&'</b>`)).toBe('&lt;b a=&quot;1&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;'));
  test('as a name has letters, digits and hyphens', () => expect(idOf('as today', 'p99.9 (us)')).toBe('as-today-p99-9-us'));
});

describe('a table of a page', () => {
  const table = { caption: 'figures', corner: 'policy', head: [{ text: 'work', unit: 'pages/s' }], rows: ['a', 'b', 'c'].map((name, value) => ({ name, cells: [{ text: `${value}k`, value, isBest: value === 2 }] })) };
  test('has a caption, scopes, and buttons to sort by', () => {
    const html = htmlTable(table);
    expect(html).toContain('<caption>figures</caption>');
    expect(html).toContain('<th scope="col" aria-sort="none"><button type="button">work <span class="unit">pages/s</span></button></th>');
    expect(html).toContain('<tr><th scope="row">c</th><td class="best" data-value="2">2k<span class="mark" title="best of the column">*</span></td></tr>');
  });
  test('of two rows has nothing to sort', () => expect(htmlTable({ ...table, rows: table.rows.slice(0, 2) })).not.toContain('<button'));
  test('keeps the lines of a cell, and sorts what is not known last', () => expect(htmlTable({ ...table, rows: [{ name: 'a\n  b', isMeasure: true, cells: [{ text: '-', value: null }] }] })).toContain('<tr class="measure"><th scope="row">a<br>b</th><td data-value="">-</td></tr>'));
});
