/**
 * Cost profiles: what each operation of the model costs on some machine, and how we know.
 *
 * A profile is a JSON file; those of the package are in `results/costs/`, whose README describes the format. Every `work`
 * operation has exactly one price and no `event` has one, so that nothing is free by accident.
 *
 * Units: prices are virtual nanoseconds, rounded to multiples of 1/8 as they are read. Sums of multiples of 1/8 are exact
 * in a double up to 2^50 ns, and exact sums are the same in any order: with run-ahead or without, phase by phase or in
 * one total.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { OPERATIONS } from '../model/operations.ts';
import type { OperationName } from '../model/operations.ts';
import { UserError, nearestNames } from '../model/userError.ts';
import { JsonError, parseStrictJson } from './strictJson.ts';
import type { JsonValue } from './strictJson.ts';

/** Name of the profile that a run takes where the user names none. */
export const DEFAULT_COSTS = 'published-x86';

export const COSTS_SCHEMA = 'foliobench/costs@1';

/** How a price is known. `measured`: by calibration, on the machine that the profile names. `published`: somebody else's figure. */
export const PRICE_SOURCES = ['measured', 'published', 'estimated'] as const;
export type PriceSource = (typeof PRICE_SOURCES)[number];

/** The price of one operation; multiples of 1/8 ns, 0 <= lowNs <= ns <= highNs. */
export interface Price {
  readonly operation: OperationName;
  /** Index in OPERATIONS. */
  readonly index: number;
  readonly ns: number;
  readonly lowNs: number;
  readonly highNs: number;
  readonly source: PriceSource;
  /** Which figure it is, of which hardware, and where it stands; for an estimate, the reasoning. */
  readonly reference: string;
}

/** Plain data: it can be sent to a worker as it is. */
export interface CostProfile {
  readonly name: string;
  readonly machine: string;
  readonly kernel: string;
  readonly hypervisor: string;
  readonly method: string;
  /** Of the figures, as YYYY-MM-DD. */
  readonly date: string;
  /** One for each operation of kind `work`, in the order of OPERATIONS. */
  readonly prices: readonly Price[];
  /** By index in OPERATIONS; events cost 0. */
  readonly priceNs: Float64Array;
  /** 12 hex digits that change when a figure or a source changes, and do not when only words do. */
  readonly hash: string;
}

const TEXT_FIELDS = ['name', 'machine', 'kernel', 'hypervisor', 'method', 'date'] as const;
const PROFILE_FIELDS: readonly string[] = ['schema', ...TEXT_FIELDS, 'prices'];
const PRICE_FIELDS = ['ns', 'low', 'high', 'source', 'reference'] as const;
/** One second. Nothing in the list costs that, and below it sums stay exact for as long as anybody simulates. */
const PRICE_LIMIT_NS = 1_000_000_000;

/**
 * Reads a profile: by its name where it belongs to the package, else by the path of a file.
 * A word with a slash in it or with `.json` at its end is a path.
 *
 * Throws a UserError for a profile or a file that is not there, for bad JSON (with line and column) and for everything
 * that the format forbids.
 */
export function loadCostProfile(nameOrPath: string): CostProfile {
  if (/[/\\]|\.json$/.test(nameOrPath)) return readProfile(nameOrPath, nameOrPath);
  const names = packagedNames();
  if (!names.includes(nameOrPath)) {
    const nearest = nearestNames(nameOrPath, names);
    throw new UserError({
      what: `unknown cost profile "${nameOrPath}"`,
      why: `known are ${names.join(', ')}`,
      fix: nearest.length > 0 ? `the nearest known: ${nearest.join(', ')}` : 'pick one of them, or give the path of a JSON file',
    });
  }
  return readProfile(path.join(costsDirectory(), `${nameOrPath}.json`), `cost profile "${nameOrPath}"`);
}

/** The profiles that come with the package, by name. Throws as `loadCostProfile` does where one of them is damaged. */
export function listCostProfiles(): readonly CostProfile[] {
  return packagedNames().map(loadCostProfile);
}

/** Checks the parsed content of a profile. `label` names it in errors. */
export function parseCostProfile(content: unknown, label: string): CostProfile {
  const fields = objectOf(content, label, 'the file');
  if (fields.schema !== COSTS_SCHEMA) {
    throw invalid(label, `its schema is ${JSON.stringify(fields.schema) ?? 'missing'}, expected "${COSTS_SCHEMA}"`, `set "schema" to "${COSTS_SCHEMA}"`);
  }
  const unknownField = Object.keys(fields).find((key) => !PROFILE_FIELDS.includes(key));
  if (unknownField !== undefined) {
    throw invalid(label, `it has an unknown field "${unknownField}"`, `the fields are ${PROFILE_FIELDS.join(', ')}`);
  }
  const [name, machine, kernel, hypervisor, method, date] = TEXT_FIELDS.map((field) => textOf(fields[field], label, `"${field}"`));
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) throw invalid(label, `"date" is "${date}"`, 'write it as YYYY-MM-DD');

  const prices = parsePrices(objectOf(fields.prices, label, '"prices"'), label);
  const priceNs = new Float64Array(OPERATIONS.length);
  for (const { index, ns } of prices) priceNs[index] = ns;
  return { name, machine, kernel, hypervisor, method, date, prices, priceNs, hash: hashOf(prices) };
}

function parsePrices(prices: { readonly [key: string]: unknown }, label: string): readonly Price[] {
  for (const name of Object.keys(prices)) {
    const operation = OPERATIONS.find((known) => known.name === name);
    if (operation === undefined) {
      const nearest = nearestNames(name, workNames());
      throw invalid(
        label,
        `it has a price for "${name}", which is no operation`,
        nearest.length > 0 ? `the nearest known: ${nearest.join(', ')}` : '"foliobench list operations" shows all of them',
      );
    }
    if (operation.kind === 'event') throw invalid(label, `it has a price for "${name}", which is only counted`, 'remove the price');
  }
  const missing = workNames().filter((name) => !Object.hasOwn(prices, name));
  if (missing.length > 0) {
    throw invalid(
      label,
      `${missing.length} of ${workNames().length} operations have no price: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', ...' : ''}`,
      `add them; results/costs/${DEFAULT_COSTS}.json has all of them to start from`,
    );
  }
  return OPERATIONS.flatMap(({ name, kind }, index) => (kind === 'work' ? [parsePrice(prices[name], name, index, label)] : []));
}

function parsePrice(content: unknown, operation: OperationName, index: number, label: string): Price {
  const where = `the price of "${operation}"`;
  const fields = objectOf(content, label, where);
  const unknownField = Object.keys(fields).find((key) => !PRICE_FIELDS.some((known) => known === key));
  if (unknownField !== undefined) throw invalid(label, `${where} has an unknown field "${unknownField}"`, `the fields are ${PRICE_FIELDS.join(', ')}`);
  const [ns, lowNs, highNs] = (['ns', 'low', 'high'] as const).map((field) => nanoseconds(fields[field], label, `"${field}" of ${where}`));
  const source = PRICE_SOURCES.find((known) => known === fields.source);
  if (source === undefined) {
    throw invalid(label, `"source" of ${where} is ${JSON.stringify(fields.source) ?? 'missing'}`, `it is one of ${PRICE_SOURCES.join(', ')}`);
  }
  const reference = textOf(fields.reference, label, `"reference" of ${where}`);
  if (lowNs > ns || ns > highNs) {
    throw invalid(label, `${where} is ${ns} ns, outside of its own range from ${lowNs} to ${highNs} ns`, 'low <= ns <= high has to hold');
  }
  if (source === 'estimated' && lowNs === highNs) {
    throw invalid(label, `${where} is an estimate without a spread: low and high are both ${ns} ns`, 'say how low and how high it could be');
  }
  return { operation, index, ns, lowNs, highNs, source, reference };
}

/** Rounds to a multiple of 1/8 ns. */
function nanoseconds(content: unknown, label: string, where: string): number {
  if (typeof content !== 'number' || !(content >= 0 && content <= PRICE_LIMIT_NS)) {
    throw invalid(label, `${where} is ${JSON.stringify(content) ?? 'missing'}`, `it is a number of nanoseconds from 0 to ${PRICE_LIMIT_NS}`);
  }
  return Math.round(content * 8) / 8;
}

function textOf(content: unknown, label: string, where: string): string {
  if (typeof content === 'string' && content.trim() !== '') return content;
  throw invalid(label, `${where} is ${JSON.stringify(content) ?? 'missing'}`, 'it is a text that is not empty');
}

function objectOf(content: unknown, label: string, where: string): { readonly [key: string]: unknown } {
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content as { readonly [key: string]: unknown };
  throw invalid(label, `${where} is ${content === undefined ? 'missing' : 'no JSON object'}`, 'results/costs/README.md describes the format');
}

/** Over the figures and the sources, sorted by operation: a reference may be reworded, and the list reordered. */
function hashOf(prices: readonly Price[]): string {
  const canonical = prices
    .map(({ operation, ns, lowNs, highNs, source }) => [operation, ns, lowNs, highNs, source] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex').slice(0, 12);
}

function readProfile(file: string, label: string): CostProfile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError({
      what: `cannot read the cost profile ${file}`,
      why: code === 'ENOENT' ? 'there is no such file' : `the system says ${code ?? String(error)}`,
      fix: `give the path of a JSON file, or one of the names ${packagedNames().join(', ')}`,
    });
  }
  let content: JsonValue;
  try {
    content = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw invalid(label, `bad JSON in line ${error.line}, column ${error.column}: ${error.message}`, 'correct the file there');
  }
  return parseCostProfile(content, label);
}

function workNames(): readonly OperationName[] {
  return OPERATIONS.filter(({ kind }) => kind === 'work').map(({ name }) => name);
}

function packagedNames(): readonly string[] {
  return readdirSync(costsDirectory())
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** `results/costs` of the package: the code runs from src/ and, one level deeper, from dist/src/. */
function costsDirectory(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(directory, 'package.json'))) {
    const parent = path.dirname(directory);
    if (parent === directory) throw new Error('the package has no package.json above its code');
    directory = parent;
  }
  return path.join(directory, 'results', 'costs');
}

function invalid(label: string, why: string, fix: string): UserError {
  return new UserError({ what: `cannot use ${label}`, why, fix });
}
