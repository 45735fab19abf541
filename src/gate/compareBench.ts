/**
 * What changed between two records of the bench, figure by figure. It judges nothing: figures of two hours differ, and `gate --wall-clock` is what
 * tells a slowdown from that. Records of two machines are compared by their yardsticks.
 */
import { changeText } from './compareRecords.ts';
import type { BenchRecord, Measurement } from './benchRecord.ts';
import { otherMachine } from './wallClock.ts';

export interface BenchChange {
  readonly figure: string;
  readonly unit: string;
  /** `apart`: faster or slower, and the ranges of the two do not meet. `within`: they do. `gone`, `new`: only one has it; `unlike`: no yardstick joins the two machines. */
  readonly kind: 'slower' | 'faster' | 'within' | 'gone' | 'new' | 'unlike';
  /** Null where there is none. */
  readonly before: number | null;
  readonly after: number | null;
}

export interface BenchComparison {
  /** In words, what differs between the machines; empty where they are the same. */
  readonly machines: readonly string[];
  /** A record of a quick run says nothing about speed. */
  readonly quick: boolean;
  readonly changes: readonly BenchChange[];
}

export function compareBench(before: BenchRecord, after: BenchRecord): BenchComparison {
  const machines = otherMachine(before.environment, after.environment);
  const [old, fresh] = [measurementsOf(before), measurementsOf(after)];
  const figures = [...new Set([...old.keys(), ...fresh.keys()])];
  return { machines, quick: before.quick || after.quick, changes: figures.map((figure) => changeOf(figure, old.get(figure), fresh.get(figure), machines.length > 0)) };
}

const measurementsOf = ({ cases }: BenchRecord): ReadonlyMap<string, Measurement> => new Map(cases.flatMap(({ measurements }) => measurements.map((one) => [one.figure, one] as const)));

function changeOf(figure: string, old: Measurement | undefined, fresh: Measurement | undefined, byYardstick: boolean): BenchChange {
  const unit = (fresh ?? old)?.unit ?? '';
  if (old === undefined) return { figure, unit, kind: 'new', before: null, after: fresh?.value ?? null };
  if (fresh === undefined) return { figure, unit, kind: 'gone', before: old.value, after: null };
  const [one, other] = [spreadOf(old, byYardstick), spreadOf(fresh, byYardstick)];
  if (one === undefined || other === undefined) return { figure, unit, kind: 'unlike', before: old.value, after: fresh.value };
  const isApart = other.low > one.high || other.high < one.low;
  const isMore = other.value > one.value;
  return { figure, unit: byYardstick ? 'by yardstick' : unit, kind: isApart ? (isMore === (fresh.better === 'more') ? 'faster' : 'slower') : 'within', before: one.value, after: other.value };
}

/** Undefined where a figure has no yardstick and needs one. */
function spreadOf({ value, low, high, byYardstick }: Measurement, wanted: boolean): { readonly value: number; readonly low: number; readonly high: number } | undefined {
  if (!wanted) return { value, low, high };
  if (byYardstick === undefined || byYardstick === null || value === 0) return undefined;
  const scale = byYardstick / value;
  return { value: byYardstick, low: low * scale, high: high * scale };
}

const TITLES: readonly (readonly [BenchChange['kind'], string])[] = [
  ['slower', 'slower, beyond the range of either'],
  ['faster', 'faster, beyond the range of either'],
  ['within', 'within the range of either'],
  ['gone', 'only in the first'],
  ['new', 'only in the second'],
  ['unlike', 'not to be compared between machines'],
];

/** Ends in a newline. */
export function formatBenchComparison({ machines, quick, changes }: BenchComparison): string {
  const lines = machines.length === 0 ? [] : [`another machine (${machines.join('; ')}): compared by their yardsticks`];
  if (quick) lines.push('one of them is of a quick run: its figures say nothing about speed');
  for (const [kind, title] of TITLES) {
    const own = changes.filter((change) => change.kind === kind);
    if (own.length === 0) continue;
    lines.push(...(lines.length === 0 ? [] : ['']), `${title}: ${own.length}`, ...own.map(lineOf));
  }
  return `${lines.join('\n')}\n`;
}

function lineOf({ figure, unit, before, after }: BenchChange): string {
  if (before === null || after === null) return `  ${figure}: ${shortened((before ?? after) as number)} ${unit}`;
  const change = before === after ? 'the same' : changeText(before, after);
  return `  ${figure}: ${shortened(before)} -> ${shortened(after)} ${unit} (${change})`;
}

const shortened = (value: number): string => String(Number(value.toPrecision(4)));
