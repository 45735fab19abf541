/** An explanation as text, Markdown, JSON or a Mermaid sequence diagram. Pure: an explanation in, a page out. */
import type { Argument } from '../policies/policy.ts';
import type { Answer } from '../harness/answers.ts';
import type { Counts, ExplainedPart, ExplainedStep, ExplainedVerdict, Explanation, FamilyExplanation, Seen } from '../harness/explanation.ts';
import { UserError } from '../model/userError.ts';
import { explainedSequence } from './explainSequence.ts';
import { foldRounds, isRounds, type Rounds } from './rounds.ts';
import { LINE_WIDTH, wrap } from './wrap.ts';

export const EXPLAIN_FORMATS = ['text', 'md', 'mermaid', 'json'] as const;
export type ExplainFormat = (typeof EXPLAIN_FORMATS)[number];

/** Ends in a newline. */
export function formatExplanation(explanation: Explanation | FamilyExplanation, format: ExplainFormat): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(explanation, null, 2)}\n`;
    case 'mermaid':
      if ('look' in explanation) throw new UserError({ what: `no diagram of ${explanation.policy}`, why: `mermaid draws a conversion, and the family ${explanation.family} has none`, fix: 'take --format text or md' });
      return explainedSequence(explanation);
    case 'text':
      return page(explanation, TEXT);
    case 'md':
      return page(explanation, MARKDOWN);
  }
  format satisfies never;
}

/** What text and Markdown write differently. */
interface Dialect {
  readonly title: (text: string) => readonly string[];
  readonly heading: (text: string) => readonly string[];
  readonly paragraph: (text: string) => readonly string[];
  readonly items: (texts: readonly string[]) => readonly string[];
  readonly table: (rows: readonly (readonly string[])[]) => readonly string[];
}

function page(explanation: Explanation | FamilyExplanation, dialect: Dialect): string {
  const { policy, check, summary, argument, choices, contract, scene, costs, parts, verdicts } = explanation;
  const look = 'look' in explanation ? explanation.look : CONVERSION_LOOK;
  const { title, heading, paragraph, items } = dialect;
  const lines = [
    ...title(`${policy}${check === null ? '' : `, check ${check}`}${choices.filter(({ value, default: usual }) => value !== usual).map(({ name, value }) => `, ${name}=${value}`).join('')}`),
    ...paragraph(`${capital(summary)}.`),
    ...(argument === null ? [] : argumentLines(argument, dialect)),
    ...(contract.length === 0 ? [] : [...heading('both sides of the contract, beside the steps'), ...items(contract)]),
    ...(choices.length === 0 ? [] : [...heading('what no source fixes'), ...items(choices.map((choice) => choiceText(policy, choice)))]),
    ...heading('the scene of the steps'),
    ...paragraph(`${capital(scene)}. Prices: ${costs.name}, hash ${costs.hash}.`),
    ...paragraph(`${LOCKS_LEGEND} After the step: ${look.legend} ${OTHERS_LEGEND}`),
    ...parts.flatMap((part: ExplainedPart<Seen>) => partLines(part, look.columns, dialect)),
    ...answerLines(explanation, dialect),
    ...heading('is it safe? the committed verdicts of foliobench explore'),
    ...items(verdicts.map(verdictText)),
  ];
  // Headings bring a blank line before themselves, so the last one is not needed.
  while (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n`;
}

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

const LOCKS_LEGEND =
  'Locks, held after the step, outermost first: M mmap_lock, I invalidate_lock, F folio lock, R i_mmap_rwsem, P page-table lock, K mmu_lock; a small letter is held for reading.';
const OTHERS_LEGEND = 'In brackets: what other CPUs do for it.';

/** What is shown of a page under conversion. */
const CONVERSION_LOOK: FamilyExplanation['look'] = {
  columns: ['host', 'guest', 'state', 'refs'],
  legend: 'host = present entries of the host (+ cleared ones that a TLB may still have); guest = stage-2 maps the page; refs = the folio\'s refcount.',
};

/** Answers are scenes of conversions; one that ignores every request has none. */
function answerLines(explanation: Explanation | FamilyExplanation, { heading, paragraph, items }: Dialect): readonly string[] {
  if ('look' in explanation) return [];
  const { answers } = explanation;
  return [...heading('what it answers, one scene each'), ...(answers.length === 0 ? paragraph('Every request is ignored.') : items(answers.map(answerText)))];
}

/* ---- the argument ---- */

function argumentLines({ idea, for: voicesFor, against, price, sources }: Argument, { heading, paragraph, items }: Dialect): readonly string[] {
  const voices = (list: Argument['for']): readonly string[] =>
    list.length === 0 ? ['nobody in these mails'] : list.map(({ who, says, mail }) => `${who}${mail === undefined ? '' : ` (${mail})`}: ${says}`);
  return [
    ...heading('the argument'),
    ...paragraph(`Idea: ${idea}.`),
    ...paragraph(`Price: ${price}.`),
    ...(sources.length === 0 ? [] : [...paragraph('For:'), ...items(voices(voicesFor)), ...paragraph('Against:'), ...items(voices(against)), ...paragraph('Sources:'), ...items(sources)]),
  ];
}

/* ---- choices ---- */

function choiceText(policy: string, { name, value, default: usual, values, what }: Explanation['choices'][number]): string {
  const others = values.filter((one) => one !== value).map((one) => `--choose ${policy}.${name}=${one}`).join(', ');
  return `${name}: ${value}${value === usual ? '' : `, by default ${usual}`} (or ${others}): ${what}`;
}

/* ---- the steps ---- */

function partLines({ name, asked, result, before, steps, notTaken, phasesNs, ns, othersNs }: ExplainedPart<Seen>, columns: readonly string[], { heading, paragraph, items, table }: Dialect): readonly string[] {
  const rows = foldRounds(steps).flatMap((one, nth, all) => (isRounds(one) ? [roundsRow(one)] : stepRows(one, all[nth - 1])));
  const phases = Object.entries(phasesNs).map(([phase, phaseNs]) => `${phase} ${phaseNs}`);
  const others = othersNs === 0 ? '' : `; on other CPUs ${othersNs} ns`;
  return [
    ...heading(`${name}: ${asked}${result === 'done' ? '' : ' (it failed)'}`),
    ...table([['step', 'else', 'locks', ...columns, 'ns', 'operations'], ['(before)', '', '', ...viewCells(before), '', ''], ...rows]),
    ...paragraph(`In all ${ns} ns${phases.length === 0 ? '' : `: ${phases.join(', ')}`}${others}.`),
    ...(notTaken.length === 0 ? [] : [...paragraph('Steps that this scene has no use for:'), ...items(notTaken.map(({ routine, steps: names }) => `${routine}: ${names.join(', ')}`))]),
  ];
}

const INDENT = '  ';

/** A step, and before the first of a routine the routine's name. */
function stepRows(step: ExplainedStep<Seen>, before: ExplainedStep<Seen> | Rounds<Seen> | undefined): readonly (readonly string[])[] {
  const { routine, name, depth, waits, otherwise, locks, ns } = step;
  const indent = INDENT.repeat(depth);
  const elsewhere = [...(waits ? ['waits'] : []), ...(otherwise === null ? [] : [`or ${otherwise}`])].join(', ');
  const row = [`${indent}${INDENT}${name}`, elsewhere, locks.map(lockLetter).join(' '), ...viewCells(step.view), ns === 0 ? '' : String(ns), operationsText(step)];
  const isNew = before === undefined || isRounds(before) || before.routine !== routine || before.depth !== depth;
  return isNew ? [[`${indent}${routine}:`, ...row.slice(1).map(() => '')], row] : [row];
}

const roundsRow = ({ steps, times, ns, view }: Rounds<Seen>): readonly string[] => [`... these ${steps} steps`, `${times} ${times === 1 ? 'time' : 'times'} more`, '', ...viewCells(view), String(ns), ''];

const LOCK_LETTERS = { Mmap: 'M', Invalidate: 'I', Folio: 'F', IMmap: 'R', PageTable: 'P', Mmu: 'K' } as const;

const lockLetter = ({ lock, mode }: ExplainedStep['locks'][number]): string => (mode === 'write' ? LOCK_LETTERS[lock] : LOCK_LETTERS[lock].toLowerCase());

function viewCells(view: Seen): readonly string[] {
  if (!('hostEntries' in view)) return view;
  const { hostEntries, staleEntries, guest, state, refcount } = view;
  return [staleEntries === 0 ? String(hostEntries) : `${hostEntries}+${staleEntries}`, guest ? 'yes' : 'no', state, String(refcount)];
}

function operationsText({ operations, others }: Pick<ExplainedStep, 'operations' | 'others'>): string {
  return [...namesOf(operations), ...namesOf(others).map((text) => `[${text}]`)].join(', ');
}

const namesOf = (counts: Counts): readonly string[] => Object.entries(counts).map(([name, times]) => (times === 1 ? name : `${times} x ${name}`));

/* ---- answers and verdicts ---- */

const answerText = ({ situation, answer, consequence, exposed }: Answer): string => `${situation}: ${answer}; ${consequence}${exposed ? '; EXPOSED' : ''}`;

function verdictText({ check, safe, litmusFiles }: ExplainedVerdict): string {
  const files = litmusFiles === 0 ? '' : ` (${litmusFiles} litmus file${litmusFiles === 1 ? '' : 's'})`;
  return `${check === null ? '' : `${check}: `}${safe}${files}`;
}

/* ---- as text ---- */

const TEXT: Dialect = {
  title: (text) => [text],
  heading: (text) => ['', ...wrap(text), '-'.repeat(Math.min(text.length, LINE_WIDTH))],
  paragraph: (text) => wrap(text),
  items: (texts) => texts.flatMap((text) => wrap(`- ${text}`)),
  table: textTable,
};

/** Columns whose cells stand at their right end, by their headers. */
const NUMBERS: ReadonlySet<string> = new Set(['host', 'refs', 'ns']);
const GAP = '  ';

/** The last column goes on below itself where it does not fit the line. */
function textTable(rows: readonly (readonly string[])[]): readonly string[] {
  const last = rows[0].length - 1;
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const start = widths.slice(0, last).reduce((sum, width) => sum + width + GAP.length, 0);
  return rows.flatMap((row) => {
    const cells = row.slice(0, last).map((cell, column) => (NUMBERS.has(rows[0][column]) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])));
    const [first, ...more] = wrap(row[last], Math.max(24, LINE_WIDTH - start));
    return [`${cells.join(GAP)}${GAP}${first}`.trimEnd(), ...more.map((line) => `${' '.repeat(start)}${line}`)];
  });
}

/* ---- as Markdown ---- */

const MARKDOWN: Dialect = {
  title: (text) => [`# ${text}`, ''],
  heading: (text) => [`## ${text}`, ''],
  paragraph: (text) => [escapeMarkdown(text), ''],
  items: (texts) => [...texts.map((text) => `- ${escapeMarkdown(text)}`), ''],
  table: ([head, ...rows]) => [
    `| ${head.join(' | ')} |`,
    `|${head.map((name) => (NUMBERS.has(name) ? ' ---: |' : ' --- |')).join('')}`,
    ...rows.map((row) => `| ${row.map(markdownCell).join(' | ')} |`),
    '',
  ],
};

/** Blanks at the front of a cell would be lost, and they say how deep a routine was called. */
const markdownCell = (cell: string): string => escapeMarkdown(cell).replace(/^ +/, (blanks) => '&nbsp;'.repeat(blanks.length));

const escapeMarkdown = (text: string): string => text.replace(/[|<*`\\]/g, '\\$&');
