/** Curves of a sweep: what a figure does as a parameter grows. Few policies share a panel for each workload; of many, each has its own, over all workloads. */
import { VARIED, type Axis } from '../../../harness/sweep.ts';
import { COST_COLUMNS, requestLatencies } from '../../columns.ts';
import { crossingsOf, growthOf, type Curve } from '../../curves.ts';
import { ABSENT, formatFigure } from '../../numbers.ts';
import type { Group, SummaryRow } from '../../rows.ts';
import { atText, growthText } from '../../sweepTable.ts';
import { placeOf, valueOf } from '../../varied.ts';
import { listed, namedRows, type Figure, type NamedRow } from '../figure.ts';
import { idOf } from '../markup.ts';
import { logScale } from '../scale.ts';
import { TOGETHER_MAX, coloredCurves, joined, smallCurves, type CurveAxis, type NamedCurve } from './curves.ts';
import { TIME_LABEL } from './latency.ts';

interface SweptFigure {
  readonly id: string;
  readonly name: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  readonly labelExpr: string;
  readonly of: (row: SummaryRow) => number | null;
}

const COUNT_LABEL = `datum.value >= 1e9 ? datum.value / 1e9 + 'G' : datum.value >= 1e6 ? datum.value / 1e6 + 'M' : datum.value >= 1000 ? datum.value / 1000 + 'k' : '' + datum.value`;

const FIGURES: readonly SweptFigure[] = [
  {
    id: 'mean-latency', name: 'mean to-private latency', unit: 'us', better: 'less', labelExpr: TIME_LABEL,
    of(row) {
      const { meanNs } = requestLatencies(row);
      return meanNs === null ? null : meanNs / 1000;
    },
  },
  { id: 'work', name: 'completed work', unit: 'pages/s', better: 'more', labelExpr: COUNT_LABEL, of: COST_COLUMNS[0].figure },
];

const NOTES_MAX = 6;
const PANELS_MAX = 12;

/** A figure for each of two metrics; none where there is nothing to draw. */
export const sweepFigures = (group: Group, axes: readonly Axis[]): readonly Figure[] => axes.flatMap((axis) => FIGURES.flatMap((figure) => sweepFigure(group, axis, figure) ?? []));

function sweepFigure({ label, rows, workloads }: Group, axis: Axis, figure: SweptFigure): Figure | null {
  // Of the harness itself there is no curve: it does no conversions, and where it is would leave no room for the others.
  const named = namedRows(rows).filter(({ row }) => row.policy !== 'null');
  const curves = named.map((row) => ({ row, figures: figuresOf(row, axis, figure) })).filter(({ figures }) => figures.filter((value) => value !== null).length > 1);
  if (curves.length === 0) return null;
  const places = axis.values.map(placeOf);
  const plain: readonly Curve[] = curves.filter(({ row }) => !row.row.isMeasure).map(({ row, figures }) => ({ policy: row.name, figures }));
  const drawn = drawing(curves.map(({ row }) => row), workloads, axis, figure);
  return {
    id: idOf('sweep', axis.name, figure.id, label),
    finding: findingOf(plain, places, axis, figure),
    caption: `${capital(figure.name)} in ${figure.unit} over ${axisName(axis)}, both axes logarithmic; ${figure.better === 'less' ? 'lower' : 'higher'} is better.${drawn.isMerged ? ' Each policy over all workloads of the record.' : ''}`,
    ...drawn.chart,
    notes: notesOf(plain, places, axis, figure),
    table: {
      caption: `${figure.name} by ${axisName(axis)}, over all workloads, ${label}`,
      corner: 'policy',
      head: [...axis.values.map((value) => ({ text: VARIED[axis.name].text(value), unit: figure.unit })), { text: 'growth', unit: 'exponent' }],
      rows: curves.map(({ row: { name, row }, figures }) => {
        const growth = growthOf(places, figures);
        return {
          name,
          isMeasure: row.isMeasure,
          cells: [...figures.map((value) => ({ text: value === null ? ABSENT : formatFigure(value), value })), { text: growthText(growth), value: growth?.exponent ?? null }],
        };
      }),
    },
  };
}

const axisName = ({ name }: Axis): string => ({ folio: 'the size of folios', memory: 'memory', vmas: 'VMAs of each process', processes: 'processes', vcpus: 'vCPUs', accesses: 'accesses', 'request-pages': 'pages of a request', 'io-hold-us': 'microseconds that a device holds a buffer', 'convert-share': 'per cent of accesses that are conversions' })[name];
const capital = (text: string): string => `${text[0].toUpperCase()}${text.slice(1)}`;

const figuresOf = ({ row }: NamedRow, axis: Axis, figure: SweptFigure, workload?: string): readonly (number | null)[] =>
  axis.values.map((value) => figure.of({ ...row, cells: row.cells.filter((cell) => valueOf(cell.params, axis) === value && (workload === undefined || cell.workload === workload)) }));

function drawing(named: readonly NamedRow[], workloads: readonly string[], axis: Axis, figure: SweptFigure) {
  const curvesIn = (workload?: string): readonly NamedCurve[] => joined(named.map((row) => curveOf(row, axis, figure, workload)).filter(({ points }) => points.length > 1));
  const merged = curvesIn();
  const isFew = named.filter(({ row }) => !row.isMeasure).length <= TOGETHER_MAX && workloads.length <= PANELS_MAX;
  const panels = isFew ? workloads.map((workload) => ({ title: workload, curves: named.map((row) => curveOf(row, axis, figure, workload)).filter(({ points }) => points.length > 1) })).filter(({ curves }) => curves.length > 0) : [];
  const values = (panels.length > 0 ? panels.flatMap(({ curves }) => curves) : merged).flatMap(({ points }) => points.map(({ y }) => y));
  const places = axis.values.map(placeOf);
  const x: CurveAxis = { title: axisName(axis), scale: { domain: [Math.min(...places), Math.max(...places)], ticks: places }, labelExpr: `${JSON.stringify(Object.fromEntries(axis.values.map((value) => [placeOf(value), VARIED[axis.name].text(value)])))}[datum.value]` };
  const y: CurveAxis = { title: `${figure.name}${figure.unit === 'us' ? '' : `, ${figure.unit}`}`, scale: logScale(values), labelExpr: figure.labelExpr };
  if (panels.length > 0) return { chart: coloredCurves(panels, x, y), isMerged: false };
  return { chart: merged.filter(({ isMeasure }) => !isMeasure).length <= TOGETHER_MAX ? coloredCurves([{ curves: merged }], x, y) : smallCurves(merged, x, y), isMerged: workloads.length > 1 };
}

function curveOf(named: NamedRow, axis: Axis, figure: SweptFigure, workload?: string): NamedCurve {
  const figures = figuresOf(named, axis, figure, workload);
  const points = axis.values.flatMap((value, at) => {
    const y = figures[at];
    return y === null || y <= 0 ? [] : [{ x: placeOf(value), y, hover: `${named.name}, ${axis.name} ${VARIED[axis.name].text(value)}: ${formatFigure(y)} ${figure.unit}` }];
  });
  return { name: named.name, isMeasure: named.row.isMeasure, points };
}

/** Who grows most and least over the whole range. */
function findingOf(curves: readonly Curve[], places: readonly number[], axis: Axis, { name }: SweptFigure): string {
  const grown = curves.flatMap(({ policy, figures }) => {
    const growth = growthOf(places, figures);
    return growth === null ? [] : [{ policy, exponent: growth.exponent }];
  });
  const over = axisName(axis);
  if (grown.length === 0) return `${capital(name)} over ${over}`;
  const [most, least] = [grown.reduce((a, b) => (b.exponent > a.exponent ? b : a)), grown.reduce((a, b) => (b.exponent < a.exponent ? b : a))];
  const power = (exponent: number): string => `to the power ${exponent.toFixed(2).replace(/^-0\.00$/, '0.00')}`;
  const same = (exponent: number): string => listed(grown.filter((one) => one.exponent === exponent).map(({ policy }) => policy), 3);
  if (most.exponent - least.exponent < 0.005) return `${capital(name)} goes with ${over} ${power(most.exponent)} under ${grown.length === 1 ? most.policy : 'every policy'}`;
  return `${capital(name)} goes with ${over} ${power(most.exponent)} under ${same(most.exponent)}, ${power(least.exponent)} under ${same(least.exponent)}`;
}

/** Where policies change places, in words. A folio size has nothing between two values. */
function notesOf(curves: readonly Curve[], places: readonly number[], { name }: Axis, figure: SweptFigure): readonly string[] {
  if (name === 'folio') return [];
  const crossings = crossingsOf(places, curves, figure.better === 'less');
  const told = crossings.slice(0, NOTES_MAX).map(({ better, worse, at }) => `above ${atText(at, name)} ${better} has ${figure.better} ${figure.name} than ${worse}`);
  return crossings.length > NOTES_MAX ? [...told, `and ${crossings.length - NOTES_MAX} more changes of order`] : told;
}
