/** The JSON Schema of a record (draft-07), generated from the registry; `schema/results-1.schema.json` is its committed copy. */
import { PLATFORM_NAMES } from '../model/platform.ts';
import { VMM_STRATEGIES } from '../model/request.ts';
import { CHECKS } from '../policies/policy.ts';
import { FOLIO_ORDERS } from './experiment.ts';
import type { ParamName } from './families/family.ts';
import { families, type FamilyFacts } from './families/index.ts';
import type { Metric } from './metrics.ts';
import { RESULTS_SCHEMA } from './record.ts';

export type Schema = { readonly [keyword: string]: unknown };

export const text: Schema = { type: 'string' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const positive: Schema = { type: 'integer', minimum: 1 };
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const oneOf = (values: readonly (string | null)[]): Schema => ({ enum: values });

/** An object with these fields and no others; `optional` ones may be missing. */
export function closed(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((key) => !optional.includes(key)), additionalProperties: false };
}

export function resultsSchema(): Schema {
  const check = oneOf([...CHECKS, null]);
  const choices: Schema = { description: 'what was chosen otherwise than by default', type: 'object', minProperties: 1, additionalProperties: { type: 'string' } };
  const inputsOf = ({ name }: FamilyFacts) => ({ family: oneOf([name]), policy: text, workload: text, check, choices, seed: count, params: { $ref: `#/definitions/${partOf(name, 'params')}` } });
  const paramsOfAny = families.map(({ name }): Schema => ({ $ref: `#/definitions/${partOf(name, 'params')}` }));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Results of foliobench',
    description: `A record of schema "${RESULTS_SCHEMA}". All *Ns fields are virtual nanoseconds unless they are under wallClock.`,
    ...closed({
      schema: { const: RESULTS_SCHEMA },
      tool: closed({ version: text }),
      environment: closed({ node: text, platform: text, arch: text, cpuModel: text, cpus: { type: ['integer', 'null'], minimum: 1 }, kernel: text }),
      complete: { type: 'boolean' },
      shard: closed({ index: positive, count: positive }),
      experiment: closed({
        family: oneOf(families.map(({ name }) => name)),
        command: text,
        costs: closed({ name: text, hash: text }),
        seeds: list(count),
        rows: list(closed({ policy: text, check, choices }, ['choices'])),
        runs: list(closed({ workload: text, params: paramsOfAny.length === 1 ? paramsOfAny[0] : { anyOf: paramsOfAny } })),
        policyFiles: list(closed({ path: text, hash: text, policies: list(text) })),
      }, ['policyFiles']),
      cells: list({
        oneOf: families.flatMap((family) => [
          closed({
            ...inputsOf(family),
            status: { const: 'ok' },
            notes: list(text),
            deterministic: { $ref: `#/definitions/${partOf(family.name, 'deterministic')}` },
            wallClock: closed({ ns: count, accessesPerSecond: { type: 'number', minimum: 0 }, residentBytesMax: { type: ['integer', 'null'], minimum: 1 } }),
          }, ['choices']),
          closed({ ...inputsOf(family), status: { const: 'failed' }, error: closed({ what: text, why: text, fix: text }) }, ['choices']),
        ]),
      }),
    }, ['shard']),
    definitions: Object.fromEntries(families.flatMap((family) => [[partOf(family.name, 'params'), paramsSchema(family)], [partOf(family.name, 'deterministic'), deterministicSchema(family)]])),
  };
}

/** The definition of a family's part; those of the first family bear no name, as they did when there was no other. */
const partOf = (family: string, part: 'params' | 'deterministic'): string => (family === families[0].name ? part : `${family}.${part}`);

const PARAM_SCHEMAS: Readonly<Record<ParamName, Schema>> = {
  memoryBytes: positive,
  folio: oneOf(Object.keys(FOLIO_ORDERS)),
  vcpus: positive,
  processes: positive,
  vmas: positive,
  conversion: oneOf(['explicit', 'lazy']),
  dma: oneOf(['pool', 'direct']),
  io: oneOf(['direct', 'buffered']),
  pace: oneOf(['recorded', 'closed']),
  accesses: { type: ['integer', 'null'], minimum: 1 },
  platform: oneOf(PLATFORM_NAMES),
  vmm: oneOf(VMM_STRATEGIES),
  requestPages: positive,
  ioHoldUs: positive,
  convertShare: { type: 'number', exclusiveMinimum: 0 },
};
/** Parameters that a cell has only where they are no defaults. */
const OFTEN_ABSENT: readonly ParamName[] = ['platform', 'vmm', 'requestPages', 'ioHoldUs', 'convertShare'];

const paramsSchema = ({ params }: FamilyFacts): Schema => closed(Object.fromEntries(params.map((name) => [name, PARAM_SCHEMAS[name]])), OFTEN_ABSENT);

interface Section {
  [key: string]: Section | Metric;
}

/** The tree of sections that the paths of the registry span. */
function deterministicSchema({ metrics }: FamilyFacts): Schema {
  const root: Section = {};
  for (const metric of metrics) {
    let section = root;
    for (const key of metric.path.slice(0, -1)) section = (section[key] ??= {}) as Section;
    section[metric.path[metric.path.length - 1]] = metric;
  }
  return sectionSchema(root);
}

function sectionSchema(section: Section): Schema {
  return closed(Object.fromEntries(Object.entries(section).map(([key, part]) => [key, isMetric(part) ? metricSchema(part) : sectionSchema(part)])));
}

function isMetric(part: Section | Metric): part is Metric {
  return Array.isArray(part.path);
}

function metricSchema(metric: Metric): Schema {
  const description = `${metric.summary} (unit: ${metric.unit}; better: ${metric.better})`;
  switch (metric.kind) {
    case 'number':
      return { description, type: metric.nullable ? ['number', 'null'] : 'number', minimum: 0 };
    case 'pairs':
      return { description: `${description}: [upper edge in ns, count] of each bucket that is not empty`, ...list({ type: 'array', items: { type: 'number', minimum: 0 }, minItems: 2, maxItems: 2 }) };
    case 'counts':
      return {
        description: `${description}; a key that is absent counts 0`,
        type: 'object',
        properties: Object.fromEntries(metric.keys.map((key) => [key, { type: 'number', exclusiveMinimum: 0 }])),
        additionalProperties: false,
      };
  }
  metric satisfies never;
}
