/**
 * The two measures that stand beside the policies: `null`, the harness itself, and `lower-bound`, what no policy that
 * keeps the safety property can beat.
 *
 * Neither is in the debate: nobody argues for them or against them. The one step of `lower-bound` is no step of a real kernel.
 */
import { storeState } from '../../model/convert.ts';
import { EntryBit } from '../../model/entries.ts';
import { Errno } from '../../model/errno.ts';
import { closeWay } from '../../model/exposure.ts';
import { headOf, rangeIs } from '../../model/file.ts';
import { dropReference, removeMapping } from '../../model/folios.ts';
import { Op } from '../../model/operations.ts';
import { isPmd, splitForFree } from '../../model/pmd.ts';
import { clearLeaves, countLeaves } from '../../model/stage2.ts';
import { Flow, end, step } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import type { World } from '../../model/world.ts';
import type { ConversionPolicy } from '../policy.ts';

export const nullPolicy: ConversionPolicy = {
  name: 'null',
  summary: 'no policy: conversions do nothing; what the workload itself and the harness cost',
  family: 'conversion',
  checks: [],
  reference: 'null',
  argument: { idea: 'every request is ignored and every page is shared, so that what is left is the workload and the harness', for: [], against: [], price: 'none', sources: [] },
  rules: () => ({ toPrivate: [end], toShared: [end], ignoresRequests: true }),
};

/** Clears the entries of the range, and no others where a PMD mapped them, at no price but one flush, of one entry, for each mm that had one and runs. */
function unmapForFree(world: World, start: number, end: number): void {
  const { shape, entry } = world;
  for (let mm = 0; mm < shape.mms; mm++) {
    let present = false;
    for (let window = 0; window < shape.windows; window++) {
      if (world.windowMm[window] !== mm || world.windowFlags[window] === 0) continue;
      for (let page = start; page < end; page++) {
        const at = window * shape.pages + page;
        if ((entry[at] & EntryBit.Present) === 0) continue;
        if (shape.pmdMappings && isPmd(world, window, page)) splitForFree(world, window, page);
        present = true;
        entry[at] &= ~(EntryBit.Present | EntryBit.Dirty);
        closeWay(world, page);
        removeMapping(world, page);
        dropReference(world, headOf(world, page), 1);
      }
    }
    if (!present || !runsSomewhere(world, mm)) continue;
    world.meter.charge(Op['tlb.flush']);
    world.meter.charge(Op['tlb.flushEntry']);
  }
}

/** Whether a CPU may have entries of the mm in its TLB; one that hears broadcast flushes is not asked. */
function runsSomewhere({ mm: mms, shape: { cpus, broadcastFlush } }: World, mm: number): boolean {
  for (let cpu = 0; cpu < cpus; cpu++) if (mms[cpu] === mm) return true;
  return broadcastFlush;
}

/** Every leaf over the range costs one zap; what a large one maps beside the range gets its small leaves for free. */
function zapStage2(world: World, start: number, end: number): void {
  const { meter, shape } = world;
  const zapped = countLeaves(world, start, end);
  clearLeaves(world, start, end, start, end, false);
  meter.chargeMany(Op['stage2.zap'], zapped);
  // Nobody is kicked for free, but a TLB that keeps what is gone would be no bound: it would be wrong.
  if (zapped > 0) for (let cpu = 0; cpu < shape.vcpus; cpu++) meter.guestTlb?.flush(cpu);
}

const convertAtOnce = (toPrivate: boolean): Run => {
  const store = storeState(toPrivate);
  return (world, task) => {
    const start = world.rangeStart[task];
    const end = world.rangeEnd[task];
    world.outcome[task] = Errno.OK;
    if (rangeIs(world, start, end, toPrivate)) return Flow.Done;
    if (toPrivate) unmapForFree(world, start, end);
    zapStage2(world, start, end);
    store(world, task);
    return Flow.Done;
  };
};

export const lowerBound: ConversionPolicy = {
  name: 'lower-bound',
  summary: 'no policy: the bare state change and the unavoidable flush; what no safe policy can beat',
  family: 'conversion',
  checks: [],
  reference: 'lower-bound',
  argument: {
    idea:
      'the same requests and the bare change: the exit, the store, one flush for each mm that has a present entry and runs, the zap of a present stage-2 leaf; ' +
      'it takes no lock, waits for nobody and refuses nothing',
    for: [],
    against: [],
    price: 'what no policy that keeps the safety property can go below; it does not keep it',
    sources: [],
  },
  rules: () => ({
    toPrivate: [step('convert', convertAtOnce(true))],
    toShared: [step('convert', convertAtOnce(false))],
    bareRequests: true,
  }),
};
