/** Figures of a row as bars in panels: what rmap walks cost, whom a policy turns away, what bystanders lose, what is held in memory. */
import { formatCount, formatFigure, formatPercent, formatTime } from '../../numbers.ts';
import { MEMORY_COLUMNS } from '../../columns.ts';
import type { Block } from '../../columnLines.ts';
import { countsOf, total, totalOf, type Group, type SummaryRow } from '../../rows.ts';
import { extremesOf, listed, namedRows, proposals, type Figure, type NamedRow } from '../figure.ts';
import { idOf } from '../markup.ts';
import { barPanels, panelTable, type Panel } from './barPanels.ts';

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
const requests = (row: SummaryRow): number => total(row, 'conversions', 'toPrivate', 'requested');
const bothDirections = (row: SummaryRow, figure: 'requested' | 'succeeded'): number => total(row, 'conversions', 'toPrivate', figure) + total(row, 'conversions', 'toShared', figure);

interface Chart {
  readonly name: string;
  readonly caption: string;
  readonly panels: readonly Panel[];
  readonly finding: (rows: readonly NamedRow[]) => string;
}

function figureOf({ label, rows }: Group, { name, caption, panels, finding }: Chart): Figure | null {
  const named = namedRows(rows);
  const shown = panels.filter(({ value }) => named.some(({ row }) => value(row) !== null));
  if (named.length === 0 || shown.length === 0) return null;
  return { id: idOf(name, label), finding: finding(named), caption, spec: barPanels(named, shown), table: panelTable(`${name}, ${label}`, named, shown) };
}

/** "A 3.2 us to B 5.1 us", or that all have the same. */
function rangeOf(named: readonly NamedRow[], { value, text, unit }: Panel): string {
  const ends = extremesOf(proposals(named), value);
  const spoken = unit.replace(/\/(?:request|conversion)$|^a request$|, (?:mean|most)$/, '');
  const withUnit = (figure: number): string => spoken === 'us' ? formatTime(figure) : `${text(figure)}${spoken === '' ? '' : ` ${spoken}`}`;
  if (ends === undefined) {
    const [only] = proposals(named).length > 0 ? proposals(named) : named;
    const figure = value(only.row);
    return figure === null ? `no figure for ${only.name}` : `${withUnit(figure)} under ${only.name}`;
  }
  if (text(ends.least.value) === text(ends.most.value)) return `${ends.least.value === ends.most.value ? '' : 'about '}${withUnit(ends.least.value)} under every policy`;
  return `${withUnit(ends.least.value)} under ${listed(ends.least.names, 3)}, ${withUnit(ends.most.value)} under ${listed(ends.most.names, 3)}`;
}

/* ---- rmap ---- */

const RMAP: readonly Panel[] = [
  { title: 'time of rmap walks', unit: 'us/request', value: (row) => ratio(total(row, 'rmap', 'ns') / 1000, requests(row)), text: formatFigure },
  { title: 'VMAs visited', unit: 'a request', value: (row) => ratio(total(row, 'rmap', 'vmasVisited'), requests(row)), text: formatFigure },
  { title: 'entries zapped', unit: 'a request', value: (row) => ratio(total(row, 'rmap', 'entriesZapped'), requests(row)), text: formatFigure },
  { title: 'TLB flushes and IPIs', unit: 'a request', value: (row) => ratio(total(row, 'tlb', 'flushes') + total(row, 'tlb', 'ipis'), requests(row)), text: formatFigure },
];

export const rmapFigure = (group: Group): Figure | null =>
  figureOf(group, {
    name: 'rmap',
    caption: 'For each to-private request: time charged by rmap walks, VMAs visited and entries zapped in them, TLB flushes with their IPIs. A policy that leaves unmapping to the VMM walks nothing here and pays in the phase of the VMM.',
    panels: RMAP,
    finding: (named) => `Walking the rmap costs a conversion ${rangeOf(named, RMAP[0])}`,
  });

/* ---- signals and refusals ---- */

const REFUSALS: readonly Panel[] = [
  { title: 'SIGBUS', unit: 'signals', value: (row) => total(row, 'signals', 'SIGBUS'), text: formatCount },
  { title: 'SIGSEGV', unit: 'signals', value: (row) => total(row, 'signals', 'SIGSEGV'), text: formatCount },
  { title: 'conversions refused', unit: 'attempts', value: (row) => totalOf(row, 'conversions', 'toPrivate', 'refused'), text: formatCount },
  { title: 'conversions given up', unit: 'requests', value: (row) => total(row, 'conversions', 'toPrivate', 'gaveUp') + total(row, 'conversions', 'toPrivate', 'timedOut'), text: formatCount },
  { title: 'mmap failures', unit: 'calls', value: (row) => totalOf(row, 'errors', 'mmap'), text: formatCount },
  { title: 'GUP failures', unit: 'calls', value: (row) => totalOf(row, 'errors', 'gup'), text: formatCount },
  { title: 'degraded', unit: 'accesses', value: (row) => total(row, 'degraded'), text: formatCount },
  { title: 'rogue accesses', unit: 'accesses', value: (row) => total(row, 'safety', 'rogueAccesses'), text: formatCount },
];

export const refusalsFigure = (group: Group): Figure | null =>
  figureOf(group, {
    name: 'refusals',
    caption: 'Counts over all cells of a row: whom a policy turns away, and what it lets through. No rogue access seen is no proof that there can be none.',
    panels: REFUSALS,
    finding: refusalsFinding,
  });

/** Of figures that a sentence can hold. */
const TOLD_MAX = 5;

function refusalsFinding(named: readonly NamedRow[]): string {
  const shown = proposals(named).length > 0 ? proposals(named) : named;
  const worst = REFUSALS.flatMap((panel) => {
    const top = shown.map(({ name, row }) => ({ name, count: panel.value(row) ?? 0 })).reduce((most, one) => (one.count > most.count ? one : most));
    return top.count === 0 ? [] : [`${panel.title} ${formatCount(top.count)} (${top.name})`];
  });
  if (worst.length === 0) return 'No policy turned anybody away: no signal, no refusal, no failed call';
  const quiet = shown.filter(({ row }) => REFUSALS.every(({ value }) => (value(row) ?? 0) === 0)).map(({ name }) => name);
  return `Most of each: ${worst.slice(0, TOLD_MAX).join(', ')}${quiet.length === 0 ? '' : `; nobody is turned away by ${listed(quiet, 3)}`}`;
}

/* ---- bystanders ---- */

const blockedUs = (row: SummaryRow, lock: string): number | null => ratio((countsOf(row, 'lockBlockedNs')[lock] ?? 0) / 1000, bothDirections(row, 'requested'));

const BYSTANDERS: readonly Panel[] = [
  { title: 'lost by others', unit: 'us/conversion', value: (row) => ratio(total(row, 'lostNs') / 1000, bothDirections(row, 'succeeded')), text: formatFigure },
  { title: 'interrupted', unit: 'us/request', value: (row) => ratio(total(row, 'bystanderNs') / 1000, bothDirections(row, 'requested')), text: formatFigure },
  { title: 'blocked by invalidate_lock', unit: 'us/request', value: (row) => blockedUs(row, 'invalidate'), text: formatFigure },
  { title: 'blocked by mmap_lock', unit: 'us/request', value: (row) => blockedUs(row, 'mmap'), text: formatFigure },
];

export const bystandersFigure = (group: Group): Figure | null =>
  figureOf(group, {
    name: 'bystanders',
    caption: 'What the conversions of some cost tasks that convert nothing: all of it, then interrupts, and waiting for two locks, which converters wait for too.',
    panels: BYSTANDERS,
    finding: (named) => `Each conversion takes from others ${rangeOf(named, BYSTANDERS[0])}`,
  });

/* ---- any table ---- */

/** The columns of a table that have figures, a panel each. */
export function blockFigure(group: Group, { columns, isShown = () => true }: Block, nth: number): Figure | null {
  const rows = namedRows(group.rows);
  if (!isShown(group.rows)) return null;
  const panels = columns.filter(({ figure }) => rows.some(({ row }) => figure(row) !== null)).map(({ head, figure, text }): Panel => ({
    title: head.join(' '),
    unit: '',
    value: figure,
    text: (value) => {
      const shown = rows.find(({ row }) => figure(row) === value);
      return shown === undefined ? formatFigure(value) : text(shown.row).split('\n').join(', ');
    },
  }));
  const [first] = panels;
  if (first === undefined) return null;
  return figureOf(group, { name: `table ${nth}`, caption: 'The figures of the table as bars, each on its own scale.', panels, finding: (named) => `${first.title}: ${rangeOf(named, first)}` });
}

/* ---- memory ---- */

const MEMORY: readonly Panel[] = MEMORY_COLUMNS.map(({ head, figure }): Panel => {
  const words = head.join(' ');
  const isShare = words.includes('%');
  const unit = isShare ? (words.includes('accesses') ? '% of accesses' : '% of mapped bytes') : 'MiB';
  const title = words.replace(/ (?:mean %|% accesses|(?:mean |most )?MiB)$/, '').replace(' no HVO', ', no HVO').replace(' with HVO', ', HVO');
  return { title, unit: `${unit}${/ mean /.test(words) && !isShare ? ', mean' : / most /.test(words) ? ', most' : ''}`, value: figure, text: isShare ? formatPercent : formatFigure };
});

export const memoryFigure = (group: Group): Figure | null =>
  figureOf(group, {
    name: 'memory',
    caption: 'What is held: struct pages of the populated memory with and without HVO, page tables of the host, guest memory that stands twice; and what the guest keeps of its large leaves. Means over virtual time, most over cells.',
    panels: MEMORY.filter(({ value }) => namedRows(group.rows).some(({ row }) => (value(row) ?? 0) > 0)),
    finding: memoryFinding,
  });

function memoryFinding(named: readonly NamedRow[]): string {
  const [coverage, , , , , , peak] = MEMORY;
  const isCovered = named.some(({ row }) => (coverage.value(row) ?? 0) > 0);
  return isCovered ? `Large leaves map ${rangeOf(named, coverage)}; peak memory is ${rangeOf(named, peak)}` : `Peak memory is ${rangeOf(named, peak)}; no large leaf maps anything`;
}
