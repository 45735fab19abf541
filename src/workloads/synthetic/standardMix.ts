/**
 * standard-mix: what the speed of the simulator is measured with. Zipf over the whole guest, 90 % guest accesses, 6 % of the
 * host, 2 % short pins and unpins (a ring of at most 8 a vCPU), 2 % conversions in both directions; every vCPU does all of it.
 *
 * A page of the shared zone, the low sixteenth, belongs to the vCPU `page % vcpus`, so that each stream knows what it asked
 * for while the vCPUs still meet in the same regions and page tables. Not a pattern of a comparison: bench/ alone uses it.
 */
import { createRandom } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { requirePages, shareOf } from './layout.ts';
import { pagesOf } from './steadyGuest.ts';
import { mixOf, planSteadyMix } from './steadyMix.ts';
import { createActor, opened } from './stream.ts';
import { chooseZipf, createZipfPages } from './zipf.ts';

const MIX = mixOf({ host: 6, pin: 2, conversion: 2 });
const PINS = 8;
const ZONE_SHARE = 16;
/** Pages that a vCPU asks to share before the mix begins, one request each: its pages are not next to one another. */
const SHARED_AT_START = 64;

export const standardMix: Workload = {
  name: 'standard-mix',
  summary: 'The mix that the speed of the simulator is measured with.',
  open(options) {
    const { pageCount, accessCount, seed, vcpus, windowsPerProcess } = options;
    requirePages('standard-mix', options, vcpus);
    const zonePages = Math.floor(pageCount / ZONE_SHARE);
    const pages = createZipfPages(pageCount, seed);
    const actors = Array.from({ length: vcpus }, (_, index) => {
      const random = createRandom(seed, index);
      const ownedCount = Math.floor((zonePages - index - 1) / vcpus) + 1;
      const plan = planSteadyMix({
        mix: MIX,
        random,
        choosePages: chooseZipf(pages, random),
        ownedPages: pagesOf({ first: index, count: zonePages - index }, vcpus),
        ownedCount,
        setup: { kind: 'pages', count: Math.min(SHARED_AT_START, ownedCount >> 1) },
        windows: windowsPerProcess,
        ioKind: Access.Io,
        firstSlot: index * PINS,
        slotCount: PINS,
      });
      return createActor({ name: `vcpu${index}`, accessCount: shareOf(accessCount, index, vcpus), plan });
    });
    return opened({ actors, slots: PINS * vcpus });
  },
};
