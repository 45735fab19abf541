/**
 * all-convert: every access is a conversion of one page, to shared and back, one page after the other. What the conversion
 * rate of the simulator is measured with; bench/ alone uses it.
 */
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, opened, put } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

function planConversions({ first, count }: Extent): Plan {
  let next = 0;
  return (batch, from) => {
    let at = from;
    for (const end = from + PLAN_LENGTH; at < end; ) {
      at = put(batch, at, Access.ToShared, first + next);
      at = put(batch, at, Access.ToPrivate, first + next);
      next = next + 1 === count ? 0 : next + 1;
    }
    return at;
  };
}

export const allConvert: Workload = {
  name: 'all-convert',
  summary: 'Nothing but conversions of single pages, to shared and back.',
  open(options) {
    const zone = sharedZone(options.pageCount);
    return opened({ actors: createVcpus('all-convert', options, ({ index }) => planConversions(sliceOf(zone, index, options.vcpus))) });
  },
};
