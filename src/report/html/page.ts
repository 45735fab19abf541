/**
 * A record as one page of HTML: a single file that needs no network, reads in light and dark, by keyboard and by ear, and prints.
 *
 * The order is that of a reader who has to decide: verdict and summary first, then what it costs and whom, then why a policy is unsafe,
 * then how far to trust the prices, and the method. Each chart has the table behind it. Sizes: where all charts do not fit, those of the
 * first label stay; where even those do not, there are none: every table is still there.
 */
import type { FoundCounterexample } from '../../harness/counterexamples.ts';
import type { ResultsRecord } from '../../harness/record.ts';
import type { CommittedVerdict } from '../../harness/verdicts.ts';
import { gapLines, legendOf, methodLines } from '../footer.ts';
import { groupCells, type Group } from '../rows.ts';
import type { TableOptions } from '../table.ts';
import { variedAxes } from '../varied.ts';
import { chartsOf, type ChartSection } from './charts/index.ts';
import { overviewFigure } from './charts/overview.ts';
import { priceFigure } from './charts/prices.ts';
import { htmlCounterexample } from './counterexamples.ts';
import { htmlFigure } from './figure.ts';
import { keyFindings } from './findings.ts';
import { escapeHtml, htmlTable, paragraph, section } from './markup.ts';
import { SORT_SCRIPT } from './script.ts';
import { STYLES } from './styles.ts';
import { summaryTables } from './summary.ts';
import { createRenderer, type LoadCharts, type Renderer } from './svg.ts';
import { verdictTable } from './verdicts.ts';

export interface HtmlOptions extends TableOptions {
  /** Verdicts of exploration behind the column `safe`. */
  readonly verdicts?: readonly CommittedVerdict[];
  /** Of unsafe rows. */
  readonly counterexamples?: readonly FoundCounterexample[];
  /** Default: the file's own name for itself. */
  readonly title?: string;
  /** Sections of the caller's own, behind the summary. */
  readonly extra?: readonly PageSection[];
  readonly loadCharts?: LoadCharts;
  /** Size of the file beyond which charts are left out. */
  readonly bytesMax?: number;
}

export interface PageSection {
  readonly id: string;
  readonly heading: string;
  readonly content: readonly string[];
}

export const BYTES_MAX = 500_000;

/** Ends in a newline. @throws UserError where the packages that draw are missing, or nothing makes it fit */
export async function formatHtml(record: ResultsRecord, options: HtmlOptions = {}): Promise<string> {
  const renderer = remembering(await createRenderer(options.loadCharts));
  let page = '';
  for (const chartLabels of [Infinity, 1, 0]) {
    page = await pageOf(record, options, renderer, chartLabels);
    if (Buffer.byteLength(page) <= (options.bytesMax ?? BYTES_MAX)) return page;
  }
  return page;
}

/** What was drawn for a page that did not fit is not drawn again for the next one. */
function remembering({ draw }: Renderer): Renderer {
  const drawn = new Map<string, Promise<string>>();
  return {
    draw(drawing) {
      const found = drawn.get(drawing.id) ?? draw(drawing);
      drawn.set(drawing.id, found);
      return found;
    },
  };
}

async function pageOf(record: ResultsRecord, options: HtmlOptions, renderer: Renderer, chartLabels: number): Promise<string> {
  const sections = await sectionsOf(record, options, renderer, chartLabels);
  const { title = titleOf(record) } = options;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>
${STYLES}
</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the verdict</a>
<header>
<h1>${escapeHtml(title)}</h1>
${paragraph(leadOf(record), 'lead')}
${gaps(record)}
</header>
<nav aria-label="Sections"><ul>${sections.map(({ id, heading }) => `<li><a href="#${id}">${escapeHtml(heading)}</a></li>`).join('')}</ul></nav>
<main>
${sections.map(({ id, heading, content }) => section(id, heading, content)).join('\n')}
</main>
<footer>${paragraph(`foliobench ${record.tool.version}; this file is whole: it loads nothing`)}</footer>
<script>
${SORT_SCRIPT}
</script>
</body>
</html>
`;
}

function titleOf({ experiment: { family, command } }: ResultsRecord): string {
  const policies = family === 'conversion' ? 'Policies for guest_memfd conversions' : `Policies of the family ${family}`;
  return `${policies}, ${command.startsWith('foliobench sweep') ? 'along a sweep' : 'compared'}`;
}

function leadOf({ experiment: { rows, runs, seeds }, cells }: ResultsRecord): string {
  const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  const workloads = new Set(runs.map(({ workload }) => workload)).size;
  const policies = new Set(rows.map(({ policy }) => policy)).size;
  return `${policies === 1 ? '1 policy' : `${policies} policies`} on ${many(workloads, 'workload')}, ${many(seeds.length, 'seed')}, ${many(cells.length, 'simulated cell')}: what they cost, whom they turn away, and whether they are safe.`;
}

/** What is missing or failed is told before anything else. */
function gaps(record: ResultsRecord): string {
  const lines = gapLines(record);
  return lines.length === 0 ? '' : `<div class="warning" role="note"><strong>This record is not whole.</strong><ul>${lines.map((line) => `<li>${escapeHtml(line.replace(/^- /, ''))}</li>`).join('')}</ul></div>`;
}

/* ---- sections, in their order ---- */

async function sectionsOf(record: ResultsRecord, options: HtmlOptions, renderer: Renderer, chartLabels: number): Promise<readonly PageSection[]> {
  const { by = 'label', safety, profile, extra = [], bytesMax = BYTES_MAX } = options;
  const groups = groupCells(record, 'label', safety);
  const drawn = groups.slice(0, chartLabels);
  const axes = variedAxes(record);
  const charts: PageSection[] = [];
  for (const chart of chartsOf(record, axes)) charts.push(await chartSection(chart, drawn, groups, renderer, bytesMax));
  const summary = await summarySection(record, groups, by === 'label' ? groups : groupCells(record, by, safety), options, renderer);
  return [
    summary,
    ...extra,
    ...charts,
    counterexampleSection(record, options),
    await priceSection(drawn, profile, renderer),
    methodSection(record, groups),
  ];
}

async function summarySection(record: ResultsRecord, groups: readonly Group[], tableGroups: readonly Group[], { verdicts = [], profile }: HtmlOptions, renderer: Renderer): Promise<PageSection> {
  const [first] = groups;
  const table = first === undefined ? null : verdictTable(first.rows, verdicts);
  const overview = first === undefined ? null : overviewFigure(first);
  return {
    id: 'summary',
    heading: 'Verdict and summary',
    content: [
      `<ul class="findings">${keyFindings(record, groups, profile).map((finding) => `<li>${escapeHtml(finding)}</li>`).join('')}</ul>`,
      ...(overview === null ? [] : [await htmlFigure(overview, renderer)]),
      ...(table === null ? [] : ['<h3>What exploration proved</h3>', htmlTable(table)]),
      ...tableGroups.flatMap((group) => [labelHeading(group.label, `${group.meaning}; ${workloadsOf(group)}`), ...summaryTables(group)]),
      `<ul class="caption">${legendOf(record).map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`,
    ],
  };
}

const labelHeading = (label: string, meaning: string): string => `<div class="label"><h3>${escapeHtml(label)}</h3><span class="caption">${escapeHtml(meaning)}</span></div>`;

const workloadsOf = ({ workloads }: Group): string => `${workloads.length === 1 ? 'workload' : `${workloads.length} workloads`}: ${workloads.join(', ')}`;

async function chartSection({ id, heading, figures, without }: ChartSection, drawn: readonly Group[], all: readonly Group[], renderer: Renderer, bytesMax: number): Promise<PageSection> {
  const content: string[] = [];
  for (const group of drawn) {
    const found = figures(group).filter((figure) => figure !== null);
    if (found.length === 0) continue;
    if (all.length > 1) content.push(labelHeading(group.label, group.meaning));
    for (const figure of found) content.push(await htmlFigure(figure, renderer));
  }
  const left = all.slice(drawn.length).map(({ label }) => label);
  if (left.length > 0) content.push(paragraph(`Charts of ${left.join(', ')} are left out, so that the file stays below ${bytesMax / 1000} kB; their tables stand in the summary.`, 'caption'));
  return { id, heading, content: content.length === 0 ? [paragraph(without)] : content };
}

function counterexampleSection({ experiment }: ResultsRecord, { counterexamples = [], verdicts = [] }: HtmlOptions): PageSection {
  const nothing = !verdicts.some(({ family }) => family === experiment.family) ? 'Nothing is known of the safety of these policies: foliobench explore finds out.' : 'No policy of this record is unsafe by the committed verdicts, under the check of its row: there is no counterexample to show.';
  return { id: 'counterexamples', heading: 'Counterexamples', content: counterexamples.length === 0 ? [paragraph(nothing)] : counterexamples.map(htmlCounterexample) };
}

async function priceSection(groups: readonly Group[], profile: HtmlOptions['profile'], renderer: Renderer): Promise<PageSection> {
  const heading = 'Price sensitivity';
  if (profile === undefined) return { id: 'prices', heading, content: [paragraph('The cost profile of this record is not at hand, so nothing is said of other prices.')] };
  const content: string[] = [];
  for (const group of groups) {
    const prices = priceFigure(group, profile);
    if (prices === null) continue;
    if (groups.length > 1) content.push(labelHeading(group.label, group.meaning));
    content.push(prices.figure === null ? paragraph(prices.finding) : await htmlFigure(prices.figure, renderer));
  }
  return { id: 'prices', heading, content: content.length === 0 ? [paragraph('Fewer than two policies have all their cells: there is no order that a price could change.')] : content };
}

function methodSection(record: ResultsRecord, groups: readonly Group[]): PageSection {
  const { environment, experiment } = record;
  const facts: readonly (readonly [string, string])[] = [
    ['machine', `${environment.cpuModel}, ${environment.cpus === 1 ? '1 CPU' : `${environment.cpus ?? 'several'} CPUs`}, ${environment.platform} ${environment.arch}, kernel ${environment.kernel}`],
    ['Node', environment.node],
    ['prices', `${experiment.costs.name}, hash ${experiment.costs.hash}`],
    ['seeds', experiment.seeds.join(', ')],
  ];
  return {
    id: 'method',
    heading: 'Method and environment',
    content: [
      paragraph('Figures are of a simulation in virtual time: the same inputs give the same figures on every machine. The model counts what each policy does, and the cost profile prices it. Safety is told by exhaustive exploration of small worlds with the same policy code; schedules are sequentially consistent.'),
      `<ul class="findings">${methodLines(record, groups).map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`,
      `<dl>${facts.map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`,
      paragraph('Repeat with:'),
      `<pre class="command" tabindex="0"><code>${escapeHtml(experiment.command)}</code></pre>`,
    ],
  };
}
