/**
 * Two figures that two runs on one host should agree about, whatever else they measured: what one more mapping of a page costs a hole, and what a
 * fault costs. Medians over the points, without any fit.
 */
import { medianOf } from './fit.ts';
import type { Point } from './points.ts';

export interface RepeatFigures {
  /** Nanoseconds of a hole for each further VMA that maps a page of it: the slope between one VMA and more. NaN without such points. */
  readonly rmapSlopeNs: number;
  /** Nanoseconds of a fault on a page that the file has. NaN without such points. */
  readonly minorFaultNs: number;
}

export function repeatFigures(points: readonly Point[]): RepeatFigures {
  const holes = points.filter(({ operation, touched, processes, cpus, vmas }) => operation === 'punch' && touched && processes === 1 && cpus === 1 && vmas > 0);
  const slopes = holes.flatMap(({ pages, vmas, dirty, ns }) => {
    const one = holes.find((other) => other.vmas === 1 && other.pages === pages && other.dirty === dirty);
    return vmas === 1 || one === undefined ? [] : [(ns - one.ns) / ((vmas - 1) * pages)];
  });
  const faults = points.flatMap(({ operation, pages, ns }) => (operation === 'fault.minor' ? [ns / pages] : []));
  return { rmapSlopeNs: medianOf(slopes), minorFaultNs: medianOf(faults) };
}

/** Ends in a newline; empty where there are no such points. */
export function formatRepeatFigures(points: readonly Point[]): string {
  const { rmapSlopeNs, minorFaultNs } = repeatFigures(points);
  if (Number.isNaN(rmapSlopeNs) || Number.isNaN(minorFaultNs)) return '';
  return `medians that should repeat to 10 %: ${rmapSlopeNs.toFixed(1)} ns of a hole for each further VMA that maps a page, ${minorFaultNs.toFixed(1)} ns of a fault on a page of the file\n`;
}
