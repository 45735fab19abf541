/**
 * A sweep as text: for each workload one row a policy and one column a value of the parameter, with the growth of each curve, and
 * below it in words where two policies change places.
 */
import Table from 'cli-table3';
import { familyNamed, labelOf } from '../harness/families/index.ts';
import { figureAt, type NumberMetric } from '../harness/metrics.ts';
import type { ResultsRecord, SucceededCell } from '../harness/record.ts';
import { VARIED, type Axis } from '../harness/sweep.ts';
import { UserError, nearestNames } from '../model/userError.ts';
import { crossingsOf, growthOf, type Curve } from './curves.ts';
import { ABSENT, formatFigure } from './numbers.ts';
import { MEASURES } from './rows.ts';
import { RULES } from './rules.ts';
import { placeOf, valueOf } from './varied.ts';
import { wrap } from './wrap.ts';

/** Crossings that are told below one table. */
const CROSSINGS_MAX = 12;

/** The metric of a family with this path; without one, the figure that its sweeps show. @throws UserError where there is none, or it is no number */
export function metricNamed(family: string, wanted?: string): NumberMetric {
  const { metrics, sweepMetric } = familyNamed(family);
  const path = wanted ?? sweepMetric;
  const numbers = metrics.filter((metric) => metric.kind === 'number');
  const metric = numbers.find((candidate) => candidate.path.join('.') === path);
  if (metric !== undefined) return metric;
  const near = nearestNames(path, numbers.map((candidate) => candidate.path.join('.')));
  throw new UserError({ what: `there is no metric "${path}"`, why: 'metrics are the paths of numbers in `deterministic` of a record', fix: near.length > 0 ? `did you mean ${near.join(' or ')}?` : `the default is ${sweepMetric}` });
}

/** Ends in a newline. @param axes as the record was swept: tables are along the first, one for each value of the second */
export function formatSweep(record: ResultsRecord, [axis, second]: readonly Axis[], metric: NumberMetric): string {
  const places = [...new Set(record.experiment.runs.map(({ workload, params }) => `${workload}\n${labelOf({ family: record.experiment.family, params })}`))];
  const blocks = places.flatMap((place) => {
    const [workload, label] = place.split('\n');
    return (second?.values ?? [undefined]).map((fixed) => {
      const cells = record.cells.filter((cell) => cell.status === 'ok' && cell.workload === workload && labelOf(cell) === label && (second === undefined || valueOf(cell.params, second) === fixed)) as readonly SucceededCell[];
      const where = second === undefined || fixed === undefined ? '' : `, ${second.name} ${VARIED[second.name].text(fixed)}`;
      return blockOf(`${workload}, ${label}${where}: ${metric.name}, ${unitOf(metric)}`, curvesOf(cells, axis, metric), axis, metric);
    });
  });
  const failed = record.cells.length - record.cells.filter(({ status }) => status === 'ok').length;
  const { experiment } = record;
  const method = [
    `means over seeds ${experiment.seeds.join(', ')}; prices: ${experiment.costs.name}, hash ${experiment.costs.hash}; foliobench ${record.tool.version}`,
    'growth: the exponent of a power law through the points, with its standard error',
    ...(failed === 0 ? [] : [`${failed} of ${record.cells.length} cells failed`]),
  ];
  return `${[...blocks, [...method.flatMap((line) => wrap(line)), `repeat with: ${experiment.command}`].join('\n')].join('\n\n')}\n`;
}

/** One curve a row of the experiment, in its order. */
function curvesOf(cells: readonly SucceededCell[], axis: Axis, { path }: NumberMetric): readonly Curve[] {
  const rows = [...new Set(cells.map(rowName))];
  return rows.map((policy) => ({
    policy,
    figures: axis.values.map((value) => {
      const figures = cells.filter((cell) => rowName(cell) === policy && valueOf(cell.params, axis) === value).flatMap(({ deterministic }) => figureAt(deterministic, ...path) ?? []);
      return figures.length === 0 ? null : figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
    }),
  }));
}

function rowName({ policy, check, choices = {} }: SucceededCell): string {
  const details = [...(check === null || check === 'refcount' ? [] : [check]), ...Object.entries(choices).map(([choice, value]) => `${choice}=${value}`)];
  return details.length === 0 ? policy : `${policy} (${details.join(', ')})`;
}

const isTime = ({ unit }: NumberMetric): boolean => unit === 'ns';
const unitOf = (metric: NumberMetric): string => (isTime(metric) ? 'us' : metric.unit);
const textOf = (figure: number | null, metric: NumberMetric): string => (figure === null ? ABSENT : formatFigure(isTime(metric) ? figure / 1000 : figure));

function blockOf(title: string, curves: readonly Curve[], axis: Axis, metric: NumberMetric): string {
  const places = axis.values.map(placeOf);
  const table = new Table({
    head: [axis.name, ...axis.values.map(VARIED[axis.name].text), 'growth'],
    colAligns: ['left', ...axis.values.map(() => 'right' as const), 'left'],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    chars: RULES,
  });
  for (const { policy, figures } of curves) table.push([policy, ...figures.map((figure) => textOf(figure, metric)), growthText(growthOf(places, figures))]);
  const lines = table.toString().split('\n').map((line) => line.trimEnd());
  return [title, ...lines, ...crossingLines(places, curves, axis, metric)].join('\n');
}

export function growthText(growth: ReturnType<typeof growthOf>): string {
  if (growth === null) return ABSENT;
  const exponent = growth.exponent.toFixed(2).replace(/^-(0\.00)$/, '$1');
  return growth.error === null ? exponent : `${exponent} +- ${growth.error.toFixed(2)}`;
}

/** In words. A folio size has nothing between two values, so its crossings are left out. */
function crossingLines(places: readonly number[], curves: readonly Curve[], { name }: Axis, { better, name: figure }: NumberMetric): readonly string[] {
  if (better === 'neither' || name === 'folio') return [];
  const crossings = crossingsOf(places, curves.filter(({ policy }) => !MEASURES.has(policy)), better === 'less');
  const lines = crossings.slice(0, CROSSINGS_MAX).map(({ better: one, worse, at }) => `above ${atText(at, name)} ${one} has ${better} ${figure} than ${worse}`);
  return [...lines, ...(crossings.length > CROSSINGS_MAX ? [`and ${crossings.length - CROSSINGS_MAX} more changes of order`] : [])].flatMap((line) => wrap(line));
}

export const atText = (at: number, name: Axis['name']): string => (name === 'memory' ? `${formatFigure(at / 2 ** 20)} MiB` : `about ${at < 10 ? at.toFixed(1) : at.toFixed(0)} ${VARIED[name].unit}`);
