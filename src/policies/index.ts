/** Every policy, in the order of the documents: the measures first, then the five that the project was founded on, then the rest of the debate. */
import { disallowGup } from './conversion/disallow-gup.ts';
import { exclusivePin } from './conversion/exclusive-pin.ts';
import { folioMmapped } from './conversion/folio-mmapped.ts';
import { folioPutCallback } from './conversion/folio-put-callback.ts';
import { inPlace } from './conversion/in-place.ts';
import { lowerBound, nullPolicy } from './conversion/reference.ts';
import { migrateLike } from './conversion/migrate-like.ts';
import { readOnlyShared } from './conversion/read-only-shared.ts';
import { refuseMmap } from './conversion/refuse-mmap.ts';
import { separateSharedMemory } from './conversion/separate-shared-memory.ts';
import { sigbusOnFault } from './conversion/sigbus-on-fault.ts';
import { sigsegvOnFault } from './conversion/sigsegv-on-fault.ts';
import { split4k } from './conversion/split-4k.ts';
import { split4kLazy } from './conversion/split-4k-lazy.ts';
import { waitForPins } from './conversion/wait-for-pins.ts';
import type { ConversionPolicy } from './policy.ts';

export const policies: readonly ConversionPolicy[] = [
  nullPolicy,
  lowerBound,
  sigbusOnFault,
  folioMmapped,
  refuseMmap,
  disallowGup,
  split4k,
  split4kLazy,
  waitForPins,
  exclusivePin,
  sigsegvOnFault,
  readOnlyShared,
  separateSharedMemory,
  migrateLike,
  inPlace,
  folioPutCallback,
];
