/**
 * hot-set: a steady guest that works on a small part of its memory and moves on in phases, as batch jobs and garbage
 * collectors do: seven of eight accesses go to a window of 1/32 of memory, which jumps eight times in a run.
 *
 * Suffers: what was set up for the last phase (stage-2 leaves, populated pages, large mappings) and has to be built again.
 * Recorded guests move on in the same way, region after region: a region fills within 5 to 30 ms of its first touch.
 */
import { below, createRandom, nextInt32, scaleBits } from '../random.ts';
import type { RandomState } from '../random.ts';
import type { StreamWorkload } from '../streams.ts';
import { STEADY_IO_DEPTH, holdsUnlessBuffered, steadyVcpus } from './steadyGuest.ts';
import type { ChoosePages } from './steadyMix.ts';
import { opened } from './stream.ts';

const PHASES = 8;
const WINDOW_SHARE = 32;
const WINDOW_PAGES_MAX = 65_536;
/** One access in eight goes anywhere. */
const COLD_MASK = 7;
/** The stream of random numbers that places the windows; vCPUs have the low numbers. */
const WINDOW_STREAM = 0x686f74;

function chooseHot(random: RandomState, pageCount: number, windowStart: Uint32Array, windowPages: number, accessCount: number): ChoosePages {
  let given = 0;
  return (pages) => {
    const start = windowStart[Math.min(PHASES - 1, Math.floor((given * PHASES) / accessCount))];
    for (let i = 0; i < pages.length; i++) {
      const cold = (nextInt32(random) & COLD_MASK) === 0;
      const place = nextInt32(random);
      pages[i] = cold ? scaleBits(place, pageCount) : start + scaleBits(place, windowPages);
    }
    given += pages.length;
  };
}

export const hotSet: StreamWorkload = {
  name: 'hot-set',
  summary: 'A steady guest whose hot 1/32 of memory moves in phases; whatever was built for the last phase suffers.',
  holdsIo: holdsUnlessBuffered,
  drawsConversions: true,
  open(options) {
    const { pageCount, seed } = options;
    const windowPages = Math.min(Math.floor(pageCount / WINDOW_SHARE), WINDOW_PAGES_MAX);
    const places = createRandom(seed, WINDOW_STREAM);
    const windowStart = Uint32Array.from({ length: PHASES }, () => below(places, pageCount - windowPages + 1));
    return opened({
      actors: steadyVcpus('hot-set', options, (_, random, accessCount) => chooseHot(random, pageCount, windowStart, windowPages, accessCount)),
      ioDepth: STEADY_IO_DEPTH * options.vcpus,
    });
  },
};
