/** Curves: few of them in one panel, each with a colour and a dash; many in small panels, one each, against the range of all. */
import type { LegendEntry } from '../figure.ts';
import type { LogScale } from '../scale.ts';
import { CHART_WIDTH, COLOR, SERIES } from '../theme.ts';

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** What is told of it, with its unit. */
  readonly hover: string;
}

export interface NamedCurve {
  readonly name: string;
  /** Drawn in grey: nobody's proposal. */
  readonly isMeasure: boolean;
  readonly points: readonly CurvePoint[];
}

export interface CurveAxis {
  readonly title: string;
  readonly scale: LogScale | { readonly domain: readonly number[]; readonly ticks: readonly number[] };
  /** Vega expression of a tick's text, of `datum.value`. */
  readonly labelExpr: string;
}

/** What one panel shows together. */
export interface CurvePanel {
  readonly title?: string;
  readonly curves: readonly NamedCurve[];
}

export interface CurveChart {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly legend?: readonly LegendEntry[];
}

/** Curves that can be told apart in one panel. */
export const TOGETHER_MAX = 8;
const DASHES: readonly (readonly number[])[] = [[], [7, 3], [2, 2.5], [9, 3, 2, 3], [12, 4], [4, 4], [1.5, 4], [14, 3, 3, 3]];
const MEASURE_DASH = [4, 3] as const;
const AXIS_WIDTH = 62;

/** Curves with the very same points are one, under both names. */
export function joined(curves: readonly NamedCurve[]): readonly NamedCurve[] {
  const byPoints = new Map<string, NamedCurve[]>();
  for (const curve of curves) {
    const key = `${curve.isMeasure} ${curve.points.map(({ x, y }) => `${x},${y}`).join(' ')}`;
    byPoints.set(key, [...(byPoints.get(key) ?? []), curve]);
  }
  return [...byPoints.values()].map((same) => ({ ...same[0], name: same.map(({ name }) => name).join(', ') }));
}

/** All curves in every panel that has them, with colours by name. */
export function coloredCurves(panels: readonly CurvePanel[], x: CurveAxis, y: CurveAxis): CurveChart {
  const names = [...new Set(panels.flatMap(({ curves }) => curves.filter(({ isMeasure }) => !isMeasure).map(({ name }) => name)))];
  const measures = [...new Set(panels.flatMap(({ curves }) => curves.filter(({ isMeasure }) => isMeasure).map(({ name }) => name)))];
  const legend: readonly LegendEntry[] = [
    ...names.map((name, at) => ({ name, color: SERIES[at % SERIES.length], dash: DASHES[at % DASHES.length] })),
    ...measures.map((name) => ({ name, color: COLOR.measure, dash: MEASURE_DASH })),
  ];
  const { columns, width, height } = grid(panels.length);
  return {
    legend,
    spec: wrapped(panels.map(({ title, curves }, nth) => ({
      ...(title === undefined ? {} : { title }),
      width,
      height,
      data: { values: pointsOf(curves) },
      layer: linesOf(legend, x, y, { xTitle: nth >= panels.length - columns, yTitle: nth % columns === 0 }),
    })), columns),
  };
}

function linesOf(legend: readonly LegendEntry[], x: CurveAxis, y: CurveAxis, shown: { readonly xTitle: boolean; readonly yTitle: boolean }) {
  const domain = legend.map(({ name }) => name);
  const places = positions(x, y, shown);
  const color = { field: 'name', type: 'nominal', sort: null, legend: null, scale: { domain, range: legend.map((entry) => entry.color) } };
  return [
    {
      mark: { type: 'line', strokeWidth: 2.5, strokeJoin: 'round', clip: false },
      encoding: { ...places, color, strokeDash: { field: 'name', type: 'nominal', sort: null, legend: null, scale: { domain, range: legend.map(({ dash = [] }) => (dash.length === 0 ? [1, 0] : dash)) } }, description: { field: 'name', type: 'nominal' } },
    },
    hoverPoints(places),
  ];
}

/** Nothing that is seen: places where the pointer finds a value. */
const hoverPoints = (places: Readonly<Record<string, unknown>>) => ({ mark: { type: 'point', filled: true, size: 140, color: COLOR.text, opacity: 0 }, encoding: { ...places, description: { field: 'hover', type: 'nominal' } } });

/** A panel for each curve: it alone in colour, the range of all behind it, measures in grey. */
export function smallCurves(curves: readonly NamedCurve[], x: CurveAxis, y: CurveAxis): CurveChart {
  const shown = curves.filter(({ isMeasure }) => !isMeasure);
  const measures = curves.filter(({ isMeasure }) => isMeasure);
  const { columns, width, height } = grid(shown.length);
  const range = rangeOf(shown);
  const legend: readonly LegendEntry[] = [
    { name: 'the policy of the panel', color: SERIES[0] },
    { name: 'range of all policies', color: COLOR.grid, isArea: true },
    ...measures.map(({ name }) => ({ name, color: COLOR.measure, dash: MEASURE_DASH })),
  ];
  const panels = shown.map((curve, nth) => {
    const places = positions(x, y, { xTitle: nth >= shown.length - columns, yTitle: nth % columns === 0 });
    return {
      title: { text: curve.name.split(', ') },
      width,
      height,
      layer: [
        { data: { values: range }, mark: { type: 'area', color: COLOR.grid, opacity: 0.6, aria: false }, encoding: { ...places, y: { ...places.y, field: 'least' }, y2: { field: 'most' } } },
        ...(measures.length === 0 ? [] : [{ data: { values: pointsOf(measures) }, mark: { type: 'line', color: COLOR.measure, strokeWidth: 1.5, strokeDash: MEASURE_DASH }, encoding: { ...places, detail: { field: 'name', type: 'nominal' }, description: { field: 'name', type: 'nominal' } } }]),
        { data: { values: pointsOf([curve]) }, mark: { type: 'line', color: SERIES[0], strokeWidth: 2.5, strokeJoin: 'round' }, encoding: { ...places, description: { field: 'name', type: 'nominal' } } },
        { data: { values: pointsOf([curve]) }, ...hoverPoints(places) },
      ],
    };
  });
  return { legend, spec: wrapped(panels, columns) };
}

const pointsOf = (curves: readonly NamedCurve[]) => curves.flatMap(({ name, points }) => points.map((point) => ({ name, ...point })));

function rangeOf(curves: readonly NamedCurve[]) {
  const places = [...new Set(curves.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  return places.map((x) => {
    const ys = curves.flatMap(({ points }) => points.filter((point) => point.x === x).map(({ y }) => y));
    return { x, least: Math.min(...ys), most: Math.max(...ys) };
  });
}

function positions(x: CurveAxis, y: CurveAxis, { xTitle, yTitle }: { readonly xTitle: boolean; readonly yTitle: boolean }) {
  const axis = ({ title, scale, labelExpr }: CurveAxis, isTitled: boolean) => ({ title: isTitled ? title : null, values: scale.ticks, labelExpr, grid: true, domain: false, ticks: false, labelPadding: 6, labelOverlap: true, labelFlush: false });
  const scaleOf = ({ scale: { domain } }: CurveAxis) => ({ type: 'log', domain, nice: false, zero: false });
  return {
    x: { field: 'x', type: 'quantitative', scale: scaleOf(x), axis: axis(x, xTitle) },
    y: { field: 'y', type: 'quantitative', scale: scaleOf(y), axis: { ...axis(y, yTitle), minExtent: 44 } },
  } as const;
}

function grid(panels: number): { readonly columns: number; readonly width: number; readonly height: number } {
  if (panels === 1) return { columns: 1, width: 940, height: 320 };
  const columns = panels <= 4 ? 2 : panels <= 9 ? 3 : panels <= 12 ? 4 : 5;
  return { columns, width: Math.floor(CHART_WIDTH / columns) - AXIS_WIDTH - 12, height: columns === 2 ? 210 : 140 };
}

function wrapped(panels: readonly Readonly<Record<string, unknown>>[], columns: number): Readonly<Record<string, unknown>> {
  if (panels.length === 1) return panels[0];
  const linesOfPanels = Array.from({ length: Math.ceil(panels.length / columns) }, (_, line) => panels.slice(line * columns, (line + 1) * columns));
  return { spacing: 22, vconcat: linesOfPanels.map((hconcat) => ({ spacing: 14, hconcat })) };
}
