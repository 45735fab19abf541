/** The committed review says what its committed record and the committed verdicts say: made again, it has the same bytes. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { REVIEW_FILES, makeReview, readReviewRecord, reviewExperiment } from '../bench/review.ts';
import type { ReviewPages } from '../bench/reviewPages.ts';
import { catalogue } from '../src/harness/builtIn.ts';
import { planCells } from '../src/harness/experiment.ts';
import type { ResultsRecord } from '../src/harness/record.ts';
import { runCell } from '../src/harness/runCell.ts';
import { BYTES_MAX } from '../src/report/html/page.ts';
import { tickingClock } from './tools/localRunner.ts';

const ROOT = path.dirname(import.meta.dirname);

describe('the committed review', () => {
  let record: ResultsRecord;
  let pages: ReviewPages;
  beforeAll(async () => {
    record = await readReviewRecord();
    pages = await makeReview(record);
  }, 120_000);

  test.each(Object.entries(REVIEW_FILES))('%s is what its record says: else npm run review', (form, file) => {
    expect(pages[form as keyof ReviewPages] === readFileSync(path.join(ROOT, file), 'utf8'), file).toBe(true);
  });

  test('is of every policy on every workload and size of folios, and no cell failed', async () => {
    const { rows, runs, command } = await reviewExperiment();
    expect({ rows: record.experiment.rows, runs: record.experiment.runs, command: record.experiment.command }).toEqual({ rows, runs, command });
    expect(new Set(rows.map(({ policy }) => policy))).toEqual(new Set(catalogue.policies.map(({ name }) => name)));
    expect(record.complete).toBe(true);
    expect(record.cells.filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  test.each(['sigbus-on-fault', 'folio-mmapped'])('has the figures of %s as the model gives them today: else npm run review -- --run', async (policy) => {
    const planned = planCells(record.experiment).find(({ cell }) => cell.policy === policy && cell.workload === 'ping-pong' && cell.params.folio === '4K');
    if (planned === undefined) throw new Error('the review has no such cell');
    const found = await runCell({ cell: planned.cell, costs: { from: catalogue.defaultCosts, hash: record.experiment.costs.hash } }, catalogue, tickingClock());
    const committed = record.cells[planned.index];
    expect(found.status === 'ok' && committed.status === 'ok' && JSON.stringify(found.deterministic) === JSON.stringify(committed.deterministic)).toBe(true);
  }, 60_000);

  test('says in words only what it computes, and is small enough to send', () => {
    expect(Buffer.byteLength(pages.html)).toBeLessThanOrEqual(BYTES_MAX);
    expect(pages.markdown).toMatch(/^# .*\n/);
    expect(pages.markdown).not.toMatch(/NaN|undefined|Infinity/);
    for (const about of ['Safety', 'Work', 'Latency', 'Size of folios', 'Rmap', 'Signals and refusals', 'Bystanders', 'Memory', 'Worst workloads']) expect(pages.markdown).toContain(`- **${about}.** `);
  });

  test('its picture stands alone: title, both schemes, no reference to anything', () => {
    expect(pages.picture).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" role="img" aria-labelledby="review-t review-d"/);
    expect(pages.picture).toContain('prefers-color-scheme:dark');
    expect(pages.picture).not.toMatch(/(?:href|src)=|url\(/);
  });
});
