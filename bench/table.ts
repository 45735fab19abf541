/** Measurements as a table for a terminal and for the README, and as a record. */
import Table from 'cli-table3';
import type { BenchRecord } from '../src/gate/benchRecord.ts';
import { wallClockText } from '../src/gate/wallClock.ts';
import { ABSENT, formatFigure } from '../src/report/numbers.ts';
import { isMet } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** @returns the table with a header that names the machine, ending in a newline */
export function formatBench({ environment, tool, quick, cases, floor }: BenchRecord): string {
  const { cpuModel, cpus, platform, kernel, node } = environment;
  const table = new Table({
    head: ['figure', 'measured', 'range', 'wall clock', 'yardstick', 'target', 'reached'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    chars: RULES,
  });
  for (const { measurements } of cases) for (const measurement of measurements) table.push(rowOf(measurement, quick));
  const lines = [
    `foliobench ${tool.version} on ${cpuModel}, ${cpus} CPUs, ${platform} ${kernel}, Node ${node}`,
    ...(quick ? ['a quick run: the cases work; their figures say nothing about speed'] : []),
    ...(cases.length === 0 ? [] : [...table.toString().split('\n').map((line) => line.trimEnd()), ...LEGEND]),
    ...(floor === undefined ? [] : [`this program against itself: ${wallClockText(floor)}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function rowOf(measurement: Measurement, quick: boolean): string[] {
  const { figure, unit, better, value, low, high, samples, byWallClock, byYardstick = null, target } = measurement;
  return [
    figure,
    `${formatFigure(value)} ${unit}`,
    samples === 1 ? ABSENT : `${formatFigure(low)} to ${formatFigure(high)}`,
    byWallClock === null ? ABSENT : formatFigure(byWallClock),
    byYardstick === null ? ABSENT : formatFigure(byYardstick),
    target === null ? ABSENT : `${better === 'more' ? '>=' : '<='} ${formatFigure(target)}`,
    quick ? ABSENT : verdictOf(measurement),
  ];
}

const LEGEND = [
  'measured: median by CPU time of a process that runs this case alone; wall clock: the same median where cores are shared',
  'yardstick: a speed by that of a fixed loop in the same process: items while it goes round once, or its rounds to an item',
];

/** A target that was missed says by how much. */
function verdictOf(measurement: Measurement): string {
  const { value, target } = measurement;
  const met = isMet(measurement);
  if (met === null || target === null) return ABSENT;
  return met ? 'yes' : `no: ${formatFigure(value / target)} of it`;
}

/** Rules above, below and under the header only. */
const RULES = {
  top: '-', 'top-mid': '-', 'top-left': '', 'top-right': '',
  bottom: '-', 'bottom-mid': '-', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '-', 'mid-mid': '-', right: '', 'right-mid': '', middle: '  ',
} as const;
