/**
 * converters: every other vCPU converts pages of its own part of the file all the time, the ones between them only use their memory.
 *
 * It stands for a guest of many CPUs whose drivers share and take back their buffers at once, all of it one file with one
 * invalidate_lock, one i_mmap and one mm. Suffers: whoever converts beside others that convert, and whoever does not convert at all:
 * a fault of theirs waits for the lock, a flush interrupts them. `--vcpus 2` to `--vcpus 128` are 1 to 64 converters beside as many
 * bystanders; with `--vcpus 1` nobody is beside the one. Bystanders have most of the accesses, because a conversion takes about as
 * long as several faults: both kinds are at work for most of the run.
 */
import { below, createRandom, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { requirePages, sharesOf, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, createActor, opened, put, putHost } from './stream.ts';
import type { Plan } from './stream.ts';

/** Pages that a converter has in turn. */
const RING_PAGES = 32;
const ROUND_LENGTH = 5;
/** One access of a bystander in four is the first touch of a page, as long as it has one. */
const FRESH_MASK = 3;
/** Accesses of a bystander for each one of a converter. */
const BYSTANDER_WEIGHT = 4;

function planConverter({ first, count }: Extent, random: RandomState, windows: number): Plan {
  const pages = Math.min(count, RING_PAGES);
  return (batch, from) => {
    let at = from;
    while (at + ROUND_LENGTH <= from + PLAN_LENGTH) {
      const page = first + below(random, pages);
      at = put(batch, at, Access.GuestWrite, page);
      at = put(batch, at, Access.ToShared, page);
      at = putHost(batch, at, Access.HostWrite, page, below(random, windows));
      at = put(batch, at, Access.ToPrivate, page);
      at = put(batch, at, Access.GuestRead, page);
    }
    return at;
  };
}

function planBystander({ first, count }: Extent, random: RandomState): Plan {
  let touched = 0;
  return (batch, from) => {
    let at = from;
    while (at < from + PLAN_LENGTH) {
      const bits = nextInt32(random);
      const isFresh = touched === 0 || ((bits & FRESH_MASK) === 0 && touched < count);
      if (isFresh) at = put(batch, at, Access.GuestWrite, first + touched++);
      else at = put(batch, at, bits & 0x40 ? Access.GuestRead : Access.GuestWrite, first + below(random, touched));
    }
    return at;
  };
}

export const converters: Workload = {
  name: 'converters',
  summary: 'Half of the vCPUs convert pages of one file at once; those beside them, which only use their memory, suffer.',
  onRequest: true,
  open(options) {
    const { pageCount, vcpus, accessCount, seed, windowsPerProcess } = options;
    requirePages('converters', options, vcpus);
    const converts = (index: number): boolean => index % 2 === 0;
    const shares = sharesOf(accessCount, Array.from({ length: vcpus }, (_, index) => (converts(index) ? 1 : BYSTANDER_WEIGHT)));
    const actors = shares.map((share, index) => {
      const own = sliceOf({ first: 0, count: pageCount }, index, vcpus);
      const random = createRandom(seed, index);
      const plan = converts(index) ? planConverter(own, random, windowsPerProcess) : planBystander(own, random);
      return createActor({ name: `vcpu${index}`, accessCount: share, plan });
    });
    return opened({ actors });
  },
};
