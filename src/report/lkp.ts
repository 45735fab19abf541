/**
 * A record in the form in which the kernel test robot reports (lkp-tests, its `compare` output in mails to linux-kernel): for each run a
 * block with the value under the base, the change, the value under the other policy and the name of the metric.
 *
 *   50338 ±  2%     -20.4%      40063 ±  1%  latencyNs.toPrivate.p50
 *
 * The first policy of the record is the base; every other one has a block of its own against it. A spread is the standard deviation over seeds
 * in per cent of the mean; with one seed there is none. Shares change by their difference, as lkp has it for percentages. A metric
 * is left out where it does not change, unless it is one of those that every block shows. Lines have at most 80 characters.
 */
import type { Row, Run } from '../harness/experiment.ts';
import { familyNamed, labelOf } from '../harness/families/index.ts';
import { chosenText } from '../harness/choices.ts';
import { figureAt, type NumberMetric } from '../harness/metrics.ts';
import type { ResultsRecord, SucceededCell } from '../harness/record.ts';
import { formatSize } from '../harness/sizes.ts';
import { UserError } from '../model/userError.ts';
import { MEASURES } from './rows.ts';
import { wrap } from './wrap.ts';

/** Lines of text beside the blocks; the rule above a block is as lkp draws it, cut to it. */
const WIDTH = 80;
/** Of what a block shows whether it changes or not. */
const ALWAYS: ReadonlySet<string> = new Set(['workPerVirtualSecond', 'latencyNs.toPrivate.p50', 'latencyNs.toPrivate.p99', 'safety.rogueAccesses']);

/** Ends in a newline. @throws UserError where there are not two policies to compare */
export function formatLkp(record: ResultsRecord): string {
  const { experiment: { rows, runs, seeds, costs, command }, tool: { version } } = record;
  const [base, ...others] = rows.filter(({ policy }) => !MEASURES.has(policy));
  if (base === undefined || others.length === 0) {
    throw new UserError({
      what: 'there is nothing to compare in the form of lkp',
      why: `it sets policies against a first one, and the record has ${base === undefined ? 'measures only' : `${base.policy} only`}`,
      fix: 'compare two policies or more, the base first: --policy sigbus-on-fault,in-place',
    });
  }
  const blocks = runs.flatMap((run) => others.flatMap((other) => blockOf(record, run, base, other)));
  const method = [`means over ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`}; virtual time; prices: ${costs.name}, hash ${costs.hash}; foliobench ${version}`, ...failedLines(record)];
  return `${[...blocks, [...method.flatMap((line) => wrap(line, WIDTH)), `repeat with: ${command}`].join('\n')].join('\n\n')}\n`;
}

function failedLines({ cells }: ResultsRecord): readonly string[] {
  const failed = cells.filter(({ status }) => status === 'failed').length;
  return failed === 0 ? [] : [`${failed} of ${cells.length} cells failed; blocks have the others`];
}

const nameOf = ({ policy, check, choices = {} }: Row): string => [policy, ...(check === null || check === 'refcount' ? [] : [check]), ...(Object.keys(choices).length === 0 ? [] : [chosenText(choices)])].join(', ');

/** None where either policy has no cell that succeeded. */
function blockOf({ cells, experiment: { family, seeds } }: ResultsRecord, run: Run, base: Row, other: Row): readonly string[] {
  const ofRow = (row: Row): readonly SucceededCell[] =>
    cells.filter((cell): cell is SucceededCell => cell.status === 'ok' && cell.workload === run.workload && isSame(cell.params, run.params) && nameOf(cell) === nameOf(row));
  const [before, after] = [ofRow(base), ofRow(other)];
  if (before.length === 0 || after.length === 0) return [];
  const lines = familyNamed(family).metrics.flatMap((metric) => (metric.kind === 'number' && metric.better !== 'neither' ? metricLine(metric, before, after) : []));
  return [[...head(run, family, seeds.length, base, other), ...lines].join('\n')];
}

const isSame = (one: Run['params'], other: Run['params']): boolean => JSON.stringify(one) === JSON.stringify(other);

function head({ workload, params }: Run, family: string, seeds: number, base: Row, other: Row): readonly string[] {
  const facts: readonly (readonly [string, string | number])[] = [
    ['workload', workload], ['label', labelOf({ family, params })], ['memory', formatSize(params.memoryBytes)],
    ...(['folio', 'vcpus', 'processes', 'vmas'] as const).flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]] as const])),
    ...(params.accesses === null ? [] : [['accesses', params.accesses] as const, ['seeds', seeds] as const]),
  ];
  const [before, after] = [nameOf(base), nameOf(other)];
  return [
    '='.repeat(WIDTH),
    `${facts.map(([name]) => name).join('/')}:`,
    ...wrap(`  ${facts.map(([, value]) => value).join('/')}`, WIDTH),
    '',
    'policy:',
    `  ${before}`,
    `  ${after}`,
    '',
    `${before.slice(0, 16).padEnd(16)} ${after}`.slice(0, WIDTH),
    `${'-'.repeat(16)} ${'-'.repeat(27)}`,
    '         %stddev     %change         %stddev',
    '             \\          |                \\',
  ];
}

interface Sample {
  readonly mean: number;
  /** In per cent of the mean; null of one value, or of a mean of nothing. */
  readonly spread: number | null;
}

function metricLine(metric: NumberMetric, before: readonly SucceededCell[], after: readonly SucceededCell[]): readonly string[] {
  const [one, other] = [sampleOf(metric, before), sampleOf(metric, after)];
  if (one === null || other === null) return [];
  const change = changeText(one.mean, other.mean, metric.unit === 'share');
  const path = metric.path.join('.');
  if (change === '' && !ALWAYS.has(path)) return [];
  return [`${valueText(one).padStart(10)}${spreadText(one)}${(change === '' ? '0.0%' : change).padStart(11)}${valueText(other).padStart(11)}${spreadText(other)}  ${path.replace(/^conversions\./, '')}`];
}

function sampleOf({ path }: NumberMetric, cells: readonly SucceededCell[]): Sample | null {
  const values = cells.flatMap(({ deterministic }) => figureAt(deterministic, ...path) ?? []);
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1 || mean === 0) return { mean, spread: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  return { mean, spread: (Math.sqrt(squares / (values.length - 1)) / mean) * 100 };
}

/** Five figures that count, and no more than nine characters. */
function valueText({ mean }: Sample): string {
  if (Number.isInteger(mean) && mean < 1e9) return String(mean);
  if (mean >= 1e8) return mean.toExponential(2);
  return mean >= 100 ? mean.toFixed(0) : mean.toFixed(2);
}

/** As lkp has it: nothing below half a per cent. */
function spreadText({ spread }: Sample): string {
  const text = spread === null ? '0' : spread.toFixed(0);
  return text === '0' ? '      ' : ` ±${text.padStart(3)}%`;
}

/** Empty where nothing is seen of a change. */
function changeText(before: number, after: number, isShare: boolean): string {
  if (before === after) return '';
  if (isShare) return signed(after - before, 2, '');
  if (before === 0) return '+Inf%';
  const percent = ((after - before) / before) * 100;
  return percent >= 100_000 ? `+${percent.toExponential(1)}%` : signed(percent, 1, '%');
}

function signed(value: number, digits: number, unit: string): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return '';
  return `${value > 0 ? '+' : ''}${text}${unit}`;
}
