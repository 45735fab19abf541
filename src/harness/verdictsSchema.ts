/** The JSON Schema of a record of verdicts (draft-07); `schema/verdicts-1.schema.json` is its committed copy. */
import { VERDICTS } from '../explore/litmus.ts';
import { CHECKS } from '../policies/policy.ts';
import { closed, count, list, oneOf, positive, text, type Schema } from './schema.ts';
import { VERDICTS_SCHEMA } from './verdicts.ts';

/** What `-o` writes and `results/verdicts.json` leaves out; choices only where some were made. */
const WORDS = ['choices', 'world', 'bound', 'outcomes', 'expected', 'because', 'asExpected'];

export function verdictsSchema(): Schema {
  const cell = { litmus: text, policy: text, check: oneOf([...CHECKS, null]) };
  const textOrNull: Schema = { type: ['string', 'null'] };
  const hashes = (description: string): Schema => ({ description, type: 'object', additionalProperties: { type: 'string', pattern: '^[0-9a-f]{16}$' } });
  const step = closed({ thread: count, step: text, begins: text, ends: text, changes: list(text), locks: list(text) }, ['begins', 'ends']);
  const told = { rule: text, sentence: text, what: text, why: text, schedule: text };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Verdicts of foliobench explore',
    description: `A record of schema "${VERDICTS_SCHEMA}". Verdicts are of sequentially consistent interleavings.`,
    ...closed({
      schema: { const: VERDICTS_SCHEMA },
      tool: closed({ version: text }),
      complete: { type: 'boolean' },
      sources: hashes('by policy: all sources that its verdicts follow from'),
      litmus: hashes('by litmus: the text of its file'),
      verdicts: list(closed({
        family: text,
        ...cell,
        choices: { description: 'what was chosen otherwise than by default', type: 'object', minProperties: 1, additionalProperties: { type: 'string' } },
        verdict: oneOf(VERDICTS),
        safety: oneOf(['proved', 'broken', 'unknown']),
        liveness: oneOf(['proved', 'stuck', 'unknown']),
        world: text,
        exhaustive: { type: 'boolean' },
        bound: { type: ['integer', 'null'], minimum: 1 },
        states: positive,
        transitions: count,
        depth: count,
        outcomes: { oneOf: [{ type: 'null' }, list(text)] },
        counterexample: {
          oneOf: [
            { type: 'null' },
            closed({ ...told, length: count }, ['sentence', 'what', 'why', 'schedule']),
            closed({ ...told, threads: list(text), steps: list(step) }), // --format json --show
          ],
        },
        expected: oneOf([...VERDICTS, null]),
        because: textOrNull,
        asExpected: { type: ['boolean', 'null'] },
      }, WORDS)),
      failed: list(closed({ ...cell, error: closed({ what: text, why: text, fix: text }) })),
    }),
  };
}
