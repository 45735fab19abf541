/** The committed review in its three forms: Markdown, one page of HTML, and the picture that the README shows. Records in, texts out. */
import type { FoundCounterexample } from '../src/harness/counterexamples.ts';
import type { FolioSize } from '../src/harness/experiment.ts';
import type { ResultsRecord } from '../src/harness/record.ts';
import { safetyOf, type CommittedVerdict, type VerdictsRecord } from '../src/harness/verdicts.ts';
import { CHECKS } from '../src/policies/policy.ts';
import { blocksOf } from '../src/report/families/index.ts';
import { barPanels, type Panel } from '../src/report/html/charts/barPanels.ts';
import { extremesOf, namedRows, proposals } from '../src/report/html/figure.ts';
import { escapeHtml, htmlTable, paragraph, type HtmlTable, type TableCell } from '../src/report/html/markup.ts';
import { formatHtml, type PageSection } from '../src/report/html/page.ts';
import { standaloneSvg } from '../src/report/html/standalone.ts';
import { createRenderer } from '../src/report/html/svg.ts';
import { COLOR } from '../src/report/html/theme.ts';
import { safetyKind, verdictShort } from '../src/report/html/verdicts.ts';
import { formatMarkdown } from '../src/report/markdown.ts';
import { formatPercent } from '../src/report/numbers.ts';
import { groupCells, type Group } from '../src/report/rows.ts';
import type { CostProfile } from '../src/simulate/costs.ts';
import { foliosOf, reviewFindings, shareOfBound } from './reviewFindings.ts';

export interface ReviewInput {
  readonly record: ResultsRecord;
  readonly verdicts: VerdictsRecord<CommittedVerdict>;
  readonly counterexamples: readonly FoundCounterexample[];
  readonly profile: CostProfile | undefined;
}

export interface ReviewPages {
  readonly markdown: string;
  readonly html: string;
  readonly picture: string;
}

const TITLE = 'Policies for guest_memfd conversions: the review';

export async function reviewPages(input: ReviewInput): Promise<ReviewPages> {
  const { record, profile } = input;
  const verdicts = input.verdicts.verdicts.filter(({ family }) => family === record.experiment.family);
  // The verdicts are those of the same commit: a test of the library holds them to their sources.
  const safety = safetyOf(input.verdicts, { schema: 'foliobench/sources@1', policies: input.verdicts.sources, litmus: input.verdicts.litmus });
  const [group] = groupCells(record, 'label', safety);
  const findings = reviewFindings(group, verdicts);
  const matrix = verdictMatrix(group, verdicts);
  const options = { safety, ...(profile === undefined ? {} : { profile }) };
  const extra: readonly PageSection[] = [
    { id: 'findings', heading: 'Findings', content: [`<dl>${findings.map(({ about, text }) => `<dt>${escapeHtml(about)}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`] },
    { id: 'workloads', heading: 'Workloads and sizes of folios', content: foliosOf(group).map((folio) => htmlTable(shareTable(group, folio))) },
    { id: 'matrix', heading: 'Verdict matrix', content: [htmlTable(checkTable(group, verdicts)), htmlTable(matrix.table).replace('class="scroll"', 'class="scroll matrix"'), paragraph(keptText(matrix.kept), 'caption')] },
  ];
  return {
    markdown: markdownOf(input, group, verdicts, findings, formatMarkdown(record, options)),
    html: await formatHtml(record, { ...options, title: TITLE, verdicts, counterexamples: input.counterexamples, extra }),
    picture: await pictureOf(group, record),
  };
}

/* ---- tables ---- */

const percentCell = (share: number | null): TableCell => (share === null ? { text: '-', value: null } : { text: formatPercent(share), value: share, kind: `heat${Math.min(4, Math.floor(share * 5))}` });

function shareTable(group: Group, folio: FolioSize): HtmlTable {
  return {
    caption: `completed work as a share of what the lower bound completes, in per cent, folios of ${folio}`,
    corner: 'policy',
    head: [{ text: 'all workloads' }, ...group.workloads.map((text) => ({ text }))],
    rows: proposals(namedRows(group.rows)).map(({ name, row }) => ({ name, cells: [percentCell(shareOfBound(row, group, { folio })), ...group.workloads.map((workload) => percentCell(shareOfBound(row, group, { folio, workload })))] })),
  };
}

const policiesOf = ({ rows }: Group): readonly string[] => [...new Set(rows.filter(({ isMeasure }) => !isMeasure).map(({ policy }) => policy))];

function checkTable(group: Group, verdicts: readonly CommittedVerdict[]): HtmlTable {
  return {
    caption: 'litmus files that break each policy, of those explored, by reference check; an empty cell: the policy takes no such check',
    corner: 'policy',
    head: [...CHECKS, 'no check'].map((text) => ({ text })),
    rows: policiesOf(group).map((policy) => ({
      name: policy,
      cells: [...CHECKS, null].map((check): TableCell => {
        const cells = verdicts.filter((verdict) => verdict.policy === policy && verdict.check === check);
        const broken = cells.filter(({ safety }) => safety === 'broken').length;
        return cells.length === 0 ? { text: '', value: null } : { text: `${broken} of ${cells.length}`, value: broken, kind: broken > 0 ? 'broken' : 'proved' };
      }),
    })),
  };
}

/** What was found of each file under each policy, with its usual check or none. Files that all policies keep go into a sentence. */
function verdictMatrix(group: Group, verdicts: readonly CommittedVerdict[]): { readonly table: HtmlTable; readonly kept: readonly string[] } {
  const policies = policiesOf(group);
  const main = verdicts.filter(({ check, policy }) => (check === null || check === 'refcount') && policies.includes(policy));
  const files = [...new Set(main.map(({ litmus }) => litmus))].toSorted();
  const kept = files.filter((litmus) => main.every((verdict) => verdict.litmus !== litmus || verdict.verdict === 'proved'));
  const byCell = new Map(main.map((verdict) => [`${verdict.litmus}\n${verdict.policy}`, verdict]));
  const table = {
    caption: 'verdicts under the check refcount, or under none where a policy takes none; ✓: proved; (26): steps of the shortest counterexample',
    corner: 'litmus',
    head: policies.map((text) => ({ text })),
    rows: files.filter((litmus) => !kept.includes(litmus)).map((litmus) => ({
      name: litmus,
      cells: policies.map((policy): TableCell => {
        const found = byCell.get(`${litmus}\n${policy}`);
        if (found === undefined) return { text: '' };
        const { verdict, counterexample, safety } = found;
        if (verdict === 'proved') return { text: '✓' };
        return safety === 'broken' ? { text: `${verdict}${counterexample === null ? '' : ` (${counterexample.length})`}`, kind: 'broken' } : { text: verdict };
      }),
    })),
  };
  return { table, kept };
}

const keptText = (kept: readonly string[]): string => `${kept.length} more litmus files are proved under every policy that they were explored under: ${kept.join(', ')}.`;

function markdownTable({ corner, head, rows }: HtmlTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line([corner, ...head.map(({ text }) => text)]), `|${' --- |'.repeat(head.length + 1)}`, ...rows.map(({ name, cells }) => line([name, ...cells.map(({ text }) => text)]))].join('\n');
}

/* ---- Markdown ---- */

function markdownOf({ counterexamples }: ReviewInput, group: Group, verdicts: readonly CommittedVerdict[], findings: ReturnType<typeof reviewFindings>, tables: string): string {
  const [cost] = blocksOf(group.rows);
  const matrix = verdictMatrix(group, verdicts);
  const folded = (summary: string, content: string): string => `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;
  const shares = foliosOf(group).map((folio) => {
    const table = shareTable(group, folio);
    return `${table.caption}:\n\n${markdownTable(table)}`;
  });
  return `${[
    `# ${TITLE}`,
    `All ${policiesOf(group).length} policies on ${group.workloads.length} workloads and ${foliosOf(group).length} sizes of folios (${foliosOf(group).join(', ')}), as guests run today. \`npm run review\` writes this page, \`review.html\` (the same with charts, for a browser) and the picture from the committed record; no figure is typed by hand.`,
    '![Completed work of each policy by the size of folios, with what exploration says of its safety](review.svg)',
    '## Findings',
    findings.map(({ about, text }) => `- **${about}.** ${text}`).join('\n'),
    '## Safety',
    `${checkTable(group, verdicts).caption}:\n\n${markdownTable(checkTable(group, verdicts))}`,
    folded('Litmus files by policy', `${matrix.table.caption}:\n\n${markdownTable(matrix.table)}\n\n${keptText(matrix.kept)}`),
    ...(counterexamples.length === 0 ? [] : ['Counterexamples, as `foliobench explore` shows them again:', counterexamples.map(({ replay }) => `- \`${replay}\``).join('\n')]),
    '## Workloads and sizes of folios',
    ...shares,
    '## Summary over all sizes of folios',
    ...(cost === undefined ? [] : [tables.trimEnd()]),
  ].join('\n\n')}\n`;
}

/* ---- the picture ---- */

/** "53.3 to 73.5 (4K)" */
function rangeText(rows: Parameters<typeof extremesOf>[0], { value }: Panel, folio: FolioSize): string {
  const ends = extremesOf(rows, value);
  return ends === undefined ? `nothing (${folio})` : `${formatPercent(ends.least.value)} to ${formatPercent(ends.most.value)} (${folio})`;
}

async function pictureOf(group: Group, record: ResultsRecord): Promise<string> {
  const rows = proposals(namedRows(group.rows)).map(({ name, row }) => ({ row, name: `${name}  ${verdictShort(row.safe).split(' ')[0]}` }));
  const panels = foliosOf(group).map((folio): Panel => ({ title: `folios of ${folio}`, unit: '% of the lower bound', value: (row) => shareOfBound(row, group, { folio }), text: formatPercent }));
  const colorOf = ({ row }: (typeof rows)[number]): string => (safetyKind(row.safe) === 'broken' ? COLOR.bad : COLOR.bar);
  const title = `Completed work, in % of the lower bound: ${foliosOf(group).map((folio, nth) => rangeText(rows, panels[nth], folio)).join(', ')}`;
  const workloads = `Work per second of virtual time: ${group.workloads.length} workloads, ${record.cells.length} simulated cells; the lower bound is the bare state change and its flush`;
  const marks = [['proved', '✓ no litmus file breaks it in any interleaving'], ['broken', '✗ broken: exploration has a counterexample'], ['unknown', '? not known']] as const;
  const legend = marks.filter(([kind]) => rows.some(({ row }) => safetyKind(row.safe) === kind)).map(([, text]) => text).join(' · ');
  const svg = await (await createRenderer()).draw({ id: 'review', title, description: workloads, spec: barPanels(rows, panels, colorOf) });
  return standaloneSvg(svg, title, [workloads, legend]);
}
