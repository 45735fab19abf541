/** How far the order of the policies rests on guessed prices: for each estimate that can change it, its range and where two policies change places. */
import type { CostProfile } from '../../../simulate/costs.ts';
import { DEFAULT_CHECK } from '../../../policies/policy.ts';
import { formatFigure } from '../../numbers.ts';
import { stabilityOf } from '../../order.ts';
import type { OrderFlip, OrderStability } from '../../orderStability.ts';
import type { Group } from '../../rows.ts';
import type { Figure } from '../figure.ts';
import { idOf } from '../markup.ts';
import { logScale } from '../scale.ts';
import { CHART_WIDTH, COLOR, widthOf } from '../theme.ts';
import { ROW_HEIGHT, nameAxis } from './barPanels.ts';

export interface PriceFigure {
  readonly finding: string;
  /** Null where no price changes anything. */
  readonly figure: Figure | null;
}

/** Prices that are drawn; the table has all. */
const DRAWN_MAX = 14;

/** Null where there is no order: fewer than two whole rows. */
export function priceFigure(group: Group, profile: CostProfile): PriceFigure | null {
  const labelled = stabilityOf(group, profile);
  if (labelled === null) return null;
  const stability = withShortNames(labelled);
  const { flips, estimatedPrices, order } = stability;
  if (flips.length === 0) {
    return { finding: `The order is stable: each of ${estimatedPrices} estimated prices can go to its low and to its high end, and ${order[0]} stays first and ${order[order.length - 1]} last.`, figure: null };
  }
  const operations = [...new Set(flips.map(({ operation }) => operation))];
  const top = flips.filter(({ ahead }) => ahead === order[0]);
  const finding = `${operations.length} of ${estimatedPrices} estimated prices can change the order; ${top.length === 0 ? `none of them takes the first place from ${order[0]}` : `${new Set(top.map(({ operation }) => operation)).size} of them can take the first place from ${order[0]}`}`;
  const nearest = nearestFlips(stability);
  return {
    finding,
    figure: {
      id: idOf('prices', group.label),
      finding,
      caption: `Each bar is the range of one estimated price, as a multiple of the estimate, on a logarithmic axis; the mark is where two policies change places, all other prices as they are.${nearest.length > DRAWN_MAX ? ` The ${DRAWN_MAX} that need the smallest change are drawn.` : ''}`,
      spec: pricesSpec(nearest.slice(0, DRAWN_MAX)),
      table: {
        caption: `changes of order by one estimated price, ${group.label}`,
        corner: 'price',
        head: [{ text: 'estimate', unit: 'ns' }, { text: 'end', unit: 'ns' }, { text: 'changes at', unit: 'ns' }, { text: 'who passes whom' }],
        rows: nearest.map(({ operation, ns, end, endNs, crossingNs, ahead, passedBy, more }) => ({
          name: operation,
          cells: [{ text: formatFigure(ns), value: ns }, { text: `${formatFigure(endNs)} (${end})`, value: endNs }, { text: formatFigure(crossingNs), value: crossingNs }, { text: `${passedBy} passes ${ahead}${more === 0 ? '' : `, and ${more} more`}` }],
        })),
      },
    },
  };
}

/** The usual check goes without saying. */
function withShortNames({ order, flips, estimatedPrices }: OrderStability): OrderStability {
  const short = (label: string): string => label.replace(` (${DEFAULT_CHECK})`, '').replace(`(${DEFAULT_CHECK}, `, '(');
  return { order: order.map(short), estimatedPrices, flips: flips.map((flip) => ({ ...flip, ahead: short(flip.ahead), passedBy: short(flip.passedBy) })) };
}

interface NearestFlip extends OrderFlip {
  /** Further pairs that change places on the same way. */
  readonly more: number;
}

/** The first flip of each price in each direction, those first that need the smallest part of the way. */
function nearestFlips({ flips }: OrderStability): readonly NearestFlip[] {
  const isSame = (a: OrderFlip, b: OrderFlip): boolean => a.operation === b.operation && a.end === b.end;
  return flips.filter((flip, at) => flips.findIndex((other) => isSame(flip, other)) === at).map((flip) => ({ ...flip, more: flips.filter((other) => isSame(flip, other)).length - 1 }));
}

/** A price of nothing has no multiples: its bar begins at the smallest that is drawn. */
const timesOf = (ns: number, estimate: number): number => (estimate === 0 ? 1 : Math.max(ns / estimate, 0.01));

function pricesSpec(flips: readonly NearestFlip[]): Readonly<Record<string, unknown>> {
  const values = flips.map(({ operation, end, ns, endNs, crossingNs, ahead, passedBy, more }) => {
    const name = `${operation} ${end === 'low' ? '↓' : '↑'}`;
    const text = `${passedBy} passes ${ahead}${more === 0 ? '' : ` +${more}`}`;
    return { name, from: Math.min(1, timesOf(endNs, ns)), to: Math.max(1, timesOf(endNs, ns)), at: timesOf(crossingNs, ns), text, hover: `${operation}: estimate ${formatFigure(ns)} ns, ${end} end ${formatFigure(endNs)} ns; at ${formatFigure(crossingNs)} ns ${passedBy} passes ${ahead}` };
  });
  const left = Math.max(...values.map(({ name }) => widthOf(name))) + 8;
  const right = Math.max(...values.map(({ text }) => widthOf(text)));
  const width = Math.max(280, CHART_WIDTH - left - right - 30);
  const { domain, ticks } = logScale(values.flatMap(({ from, to }) => [from, to]));
  const y = { field: 'name', type: 'nominal', sort: null };
  const x = { type: 'quantitative', scale: { type: 'log', domain, nice: false }, axis: { title: 'times the estimate', values: ticks, labelExpr: `datum.value + ' x'`, grid: true, domain: false, ticks: false, labelOverlap: true } };
  return {
    spacing: 10,
    data: { values },
    hconcat: [
      {
        width,
        height: { step: ROW_HEIGHT },
        layer: [
          { mark: { type: 'bar', height: { band: 0.5 }, color: COLOR.measure, opacity: 0.75 }, encoding: { y: { ...y, axis: nameAxis(left) }, x: { ...x, field: 'from' }, x2: { field: 'to' }, description: { field: 'hover', type: 'nominal' } } },
          { mark: { type: 'tick', thickness: 3, color: COLOR.bad, size: 18 }, encoding: { y, x: { ...x, field: 'at' }, description: { field: 'hover', type: 'nominal' } } },
        ],
      },
      { width: right, height: { step: ROW_HEIGHT }, mark: { type: 'text', align: 'left', baseline: 'middle', aria: false }, encoding: { y: { ...y, axis: null }, x: { value: 0 }, text: { field: 'text', type: 'nominal' } } },
    ],
  };
}
