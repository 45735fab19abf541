/**
 * read-only-ring: a ring of pages that the guest writes and the host only has to read, as a console, a log, or the transmit side of
 * a device does. The guest shares a page, asks that the host may only read it, fills it several times while the host reads along, and
 * takes it back.
 *
 * One round in 32 a thread of the VMM writes to the page by mistake, which is what the third state is against: under a policy that has
 * it the write ends as a signal, under all others it changes what the guest has written and nobody notices.
 * A policy without that state answers EINVAL, and the page stays as it was shared before, writable: a guest that finds the request
 * unsupported goes on so. All policies get the same stream and do the same work; that answer costs nothing, as if the guest had asked
 * once at its start, and counts as an access that did not complete.
 */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { sharedZone, sliceOf } from './layout.ts';
import type { Extent } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

const RING_PAGES = 64;
/** The guest fills a page so often while it is shared, and the host reads it as often. */
const FILLS = 4;
const ROUND_LENGTH = 5 + 2 * FILLS;
const MISTAKE_ONE_IN = 32;

function planRing({ first, count }: Extent, random: RandomState, windows: number): Plan {
  const pages = Math.min(count, RING_PAGES);
  let next = 0;
  return (batch, from) => {
    let at = from;
    while (at + ROUND_LENGTH <= from + PLAN_LENGTH) {
      const page = first + next;
      const window = below(random, windows);
      at = put(batch, at, Access.GuestWrite, page);
      at = put(batch, at, Access.ToShared, page);
      at = put(batch, at, Access.ToReadOnly, page);
      for (let fill = 0; fill < FILLS; fill++) {
        at = put(batch, at, Access.GuestWrite, page);
        at = putHost(batch, at, Access.HostRead, page, window);
      }
      if (below(random, MISTAKE_ONE_IN) === 0) at = putHost(batch, at, Access.HostWrite, page, window);
      at = put(batch, at, Access.ToPrivate, page);
      next = next + 1 === pages ? 0 : next + 1;
    }
    return at;
  };
}

export const readOnlyRing: Workload = {
  name: 'read-only-ring',
  summary: 'Pages that the guest writes and the host only reads, with a rare write by mistake; all that let the host write suffer.',
  onRequest: true,
  open(options) {
    const zone = sharedZone(options.pageCount);
    const actors = createVcpus('read-only-ring', options, ({ index, random }) => planRing(sliceOf(zone, index, options.vcpus), random, options.windowsPerProcess));
    return opened({ actors });
  },
};
