/**
 * misbehaving-vmm: a steady guest beside host threads that know nothing of shareability. One reads and writes anywhere, one
 * pins and splices anywhere, one keeps mapping pages that the guest wants private; and the guest itself asks, now and
 * then, for a page beyond the end of the file.
 *
 * Broken or attacked VMMs, and the reason for all the mails: what a policy does to them (signals, errors, refusals) and
 * what they can do to the guest (rogue accesses, exposures, conversions that starve). No recorded guest has such a host.
 */
import { below, createRandom, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { StreamWorkload } from '../streams.ts';
import type { Actor, WorkloadOptions } from '../workload.ts';
import { requirePages, sharedZone, sharesOf, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { holdsUnlessBuffered, ioKindOf, planSteadyGuest } from './steadyGuest.ts';
import { PLAN_LENGTH, createActor, opened, put, putHost, putIo, putRange, putSlot } from './stream.ts';
import type { Plan } from './stream.ts';
import { chooseUniform } from './uniform.ts';

/** A vCPU has three times the accesses of a hostile thread. */
const VCPU_WEIGHT = 3;
/** Once in 1024 accesses the first vCPU asks for something beyond the end of the file. */
const BEYOND_EVERY = 1024;
const BEYOND_PAGES = 16;
/** Buffers that the pinning thread holds at one time, and their pages. */
const SLOTS = 8;
const SLOT_PAGES = 4;
const IO_DEPTH = 8;
const IO_HOLD_NS = 50_000;
/** Pages of a vCPU that convert; few, so that hostile threads often meet one that does. */
const OWNED_PAGES_MAX = 64;
/** Pages that the mapping thread unmaps and maps again. */
const REMAPPED_PAGES = 16;

const isOneIn = (bits: number, power: number): boolean => (bits & (power - 1)) === 0;

/** Half of the accesses go to the pages that convert, where a page may be on either side; the others go anywhere. */
function anyPage(pageCount: number, zonePages: number, random: RandomState): number {
  return below(random, nextInt32(random) & 1 ? zonePages : pageCount);
}

function planGuest(options: WorkloadOptions, zone: Extent, index: number, random: RandomState): Plan {
  const steady = planSteadyGuest(options, sliceOf(zone, index, options.vcpus), chooseUniform(random, options.pageCount), random);
  let sinceRequest = 0;
  return (batch, from, remaining) => {
    if (index === 0 && sinceRequest >= BEYOND_EVERY) {
      sinceRequest = 0;
      return put(batch, from, Access.ToShared, options.pageCount + below(random, BEYOND_PAGES));
    }
    const at = steady(batch, from, remaining);
    sinceRequest += at - from;
    return at;
  };
}

function planToucher({ pageCount, windowsPerProcess }: WorkloadOptions, zonePages: number, random: RandomState): Plan {
  return (batch, from) => {
    let at = from;
    for (const end = from + PLAN_LENGTH; at < end; ) {
      const kind = nextInt32(random) & 1 ? Access.HostRead : Access.HostWrite;
      at = putHost(batch, at, kind, anyPage(pageCount, zonePages, random), below(random, windowsPerProcess));
    }
    return at;
  };
}

/** Fills its slots one after the other and empties the oldest; what the kernel refused is skipped there. */
function planPinner(options: WorkloadOptions, zonePages: number, random: RandomState): Plan {
  const { pageCount, windowsPerProcess } = options;
  const kinds = [Access.PinShort, Access.PinLong, Access.Splice] as const;
  const ioKind = ioKindOf(options);
  const pageOf = new Uint32Array(SLOTS);
  const pagesOf = new Uint32Array(SLOTS);
  let oldest = 0;
  let held = 0;
  return (batch, from) => {
    let at = from;
    for (const end = from + PLAN_LENGTH; at < end; ) {
      const bits = nextInt32(random);
      // Half of the buffers are one page: of larger ones some page is nearly always private, and the whole is refused.
      const pages = bits & 0x100 ? 1 : 1 + below(random, SLOT_PAGES);
      const page = Math.min(anyPage(pageCount, zonePages, random), pageCount - pages);
      if (isOneIn(bits, 4)) at = putIo(batch, at, ioKind, page, pages, IO_HOLD_NS);
      else if (held < SLOTS && bits < 0) {
        const slot = (oldest + held++) % SLOTS;
        pageOf[slot] = page;
        pagesOf[slot] = pages;
        batch.window[at] = below(random, windowsPerProcess);
        at = putSlot(batch, at, kinds[below(random, kinds.length)], slot, page, pages);
      } else if (held > 0) {
        const kind = isOneIn(bits >>> 4, 4) ? Access.DeviceAccess : Access.Unpin;
        at = putSlot(batch, at, kind, oldest, pageOf[oldest], pagesOf[oldest]);
        if (kind === Access.DeviceAccess) continue;
        oldest = (oldest + 1) % SLOTS;
        held--;
      }
    }
    return at;
  };
}

/** Unmaps a range and maps it again, whatever the guest wants with it, and looks into it. */
function planMapper({ windowsPerProcess }: WorkloadOptions, zonePages: number, random: RandomState): Plan {
  return (batch, from) => {
    const pages = Math.min(REMAPPED_PAGES, zonePages);
    const page = below(random, zonePages - pages + 1);
    const window = below(random, windowsPerProcess);
    batch.window[from] = window;
    let at = putRange(batch, from, Access.Unmap, page, pages);
    batch.window[at] = window;
    at = putRange(batch, at, Access.Map, page, pages);
    at = putHost(batch, at, Access.HostRead, page + below(random, pages), window);
    return putHost(batch, at, Access.HostWrite, page + below(random, pages), window);
  };
}

export const misbehavingVmm: StreamWorkload = {
  name: 'misbehaving-vmm',
  summary: 'Host threads that touch, pin and map pages that may be private; a policy shows what it does about them.',
  holdsIo: holdsUnlessBuffered,
  open(options) {
    const { pageCount, accessCount, seed, vcpus, processes } = options;
    const hostile = [planToucher, planPinner, planMapper];
    const names = ['toucher', 'pinner', 'mapper'];
    requirePages('misbehaving-vmm', options, vcpus + hostile.length);
    const zone = { first: 0, count: Math.min(sharedZone(pageCount).count, OWNED_PAGES_MAX * vcpus) };
    const shares = sharesOf(accessCount, [...Array<number>(vcpus).fill(VCPU_WEIGHT), ...hostile.map(() => 1)]);
    const actors = shares.map((share, index): Actor => {
      const random = createRandom(seed, index);
      const thread = index - vcpus;
      if (thread < 0) return createActor({ name: `vcpu${index}`, accessCount: share, plan: planGuest(options, zone, index, random) });
      const plan = hostile[thread](options, zone.count, random);
      return createActor({ name: names[thread], role: 'vmm', process: thread % processes, accessCount: share, plan });
    });
    return opened({ actors, slots: SLOTS, slotPages: SLOT_PAGES, ioDepth: IO_DEPTH * (vcpus + 1) });
  },
};
