/**
 * many-mappings: V mappings of the file in each of P processes (vhost-user back ends, a migration helper, a crash dumper),
 * all of which have touched the pages that convert; children that are forked and inherit the mappings.
 *
 * Every conversion has P x V mappings to visit and as many entries to zap: the rmap walk's worst case. Recorded guests have
 * one mapping of one process. Suffers: kernels that walk, and VMMs that have to unmap everywhere first.
 *
 * A back end learns late that the guest has taken a page back, so some of its accesses come to pages that are private just
 * then. That part is hostile, and no stream can avoid it: back ends run beside the guest.
 */
import { below, createRandom, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Actor, Workload } from '../workload.ts';
import { requirePages, shareOf, sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, createActor, opened, put, putHost, putRange } from './stream.ts';
import type { Plan } from './stream.ts';

const PROCESSES_MIN = 2;
/** Pages of a vCPU that convert; few, so that soon every process has an entry for each of them in each mapping. */
const CONVERTING_PAGES = 16;
/** Mappings that a vCPU's VMM code touches after a conversion, at most. */
const TOUCHED_WINDOWS_MAX = 16;
/** The guest's own accesses between two conversions. */
const GUEST_ACCESSES = 12;
/** One access in 512 of a back end is a fork. */
const FORK_MASK = 511;
/** One in eight goes to a page that converts. */
const HOSTILE_MASK = 7;
/** Back ends start when the guest has shared its pages; a request takes some microseconds. */
const BACK_ENDS_START_NS = 1_000_000;

/** The pages of a vCPU: those that convert come first, the others stay shared. */
const convertingOf = ({ count }: Extent): number => Math.min(CONVERTING_PAGES, count >> 1);

function planGuest(area: Extent, pageCount: number, random: RandomState, windows: number): Plan {
  const converting = convertingOf(area);
  const touched = Math.min(windows, TOUCHED_WINDOWS_MAX);
  let isSetUp = false;
  let next = 0;
  let window = 0;
  return (batch, from) => {
    let at = from;
    if (!isSetUp) {
      isSetUp = true;
      at = putRange(batch, at, Access.ToShared, area.first, area.count);
    }
    const page = area.first + next;
    next = next + 1 === converting ? 0 : next + 1;
    at = put(batch, at, Access.ToPrivate, page);
    at = put(batch, at, Access.GuestWrite, page);
    at = put(batch, at, Access.ToShared, page);
    for (let i = 0; i < touched; i++) {
      at = putHost(batch, at, Access.HostWrite, page, window);
      window = window + 1 === windows ? 0 : window + 1;
    }
    for (let i = 0; i < GUEST_ACCESSES; i++) {
      at = put(batch, at, nextInt32(random) & 3 ? Access.GuestRead : Access.GuestWrite, below(random, pageCount));
    }
    return at;
  };
}

function planBackEnd(areas: readonly Extent[], random: RandomState, windows: number): Plan {
  let isStarted = false;
  let window = 0;
  return (batch, from) => {
    let at = from;
    if (!isStarted) {
      isStarted = true;
      batch.atNs[at] = BACK_ENDS_START_NS;
    }
    for (const end = from + PLAN_LENGTH; at < end; ) {
      const area = areas[below(random, areas.length)];
      const converting = convertingOf(area);
      const bits = nextInt32(random);
      const steady = area.first + converting + below(random, area.count - converting);
      if ((bits & FORK_MASK) === 0) at = put(batch, at, Access.Fork, steady);
      else {
        const hostile = ((bits >>> 9) & HOSTILE_MASK) === 0;
        const page = hostile ? area.first + below(random, converting) : steady;
        at = putHost(batch, at, bits & 0x10000 ? Access.HostRead : Access.HostWrite, page, window);
      }
      window = window + 1 === windows ? 0 : window + 1;
    }
    return at;
  };
}

export const manyMappings: Workload = {
  name: 'many-mappings',
  summary: 'Every page mapped many times in several processes, with forks; rmap walks and munmap dances suffer.',
  open(options) {
    const { pageCount, accessCount, seed, vcpus, windowsPerProcess } = options;
    const processes = Math.max(PROCESSES_MIN, options.processes);
    const count = vcpus + processes;
    requirePages('many-mappings', options, count);
    const zone = sharedZone(pageCount);
    const areas = Array.from({ length: vcpus }, (_, index) => sliceOf(zone, index, vcpus));
    const guests = areas.map((area, index): Actor => {
      const plan = planGuest(area, pageCount, createRandom(seed, index), windowsPerProcess);
      return createActor({ name: `vcpu${index}`, accessCount: shareOf(accessCount, index, count), plan });
    });
    const backEnds = Array.from({ length: processes }, (_, process): Actor => {
      const index = vcpus + process;
      const plan = planBackEnd(areas, createRandom(seed, index), windowsPerProcess);
      return createActor({ name: `back-end${process}`, role: 'vmm', process, accessCount: shareOf(accessCount, index, count), plan });
    });
    return opened({ actors: [...guests, ...backEnds] });
  },
};
