/** Every policy, in the order of the documents: the measures first, then the five that the project was founded on. */
import { disallowGup } from './conversion/disallow-gup.ts';
import { exclusivePin } from './conversion/exclusive-pin.ts';
import { folioMmapped } from './conversion/folio-mmapped.ts';
import { lowerBound, nullPolicy } from './conversion/reference.ts';
import { refuseMmap } from './conversion/refuse-mmap.ts';
import { sigbusOnFault } from './conversion/sigbus-on-fault.ts';
import { split4k } from './conversion/split-4k.ts';
import type { ConversionPolicy } from './policy.ts';

export const policies: readonly ConversionPolicy[] = [
  nullPolicy,
  lowerBound,
  sigbusOnFault,
  folioMmapped,
  refuseMmap,
  disallowGup,
  split4k,
  exclusivePin,
];
