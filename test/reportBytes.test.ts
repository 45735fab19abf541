/** The same results give the same bytes, in every form. `METHODOLOGY.md` has the command that compares versions of Node. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/harness/builtIn.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../src/harness/record.ts';
import { readSafety, readVerdicts, verdictsPath } from '../src/harness/verdicts.ts';
import { formatCsv } from '../src/report/csv.ts';
import { BYTES_MAX, formatHtml } from '../src/report/html/page.ts';
import { formatMarkdown } from '../src/report/markdown.ts';

const ROOT = path.dirname(import.meta.dirname);
const profile = catalogue.costProfiles().find(({ name }) => name === catalogue.defaultCosts);

const FORMS: Readonly<Record<string, (record: ResultsRecord) => string | Promise<string>>> = {
  json: formatRecord,
  csv: formatCsv,
  md: async (record) => formatMarkdown(record, { safety: await readSafety(ROOT), ...(profile === undefined ? {} : { profile }) }),
  html: async (record) => formatHtml(record, { safety: await readSafety(ROOT), verdicts: (await readVerdicts(verdictsPath(ROOT)))?.verdicts ?? [], ...(profile === undefined ? {} : { profile }) }),
};

describe('the committed run in every form', () => {
  test.each(Object.entries(FORMS))('has the same bytes twice: %s', async (_, format) => {
    const [one, other] = await Promise.all([1, 2].map(async () => format(await readRecord(path.join(ROOT, 'results/smoke.json')))));
    expect(one.length).toBeGreaterThan(1000);
    expect(other === one).toBe(true);
  });

  test('is no larger as a page than a mail can carry', async () => {
    expect(Buffer.byteLength(await FORMS['html'](await readRecord(path.join(ROOT, 'results/smoke.json'))))).toBeLessThanOrEqual(BYTES_MAX);
  });
});
