/**
 * Whether a record has what its experiment promised: each cell once, none that nobody planned, none that failed, none without samples,
 * none whose figures contradict each other. What is missing must never look like what is well.
 */
import { cellKey, planCells } from '../harness/experiment.ts';
import { familyNamed } from '../harness/families/index.ts';
import { figureAt, valueAt } from '../harness/metrics.ts';
import type { CellResult, ResultsRecord, SucceededCell } from '../harness/record.ts';
import type { Finding } from './finding.ts';

/** The cells that a record can answer for, by key, and what is wrong with the others. @param label what the record is called in sentences */
export interface Wholeness {
  readonly cells: ReadonlyMap<string, SucceededCell>;
  readonly findings: readonly Finding[];
}

/** @param expected keys of the cells that there have to be */
export function wholenessOf(record: ResultsRecord, expected: readonly string[], label: string): Wholeness {
  const findings: Finding[] = [];
  const cells = new Map<string, SucceededCell>();
  const fail = (cell: string, what: string): void => void findings.push({ kind: 'fail', cell, what });
  if (expected.length === 0) findings.push({ kind: 'fail', what: `${label} expects no cells: nothing would be compared` });
  const seen = new Set<string>();
  for (const result of record.cells) {
    const key = cellKey(result);
    if (seen.has(key)) fail(key, `${label} has it twice`);
    seen.add(key);
    if (!expected.includes(key)) fail(key, `${label} has it, and its experiment does not: it was renamed, or added by hand`);
    else if (result.status !== 'ok') fail(key, `${label}: ${failureOf(result)}`);
    else {
      const wrong = contradictionIn(result);
      if (wrong === undefined) cells.set(key, result);
      else fail(key, `${label}: ${wrong}`);
    }
  }
  for (const key of expected) if (!seen.has(key)) fail(key, `${label} does not have it`);
  if (!record.complete && findings.length === 0) findings.push({ kind: 'fail', what: `${label} is marked as incomplete` });
  return { cells, findings };
}

/** The keys of the cells that an experiment has. */
export const expectedKeys = ({ experiment }: ResultsRecord): readonly string[] => planCells(experiment).map(({ key }) => key);

function failureOf(cell: Exclude<CellResult, SucceededCell>): string {
  return cell.status === 'failed' ? `it failed: ${cell.error.what}` : `its status is ${JSON.stringify((cell as CellResult).status)}`;
}

/** A sentence about figures that cannot be; undefined where there are none. */
function contradictionIn({ family, deterministic }: SucceededCell): string | undefined {
  const { metrics, latencies, contradictionIn: ofFamily } = familyNamed(family);
  for (const { kind, path, ...metric } of metrics) {
    if (kind !== 'number') continue;
    const value = valueAt(deterministic, path);
    const isFigure = (typeof value === 'number' && Number.isFinite(value)) || (value === null && 'nullable' in metric && metric.nullable);
    if (!isFigure) return `${path.join('.')} is ${JSON.stringify(value) ?? 'missing'}, which is no figure`;
  }
  if (figureAt(deterministic, 'accesses') === 0) return 'it has no samples: no access was made';
  for (const name of latencies) {
    const pairs = valueAt(deterministic, ['latencyNs', name, 'histogram']);
    if (!Array.isArray(pairs)) return `latencyNs.${name} has no histogram`;
    const count = pairs.reduce((sum: number, pair: readonly [number, number]) => sum + pair[1], 0);
    if (count !== figureAt(deterministic, 'latencyNs', name, 'count')) return `latencyNs.${name}: its histogram has ${count} samples, its count is another`;
  }
  return ofFamily(deterministic);
}
