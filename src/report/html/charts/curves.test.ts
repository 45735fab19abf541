import { describe, expect, test } from 'vitest';
import { TOGETHER_MAX, coloredCurves, joined, smallCurves, type NamedCurve } from './curves.ts';

const curve = (name: string, ...ys: readonly number[]): NamedCurve => ({ name, isMeasure: name === 'bound', points: ys.map((y, x) => ({ x: x + 1, y, hover: `${name} ${y}` })) });
const axis = { title: 'x', scale: { domain: [1, 10], ticks: [1, 10] }, labelExpr: 'datum.value' };

describe('curves', () => {
  test('that are the same have one line under all names, but a measure keeps its own', () => {
    expect(joined([curve('a', 1, 2), curve('b', 1, 3), curve('c', 1, 2), curve('bound', 1, 2)]).map(({ name }) => name)).toEqual(['a, c', 'b', 'bound']);
  });
  test('in one panel differ in colour and in dashes; a measure is grey', () => {
    const { legend = [] } = coloredCurves([{ curves: [...Array.from({ length: TOGETHER_MAX }, (_, nth) => curve(`p${nth}`, 1, nth)), curve('bound', 1, 1)] }], axis, axis);
    expect(new Set(legend.map(({ color, dash = [] }) => `${color} ${dash}`)).size).toBe(TOGETHER_MAX + 1);
    expect(legend.at(-1)).toMatchObject({ name: 'bound', color: 'var(--measure)' });
  });
  test('of which there are many have a panel each, with the range of all behind', () => {
    const { spec, legend = [] } = smallCurves([curve('a', 1, 5), curve('b', 2, 3), curve('bound', 1, 1)], axis, axis);
    expect(legend.map(({ name }) => name)).toEqual(['the policy of the panel', 'range of all policies', 'bound']);
    expect(JSON.stringify(spec)).toContain('[{"x":1,"least":1,"most":2},{"x":2,"least":3,"most":5}]');
  });
});
