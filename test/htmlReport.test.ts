/**
 * The HTML report in a real browser without a network: what nobody can see from the text of the file. Needs a Chromium and a font; where one
 * of them is missing the tests are skipped, and say which.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogue } from '../src/harness/builtIn.ts';
import { compare } from '../src/harness/compare.ts';
import { findCounterexamples } from '../src/harness/counterexamples.ts';
import { readLibrary } from '../src/harness/litmusFiles.ts';
import { createSweep, parseVary } from '../src/harness/sweep.ts';
import type { CommittedVerdict } from '../src/harness/verdicts.ts';
import { formatHtml } from '../src/report/html/page.ts';
import { createLocalRunner } from './tools/localRunner.ts';

const ROOT = path.dirname(import.meta.dirname);
const BROWSERS = [process.env['FOLIOBENCH_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];
const executablePath = BROWSERS.find((candidate) => candidate !== undefined && existsSync(candidate));

/** Without a font Chromium draws no letter at all. */
function hasFont(): boolean {
  try {
    return execFileSync('fc-list', { encoding: 'utf8' }).trim() !== '';
  } catch {
    return false;
  }
}

const missing = executablePath === undefined ? 'there is no Chromium: apt-get install chromium, or name one in FOLIOBENCH_CHROMIUM' : hasFont() ? undefined : 'there is no font: apt-get install fonts-dejavu-core';

/** A sweep of a safe and an unsafe combination: a page with everything in it. */
async function page(): Promise<string> {
  const request = { policies: ['lower-bound', 'sigbus-on-fault', 'disallow-gup'], checks: ['mapcount', 'refcount'], workloads: ['dma-storm', 'many-mappings'], memoryBytes: 2 ** 26, accesses: 2000 };
  const experiment = await createSweep(request, parseVary(['vmas=1,4,16']), catalogue);
  const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'a machine', cpus: 2, kernel: '6.1' };
  const record = await compare({ experiment, costsFrom: catalogue.defaultCosts, version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner(catalogue) });
  const broken: CommittedVerdict = { family: 'conversion', litmus: 'gup-fast-pin', policy: 'sigbus-on-fault', check: 'mapcount', verdict: 'broken', safety: 'broken', liveness: 'unknown', exhaustive: true, states: 69, transitions: 100, depth: 20, counterexample: { rule: 'no-exposure', length: 51 } };
  const counterexamples = findCounterexamples(experiment, [broken], await readLibrary(ROOT));
  const profile = await catalogue.loadCostProfile(catalogue.defaultCosts);
  return formatHtml(record, { profile, verdicts: [broken], counterexamples, safety: (_, check) => (check === 'mapcount' ? 'broken: gup-fast-pin' : 'proved') });
}

describe.skipIf(missing !== undefined)(`the HTML report in a browser${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'foliobench-html-'));
  const url = pathToFileURL(path.join(folder, 'report.html')).href;
  const complaints: string[] = [];
  const requests: string[] = [];
  let browser: Browser;
  let shown: Page;
  /** Asks a probe of test/tools/pageProbes.mjs. */
  const ask = <T>(probe: string, ...args: readonly (string | number | readonly string[])[]): Promise<T> => shown.evaluate(`probes.${probe}(...${JSON.stringify(args)})`);

  beforeAll(async () => {
    writeFileSync(path.join(folder, 'report.html'), await page());
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
    shown = await browser.newPage({ colorScheme: 'light', viewport: { width: 1200, height: 900 }, offline: true });
    shown.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    shown.on('pageerror', (error) => complaints.push(String(error)));
    shown.on('request', (request) => requests.push(request.url()));
    await shown.addInitScript({ path: path.join(ROOT, 'test/tools/pageProbes.mjs') });
    await shown.goto(url);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  test('asks the network for nothing, and nobody complains', () => {
    expect(requests.filter((request) => request !== url && !request.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('every chart has marks and text that are seen', async () => {
    const charts = await ask<readonly { readonly id: string; readonly marks: number; readonly texts: number }[]>('charts');
    expect(charts.map(({ id }) => id)).toEqual([
      'work-as-today', 'sweep-vmas-mean-latency-as-today', 'sweep-vmas-work-as-today', 'latency-as-today', 'phases-as-today', 'rmap-as-today', 'refusals-as-today', 'bystanders-as-today', 'memory-as-today', 'prices-as-today',
    ]);
    expect(charts.filter(({ marks, texts }) => marks < 3 || texts < 4)).toEqual([]);
  });

  test('no text of a chart runs over another, or out of the drawing', async () => expect(await ask('collisions')).toEqual([]));

  test('a pointer over a bar, a piece of a bar and a point of a curve finds their values', async () => {
    const valueUnder = (id: string, mark: string): Promise<string> => ask('valueUnder', `#${id} .chart svg ${mark}`);
    expect(await valueUnder('work-as-today', 'path[fill="var(--bad)"]')).toMatch(/^sigbus-on-fault mapcount: [\d.]+[kM]? pages\/s, [\d.]+ % of the lower bound; safety: broken: gup-fast-pin$/);
    expect(await valueUnder('phases-as-today', 'path[fill="var(--s0)"]')).toMatch(/^lower-bound, exit and resume: [\d.]+ us$/);
    expect(await valueUnder('latency-as-today', 'path[opacity="0"]')).toMatch(/, p[\d.]+: [\d.]+ [um]s$/);
  });

  test('tables sort by their headers, with the mouse and by keyboard, and say so', async () => {
    const table = shown.locator('table.sorts', { hasText: 'cost: as today' });
    const names = (): Promise<readonly string[]> => table.locator('tbody th').allTextContents();
    const before = await names();
    const work = table.locator('thead th', { hasText: 'completed work' });
    await work.locator('button').click();
    expect(await work.getAttribute('aria-sort')).toBe('descending');
    const values = await table.locator('tbody tr td:nth-child(2)').evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-value'))));
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(new Set(values).size).toBeGreaterThan(1);
    await shown.keyboard.press('Enter');
    expect(await work.getAttribute('aria-sort')).toBe('ascending');
    await shown.keyboard.press('Enter');
    expect(await work.getAttribute('aria-sort')).toBe('none');
    expect(await names()).toEqual(before);
  });

  test('has landmarks, one title, and headings that leave out no level', async () => {
    expect(await shown.locator('header, nav, main, footer').evaluateAll((all) => all.map(({ tagName }) => tagName))).toEqual(['HEADER', 'NAV', 'MAIN', 'FOOTER']);
    const levels = await shown.locator('h1, h2, h3, h4').evaluateAll((all) => all.map(({ tagName }) => Number(tagName[1])));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.every((level, at) => at === 0 || level - levels[at - 1] <= 1)).toBe(true);
    expect(await ask('tablesWithoutNames')).toBe(0);
    expect(await ask('brokenLinks')).toBe(0);
  });

  test('the first key leads to a link past the navigation, and focus is seen', async () => {
    await shown.goto(url);
    await shown.keyboard.press('Tab');
    expect(await ask('focused')).toEqual({ text: 'Skip to the verdict', outline: 'solid', isSeen: true });
  });

  test('shows the counterexample of the unsafe combination, with the command that replays it', async () => {
    const article = shown.locator('#counterexamples article');
    expect(await article.locator('h3').textContent()).toMatch(/^gup-fast-pin under sigbus-on-fault, check mapcount: broken after \d+ sequentially consistent steps$/);
    expect(await article.locator('table.trace thead th').allTextContents()).toEqual(['#', 'vcpu', 'host']);
    expect(await article.locator('code').textContent()).toMatch(/^foliobench explore gup-fast-pin --policy sigbus-on-fault --check mapcount --replay '/);
  });

  test.each(['light', 'dark'] as const)('every text can be read in the %s scheme: contrast of at least 4.5', async (colorScheme) => {
    await shown.emulateMedia({ colorScheme });
    expect(await ask('unreadable', 4.5)).toEqual([]);
    const brightness = await ask<number>('brightness', 'section');
    expect(colorScheme === 'dark' ? brightness < 0.05 : brightness > 0.9).toBe(true);
  });

  test.each(['light', 'dark'] as const)('marks stand out in the %s scheme: contrast of at least 3', async (colorScheme) => {
    await shown.emulateMedia({ colorScheme });
    expect(await ask('faint', ['--bar', '--measure', '--bad', '--good', ...Array.from({ length: 10 }, (_, at) => `--s${at}`)], '--card', 3)).toEqual([]);
  });

  test('a narrow screen scrolls charts and tables, not the page', async () => {
    await shown.setViewportSize({ width: 400, height: 800 });
    expect(await ask('widthOfPage')).toBe(400);
    await shown.setViewportSize({ width: 1200, height: 900 });
  });

  test('prints: several pages, light, without what is only for a screen', async () => {
    await shown.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await shown.locator('nav').isVisible()).toBe(false);
    expect(await ask('variable', '--card')).toBe('#ffffff');
    expect(await shown.locator('.chart svg').first().isVisible()).toBe(true);
    const pdf = await shown.pdf({ preferCSSPageSize: true });
    expect(pdf.length).toBeGreaterThan(30_000);
    expect(pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0).toBeGreaterThan(3);
    await shown.emulateMedia({ media: 'screen', colorScheme: 'light' });
  });

  test('nothing has been complained about to the end', () => expect(complaints).toEqual([]));
});
