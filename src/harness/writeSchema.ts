/** `npm run schema`: writes the committed copy of the JSON Schema. A test fails while the two differ. */
import { writeFileSync } from 'node:fs';
import { resultsSchema } from './schema.ts';

writeFileSync(new URL('../../../schema/results-1.schema.json', import.meta.url), `${JSON.stringify(resultsSchema(), null, 2)}\n`);
