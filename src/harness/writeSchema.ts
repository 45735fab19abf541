/** `npm run schema`: writes the committed copies of the JSON Schemas. A test fails while one of them differs. */
import { writeFileSync } from 'node:fs';
import { resultsSchema } from './schema.ts';
import { verdictsSchema } from './verdictsSchema.ts';

for (const [name, schema] of [['results-1', resultsSchema()], ['verdicts-1', verdictsSchema()]] as const) {
  writeFileSync(new URL(`../../../schema/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
