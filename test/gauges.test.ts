/**
 * Gauges say what is: at any moment of any run each equals what the world's columns add up to, and their integrals are those
 * of the curves that somebody would draw who looked after every step.
 */
import { describe, expect, test } from 'vitest';
import { GAUGES, Gauge } from '../src/model/gauges.ts';
import { Meter } from '../src/model/meter.ts';
import { recountGauges } from '../src/model/recount.ts';
import { policies } from '../src/policies/index.ts';
import { GaugeRecord, PAGE_BYTES, STRUCT_PAGE_BYTES } from '../src/simulate/gaugeRecord.ts';
import { loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';
import { workloads } from '../src/workloads/index.ts';
import { IS_SOAK } from './tools/library.ts';

const costs = loadCostProfile('published-x86');
/** Steps between two counts, which cost more than the steps; a soak counts more often. */
const SAMPLE_STRIDE = IS_SOAK ? 331 : 1009;
const sizes = { '4 KiB': 0, '2 MiB': 9 } as const;

describe.each(policies)('$name', (policy) => {
  test.each(Object.keys(sizes) as (keyof typeof sizes)[])('has gauges that agree with the world, with folios of %s', async (size) => {
    const complaints: string[] = [];
    for (const workload of workloads) {
      for (const conversion of ['explicit', 'lazy'] as const) {
        let steps = 0;
        const options = { pageCount: 4096, accessCount: 300, seed: 3, vcpus: 2, processes: 2, windowsPerProcess: 1, conversion, dma: 'pool', io: 'direct', pace: 'closed' } as const;
        await run({
          policy,
          workload,
          check: 'refcount',
          costs,
          folioOrder: sizes[size],
          options,
          onStep(world) {
            if (steps++ % SAMPLE_STRIDE !== 0) return;
            const counted = recountGauges(world);
            for (const [at, name] of GAUGES.entries()) {
              const said = world.meter.gauge[at];
              if (said !== counted[at]) complaints.push(`${workload.name}, ${conversion}, step ${steps}: ${name} says ${said}, there are ${counted[at]}`);
            }
          },
        });
      }
    }
    expect(complaints.slice(0, 5)).toEqual([]);
  });
});

describe('the record of gauges', () => {
  test('has the mean over time, the most, the end, and the highest total', () => {
    const meter = new Meter();
    meter.move(Gauge.pages, 4);
    const record = new GaugeRecord(meter);
    meter.move(Gauge.pages, 6);
    meter.move(Gauge.tables, 1);
    record.note(250);
    meter.move(Gauge.pages, -8);
    record.note(750);
    // 4 for 250 ns, 10 for 500, 2 for 250.
    expect(record.mean(Gauge.pages, 1000)).toBe((4 * 250 + 10 * 500 + 2 * 250) / 1000);
    expect([record.max[Gauge.pages], record.end(Gauge.pages), record.mean(Gauge.tables, 1000)]).toEqual([10, 2, 0.75]);
    expect(record.peakBytes).toBe(10 * (PAGE_BYTES + STRUCT_PAGE_BYTES) + PAGE_BYTES);
  });

  test('where no time has passed, the mean is what there is', () => {
    const meter = new Meter();
    meter.move(Gauge.leaves4K, 3);
    expect(new GaugeRecord(meter).mean(Gauge.leaves4K, 0)).toBe(3);
  });
});
