/**
 * Verdicts of an exploration: a matrix of litmus files and policies, and below it what was not as the files expect.
 *
 * The matrix is under the check `refcount`; rows in which a weaker check changes a verdict stand in a block of their own.
 * A few cells of one file are told as a list.
 */
import { families } from '../explore/families/index.ts';
import type { Verdict } from '../explore/verdict.ts';
import { ABSENT, formatCount } from './numbers.ts';
import { verdictTable } from './verdictTable.ts';
import { wrap } from './wrap.ts';

export const VERDICT_FORMATS = ['table', 'md', 'json'] as const;
export type VerdictFormat = (typeof VERDICT_FORMATS)[number];

/** A list shows more of each verdict, and has room for so many. */
const LIST_MAX = 6;

/** Ends in a newline. */
export function formatVerdicts(verdicts: readonly Verdict[], { format }: { readonly format: VerdictFormat }): string {
  if (format === 'json') return `${JSON.stringify(verdicts, null, 2)}\n`;
  if (verdicts.length === 0) return 'no cell was explored\n';
  const isList = distinct(verdicts.map(({ litmus }) => litmus)).length === 1 && verdicts.length <= LIST_MAX;
  if (isList) return verdicts.map((verdict) => formatVerdict(verdict, format)).join(format === 'md' ? '' : '\n');
  const names = distinct(verdicts.map(({ family }) => family));
  const sections = [...names.flatMap((family) => familyBlocks(verdicts, family, names.length > 1, format)), unexpectedText(verdicts), footer(verdicts, format)];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/* ---- one verdict ---- */

/** One verdict with the world that it is of, and how far it was explored. Ends in a newline. */
export function formatVerdict(verdict: Verdict, format: Exclude<VerdictFormat, 'json'> = 'table'): string {
  const { world, outcomes } = verdict;
  const lines = [
    `world: ${world}; sequentially consistent`,
    `${extent(verdict)}: ${verdict.states} states, ${verdict.transitions} transitions, depth ${verdict.depth}`,
    ...(outcomes === null ? [] : [`outcomes: ${outcomes.join('; ')}`]),
    ...expectationText(verdict),
  ];
  const title = `${cellName(verdict)}: ${verdictText(verdict)}`;
  if (format === 'md') return `- ${title}\n${lines.map((line) => `  - ${line}\n`).join('')}`;
  return [title, ...lines.flatMap((line) => wrap(line, LIST_WIDTH).map((part) => `  ${part}`))].map((line) => `${line}\n`).join('');
}

const LIST_WIDTH = 118;

const cellName = ({ litmus, policy, check }: CellId): string => `${litmus} under ${policy}${check === null ? '' : `, check ${check}`}`;

type CellId = Pick<Verdict, 'litmus' | 'policy' | 'check'>;

/** A search ends where a sentence breaks: breadth first, so every shorter way was gone. */
export function extent({ exhaustive, bound, states, verdict }: Verdict): string {
  if (!exhaustive) return `bounded to ${bound ?? states} states`;
  return verdict === 'broken' ? 'exhaustive up to the finding' : 'exhaustive';
}

function verdictText({ verdict, counterexample }: Verdict): string {
  const steps = counterexample?.steps.length ?? 0;
  return steps === 0 ? verdict : `${verdict} after ${steps} ${steps === 1 ? 'step' : 'steps'}`;
}

function expectationText({ expected, because, asExpected }: Verdict): readonly string[] {
  if (expected === null) return [];
  const reason = because === null ? '' : `, because ${because}`;
  return [asExpected === false ? `NOT AS EXPECTED: ${expected} was expected${reason}` : `as expected${reason}`];
}

/* ---- the matrix ---- */

type Format = Exclude<VerdictFormat, 'json'>;

const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

/** The strongest check: what others are compared with. */
const MAIN_CHECK = 'refcount';

/** What a policy came to under its main check, or without one. A check that is the only one explored is the main one. */
function mainOf(verdicts: readonly Verdict[], litmus: string, policy: string): Verdict | undefined {
  const cells = verdicts.filter((verdict) => verdict.litmus === litmus && verdict.policy === policy);
  return cells.find(({ check }) => check === MAIN_CHECK || check === null) ?? (distinct(verdicts.map(({ check }) => check)).length === 1 ? cells[0] : undefined);
}

/** The blocks of a family's files, under its name where there are several. */
function familyBlocks(verdicts: readonly Verdict[], family: string, isNamed: boolean, format: Format): readonly string[] {
  const found = blocks(verdicts.filter((verdict) => verdict.family === family), format);
  const title = `family ${family}`;
  return isNamed ? [format === 'md' ? `### ${title}` : `${title}\n${'-'.repeat(title.length)}`, ...found] : found;
}

function blocks(verdicts: readonly Verdict[], format: Format): readonly string[] {
  const policies = distinct(verdicts.map(({ policy }) => policy));
  const files = distinct(verdicts.map(({ litmus }) => litmus));
  const main = (litmus: string, policy: string): Verdict | undefined => mainOf(verdicts, litmus, policy);
  const isMain = new Set(files.flatMap((litmus) => policies.map((policy) => main(litmus, policy))));
  const shown = files.filter((litmus) => policies.some((policy) => main(litmus, policy) !== undefined));
  const matrix = verdictTable({ policies, rows: shown.map((litmus) => [litmus, ...policies.map((policy) => cellText(main(litmus, policy)))]) }, format);
  const weaker = distinct(verdicts.filter((verdict) => !isMain.has(verdict)).map(({ check }) => check));
  return [...(shown.length === 0 ? [] : [matrix]), ...weaker.flatMap((check) => weakerBlock(verdicts.filter((verdict) => verdict.check === check), main, format))];
}

/** The files for which a weaker check gives another verdict. */
function weakerBlock(verdicts: readonly Verdict[], main: (litmus: string, policy: string) => Verdict | undefined, format: Format): readonly string[] {
  const isOther = (verdict: Verdict): boolean => verdict.verdict !== main(verdict.litmus, verdict.policy)?.verdict;
  const others = verdicts.filter(isOther);
  if (others.length === 0) return [];
  const policies = distinct(verdicts.map(({ policy }) => policy));
  const rows = distinct(others.map(({ litmus }) => litmus)).map((litmus) => {
    const cells = policies.map((policy) => verdicts.find((verdict) => verdict.litmus === litmus && verdict.policy === policy));
    return [litmus, ...cells.map((verdict) => (verdict === undefined || isOther(verdict) ? cellText(verdict) : `=${unexpectedMark(verdict)}`))];
  });
  const title = `${namesOfVerdicts(others)} under ${verdicts[0].check}`;
  const table = verdictTable({ policies, rows }, format);
  return [format === 'md' ? `**${title}**\n\n${table}` : `${title}\n${table}`];
}

/** "broken", or "broken or stuck". */
const namesOfVerdicts = (verdicts: readonly Verdict[]): string => distinct(verdicts.map(({ verdict }) => verdict)).join(' or ');

/** "proved", "broken (31)", with a mark where the file expects something else. */
function cellText(verdict: Verdict | undefined): string {
  if (verdict === undefined) return ABSENT;
  const steps = verdict.counterexample?.steps.length ?? 0;
  const length = steps === 0 || verdict.verdict === 'differs' ? '' : ` (${steps})`;
  return `${verdict.verdict}${length}${unexpectedMark(verdict)}`;
}

const unexpectedMark = ({ asExpected }: Verdict): string => (asExpected === false ? '!' : '');

/* ---- below the matrix ---- */

/** A line for each file, check and finding; policies of which the same is to be said share it. */
function unexpectedText(verdicts: readonly Verdict[]): string {
  const unexpected = verdicts.filter(({ asExpected }) => asExpected === false);
  if (unexpected.length === 0) return '';
  const told = unexpected.map((verdict) => {
    const { litmus, policy, check, expected, because, counterexample } = verdict;
    const found = counterexample === null || counterexample.what === '' ? '' : ` (${counterexample.what})`;
    const behind = `${check === null ? '' : `, check ${check}`}: expected ${expected}${because === null ? '' : `, because ${because}`}; found ${verdict.verdict}${found}`;
    return { policy, litmus, behind };
  });
  const lines = distinct(told.map(({ litmus, behind }) => `${litmus}\n${behind}`)).map((key) => {
    const [litmus, behind] = key.split('\n');
    const policies = told.filter((one) => one.litmus === litmus && one.behind === behind).map(({ policy }) => policy);
    return `- ${litmus} under ${policies.join(', ')}${behind}`;
  });
  return [`${unexpected.length} not as expected:`, ...lines.flatMap((line) => wrap(line))].join('\n');
}

function footer(verdicts: readonly Verdict[], format: Format): string {
  const sum = (figure: (verdict: Verdict) => number): string => formatCount(verdicts.reduce((total, verdict) => total + figure(verdict), 0));
  const cells = `${verdicts.length} ${verdicts.length === 1 ? 'cell' : 'cells'}`;
  const worlds = distinct(verdicts.map(({ world }) => world));
  const lines = [
    `${cells}, ${sum(({ states }) => states)} states, ${sum(({ transitions }) => transitions)} transitions; ${extentOfAll(verdicts)}; sequentially consistent`,
    ...(worlds.length === 1 ? [`world: ${worlds[0]}`] : []),
    legend(verdicts),
  ];
  return lines.flatMap((line) => (format === 'md' ? [`- ${line}`] : wrap(line))).join('\n');
}

/** "exhaustive", or how many cells were not, and where those ended. */
function extentOfAll(verdicts: readonly Verdict[]): string {
  const bounded = verdicts.filter(({ exhaustive }) => !exhaustive);
  if (bounded.length === 0) return 'exhaustive';
  const extents = distinct(bounded.map(extent)).join(', ');
  return bounded.length === verdicts.length ? extents : `exhaustive but for ${bounded.length} ${extents}`;
}

/** The meaning of marks that are there. */
function legend(verdicts: readonly Verdict[]): string {
  const has = (test: (verdict: Verdict) => boolean): boolean => verdicts.some(test);
  const notes = [
    ...(has(({ verdict }) => verdict === 'proved') ? ['proved: every sentence holds in every interleaving'] : []),
    ...(has(({ verdict }) => verdict === 'refuses') ? [`refuses: safe, and no ${refused(verdicts)} ever succeeds`] : []),
    ...(has(({ counterexample }) => counterexample !== null && counterexample.steps.length > 0) ? ['(31): steps of the shortest counterexample'] : []),
    ...(has(({ check }) => check !== null && check !== MAIN_CHECK) ? [`=: as under ${MAIN_CHECK}`] : []),
    ...(has(({ asExpected }) => asExpected === false) ? ['!: not as expected'] : []),
  ];
  return notes.join('; ');
}

/** What is refused: "conversion", "pin". */
function refused(verdicts: readonly Verdict[]): string {
  const refusing = new Set(verdicts.filter(({ verdict }) => verdict === 'refuses').map(({ family }) => family));
  return distinct(families.filter(({ name }) => refusing.has(name)).map(({ askedFor }) => askedFor)).join(' or ');
}

/* ---- against a record ---- */

/** What a record keeps of a verdict, and a run is held against. */
export type VerdictFigures = Pick<Verdict, 'litmus' | 'policy' | 'check' | 'verdict' | 'states' | 'transitions' | 'depth'>;

/** What a run found otherwise than the record says, ending in a newline; empty where nothing is. */
export function formatVerdictDifference(expected: readonly VerdictFigures[], found: readonly VerdictFigures[]): string {
  const recorded = new Map(expected.map((figures) => [cellName(figures), figures]));
  const explored = new Map(found.map((figures) => [cellName(figures), figures]));
  const lines = distinct([...recorded.keys(), ...explored.keys()]).flatMap((name) => {
    const told = difference(recorded.get(name), explored.get(name));
    return told === '' ? [] : [`- ${name}: ${told}`];
  });
  if (lines.length === 0) return '';
  const cells = distinct([...recorded.keys(), ...explored.keys()]).length;
  const heading = `${lines.length} of ${cells} ${cells === 1 ? 'cell' : 'cells'} ${lines.length === 1 ? 'differs' : 'differ'} from the record:`;
  return [heading, ...lines.flatMap((line) => wrap(line))].map((line) => `${line}\n`).join('');
}

const FIGURES = ['states', 'transitions', 'depth'] as const;

function difference(recorded: VerdictFigures | undefined, explored: VerdictFigures | undefined): string {
  if (recorded === undefined) return `found ${explored?.verdict}, not in the record`;
  if (explored === undefined) return `${recorded.verdict} in the record, not explored`;
  const told = [
    ...(recorded.verdict === explored.verdict ? [] : [`recorded ${recorded.verdict}, found ${explored.verdict}`]),
    ...FIGURES.flatMap((figure) => (recorded[figure] === explored[figure] ? [] : [`${figure} ${recorded[figure]} -> ${explored[figure]}`])),
  ];
  return told.join(', ');
}
