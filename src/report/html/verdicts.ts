/** What exploration says of the policies of a report: a table of verdicts, and words for the column `safe`. */
import type { CommittedVerdict } from '../../harness/verdicts.ts';
import type { SummaryRow } from '../rows.ts';
import { listed } from './figure.ts';
import type { HtmlTable, TableCell } from './markup.ts';

export type SafetyKind = 'proved' | 'broken' | 'unknown';

/** Of a word in the column `safe`. What is stale was true of other sources, and so says nothing. */
export const safetyKind = (safe: string): SafetyKind => (safe === 'proved' ? 'proved' : safe.startsWith('broken') ? 'broken' : 'unknown');

/** A sign and a word, so that the verdict does not stand on colour alone. */
export const verdictShort = (safe: string): string => ({ proved: '✓ proved', broken: '✗ broken', unknown: `? ${safe}` })[safetyKind(safe)];

/** Rows of proposals, each policy and check once. */
function verdictRows(rows: readonly SummaryRow[]): readonly SummaryRow[] {
  const proposals = rows.filter(({ isMeasure }) => !isMeasure);
  return proposals.filter((row, at) => proposals.findIndex((other) => other.policy === row.policy && other.check === row.check) === at);
}

const nameOf = ({ policy, check }: SummaryRow): string => `${policy}${check === null ? '' : `, check ${check}`}`;

/** Of words in the column that are no verdict. */
const UNKNOWN: Readonly<Record<string, string>> = {
  'not proved': 'exploration did not see every state of',
  'not checked': 'nobody has explored',
  stale: 'the sources have changed since exploration judged',
};

/** "3 of 4 rows kept every safety sentence ...", and what is to be said of the others. */
export function safetyFinding(rows: readonly SummaryRow[]): string {
  const shown = verdictRows(rows);
  const of = (kind: SafetyKind) => shown.filter(({ safe }) => safetyKind(safe) === kind);
  const [proved, broken, unknown] = [of('proved'), of('broken'), of('unknown')];
  const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  if (shown.length === 0) return 'There is no policy to judge: measures only.';
  const parts = [
    ...(proved.length === 0 ? [] : [proved.length === shown.length ? `${shown.length === 1 ? nameOf(shown[0]) : `All ${many(shown.length, 'policy').replace(/policys$/, 'policies')}`} kept every safety sentence in every interleaving of the litmus files` : `${proved.length} of ${shown.length} rows kept every safety sentence in every interleaving of the litmus files`]),
    ...(broken.length === 0 ? [] : [`${listed(broken.map(nameOf))} ${broken.length === 1 ? 'does' : 'do'} not: the shortest counterexample stands below`]),
    ...[...new Set(unknown.map(({ safe }) => safe))].map((word) => {
      const same = unknown.filter(({ safe }) => safe === word);
      const names = same.length === shown.length ? 'these policies' : listed(same.map(nameOf));
      return `${UNKNOWN[word] ?? 'nothing is known of'} ${names} (${word})`;
    }),
  ];
  const text = parts.join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

const OUTCOMES = ['proved', 'broken', 'stuck', 'refuses', 'differs', 'bounded'] as const;
const MEANING: Readonly<Record<(typeof OUTCOMES)[number], string>> = {
  proved: 'every sentence holds', broken: 'a private page can be reached', stuck: 'somebody waits for ever', refuses: 'safe, and nothing is ever converted', differs: 'safe, with other results than the file expects', bounded: 'too large to see all of it',
};

/** A row a policy, a column a kind of verdict; null where nothing was committed of these rows. */
export function verdictTable(rows: readonly SummaryRow[], verdicts: readonly CommittedVerdict[]): HtmlTable | null {
  const shown = verdictRows(rows);
  const ofRow = ({ family, policy, check }: SummaryRow) => verdicts.filter((verdict) => verdict.family === family && verdict.policy === policy && verdict.check === check);
  if (!shown.some((row) => ofRow(row).length > 0)) return null;
  const outcomes = OUTCOMES.filter((outcome) => outcome === 'proved' || outcome === 'broken' || shown.some((row) => ofRow(row).some(({ verdict }) => verdict === outcome)));
  return {
    caption: `litmus files by what exploration found in them; ${outcomes.map((outcome) => `${outcome}: ${MEANING[outcome]}`).join('; ')}`,
    corner: 'policy',
    head: [{ text: 'safe' }, ...outcomes.map((outcome) => ({ text: outcome })), { text: 'states seen' }],
    rows: shown.map((row) => {
      const cells = ofRow(row);
      const states = cells.reduce((sum, verdict) => sum + verdict.states, 0);
      return {
        name: nameOf(row),
        cells: [
          { text: safeWords(row.safe), kind: safetyKind(row.safe) },
          ...outcomes.map((outcome): TableCell => {
            const count = cells.filter(({ verdict }) => verdict === outcome).length;
            return { text: String(count), value: count, ...(outcome === 'broken' && count > 0 ? { kind: 'broken' } : {}) };
          }),
          { text: String(states), value: states },
        ],
      };
    }),
  };
}

/** The sign in front of the words of the column. */
export const safeWords = (safe: string): string => ({ proved: `✓ ${safe}`, broken: `✗ ${safe}`, unknown: safe })[safetyKind(safe)];
