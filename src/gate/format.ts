/** A comparison as text: for a terminal, for the job summary of a CI system, and as its annotations. */
import type { Finding } from './finding.ts';
import type { Comparison } from './compareRecords.ts';
import { wallClockText } from './wallClock.ts';

export interface FormatOptions {
  /** What was compared with what, as paths. */
  readonly baseline: string;
  readonly current: string;
  /** What to do where the change is meant; nothing is said without. */
  readonly hint?: string;
  /** Cells that are told in full; of the others only how many there are. */
  readonly cellsMax?: number;
}

const CELLS_MAX = 20;
/** Figures of one cell that are told: one cause moves many. */
const FIGURES_MAX = 6;
const TITLES: Readonly<Record<Finding['kind'], string>> = { fail: 'FAIL', inconclusive: 'INCONCLUSIVE', better: 'better', within: 'within tolerance' };
const ORDER: readonly Finding['kind'][] = ['fail', 'inconclusive', 'better', 'within'];

/** Verdict first, then what led to it, the worst first. Ends in a newline. */
export function formatComparison({ verdict, findings, cells, figures, wallClock }: Comparison, { baseline, current, hint, cellsMax = CELLS_MAX }: FormatOptions): string {
  const lines = [verdict, `${figures} figures of ${cells} cells: ${current} against ${baseline}`];
  if (findings.length === 0) lines.push(figures === 0 ? 'nothing was compared' : 'all are the same');
  if (wallClock?.verdict === 'PASS') lines.push(`wall clock: ${wallClockText(wallClock)}`); // else it is among the findings
  for (const kind of ORDER) lines.push(...section(kind, findings.filter((finding) => finding.kind === kind), cellsMax));
  if (hint !== undefined && verdict !== 'PASS') lines.push('', hint);
  return `${lines.join('\n')}\n`;
}

function section(kind: Finding['kind'], findings: readonly Finding[], cellsMax: number): readonly string[] {
  if (findings.length === 0) return [];
  const byCell = groupByCell(findings);
  const lines = ['', `${TITLES[kind]}: ${findings.length} in ${byCell.size} ${byCell.size === 1 ? 'place' : 'places'}`];
  for (const [cell, own] of [...byCell].slice(0, cellsMax)) {
    if (cell !== '') lines.push(`  ${cell}`);
    for (const { what } of own.slice(0, FIGURES_MAX)) lines.push(`${cell === '' ? '  ' : '    '}${what}`);
    if (own.length > FIGURES_MAX) lines.push(`    and ${own.length - FIGURES_MAX} more`);
  }
  if (byCell.size > cellsMax) lines.push(`  and ${byCell.size - cellsMax} cells more`);
  return lines;
}

/** By the cell's key; '' for what is about the record as a whole. In the order of the findings. */
function groupByCell(findings: readonly Finding[]): ReadonlyMap<string, readonly Finding[]> {
  const byCell = new Map<string, Finding[]>();
  for (const finding of findings) {
    const { cell = '' } = finding;
    const own = byCell.get(cell);
    if (own === undefined) byCell.set(cell, [finding]);
    else own.push(finding);
  }
  return byCell;
}

/** For `GITHUB_STEP_SUMMARY`. */
export function formatSummary(comparison: Comparison, options: FormatOptions): string {
  return `### foliobench gate: ${comparison.verdict}\n\n\`\`\`text\n${formatComparison(comparison, options)}\`\`\`\n`;
}

/** Where annotations point to: the baseline, and the line of a cell in it. */
export interface AnnotatedFile {
  readonly file: string;
  readonly lineOf: (cell: string) => number | undefined;
}

/** Workflow commands of GitHub Actions, one a place that fails or cannot be told; at most ten, which is what a step may show. */
export function formatAnnotations({ findings }: Comparison, { file, lineOf }: AnnotatedFile): string {
  const told = ORDER.filter((kind) => kind !== 'within').flatMap((kind) => [...groupByCell(findings.filter((finding) => finding.kind === kind))].map(([cell, own]) => ({ kind, cell, own })));
  return told
    .slice(0, ANNOTATIONS_MAX)
    .map(({ kind, cell, own }) => {
      const line = lineOf(cell);
      const properties = [`file=${escapeProperty(file)}`, ...(line === undefined ? [] : [`line=${line}`]), `title=${escapeProperty(`foliobench gate: ${TITLES[kind]}`)}`];
      const said = [...(cell === '' ? [] : [cell]), ...own.slice(0, FIGURES_MAX).map(({ what }) => what)];
      return `::${kind === 'fail' ? 'error' : 'warning'} ${properties.join(',')}::${escapeData(said.join('\n'))}\n`;
    })
    .join('');
}
const ANNOTATIONS_MAX = 10;

const escapeData = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
