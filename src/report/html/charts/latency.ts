/** What the guest waits for: percentiles of to-private latency, on a logarithmic axis, towards the slowest requests. */
import { ABSENT, formatFigure, formatTime } from '../../numbers.ts';
import { requestLatencies } from '../../columns.ts';
import type { Group } from '../../rows.ts';
import { extremesOf, listed, namedRows, proposals, type Figure, type NamedRow } from '../figure.ts';
import { idOf } from '../markup.ts';
import { logScale } from '../scale.ts';
import { TOGETHER_MAX, coloredCurves, joined, smallCurves, type CurveAxis, type NamedCurve } from './curves.ts';

/** Percentiles of a curve, and one in how many requests is slower: what the axis is spaced by. */
const POINTS: readonly (readonly [percent: number, oneIn: number])[] = [
  [10, 1.1111], [25, 1.3333], [50, 2], [75, 4], [90, 10], [95, 20], [99, 100], [99.5, 200], [99.9, 1000], [99.95, 2000], [99.99, 10_000],
];
const SHOWN_IN_TABLE: readonly number[] = [10, 50, 90, 99, 99.9, 99.99];

/** Null where no row has converted anything. */
export function latencyFigure({ label, rows }: Group): Figure | null {
  const named = namedRows(rows).filter(({ row }) => requestLatencies(row).count > 0);
  const curves = joined(named.map(curveOf).filter(({ points }) => points.length > 1));
  if (curves.length === 0) return null;
  const places = curves.flatMap(({ points }) => points.map(({ x }) => x));
  const last = Math.max(...places);
  const x: CurveAxis = {
    title: 'percentile of requests',
    scale: { domain: [POINTS[0][1], last], ticks: [2, 10, 100, 1000, 10_000].filter((tick) => tick <= last) },
    labelExpr: `{'2': 'p50', '10': 'p90', '100': 'p99', '1000': 'p99.9', '10000': 'p99.99'}[datum.value]`,
  };
  const y: CurveAxis = { title: 'latency', scale: logScale(curves.flatMap(({ points }) => points.map((point) => point.y))), labelExpr: TIME_LABEL };
  const isFew = curves.filter(({ isMeasure }) => !isMeasure).length <= TOGETHER_MAX;
  return {
    id: idOf('latency', label),
    finding: findingOf(named),
    caption: 'To-private latency of the guest by percentile, both axes logarithmic, lower is better. A request that was given up counts with the time until then.',
    ...(isFew ? coloredCurves([{ curves }], x, y) : smallCurves(curves, x, y)),
    table: {
      caption: `to-private latency in us by percentile, ${label}`,
      corner: 'policy',
      head: [{ text: 'requests' }, ...SHOWN_IN_TABLE.map((percent) => ({ text: `p${percent}`, unit: 'us' }))],
      rows: named.map(({ name, row }) => {
        const all = requestLatencies(row);
        const cells = SHOWN_IN_TABLE.map((percent) => {
          const ns = all.count >= oneInOf(percent) ? all.percentile(percent) : null;
          return { text: ns === null ? ABSENT : formatFigure(ns / 1000), value: ns };
        });
        return { name, isMeasure: row.isMeasure, cells: [{ text: String(all.count), value: all.count }, ...cells] };
      }),
    },
  };
}

const oneInOf = (percent: number): number => POINTS.find(([candidate]) => candidate === percent)?.[1] ?? 1;

/** Microseconds as people say them. */
export const TIME_LABEL = `datum.value >= 1e6 ? datum.value / 1e6 + ' s' : datum.value >= 1000 ? datum.value / 1000 + ' ms' : datum.value >= 1 ? datum.value + ' us' : datum.value * 1000 + ' ns'`;

/** As far out as there are requests to speak of. */
function curveOf({ name, row }: NamedRow): NamedCurve {
  const all = requestLatencies(row);
  const points = POINTS.filter(([, oneIn]) => all.count >= oneIn).flatMap(([percent, oneIn]) => {
    const ns = all.percentile(percent);
    return ns === null || ns === 0 ? [] : [{ x: oneIn, y: ns / 1000, hover: `${name}, p${percent}: ${formatTime(ns / 1000)}` }];
  });
  return { name, isMeasure: row.isMeasure, points };
}

function findingOf(named: readonly NamedRow[]): string {
  const competing = proposals(named);
  const at = (percent: number) => extremesOf(competing, (row) => requestLatencies(row).percentile(percent));
  const [middle, tail] = [at(50), at(99)];
  const us = (ns: number): string => formatTime(ns / 1000);
  if (middle === undefined || tail === undefined) {
    const [only] = competing.length > 0 ? competing : named;
    const all = requestLatencies(only.row);
    return `Half of the conversions under ${only.name} take at most ${us(all.percentile(50) ?? 0)}, one in a hundred more than ${us(all.percentile(99) ?? 0)}`;
  }
  if (tail.least.value === tail.most.value && middle.least.value === middle.most.value) return `All policies convert alike: half of the requests within ${us(middle.least.value)}, 99 % within ${us(tail.least.value)}`;
  return `Half of the conversions take at most ${us(middle.least.value)} under ${listed(middle.least.names, 3)} and ${us(middle.most.value)} under ${listed(middle.most.names, 3)}; at p99 it is ${us(tail.least.value)} to ${us(tail.most.value)} (${listed(tail.most.names, 3)})`;
}
