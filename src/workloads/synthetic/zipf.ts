/**
 * zipf: a steady guest with the skew of caches, web servers and key-value stores: the page of rank k is used as often as 1/k.
 *
 * Popular pages lie together: ranks fill 2 MiB regions one after the other, and the regions are shuffled over memory. That
 * is what the buddy allocator makes of a growing working set (in recorded guests 99 % of first touches are in a region of
 * one of the last eight). Suffers: a policy whose price falls on hot pages, since a few regions take most accesses.
 */
import { below, createRandom } from '../random.ts';
import type { RandomState } from '../random.ts';
import type { StreamWorkload } from '../streams.ts';
import { createZipf, drawRank } from '../zipf.ts';
import type { Zipf } from '../zipf.ts';
import { REGION_BITS, REGION_PAGES } from './layout.ts';
import { STEADY_IO_DEPTH, holdsUnlessBuffered, steadyVcpus } from './steadyGuest.ts';
import type { ChoosePages } from './steadyMix.ts';
import { opened } from './stream.ts';

/** The classical 1 / k. */
export const ZIPF_EXPONENT_QUARTERS = 4;
/** The stream of random numbers that shuffles the regions; vCPUs have the low numbers. */
const SHUFFLE_STREAM = 0x7a697066;

export interface ZipfPages {
  readonly ranks: Zipf;
  /** First page of each run of REGION_PAGES ranks. */
  readonly regionStart: Uint32Array;
}

/** Popularity over all whole 2 MiB regions of the guest; pages behind the last whole one are never drawn. */
export function createZipfPages(pageCount: number, seed: number, exponentQuarters = ZIPF_EXPONENT_QUARTERS): ZipfPages {
  const regions = Math.floor(pageCount / REGION_PAGES);
  const random = createRandom(seed, SHUFFLE_STREAM);
  const regionStart = Uint32Array.from({ length: regions }, (_, region) => region * REGION_PAGES);
  for (let last = regions - 1; last > 0; last--) {
    const other = below(random, last + 1);
    const start = regionStart[last];
    regionStart[last] = regionStart[other];
    regionStart[other] = start;
  }
  return { ranks: createZipf(regions * REGION_PAGES, exponentQuarters), regionStart };
}

export function chooseZipf({ ranks, regionStart }: ZipfPages, random: RandomState): ChoosePages {
  return (pages) => {
    for (let i = 0; i < pages.length; i++) {
      const rank = drawRank(ranks, random);
      pages[i] = regionStart[rank >>> REGION_BITS] + (rank & (REGION_PAGES - 1));
    }
  };
}

export const zipf: StreamWorkload = {
  name: 'zipf',
  summary: 'A steady guest with 1/k popularity; policies whose price falls on hot pages suffer.',
  holdsIo: holdsUnlessBuffered,
  drawsConversions: true,
  open(options) {
    const pages = createZipfPages(options.pageCount, options.seed);
    return opened({
      actors: steadyVcpus('zipf', options, (_, random) => chooseZipf(pages, random)),
      ioDepth: STEADY_IO_DEPTH * options.vcpus,
    });
  },
};
