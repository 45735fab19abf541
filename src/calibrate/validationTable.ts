/** Predicted against measured, as text: every point, then the figures of those that were fitted and of those held back. */
import { CORNER } from './heldBack.ts';
import { errorFigures } from './fitPoints.ts';
import type { CheckedPoint, FittedPoints } from './fitPoints.ts';
import { placeName } from './points.ts';
import type { PointsRecord } from './points.ts';
import { formatRepeatFigures } from './repeat.ts';

/** Ends in a newline. @param all every point, and not only what is off by more than a quarter */
export function formatValidation({ backing, environment, date, quick, points }: PointsRecord, { checked, unsteady, unknown }: FittedPoints, all: boolean): string {
  const shown = all ? checked : checked.filter(({ errorPercent }) => Math.abs(errorPercent) > FAR_PERCENT);
  const figures = [
    ['all points', checked],
    ['fitted', checked.filter(({ heldBack }) => heldBack === null)],
    ['held back by their hash', checked.filter(({ heldBack }) => heldBack === 'by its hash')],
    [`held back, ${CORNER.pages} pages and ${CORNER.vmas} VMAs or more`, checked.filter(({ heldBack }) => heldBack === 'in the corner')],
    ['whole sequences, none fitted', checked.filter(({ heldBack }) => heldBack === 'a whole sequence')],
    ...[...new Set(checked.map(({ point: { operation } }) => operation))].map((name) => [`  ${name}`, checked.filter(({ point: { operation } }) => operation === name)] as const),
  ] as const;
  const blocks = [
    `predicted against measured: ${backing}, Linux ${environment.kernel}, ${environment.cpuModel}, ${date}${quick ? ', quick' : ''}\n`,
    ...(shown.length > 0 ? [table(['point', 'measured ns', 'predicted ns', 'error %', 'held back', 'mostly'], shown.map(pointRow))] : []),
    ...(all ? [] : [`${checked.length - shown.length} points are off by at most ${FAR_PERCENT} %; --all shows them too\n`]),
    table(['', 'points', 'median error %', 'largest error %'], figures.filter(([, some]) => some.length > 0).map(figureRow)),
    ...[formatRepeatFigures(points)].filter((text) => text !== ''),
    ...(unsteady.length > 0 ? [`not counted, because their runs disagree: ${unsteady.map(placeName).join('; ')}\n`] : []),
    ...(unknown.length > 0 ? [`not predicted, because there is no such thing on a ${backing}: ${[...new Set(unknown.map(({ operation }) => operation))].join(', ')} (${unknown.length} points)\n`] : []),
  ];
  return blocks.join('\n');
}

const FAR_PERCENT = 25;

function pointRow({ point, predictedNs, errorPercent, heldBack, dominant, dominantShare }: CheckedPoint): readonly string[] {
  const sign = errorPercent > 0 ? '+' : '';
  return [placeName(point), point.ns.toFixed(0), predictedNs.toFixed(0), `${sign}${errorPercent.toFixed(1)}`, heldBack ?? '', `${dominant} ${Math.round(100 * dominantShare)} %`];
}

function figureRow([name, some]: readonly [string, readonly CheckedPoint[]]): readonly string[] {
  const { count, medianPercent, largestPercent } = errorFigures(some);
  return [name, String(count), medianPercent.toFixed(1), largestPercent.toFixed(1)];
}

/** Columns of figures to the right, words to the left. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isNumber = head.map((_, column) => rows.every((row) => /^[+-]?\d+(?:\.\d+)?$/.test(row[column])));
  const padded = (line: readonly string[]): string => line.map((cell, column) => (isNumber[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  ');
  return `${lines.map((line) => padded(line).trimEnd()).join('\n')}\n`;
}
