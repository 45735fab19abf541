/** Where the latency of a conversion goes: its phases as stacked bars, what is done beside what is waited for. */
import { PHASES, type Phase } from '../../../model/operations.ts';
import { formatFigure, formatPercent, formatTime } from '../../numbers.ts';
import { total, type Group, type SummaryRow } from '../../rows.ts';
import { listed, namedRows, proposals, type Figure, type NamedRow } from '../figure.ts';
import { idOf } from '../markup.ts';
import { CHART_WIDTH, COLOR, FONT_SIZE, SERIES, widthOf } from '../theme.ts';
import { ROW_HEIGHT, nameAxis, nameWidth } from './barPanels.ts';

/** In words, and whether it is time in which the conversion stands still. */
const PHASE_FACTS: Readonly<Record<Phase, { readonly name: string; readonly isWaiting: boolean }>> = {
  exit: { name: 'exit and resume', isWaiting: false },
  stage2: { name: 'stage-2', isWaiting: false },
  rmap: { name: 'rmap walk and zap', isWaiting: false },
  tlb: { name: 'TLB flush', isWaiting: false },
  splitMerge: { name: 'split and merge', isWaiting: false },
  bookkeeping: { name: 'bookkeeping', isWaiting: false },
  vmm: { name: `the VMM's work`, isWaiting: false },
  lockWait: { name: 'lock waits', isWaiting: true },
  referenceWait: { name: 'reference waits', isWaiting: true },
  backoff: { name: 'back-off', isWaiting: true },
};
const ORDER = (Object.keys(PHASE_FACTS) as readonly Phase[]).filter((phase) => PHASES.includes(phase));
const colorOf = (phase: Phase): string => SERIES[ORDER.indexOf(phase) % SERIES.length];

/** Mean microseconds of a phase for each request that succeeded; null where none did. */
export function phaseUs(row: SummaryRow, phase: Phase): number | null {
  const succeeded = total(row, 'conversions', 'toPrivate', 'succeeded');
  return succeeded === 0 ? null : total(row, 'phasesNs', 'toPrivate', phase) / succeeded / 1000;
}

const sumUs = (row: SummaryRow, phases: readonly Phase[]): number => phases.reduce((sum, phase) => sum + (phaseUs(row, phase) ?? 0), 0);

/** Null where nothing was converted. */
export function phasesFigure({ label, rows }: Group): Figure | null {
  const named = namedRows(rows).filter(({ row }) => phaseUs(row, 'exit') !== null);
  const phases = ORDER.filter((phase) => named.some(({ row }) => (phaseUs(row, phase) ?? 0) > 0));
  if (phases.length === 0) return null;
  const halves = [false, true].map((isWaiting) => phases.filter((phase) => PHASE_FACTS[phase].isWaiting === isWaiting)).filter((half) => half.length > 0);
  return {
    id: idOf('phases', label),
    finding: findingOf(named, phases),
    caption: 'Mean time of a to-private request that succeeded, in us, by phase; the phases add up to its latency. Work on the left and waiting on the right, each on its own scale.',
    legend: phases.map((phase) => ({ name: PHASE_FACTS[phase].name, color: colorOf(phase), isArea: true })),
    spec: phasesSpec(named, halves),
    table: {
      caption: `phases of a to-private request in us, ${label}`,
      corner: 'policy',
      head: [...phases.map((phase) => ({ text: PHASE_FACTS[phase].name, unit: 'us' })), { text: 'sum', unit: 'us' }],
      rows: named.map(({ name, row }) => ({
        name,
        isMeasure: row.isMeasure,
        cells: [...phases.map((phase) => phaseUs(row, phase) ?? 0), sumUs(row, phases)].map((us) => ({ text: formatFigure(us), value: us })),
      })),
    },
  };
}

function phasesSpec(named: readonly NamedRow[], halves: readonly (readonly Phase[])[]) {
  const left = nameWidth(named);
  const width = Math.floor((CHART_WIDTH - left) / halves.length) - 24;
  return { spacing: 24, hconcat: halves.map((half, nth) => halfSpec(named, half, { width, left: nth === 0 ? left : null })) };
}

function halfSpec(named: readonly NamedRow[], half: readonly Phase[], { width, left }: { readonly width: number; readonly left: number | null }) {
  const totals = named.map(({ name, row }) => ({ name, sum: sumUs(row, half), label: formatFigure(sumUs(row, half)) }));
  const most = Math.max(...totals.map(({ sum }) => sum));
  const labelWidth = Math.max(...totals.map(({ label }) => widthOf(label))) + 8;
  // Ends of the pieces are given: what lies on what is no matter of sorting.
  const pieces = named.flatMap(({ name, row }) => {
    let end = 0;
    return half.flatMap((phase) => {
      const us = phaseUs(row, phase) ?? 0;
      const start = end;
      end += us;
      return us === 0 ? [] : [{ name, start, end, color: colorOf(phase), hover: `${name}, ${PHASE_FACTS[phase].name}: ${formatFigure(us)} us` }];
    });
  });
  const y = { field: 'name', type: 'nominal', sort: null, scale: { domain: named.map(({ name }) => name) }, axis: left === null ? null : nameAxis(left) };
  const x = { type: 'quantitative', axis: null, scale: { domain: [0, most === 0 ? 1 : (most * width) / (width - labelWidth)], nice: false } };
  return {
    width,
    height: named.length * ROW_HEIGHT,
    title: { text: PHASE_FACTS[half[0]].isWaiting ? 'waiting' : 'work', subtitle: 'us a request', subtitleColor: COLOR.quiet, subtitleFontSize: FONT_SIZE },
    layer: [
      { data: { values: pieces }, mark: { type: 'bar', height: { band: 0.66 }, stroke: 'var(--card)', strokeWidth: 0.6 }, encoding: { y, x: { ...x, field: 'start' }, x2: { field: 'end' }, color: { field: 'color', type: 'nominal', scale: null }, description: { field: 'hover', type: 'nominal' } } },
      { data: { values: totals }, mark: { type: 'text', align: 'left', baseline: 'middle', dx: 5, aria: false }, encoding: { y, x: { ...x, field: 'sum' }, text: { field: 'label', type: 'nominal' } } },
    ],
  };
}

/** Who is slowest and what of it; and the largest piece of the others. */
function findingOf(named: readonly NamedRow[], phases: readonly Phase[]): string {
  const shown = proposals(named).length > 0 ? proposals(named) : named;
  const largest = ({ row }: NamedRow): Phase => phases.reduce((most, phase) => ((phaseUs(row, phase) ?? 0) > (phaseUs(row, most) ?? 0) ? phase : most), phases[0]);
  const sums = shown.map((one) => ({ one, sum: sumUs(one.row, phases) }));
  const most = sums.reduce((slowest, one) => (one.sum > slowest.sum ? one : slowest), sums[0]);
  const least = sums.reduce((fastest, one) => (one.sum < fastest.sum ? one : fastest), sums[0]);
  const told = ({ one, sum }: (typeof sums)[number]): string => {
    const phase = largest(one);
    return `${formatTime(sum)}, ${formatPercent((phaseUs(one.row, phase) ?? 0) / sum)} % of it ${PHASE_FACTS[phase].name}`;
  };
  const namesOf = (sum: number): string => listed(sums.filter((one) => one.sum === sum).map(({ one }) => one.name), 3);
  if (most.sum === least.sum) return `A conversion takes ${told(most)}${shown.length === 1 ? `, under ${most.one.name}` : ' under every policy'}`;
  return `A conversion takes ${told(least)}, under ${namesOf(least.sum)}; and ${told(most)}, under ${namesOf(most.sum)}`;
}
