/**
 * Tolerances: which figures may move by how much. Deterministic figures are exact by default; a project that wants slack names the
 * metric and the amount in a small file.
 *
 *     { "schema": "foliobench/gate@1", "tolerances": { "latencyNs.toPrivate.p99": { "percent": 2 }, "tlb.ipis": { "units": 10 } } }
 */
import { readFile } from 'node:fs/promises';
import { families } from '../harness/families/index.ts';
import { messageOf } from '../harness/record.ts';
import { UserError, nearestNames } from '../model/userError.ts';

export const GATE_SCHEMA = 'foliobench/gate@1';

/** Either is enough. */
export interface Tolerance {
  readonly percent: number;
  /** In the metric's own unit. */
  readonly units: number;
}
export type Tolerances = ReadonlyMap<string, Tolerance>;

export const EXACT: Tolerances = new Map();

/** @throws UserError for a file that is not there, no JSON, or says what cannot be */
export async function readTolerances(path: string): Promise<Tolerances> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError({ what: `cannot read ${path}`, why: messageOf(error), fix: 'name a file of tolerances, or leave --config away: then figures are exact' });
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new UserError({ what: `${path} is not JSON`, why: messageOf(error), fix: `an example: ${EXAMPLE}` });
  }
  return parseTolerances(content, path);
}

const EXAMPLE = `{ "schema": "${GATE_SCHEMA}", "tolerances": { "latencyNs.toPrivate.p99": { "percent": 2 } } }`;

/** @param label names the file in errors */
export function parseTolerances(content: unknown, label: string): Tolerances {
  const refuse = (why: string, fix = `an example: ${EXAMPLE}`) => new UserError({ what: `${label} says no tolerances`, why, fix });
  if (!isObject(content)) throw refuse('it is no object');
  const { schema, tolerances, ...others } = content;
  if (schema !== GATE_SCHEMA) throw refuse(`its schema is ${JSON.stringify(schema ?? null)}, expected "${GATE_SCHEMA}"`);
  const [other] = Object.keys(others);
  if (other !== undefined) throw refuse(`it has an unknown field "${other}"`);
  if (!isObject(tolerances)) throw refuse('its "tolerances" is no object');
  const known = [...new Set(families.flatMap(({ metrics }) => metrics.map(({ path }) => path.join('.'))))];
  const read = new Map<string, Tolerance>();
  for (const [metric, value] of Object.entries(tolerances)) {
    if (!known.includes(metric)) {
      const near = nearestNames(metric, known);
      throw refuse(`there is no metric "${metric}"`, near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'metrics are the paths of `deterministic` in a record');
    }
    read.set(metric, parseTolerance(value, (why) => refuse(`"${metric}" ${why}`)));
  }
  return read;
}

function parseTolerance(value: unknown, refuse: (why: string) => UserError): Tolerance {
  if (!isObject(value)) throw refuse('has no object with "percent" or "units"');
  const { percent, units, ...others } = value;
  const [other] = Object.keys(others);
  if (other !== undefined) throw refuse(`has an unknown field "${other}"`);
  if (percent === undefined && units === undefined) throw refuse('has neither "percent" nor "units"');
  for (const amount of [percent, units]) {
    if (amount !== undefined && (typeof amount !== 'number' || !Number.isFinite(amount) || amount < 0)) throw refuse(`has ${JSON.stringify(amount)}, which is no number from 0`);
  }
  return { percent: (percent as number | undefined) ?? 0, units: (units as number | undefined) ?? 0 };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether the change is one that the project forgives. */
export function isTolerated(tolerance: Tolerance | undefined, before: number, after: number): boolean {
  if (tolerance === undefined) return false;
  const change = Math.abs(after - before);
  return change <= tolerance.units || change * 100 <= tolerance.percent * Math.abs(before);
}
