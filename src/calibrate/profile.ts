/**
 * A cost profile from a fit: what the points tell apart is measured here, the rest stands as it was and says so.
 *
 * Prices are those of the operations; what a call costs beside them (`TERMS`) is in no profile and is told in its method.
 */
import type { OperationName } from '../model/operations.ts';
import { COSTS_SCHEMA } from '../simulate/costs.ts';
import type { CostProfile, Price } from '../simulate/costs.ts';
import type { FittedPrice } from './fit.ts';
import { errorFigures } from './fitPoints.ts';
import type { FittedPoints } from './fitPoints.ts';
import type { PointsRecord } from './points.ts';
import { TERMS } from './terms.ts';

/** The text of a profile, for `--costs FILE.json`. @param prior what the fit began with */
export function formatProfile(name: string, record: PointsRecord, fitted: FittedPoints, prior: CostProfile): string {
  const { environment, hypervisor, backing, date } = record;
  const { fit, checked } = fitted;
  const seen = errorFigures(checked.filter(({ heldBack }) => heldBack === null));
  const unseen = errorFigures(checked.filter(({ heldBack }) => heldBack !== null));
  const terms = TERMS.flatMap((term, at) => (fit.termNs[at] >= 1 ? [`${term.name} ${Math.round(fit.termNs[at])} ns`] : []));
  const method = [
    `foliobench calibrate on a ${backing}: non-negative least squares of ${seen.count} points against what the model does at each,`,
    `median error ${percent(seen.medianPercent)}; of ${unseen.count} points held back ${percent(unseen.medianPercent)}, at most ${percent(unseen.largestPercent)}.`,
    `Beside the operations a call costs: ${terms.join(', ')}.`,
    `What was not measured here is as in ${prior.name}.`,
  ].join(' ');
  const prices = Object.fromEntries(fit.prices.map((price, at) => [price.operation, priceOf(price, prior.prices[at], prior, backing)]));
  const profile = { schema: COSTS_SCHEMA, name, machine: `${environment.cpuModel}, ${environment.cpus ?? '?'} CPUs`, kernel: `Linux ${environment.kernel}`, hypervisor, method, date, prices };
  return `${JSON.stringify(profile, null, 2)}\n`;
}

const percent = (value: number): string => `${value.toFixed(1)} %`;

function priceOf({ operation, ns, lowNs, highNs, source, together }: FittedPrice, before: Price, prior: CostProfile, backing: string): object {
  if (together.length === 0) return { ns, low: lowNs, high: highNs, source, reference: `Not measured here; as in ${prior.name}: ${before.reference}` };
  const alone = together.length === 1;
  const surroundings = SURROUNDINGS[operation] ?? '';
  const reference = eighths(ns) === 0
    ? `Fitted to calls on a ${backing} of this machine, and came out as nothing: what it costs is in the prices of what comes with it.`
    : alone
    ? `Fitted to calls on a ${backing} of this machine.${surroundings}`
    : `Fitted to calls on a ${backing} of this machine, as a part of ${together.join(' + ')}, which always come together: the sum was measured, the shares are those of ${prior.name}.`;
  return { ns: eighths(ns), low: eighths(lowNs), high: eighths(highNs), source, reference };
}

/** What a reader has to know of where it was measured. */
const SURROUNDINGS: Partial<Readonly<Record<OperationName, string>>> = {
  'fork': ' The process had nothing but mappings of the file: a VMM has memory of its own, whose page tables a fork copies.',
};

/** As a profile is read: multiples of 1/8 ns. */
const eighths = (ns: number): number => Math.round(ns * 8) / 8;
