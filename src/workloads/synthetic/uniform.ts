/**
 * uniform: a steady guest whose accesses have no locality at all, such as a large hash table or a random-access database.
 *
 * Suffers: whatever works by region. Every 2 MiB region is touched soon and filled late, and with large folios each of
 * them is split by somebody. Recorded guests are the opposite (all but 5 to 13 touched regions full, next-page share 72 to
 * 98 %): this is the flat end of the range, not a typical guest.
 */
import { nextInt32, scaleBits } from '../random.ts';
import type { RandomState } from '../random.ts';
import type { StreamWorkload } from '../streams.ts';
import { STEADY_IO_DEPTH, holdsUnlessBuffered, steadyVcpus } from './steadyGuest.ts';
import type { ChoosePages } from './steadyMix.ts';
import { opened } from './stream.ts';

/** Pages of [0, pageCount), all equally likely. */
export function chooseUniform(random: RandomState, pageCount: number): ChoosePages {
  return (pages) => {
    for (let i = 0; i < pages.length; i++) pages[i] = scaleBits(nextInt32(random), pageCount);
  };
}

export const uniform: StreamWorkload = {
  name: 'uniform',
  summary: 'A steady guest without locality; policies that work by 2 MiB region suffer.',
  holdsIo: holdsUnlessBuffered,
  drawsConversions: true,
  open(options) {
    return opened({
      actors: steadyVcpus('uniform', options, (_, random) => chooseUniform(random, options.pageCount)),
      ioDepth: STEADY_IO_DEPTH * options.vcpus,
    });
  },
};
