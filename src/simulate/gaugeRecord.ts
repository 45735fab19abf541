/**
 * What the gauges of a run were over virtual time: their integrals, their largest values, and their values at the end.
 *
 * The integral of a step function over [0, T] is the sum of each change times the time that is left, so that no samples are
 * taken and nothing depends on when somebody looked.
 */
import { GAUGES, Gauge } from '../model/gauges.ts';
import type { Meter } from '../model/meter.ts';

export const PAGE_BYTES = 4096;
/** struct page: 64 bytes for each page of memory. */
export const STRUCT_PAGE_BYTES = 64;

export class GaugeRecord {
  readonly max = new Float64Array(GAUGES.length);
  /** Most bytes at one moment: guest memory, its struct pages, host page tables. */
  peakBytes = 0;
  private readonly meter: Meter;
  private readonly last = new Float64Array(GAUGES.length);
  private readonly moment = new Float64Array(GAUGES.length);

  /** @param meter with the gauges as they stand at t = 0 */
  constructor(meter: Meter) {
    this.meter = meter;
    meter.gaugesMoved = (1 << GAUGES.length) - 1;
    this.note(0);
  }

  /** To be called at the moment at which gauges moved. */
  note(nowNs: number): void {
    const { last, moment, max } = this;
    const { gauge } = this.meter;
    let left = this.meter.gaugesMoved;
    this.meter.gaugesMoved = 0;
    for (; left !== 0; left &= left - 1) {
      const at = 31 - Math.clz32(left & -left);
      const value = gauge[at];
      const change = value - last[at];
      last[at] = value;
      moment[at] += change * nowNs;
      if (value > max[at]) max[at] = value;
    }
    const pages = gauge[Gauge.pages] + gauge[Gauge.privatePages];
    const bytes = pages * (PAGE_BYTES + STRUCT_PAGE_BYTES) + gauge[Gauge.tables] * PAGE_BYTES;
    if (bytes > this.peakBytes) this.peakBytes = bytes;
  }

  /** Mean over [0, endNs]; the value at the end where no time passed. */
  mean(gauge: number, endNs: number): number {
    return endNs === 0 ? this.last[gauge] : this.last[gauge] - this.moment[gauge] / endNs;
  }

  end(gauge: number): number {
    return this.last[gauge];
  }
}
