/**
 * The parts of the documents that the program writes itself. In a document such a part stands between two comments,
 *
 *     <!-- generated: NAME -->  ...  <!-- end -->
 *
 * and a test holds it against what the program says today.
 *
 *   npm run documents   writes them anew; the diff is for the reviewer
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { figureAt } from '../../src/harness/metrics.ts';
import type { ResultsRecord } from '../../src/harness/record.ts';
import type { Shape } from '../../src/model/shape.ts';
import { worldColumns } from '../../src/model/world.ts';
import { formatFigure } from '../../src/report/numbers.ts';
import type { VerdictsRecord } from '../../src/harness/verdicts.ts';
import { commonSentences } from '../../src/explore/commonSentences.ts';
import type { Sentence } from '../../src/explore/commonSentences.ts';
import { conversionFamily, families } from '../../src/explore/families/index.ts';
import type { ExploredFamily } from '../../src/explore/family.ts';
import { sentences } from '../../src/explore/sentences.ts';
import { policies } from '../../src/policies/index.ts';
import { CHECKS } from '../../src/policies/policy.ts';
import type { Check } from '../../src/policies/policy.ts';
import { DEFAULT_COSTS, PRICE_SOURCES, loadCostProfile } from '../../src/simulate/costs.ts';
import { chargesOf, isVisible } from '../../src/simulate/walk.ts';
import type { WalkedStep } from '../../src/simulate/walk.ts';
import { VCPU, VMM, walkStory } from './walk.ts';

/** This file is test/tools/documents.ts, or dist/test/tools/documents.js. */
const HERE = path.dirname(fileURLToPath(import.meta.url)).replaceAll('\\', '/');
export const ROOT = HERE.replace(/(?:\/dist)?\/test\/tools$/, '');
export const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'METHODOLOGY.md', 'CONTRIBUTING.md', 'litmus/README.md'] as const;

export const readDocument = (name: string): string => readFileSync(path.join(ROOT, name), 'utf8');

/** Widest line of a terminal table in a document. */
const WIDTH = 100;

type Generator = () => string | Promise<string>;

/** The commands whose figures README shows; a reader gets the same. */
export const EXAMPLE = 'foliobench compare --workload file-1g-swiotlb --dma direct';
export const CHECKS_EXAMPLE = 'foliobench compare --policy sigbus-on-fault --check all --workload fixed-buffers';
export const MAPPINGS_EXAMPLE = 'foliobench compare --policy sigbus-on-fault,folio-mmapped --workload many-mappings --memory 64MiB --accesses 20000';
const MAPPINGS = [1, 4, 16, 64] as const;
export const UNSHARING_EXAMPLE = 'foliobench compare --family unsharing';
export const MARKERS_EXAMPLE = 'foliobench compare --family wp-markers';
export const RACE_EXAMPLE = 'foliobench explore planted-race --policy check-before-unmap';

const GENERATORS: Readonly<Record<string, Generator>> = {
  policies: () => policies.map(({ name, summary }) => `- \`${name}\`: ${summary}.`).join('\n'),
  'example table': () => fenced(cutTables(outputOf(EXAMPLE))),
  'checks table': () => fenced(tablesOf(outputOf(CHECKS_EXAMPLE))[1]),
  'mappings table': mappingsTable,
  // Of each family the table of what goes wrong: what it costs is in the output.
  'unsharing table': () => fenced(cutTable(tablesOf(outputOf(UNSHARING_EXAMPLE))[0])),
  'wp-markers table': () => fenced(tablesOf(outputOf(MARKERS_EXAMPLE))[1]),
  'walk of a guest fault': async () => walkOf(await storyOf('sigbus-on-fault', VCPU, 0)),
  'walk of a host fault': async () => walkOf(await storyOf('sigbus-on-fault', VMM, 0)),
  'walk of a conversion': async () => walkOf(await storyOf('sigbus-on-fault', VCPU, 2)),
  layout,
  'differs from Linux': differences,
  'workload statistics': () => nodeOutput('bench/workloadStatistics.js').trim(),
  prices,
  speed,
  'planted race': () => fenced(outputOf(RACE_EXAMPLE).trimEnd()),
  verdicts: verdictsTable,
  sentences: () => sentenceList(sentences),
  ...Object.fromEntries(families.slice(1).map((family) => [`grammar of ${family.name}`, () => grammarOf(family)])),
};

/* ---- litmus files ---- */

const sentenceList = (told: readonly Sentence[]): string => told.map(({ name, sentence }) => `- \`${name}\`: ${sentence}.`).join('\n');
const inCell = (text: string): string => text.replaceAll('|', '\\|');

/** The keys, operations and sentences of a family, out of its grammar. */
function grammarOf({ grammar: { worldKeys, operations }, sentences: all }: ExploredFamily): string {
  return [
    ['| key of its `world` | default | |', '| --- | --- | --- |', ...worldKeys.map(({ key, usual = '', means = '' }) => `| \`${key}\` | ${usual} | ${inCell(means)} |`)].join('\n'),
    ['| its operation | example | |', '| --- | --- | --- |', ...operations.map(({ form, example = '', means = '' }) => `| \`${inCell(form)}\` | \`${inCell(example)}\` | ${inCell(means)} |`)].join('\n'),
    `Its sentences, beside the common ones (${commonSentences.map(({ name }) => `\`${name}\``).join(', ')}):`,
    sentenceList(all.filter((one) => !commonSentences.includes(one))),
  ].join('\n\n');
}

/* ---- runs ---- */

/** What a command of the built program prints. */
function outputOf(command: string): string {
  return nodeOutput('src/cli/main.js', ...command.split(' ').slice(1));
}

function nodeOutput(file: string, ...words: readonly string[]): string {
  const built = path.join(ROOT, 'dist', file);
  if (!existsSync(built)) throw new Error(`${built} does not exist: run npm run build`);
  return execFileSync(process.execPath, [built, ...words], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
}

/** One row for each number of mappings and each policy. */
function mappingsTable(): string {
  const rows = MAPPINGS.flatMap((vmas) => {
    const { cells } = JSON.parse(outputOf(`${MAPPINGS_EXAMPLE} --vmas ${vmas} --format json`)) as ResultsRecord;
    return cells.map((cell) => {
      if (cell.status === 'failed') throw new Error(`${cell.policy}: ${cell.error.what}`);
      const at = (...keys: readonly string[]) => figureAt(cell.deterministic, ...keys) ?? 0;
      const requested = at('conversions', 'toPrivate', 'requested');
      const inVmmUs = at('phasesNs', 'toPrivate', 'vmm') / at('conversions', 'toPrivate', 'succeeded') / 1000;
      const medianUs = at('latencyNs', 'toPrivate', 'p50') / 1000;
      return `| ${vmas} | \`${cell.policy}\` | ${formatFigure(at('rmap', 'vmasVisited') / requested)} | ${formatFigure(medianUs)} | ${formatFigure(inVmmUs)} |`;
    });
  });
  return ['| mappings in each of 2 processes | policy | VMAs visited a request | to-private p50, us | in the VMM, mean us |', '| ---: | --- | ---: | ---: | ---: |', ...rows].join('\n');
}

const fenced = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;

/** The tables of an output: from a ruler to the third one. */
function tablesOf(output: string): readonly string[] {
  return [...output.matchAll(/^-{20,}\n(?:.*\n)+?-{20,}\n(?:.*\n)+?-{20,}$/gm)].map(([table]) => table);
}

/** Both tables, without the columns on the right that do not fit the page. */
function cutTables(output: string): string {
  return tablesOf(output).map(cutTable).join('\n\n');
}

function cutTable(table: string): string {
  const lines = table.split('\n');
  const text = lines.filter((line) => !line.startsWith('---'));
  const isGap = (at: number) => text.every((line) => (line[at] ?? ' ') === ' ' && (line[at + 1] ?? ' ') === ' ');
  const width = Math.max(...text.map(({ length }) => length));
  let end = Math.min(width, WIDTH);
  while (end < width && !isGap(end)) end--;
  return lines.map((line) => line.slice(0, end).trimEnd()).join('\n');
}

/* ---- the walks ---- */

async function storyOf(name: string, task: number, access: number): Promise<readonly WalkedStep[]> {
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined) throw new Error(`no policy ${name}`);
  return (await walkStory(policy, task))[access];
}

/** A step a line, indented by the depth of its routine; on the right what it charged. */
function walkOf(steps: readonly WalkedStep[]): string {
  let routine = '';
  const lines: string[] = [];
  for (const one of steps.filter(isVisible)) {
    const indent = '  '.repeat(one.depth);
    if (one.routine !== routine) lines.push(`${indent}${one.routine}:`);
    routine = one.routine;
    lines.push(`${indent}  ${one.name.padEnd(26 - indent.length)}${chargesOf(one).join(', ')}`.trimEnd());
  }
  return fenced(lines.join('\n'));
}

/* ---- the layout ---- */

const BYTES = { u8: 1, u16: 2, u32: 4, i32: 4 } as const;

/** A guest of 1 GiB as `compare` runs it; only lengths matter here. */
const SHAPE: Shape = {
  pages: 262_144, folioOrder: 0, regionOrder: 9, largeBacking: false, spareFolios: 0, windows: 2, childWindows: 1, mms: 2, cpus: 2, vcpus: 2, tasks: 10,
  slots: 8, slotPages: 64, chunk: 512, lruBatch: 31, initShared: false, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
};

/** Bytes that one more page, window, task and so on costs, from the columns themselves. */
function layout(): string {
  const axes = [...new Set(Object.values(worldColumns).map(({ axis }) => axis))];
  const rows = axes.map((axis) => {
    const columns = Object.entries(worldColumns).filter(([, column]) => column.axis === axis);
    const bytes = columns.reduce((sum, [, { type, length }]) => sum + BYTES[type] * length(SHAPE), 0);
    return `| ${axis} | ${columns.map(([name]) => `\`${name}\``).join(', ')} | ${bytes.toLocaleString('en')} |`;
  });
  return ['| axis | columns | bytes, 1 GiB |', '| --- | --- | ---: |', ...rows].join('\n');
}

/* ---- what differs from Linux ---- */

/** Every paragraph `Differs from ...:` of a source's header, as a list with the file it stands in. */
function differences(): string {
  const files = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map((file) => `src/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .sort();
  return files.flatMap((file) => [...readDocument(file).matchAll(DIFFERS)].map(([, text]) => `- \`${file}\`: ${text.replaceAll(/\s*\n \* /g, ' ').trim()}`)).join('\n');
}

/** Up to the next blank line, the next paragraph with a title, or the end of the comment. */
const DIFFERS = /^ \* Differs from [^:]+: ((?:.*\n)(?: \* (?![A-Z][\w -]*:).*\n)*)/gm;

/* ---- prices ---- */

function prices(): string {
  const { name, prices: all } = loadCostProfile(DEFAULT_COSTS);
  const rows = PRICE_SOURCES.map((source) => {
    const found = all.filter((price) => price.source === source);
    const names = found.length > 12 || found.length === 0 ? '' : found.map(({ operation }) => `\`${operation}\``).join(', ');
    return `| ${source} | ${found.length} | ${names} |`;
  });
  return [`| source in \`${name}\` | prices | |`, '| --- | ---: | --- |', ...rows].join('\n');
}

/* ---- speed ---- */

/** What `npm run bench -- -o FILE` writes, as far as it is shown. */
interface BenchRecord {
  readonly tool: { readonly version: string };
  readonly environment: { readonly cpuModel: string; readonly cpus: number; readonly kernel: string; readonly node: string };
  readonly cases: readonly { readonly name: string; readonly measurements: readonly BenchFigure[] }[];
}
interface BenchFigure {
  readonly figure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly value: number;
  readonly target: number | null;
}

/** A table for each committed record: a case that was measured apart has its own. */
function speed(): string {
  const files = readdirSync(path.join(ROOT, 'results')).filter((name) => /^bench.*\.json$/.test(name)).sort();
  if (files.length === 0) return '`npm run bench` prints each figure beside its target. No figures are committed yet.';
  return files.map(speedOf).join('\n\n');
}

function speedOf(file: string): string {
  const { tool, environment, cases } = JSON.parse(readDocument(`results/${file}`)) as BenchRecord;
  const rows = cases.flatMap(({ measurements }) => measurements).map(({ figure, unit, better, value, target }) => {
    const met = target === null ? null : better === 'more' ? value >= target : value <= target;
    const aim = target === null ? '' : `${better === 'more' ? 'at least' : 'at most'} ${formatFigure(target)}`;
    return `| ${figure} | ${formatFigure(value)} ${unit} | ${aim} | ${met === null ? '' : met ? 'yes' : `no: ${formatFigure(value / (target ?? 1))} of it`} |`;
  });
  const only = cases.length === 1 ? `--only ${cases[0].name} ` : '';
  return [
    `From \`npm run bench -- ${only}-o results/${file}\`: foliobench ${tool.version}, ${environment.cpuModel}, ${environment.cpus} CPUs, Linux ${environment.kernel}, Node ${environment.node}.`,
    '',
    '| figure | measured | target | reached |',
    '| --- | ---: | ---: | --- |',
    ...rows,
  ].join('\n');
}

/* ---- verdicts ---- */

/** By policy and check: how many litmus files are proved, and which one breaks it first. */
function verdictsTable(): string {
  const { verdicts } = JSON.parse(readDocument('results/verdicts.json')) as VerdictsRecord;
  const shipped = policies.filter(({ reference }) => reference === undefined);
  const cell = (policy: string, check: Check): string => {
    const of = verdicts.filter((verdict) => verdict.family === conversionFamily.name && verdict.policy === policy && verdict.check === check);
    const broken = of.filter(({ safety }) => safety === 'broken');
    if (broken.length === 0) return `not broken in any of ${of.length}`;
    const shortest = broken.toSorted((a, b) => (a.counterexample?.length ?? 0) - (b.counterexample?.length ?? 0))[0];
    return `broken in ${broken.length} of ${of.length}, in ${shortest.counterexample?.length} steps by \`${shortest.litmus}\``;
  };
  const rows = shipped.map(({ name }) => `| \`${name}\` | ${CHECKS.map((check) => cell(name, check)).join(' | ')} |`);
  return [`| policy | ${CHECKS.map((check) => `\`${check}\``).join(' | ')} |`, `| --- |${' --- |'.repeat(CHECKS.length)}`, ...rows].join('\n');
}

/* ---- documents ---- */

const BLOCK = /<!-- generated: (.+?) -->\n([\s\S]*?)<!-- end -->/g;

export interface GeneratedBlock {
  readonly name: string;
  readonly text: string;
}

export function generatedBlocks(document: string): readonly GeneratedBlock[] {
  return [...document.matchAll(BLOCK)].map(([, name, text]) => ({ name, text }));
}

/** What belongs between the comments. @throws Error for a name that nobody generates */
export async function generate(name: string): Promise<string> {
  if (!(name in GENERATORS)) throw new Error(`nothing generates "${name}"; there are ${Object.keys(GENERATORS).join(', ')}`);
  return `\n${await GENERATORS[name]()}\n\n`;
}

async function rewrite(name: string): Promise<void> {
  let document = readDocument(name);
  for (const block of generatedBlocks(document)) {
    const text = await generate(block.name);
    document = document.replace(`<!-- generated: ${block.name} -->\n${block.text}`, () => `<!-- generated: ${block.name} -->\n${text}`);
  }
  writeFileSync(path.join(ROOT, name), document);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) for (const name of DOCUMENTS) await rewrite(name);
