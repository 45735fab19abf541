import { describe, expect, test } from 'vitest';
import { fakeCatalogue, fakeCosts } from '../../../test/tools/fakeCatalogue.ts';
import { createLocalRunner } from '../../../test/tools/localRunner.ts';
import type { Catalogue } from '../../harness/catalogue.ts';
import { catalogue as shipped } from '../../harness/builtIn.ts';
import { compare } from '../../harness/compare.ts';
import type { ResultsRecord } from '../../harness/record.ts';
import { createExperiment, type Request } from '../../harness/request.ts';
import { createSweep, parseVary } from '../../harness/sweep.ts';
import type { CommittedVerdict, Safety } from '../../harness/verdicts.ts';
import { BYTES_MAX, formatHtml } from './page.ts';

const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };
const run = (experiment: ResultsRecord['experiment'], catalogue: Catalogue): Promise<ResultsRecord> =>
  compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner(catalogue) });

const record = async (request: Request, catalogue: Catalogue = fakeCatalogue): Promise<ResultsRecord> => run(await createExperiment(request, catalogue), catalogue);
const swept = async (request: Request, words: readonly string[]): Promise<ResultsRecord> => run(await createSweep(request, parseVary(words), fakeCatalogue), fakeCatalogue);

const safety: Safety = (policy) => (policy === 'refuse-mmap' ? 'broken: fork-race' : 'proved');
const verdictOf = (policy: string, verdict: CommittedVerdict['verdict']): CommittedVerdict => ({
  family: 'conversion', litmus: `file of ${verdict}`, policy, check: policy === 'refuse-mmap' ? null : 'refcount', verdict, safety: verdict === 'broken' ? 'broken' : 'proved', liveness: 'proved', exhaustive: true, states: 10, transitions: 20, depth: 5, counterexample: null,
});

/** What somebody reads or hears: without styles, scripts, and what is only drawn. */
const words = (html: string): string => html.replace(/<style>[\s\S]*?<\/style>|<script>[\s\S]*?<\/script>|<svg[\s\S]*?<\/svg>/g, '').replace(/<[^>]+>/g, ' ').replace(/&#39;/g, `'`).replace(/\s+/g, ' ');
const headings = (html: string): readonly string[] => [...html.matchAll(/<h2[^>]*>([^<]*)<\/h2>/g)].map(([, text]) => text);
const charts = (html: string): readonly string[] => [...html.matchAll(/<svg [^>]*role="img"[\s\S]*?<\/svg>/g)].map(([svg]) => svg);

describe('a record as a page', () => {
  test('has its sections in the order of a reader who has to decide', async () => {
    expect(headings(await formatHtml(await record({}), { profile: fakeCosts, safety }))).toEqual([
      'Verdict and summary', 'Latency', 'Phases', 'Rmap and TLB', 'Signals and refusals', 'Bystanders', 'Memory', 'Counterexamples', 'Price sensitivity', 'Method and environment',
    ]);
  });

  test('is one file that asks the network for nothing', async () => {
    const html = await formatHtml(await record({}), { profile: fakeCosts, safety });
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"`);
    expect(html.match(/(?:src|href)="(?!#|data:)[^"]*"|url\((?!#)|@import/g)).toBe(null);
    expect(Buffer.byteLength(html)).toBeLessThan(BYTES_MAX);
  });

  test('has the same bytes twice', async () => {
    const results = await record({ workloads: ['zipf'] });
    expect(await formatHtml(results, { profile: fakeCosts, safety })).toBe(await formatHtml(results, { profile: fakeCosts, safety }));
  });

  test('says first who is safe and who is not, and what exploration saw', async () => {
    const verdicts = [verdictOf('sigbus-on-fault', 'proved'), verdictOf('refuse-mmap', 'broken'), verdictOf('refuse-mmap', 'proved')];
    const text = words(await formatHtml(await record({ workloads: ['zipf'] }), { safety, verdicts }));
    expect(text).toContain('1 of 2 rows kept every safety sentence in every interleaving of the litmus files; refuse-mmap does not: the shortest counterexample stands below.');
    expect(text).toContain('refuse-mmap ✗ broken: fork-race 1 1 20');
  });

  test('every chart says what is seen, has its figures in a table, and no colour but those of the page', async () => {
    const html = await formatHtml(await record({ workloads: ['zipf', 'sequential'] }), { profile: fakeCosts, safety });
    expect(charts(html).length).toBeGreaterThanOrEqual(7);
    for (const svg of charts(html)) {
      expect(svg).toMatch(/^<svg [^>]*aria-labelledby="(\S+)-t \1-d"[^>]*><title id="\1-t">[^<]{10,}<\/title><desc id="\1-d">[^<]{10,}<\/desc>/);
      expect(svg.match(/(?:fill|stroke)="(?!none"|transparent"|var\(--\w+\)")[^"]*"/g)).toBe(null);
      expect(svg).not.toMatch(/NaN|undefined|Infinity|clip-path/);
    }
    expect(html.match(/<figure /g)?.length).toBe(html.match(/<summary>The figures as a table<\/summary>/g)?.length);
    expect(new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)).size).toBe([...html.matchAll(/ id="([^"]+)"/g)].length);
  });

  test('figures in the findings are those of the record', async () => {
    const text = words(await formatHtml(await record({ workloads: ['zipf'], seeds: [1] }), { profile: fakeCosts, safety }));
    expect(text).toContain('sigbus-on-fault completes most work: 100M pages/s, 50.0 % of the lower bound; refuse-mmap the least: 50.0M pages/s');
    expect(text).toContain('The order is stable: each of 1 estimated prices can go to its low and to its high end, and sigbus-on-fault stays first and refuse-mmap last.');
    expect(text).toContain('Most of each: SIGBUS 3 (sigbus-on-fault), conversions refused 5 (refuse-mmap), conversions given up 5 (refuse-mmap), mmap failures 7 (refuse-mmap)');
  });

  test('tells failed cells before anything else, and shows the others', async () => {
    const failing: Catalogue = { ...fakeCatalogue, run: async (options) => { if (options.policy === 'refuse-mmap') throw new Error('<b>out of luck</b>'); return fakeCatalogue.run(options); } };
    const html = await formatHtml(await record({ workloads: ['zipf'] }, failing), { profile: fakeCosts, safety });
    expect(html.indexOf('This record is not whole')).toBeLessThan(html.indexOf('<main>'));
    expect(html).toContain('1 of 4 cells failed:');
    expect(html).toContain('&lt;b&gt;out of luck&lt;/b&gt;');
    expect(words(html)).toContain('refuse-mmap (0 of 1 cells)');
  });

  test('has words where all cells failed', async () => {
    const failing: Catalogue = { ...fakeCatalogue, run: async () => { throw new Error('out of luck'); } };
    const html = await formatHtml(await record({ workloads: ['zipf'] }, failing), { profile: fakeCosts });
    expect(charts(html)).toEqual([]);
    expect(words(html)).toContain('No cell of this record has figures.');
    expect(words(html)).toContain('Nothing was converted to private: there is no latency to show.');
    expect(words(html)).toContain('Fewer than two policies have all their cells');
  });

  test.each([['sigbus-on-fault'], ['null'], ['lower-bound']])('works with %s alone', async (policy) => {
    const html = await formatHtml(await record({ policies: [policy], workloads: ['zipf'] }), { profile: fakeCosts, safety, verdicts: [verdictOf('in-place', 'proved')] });
    expect(headings(html)).toHaveLength(10);
    expect(html.replace(/<script>[\s\S]*/, '')).not.toMatch(/NaN|undefined/);
    expect(words(html)).toContain('there is no counterexample to show');
  });

  test('leaves charts of further labels out where the file would be too large, and says so', async () => {
    const html = await formatHtml(await record({ workloads: ['boot-512m'], policies: ['sigbus-on-fault', 'refuse-mmap'] }), { bytesMax: 90_000 });
    expect(/Charts of ([^.]*) are left out/.exec(html)?.[1]).toBe('lazy donation, counterfactual');
    expect(html.match(/<table/g)?.length ?? 0).toBeGreaterThanOrEqual(6);
  });

  test('says what is not known: no profile, no verdicts', async () => {
    const text = words(await formatHtml(await record({ workloads: ['zipf'] })));
    expect(text).toContain('Nobody has explored these policies (not checked).');
    expect(text).toContain('The cost profile of this record is not at hand');
    expect(text).toContain('foliobench explore finds out');
  });
});

describe('a sweep as a page', () => {
  test('has curves of what it varies behind the summary, with growth in words and in the table', async () => {
    const html = await formatHtml(await swept({ workloads: ['zipf'], memoryBytes: 2 ** 26 }, ['accesses=100,1000,10000']), { safety });
    expect(headings(html).slice(0, 2)).toEqual(['Verdict and summary', 'Along the sweep']);
    expect(words(html)).toContain('Mean to-private latency goes with accesses to the power 0.00 under every policy');
    expect(words(html)).toContain('growth exponent');
  });

  test('has a chart for each of two parameters', async () => {
    const html = await formatHtml(await swept({ workloads: ['zipf'], memoryBytes: 2 ** 26 }, ['vmas=1,4', 'vcpus=2,4']), { safety });
    expect([...html.matchAll(/<figure id="(sweep-[^"]+)"/g)].map(([, id]) => id)).toEqual(['sweep-vmas-mean-latency-as-today', 'sweep-vmas-work-as-today', 'sweep-vcpus-mean-latency-as-today', 'sweep-vcpus-work-as-today']);
  });

  test('gives each of many policies a panel of its own', async () => {
    const many: Catalogue = { ...fakeCatalogue, policies: Array.from({ length: 9 }, (_, nth) => ({ name: `policy-${nth}`, summary: 'one of many', checks: [] })), run: async (options) => {
      const outcome = await fakeCatalogue.run({ ...options, options: { ...options.options, seed: options.options.seed + Number(options.policy.slice(7)) * 100 } });
      return { ...outcome, tally: { ...outcome.tally, work: outcome.tally.work - Number(options.policy.slice(7)) } };
    } };
    const experiment = await createSweep({ policies: ['all'], workloads: ['zipf', 'sequential'], memoryBytes: 2 ** 26 }, parseVary(['vmas=1,4,16']), many);
    const html = await formatHtml(await run(experiment, many), { safety });
    expect(words(html)).toContain('the policy of the panel range of all policies');
    expect(words(html)).toContain('Each policy over all workloads of the record.');
  });
});

describe('a record of another family as a page', () => {
  test('has the figures of its tables as bars, and nothing of conversions', async () => {
    const experiment = await createExperiment({ family: 'unsharing', accesses: 200, memoryBytes: 2 ** 26 }, shipped);
    const results = await compare({ experiment, costsFrom: shipped.defaultCosts, version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner(shipped) });
    const html = await formatHtml(results, { safety });
    expect(headings(html)).toEqual(['Verdict and summary', 'Figures', 'Counterexamples', 'Price sensitivity', 'Method and environment']);
    expect(html).toContain('<h1>Policies of the family unsharing, compared</h1>');
    expect(html).not.toMatch(/NaN|to-private/);
    expect([...html.matchAll(/<figure id="([^"]+)"/g)].map(([, id]) => id).slice(0, 2)).toEqual(['work-unsharing', 'table-1-unsharing']);
  });
});

describe('where the packages that draw are missing', () => {
  test('the page says what, why and what to do', async () => {
    const results = await record({ workloads: ['zipf'] });
    const loadCharts = () => Promise.reject(new Error(`Cannot find package 'vega'\nfurther words`));
    await expect(formatHtml(results, { loadCharts })).rejects.toMatchObject({
      what: 'charts cannot be drawn',
      why: `the optional packages vega and vega-lite are not installed (Cannot find package 'vega')`,
      fix: expect.stringContaining('npm install --include=optional'),
    });
  });
});
