import { describe, expect, test } from 'vitest';
import { createRenderer, tidy } from './svg.ts';

const names = { id: 'c', title: 'a < b', description: 'in us' };
const drawing = (body: string): string => `<svg xmlns="http://www.w3.org/2000/svg" version="1.1" class="marks" width="100.04" height="50" viewBox="0 0 100 50">${body}</svg>`;

describe('a drawing of Vega', () => {
  test('becomes a picture with a name, and loses what says nothing', () => {
    const svg = tidy(drawing('<g fill="none"><g class="mark-group role-frame" role="graphics-object"><path class="background" aria-hidden="true" d="M0,0h0v0h0Z"/><g></g></g></g>'), names);
    expect(svg).toBe('<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="c-t c-d" width="100" height="50" viewBox="0 0 100 50"><title id="c-t">a &lt; b</title><desc id="c-d">in us</desc></svg>');
  });
  test('tells the value of a mark where the pointer is, and of a line of an axis nothing', () => {
    const svg = tidy(drawing('<path aria-label="x: 1 us" role="graphics-symbol" aria-roledescription="bar" d="M0,1h69.23076923076923v18h-69.23076923076923Z" fill="var(--bar)"/><line transform="translate(46.153846,0)" x2="0" y2="-40" stroke="var(--grid)"/>'), names);
    expect(svg).toContain('<path d="M0,1h69.2v18h-69.2Z" fill="var(--bar)"><title>x: 1 us</title></path><line transform="translate(46.2,0)" y2="-40" stroke="var(--grid)"/>');
  });
  test('keeps a group that moves what is in it', () => {
    expect(tidy(drawing('<g><g transform="translate(0,0)"><g transform="translate(3,4)"><text>t</text></g></g></g>'), names)).toContain('</desc><g transform="translate(3,4)"><text>t</text></g></svg>');
  });
  test('is an error where there is none', () => expect(() => tidy('nothing', names)).toThrow('Vega drew no SVG'));
});

describe('a renderer', () => {
  const spec = { data: { values: [{ a: 'x', b: 1 }, { a: 'y', b: 3 }] }, mark: { type: 'bar', color: 'var(--bar)' }, encoding: { x: { field: 'b', type: 'quantitative' }, y: { field: 'a', type: 'nominal', sort: null } } };
  test('draws the same bytes twice', async () => {
    const [one, other] = await Promise.all([1, 2].map(async () => (await createRenderer()).draw({ ...names, spec })));
    expect(one).toBe(other);
    expect(one.match(/fill="var\(--bar\)"/g)).toHaveLength(2);
  });
});
