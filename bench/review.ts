/**
 * The committed review: results/REVIEW.md, results/review.html and results/review.svg.
 *
 *   npm run review            writes them anew from the committed record, results/review.json.gz, and the committed verdicts
 *   npm run review -- --run   runs the experiment of the record again first (some minutes), where the model or a policy has changed
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { availableParallelism } from 'node:os';
import { catalogue } from '../src/harness/builtIn.ts';
import { compare } from '../src/harness/compare.ts';
import { findCounterexamples } from '../src/harness/counterexamples.ts';
import type { Experiment } from '../src/harness/experiment.ts';
import { readEnvironment, toolVersion } from '../src/harness/environment.ts';
import { readLibrary } from '../src/harness/litmusFiles.ts';
import { harnessFile } from '../src/harness/distFile.ts';
import { createPool } from '../src/harness/pool.ts';
import { formatRecord, type ResultsRecord } from '../src/harness/record.ts';
import { failedCell } from '../src/harness/schedule.ts';
import { createSweep, parseVary } from '../src/harness/sweep.ts';
import { readVerdicts, verdictsPath } from '../src/harness/verdicts.ts';
import { watched } from '../src/harness/watch.ts';
import { reviewPages, type ReviewPages } from './reviewPages.ts';

/** This file is bench/review.ts, or dist/bench/review.js. */
const ROOT = path.dirname(fileURLToPath(import.meta.url)).replaceAll('\\', '/').replace(/(?:\/dist)?\/bench$/, '');
export const REVIEW_RECORD = path.join(ROOT, 'results/review.json.gz');
export const REVIEW_FILES = { markdown: 'results/REVIEW.md', html: 'results/review.html', picture: 'results/review.svg' } as const satisfies Readonly<Record<keyof ReviewPages, string>>;

/** Every policy that ships, on every synthetic guest and a recorded one with its I/O, as guests run today. */
const RECORDED_GUEST = 'file-1g-swiotlb';
const VARIED = 'folio=4K,2M,1G';
const ACCESSES = 4000;

export async function readReviewRecord(): Promise<ResultsRecord> {
  return JSON.parse(gunzipSync(await readFile(REVIEW_RECORD)).toString('utf8')) as ResultsRecord;
}

export async function makeReview(record: ResultsRecord): Promise<ReviewPages> {
  const verdicts = await readVerdicts(verdictsPath(ROOT));
  if (verdicts === undefined) throw new Error('results/verdicts.json is missing: foliobench explore --update');
  const counterexamples = findCounterexamples(record.experiment, verdicts.verdicts, await readLibrary(ROOT));
  return reviewPages({ record, verdicts, counterexamples, profile: catalogue.costProfiles().find(({ hash }) => hash === record.experiment.costs.hash) });
}

export const reviewExperiment = (): Promise<Experiment> =>
  createSweep({ policies: ['all'], workloads: [...catalogue.workloads.map(({ name }) => name), RECORDED_GUEST], dma: 'pool', accesses: ACCESSES }, parseVary([VARIED]), catalogue);

async function runReview(): Promise<ResultsRecord> {
  return compare({ experiment: await reviewExperiment(), costsFrom: catalogue.defaultCosts, version: toolVersion(), environment: readEnvironment(), jobs: availableParallelism(), createRunner: (jobs) => watched(createPool({ jobs, workerFile: harnessFile('worker') }), failedCell) });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { run: { type: 'boolean' } } });
  if (values.run === true) await writeFile(REVIEW_RECORD, gzipSync(formatRecord(await runReview()), { level: 9 }));
  const pages = await makeReview(await readReviewRecord());
  for (const [form, file] of Object.entries(REVIEW_FILES)) await writeFile(path.join(ROOT, file), pages[form as keyof ReviewPages]);
  process.stdout.write(`${Object.values(REVIEW_FILES).join(', ')}\n`);
}

// A test reads this file for what it exports.
if (process.argv[1] !== undefined && path.basename(process.argv[1]) === 'review.js') await main();
