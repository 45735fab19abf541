/**
 * A counterexample as a mail would have it: what is violated and why that matters, then a table with one column a thread,
 * then the command that replays it. Short enough to be read: at most 20 lines.
 */
import type { Counterexample, Verdict } from '../explore/verdict.ts';
import { chosenText } from '../harness/choices.ts';
import { sequenceDiagram } from './mermaid.ts';
import { traceRows } from './traceRows.ts';
import type { TracePart, TraceRow } from './traceRows.ts';
import { extent, formatVerdict } from './verdictMatrix.ts';
import { wrap } from './wrap.ts';

export const COUNTEREXAMPLE_FORMATS = ['text', 'md', 'json', 'mermaid'] as const;
export type CounterexampleFormat = (typeof COUNTEREXAMPLE_FORMATS)[number];

export interface CounterexampleOptions {
  readonly format: CounterexampleFormat;
  /** The command that replays it. */
  readonly replay: string;
}

const LINES_MAX = 20;
/** Of the text form: it is quoted in mails. */
const WIDTH = 110;
const GAP = 2;

/** The counterexample of a verdict, ending in a newline; where it has none, the verdict in one line. */
export function formatCounterexample(verdict: Verdict, { format, replay }: CounterexampleOptions): string {
  const { counterexample } = verdict;
  if (format === 'json') return `${JSON.stringify({ ...verdict, replay }, null, 2)}\n`;
  if (counterexample === null) return formatVerdict(verdict, format === 'md' ? 'md' : 'table');
  if (format === 'mermaid') return sequenceDiagram(counterexample, traceRows(counterexample, { locks: isAboutLocks(verdict, counterexample) }));
  const page = format === 'md' ? markdown : text;
  return joined(shortEnough(verdict, counterexample, (shown) => page(verdict, counterexample, shown, replay)).lines);
}

/** A counterexample in parts, for a page that draws its own table. */
export interface CounterexampleParts {
  readonly title: string;
  readonly findings: readonly (readonly [label: string, text: string])[];
  readonly threads: readonly string[];
  /** A cell a thread; all but one are empty. */
  readonly rows: readonly (readonly string[])[];
  readonly leftOut: readonly string[];
}

/** As short as the other forms are. */
export function counterexampleParts(verdict: Verdict, counterexample: Counterexample): CounterexampleParts {
  const { shown } = shortEnough(verdict, counterexample, (candidate) => markdown(verdict, counterexample, candidate, ''));
  const columns = [...columnsOf(counterexample, shown.rows)];
  return {
    title: title(verdict, counterexample),
    findings: findings(verdict, counterexample),
    threads: columns.map(([, name]) => name),
    rows: shown.rows.map((row) => columns.map(([thread]) => (thread === row.thread ? cellText(row) : ''))),
    leftOut: leftOutText(shown),
  };
}

/** Lock steps are told only where they are the point. */
function isAboutLocks({ verdict }: Verdict, { rule, sentence }: Counterexample): boolean {
  return verdict === 'stuck' || /stuck|end-reachable|(?:\b|_)locks?\b/.test(`${rule} ${sentence}`);
}

/* ---- short enough ---- */

/** What a page shows: rows, and how much it does not. */
interface Shown {
  readonly rows: readonly TraceRow[];
  readonly rowsLeftOut: number;
  readonly changesLeftOut: number;
}

type Page = (shown: Shown) => readonly string[];

/** As much as fits on a page: first go counts that come back, then rows far from the violation, then what led to its own row. */
function shortEnough(verdict: Verdict, counterexample: Counterexample, page: Page): { readonly shown: Shown; readonly lines: readonly string[] } {
  const locks = isAboutLocks(verdict, counterexample);
  const whole = { rows: traceRows(counterexample, { locks }), rowsLeftOut: 0, changesLeftOut: 0 };
  const brief = { ...whole, rows: traceRows(counterexample, { locks, brief: true }) };
  const order = dispensable(brief.rows, pagesOf(counterexample, brief.rows));
  const fewer = order.map((_, nth): Shown => ({ rows: without(brief.rows, new Set(order.slice(0, nth + 1))), rowsLeftOut: nth + 1, changesLeftOut: 0 }));
  const fewest = fewer.at(-1) ?? brief;
  const shorter = fewest.rows.flatMap((row) => withFewerParts(row).map((part, nth): Shown => ({ ...fewest, rows: [part], changesLeftOut: nth + 1 })));
  let found = { shown: whole, lines: page(whole) };
  for (const shown of [brief, ...fewer, ...shorter]) {
    if (found.lines.length <= LINES_MAX) break;
    found = { shown, lines: page(shown) };
  }
  return found;
}

/** A row with ever fewer of its parts, but for what operation it is and what came last. */
function withFewerParts({ thread, parts }: TraceRow): readonly TraceRow[] {
  const kept = parts[0]?.kind === 'begins' ? 1 : 0;
  return Array.from({ length: Math.max(0, parts.length - kept - 1) }, (_, nth) => ({ thread, parts: [...parts.slice(0, kept), ...parts.slice(kept + nth + 1)] }));
}

const joined = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

/** Rows in the order in which they can be spared: those about other pages first, the farthest from the end first. Never the last. */
function dispensable(rows: readonly TraceRow[], pages: ReadonlySet<number>): readonly number[] {
  const all = [...rows.keys()].slice(0, -1);
  const isAbout = (row: number): boolean => pagesIn(changesOf(rows[row]).join(' ')).some((page) => pages.has(page));
  return [...all.filter((row) => !isAbout(row)), ...all.filter(isAbout)];
}

const changesOf = ({ parts }: TraceRow): readonly string[] => parts.flatMap((part) => (part.kind === 'change' ? part.changes : []));

/** Pages that a text speaks of: "page 0", "pages 2..3", "folio 4..7". */
function pagesIn(text: string): readonly number[] {
  return [...text.matchAll(/\b(?:pages?|folio) (\d+)(?:\.\.(\d+))?/g)].flatMap(([, first, last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, nth) => Number(first) + nth),
  );
}

/** The pages that the violation is about. */
function pagesOf({ what }: Counterexample, rows: readonly TraceRow[]): ReadonlySet<number> {
  const told = pagesIn(what);
  return new Set(told.length > 0 ? told : pagesIn(rows.slice(-1).flatMap(changesOf).join(' ')));
}

/** Rows without some; an operation that began in one of those and goes on begins in the next row of its thread. */
function without(rows: readonly TraceRow[], leftOut: ReadonlySet<number>): readonly TraceRow[] {
  const open = new Map<number, readonly TracePart[]>();
  return rows.flatMap((row, nth) => {
    const { thread } = row;
    const parts = [...(open.get(thread) ?? []), ...row.parts];
    const goesOn = !parts.some(({ kind }) => kind === 'ends');
    open.set(thread, leftOut.has(nth) && goesOn ? parts.filter(({ kind }) => kind === 'begins') : []);
    return leftOut.has(nth) ? [] : [{ thread, parts }];
  });
}

/* ---- the parts of a page ---- */

function title({ litmus, policy, check, choices, verdict }: Verdict, { rule, steps }: Counterexample): string {
  const cell = `${litmus} under ${policy}${check === null ? '' : `, check ${check}`}${choices === undefined ? '' : `, ${chosenText(choices)}`}`;
  const length = steps.length === 1 ? 'a single step' : `${steps.length} sequentially consistent steps`;
  if (rule === '') return `${cell}: nothing is violated after ${length}`;
  return `${cell}: ${verdict}${steps.length === 0 ? '' : ` after ${length}`}`;
}

function findings(verdict: Verdict, { rule, sentence, what, why }: Counterexample): readonly (readonly [label: string, text: string])[] {
  const { world, states, asExpected, expected } = verdict;
  // A replay searches nothing: it has no states to tell of, and no expectation to meet.
  if (rule === '' || states === 0) return [['world', world], ...(rule === '' ? [] : told({ rule, sentence, what, why }))];
  const surprise = asExpected === false ? [['NOT AS EXPECTED', `${expected} was expected`] as const] : [];
  return [...surprise, ['world', `${world}; ${extent(verdict)}: ${states} states${asExpected === true ? '; as expected' : ''}`], ...told({ rule, sentence, what, why })];
}

function told({ rule, sentence, what, why }: Pick<Counterexample, 'rule' | 'sentence' | 'what' | 'why'>): readonly (readonly [label: string, text: string])[] {
  return ([['violated', `${rule}: ${sentence}`], ['found', what], ['why it matters', why]] as const).filter(([, text]) => text !== '');
}

function leftOutText({ rowsLeftOut, changesLeftOut }: Shown): readonly string[] {
  const counts = [[rowsLeftOut, 'row'], [changesLeftOut, 'change']] as const;
  const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}${count === 1 ? '' : 's'}`);
  return told.length === 0 ? [] : [`${told.join(' and ')} further from the violation left out; --format json has every step`];
}

/** Names of the threads that are seen in the rows, by thread. */
function columnsOf({ threads }: Counterexample, rows: readonly TraceRow[]): ReadonlyMap<number, string> {
  const seen = [...new Set(rows.map(({ thread }) => thread))].sort((one, other) => one - other);
  return new Map(seen.map((thread) => [thread, threads[thread] ?? `thread ${thread}`]));
}

/** "[to-private 0] pte.clear: PTE of page 0 cleared; up to tlb.send => OK". */
function cellText({ parts }: TraceRow): string {
  return parts.reduce((text, part, nth) => {
    const before = nth === 0 ? '' : part.kind === 'ends' ? ' ' : parts[nth - 1].kind === 'begins' ? ' ' : '; ';
    return `${text}${before}${partText(part)}`;
  }, '');
}

function partText(part: TracePart): string {
  if (part.kind === 'begins') return `[${part.text}]`;
  if (part.kind === 'ends') return `=> ${part.text}`;
  if (part.kind === 'upTo') return `up to ${part.step}`;
  return `${part.steps.join(', ')}: ${part.changes.join(', ')}`;
}

/* ---- as text ---- */

/** In columns of their own where that is short enough; else a row may run on below the names of the threads to its right. */
function text(verdict: Verdict, counterexample: Counterexample, shown: Shown, replay: string): readonly string[] {
  const { rows } = shown;
  const columns = [...columnsOf(counterexample, rows)];
  // A row takes a line at least.
  const layouts = rows.length > LINES_MAX ? [staggered] : [apart, staggered];
  const pages = layouts.map((layout) => [
    ...wrapWords(title(verdict, counterexample), WIDTH),
    ...findings(verdict, counterexample).flatMap(([label, sentence]) => wrapWords(`${label}: ${sentence}`, WIDTH)),
    ...(rows.length === 0 ? [] : table(columns, rows, layout(cellsOf(columns, rows)))),
    ...leftOutText(shown),
    // On one line, however long: it is there to be copied.
    `replay: ${replay}`,
  ]);
  return pages.find(({ length }) => length <= LINES_MAX) ?? pages[pages.length - 1];
}

interface Column {
  readonly start: number;
  /** Of the text, and of the line under the name. */
  readonly width: number;
  readonly ruled: number;
}

const cellsOf = (columns: readonly (readonly [thread: number, name: string])[], rows: readonly TraceRow[]): readonly (readonly string[])[] =>
  columns.map(([thread, name]) => [name, ...rows.filter((row) => row.thread === thread).map(cellText)]);

function table(names: readonly (readonly [thread: number, name: string])[], rows: readonly TraceRow[], columns: readonly Column[]): readonly string[] {
  const line = (cells: readonly string[]): string => cells.reduce((left, cell, nth) => `${left.padEnd(columns[nth].start)}${cell}`, '');
  const body = rows.flatMap((row) => {
    const { start, width } = columns[names.findIndex(([thread]) => thread === row.thread)];
    return wrapWords(cellText(row), width).map((part) => `${' '.repeat(start)}${part}`);
  });
  return [line(names.map(([, name]) => name)), line(columns.map(({ ruled }) => '-'.repeat(ruled))), ...body];
}

function apart(cells: readonly (readonly string[])[]): readonly Column[] {
  const widths = widthsOf(cells);
  return widths.map((width, nth) => ({ start: widths.slice(0, nth).reduce((sum, other) => sum + other + GAP, 0), width, ruled: width }));
}

/** Columns that begin this far apart at most, all of them within this many characters. */
const STAGGER = 28;
const STAGGERED = 50;

function staggered({ length }: readonly unknown[]): readonly Column[] {
  const offset = Math.min(STAGGER, Math.floor(STAGGERED / Math.max(1, length - 1)));
  return Array.from({ length }, (_, nth) => {
    const start = nth * offset;
    return { start, width: WIDTH - start, ruled: nth === length - 1 ? WIDTH - start : offset - GAP };
  });
}

/** Widths of columns that give the lowest table, found by moving characters from one to another; no wider than the text needs. */
function widthsOf(columns: readonly (readonly string[])[]): readonly number[] {
  const total = WIDTH - GAP * (columns.length - 1);
  const height = (column: number, width: number): number => columns[column].reduce((lines, cell) => lines + wrapWords(cell, width).length, 0);
  const widths = columns.map(() => Math.floor(total / columns.length));
  const STEP = 2;
  const LEAST = 12;
  for (let improved = true; improved; ) {
    improved = false;
    for (const [from, to] of pairs(columns.length)) {
      for (let moved = STEP; widths[from] - moved >= LEAST; moved += STEP) {
        const saved = height(from, widths[from]) + height(to, widths[to]) - height(from, widths[from] - moved) - height(to, widths[to] + moved);
        if (saved <= 0) continue;
        widths[from] -= moved;
        widths[to] += moved;
        improved = true;
        break;
      }
    }
  }
  return widths.map((width, column) => Math.max(...columns[column].flatMap((cell) => wrapWords(cell, width)).map(({ length }) => length)));
}

const pairs = (count: number): readonly (readonly [number, number])[] =>
  Array.from({ length: count * count }, (_, nth) => [Math.floor(nth / count), nth % count] as const).filter(([one, other]) => one !== other);

/** Breaks at blanks, and within a word that is longer than a line; further lines are set in. */
function wrapWords(sentence: string, width: number): readonly string[] {
  const longest = width - INDENT.length;
  const words = sentence.split(' ').flatMap((word) => (word.length <= longest ? [word] : (word.match(new RegExp(`.{1,${longest}}`, 'g')) ?? [])));
  return wrap(words.join(' '), width);
}

const INDENT = '  ';

/* ---- as Markdown ---- */

function markdown(verdict: Verdict, counterexample: Counterexample, shown: Shown, replay: string): readonly string[] {
  const { rows } = shown;
  const columns = [...columnsOf(counterexample, rows)];
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const table = [
    line(columns.map(([, name]) => name)),
    `|${columns.map(() => ' --- |').join('')}`,
    ...rows.map((row) => line(columns.map(([thread]) => (thread === row.thread ? cellText(row) : '')))),
    '',
  ];
  return [
    `**${escapeMarkdown(title(verdict, counterexample))}**`,
    '',
    ...findings(verdict, counterexample).map(([label, sentence]) => `- ${label}: ${escapeMarkdown(sentence)}`),
    '',
    ...(rows.length === 0 ? [] : table),
    ...leftOutText(shown).flatMap((sentence) => [sentence, '']),
    `\`${replay}\``,
  ];
}

/** What Markdown would take for a column, a tag, emphasis or code; the underscores of names are within words, where they mean nothing. */
const escapeMarkdown = (sentence: string): string => sentence.replace(/[|<*`\\]/g, '\\$&');
