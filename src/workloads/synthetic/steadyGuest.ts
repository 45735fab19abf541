/**
 * What `uniform`, `zipf` and `hot-set` have in common: every vCPU does the same mix and owns a slice of the shared zone,
 * half of which the guest asks to share before anything else. They differ in the pages that the guest touches.
 */
import { createRandom } from '../random.ts';
import type { RandomState } from '../random.ts';
import type { StreamOptions } from '../streams.ts';
import { Access } from '../workload.ts';
import type { Actor, WorkloadOptions } from '../workload.ts';
import { requirePages, shareOf, sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { mixOf, planSteadyMix } from './steadyMix.ts';
import type { ChoosePages, Mix } from './steadyMix.ts';
import { createActor } from './stream.ts';
import type { Plan } from './stream.ts';

/**
 * In per cent of all accesses; the guest's own are the other 86. Recorded guests reach their shared pool about as often
 * (49 706 maps and unmaps beside 182 998 first touches, each followed by many accesses that no trace shows), and convert
 * only at boot: the 2 % are the debate's busy guest, high enough for conversions to matter and low enough to be steady.
 */
const STEADY_SHARES = { host: 8, io: 4, conversion: 2 } as const;
export const STEADY_MIX = mixOf(STEADY_SHARES);

/** In per cent: the share of conversions that leaves a steady guest no loads and stores of its own. */
export const CONVERT_SHARE_MAX = 100 - STEADY_SHARES.host - STEADY_SHARES.io;

/** The mix with another share of conversions, taken from the guest's own accesses: those of the host, and I/O, keep their shares. */
export const steadyMixOf = ({ convertShare }: Pick<StreamOptions, 'convertShare'>): Mix =>
  convertShare === undefined ? STEADY_MIX : mixOf({ ...STEADY_SHARES, conversion: convertShare });

/** Short I/O that may be in flight, for each vCPU: the depth of a virtio-blk queue under light load. */
export const STEADY_IO_DEPTH = 8;

/** `Access.Io`, or the copy that takes no reference where I/O is buffered. */
export const ioKindOf = ({ io }: Pick<WorkloadOptions, 'io'>): number => (io === 'buffered' ? Access.Copy : Access.Io);

/** For workloads whose I/O is `ioKindOf` and nothing else. */
export const holdsUnlessBuffered = ({ io }: Pick<WorkloadOptions, 'io'>): boolean => io === 'direct';

/** The plan of one vCPU of a steady guest that converts the pages of `owned`. */
export function planSteadyGuest(options: StreamOptions, owned: Extent, choosePages: ChoosePages, random: RandomState): Plan {
  return planSteadyMix({
    mix: steadyMixOf(options),
    random,
    choosePages,
    ownedPages: pagesOf(owned),
    ownedCount: owned.count,
    setup: { kind: 'range', count: owned.count >> 1 },
    windows: options.windowsPerProcess,
    ioKind: ioKindOf(options),
  });
}

/** The vCPUs of a steady guest. @param chooser how vCPU `index` chooses the guest's pages */
export function steadyVcpus(
  name: string,
  options: StreamOptions,
  chooser: (index: number, random: RandomState, accessCount: number) => ChoosePages,
): readonly Actor[] {
  const { vcpus, accessCount, seed } = options;
  requirePages(name, options, vcpus);
  const zone = sharedZone(options.pageCount);
  return Array.from({ length: vcpus }, (_, index) => {
    const random = createRandom(seed, index);
    const share = shareOf(accessCount, index, vcpus);
    return createActor({
      name: `vcpu${index}`,
      accessCount: share,
      plan: planSteadyGuest(options, sliceOf(zone, index, vcpus), chooser(index, random, share), random),
    });
  });
}

export function* pagesOf({ first, count }: Extent, step = 1): Generator<number> {
  for (let page = first; page < first + count; page += step) yield page;
}
