/**
 * ping-pong: one page, or one range of four, changes side all the time, with the host working on it while it is shared:
 * a descriptor or a small message that is shared for each exchange and taken back after it.
 *
 * Even vCPUs convert one page, odd ones four in one request. The price of a conversion and nothing else: the latency that
 * a policy cannot hide. Recorded guests never do this, which is what their 64 MiB pool is for.
 */
import { Access } from '../workload.ts';
import type { Workload } from '../workload.ts';
import { sliceOf } from './layout.ts';
import { PLAN_LENGTH, opened, put, putHost, putRange } from './stream.ts';
import type { Plan } from './stream.ts';
import { createVcpus } from './vcpus.ts';

const RANGE_PAGES = 4;
const ROUND_LENGTH = 8;

function planPingPong(page: number, pages: number, windows: number): Plan {
  let window = 0;
  return (batch, from) => {
    let at = from;
    while (at + ROUND_LENGTH <= from + PLAN_LENGTH) {
      const last = page + pages - 1;
      at = put(batch, at, Access.GuestWrite, page);
      at = putRange(batch, at, Access.ToShared, page, pages);
      at = putHost(batch, at, Access.HostRead, page, window);
      at = putHost(batch, at, Access.HostWrite, last, window);
      at = put(batch, at, Access.GuestRead, last);
      at = putRange(batch, at, Access.ToPrivate, page, pages);
      at = put(batch, at, Access.GuestRead, page);
      // A neighbour that is never shared, in the same large folio.
      at = put(batch, at, Access.GuestWrite, page + pages);
      window = window + 1 === windows ? 0 : window + 1;
    }
    return at;
  };
}

export const pingPong: Workload = {
  name: 'ping-pong',
  summary: 'One page, or four, changes side all the time; whoever converts slowly suffers.',
  open(options) {
    const all = { first: 0, count: options.pageCount };
    const actors = createVcpus('ping-pong', options, ({ index }) => {
      const { first, count } = sliceOf(all, index, options.vcpus);
      return planPingPong(first + (count >> 1), index & 1 ? RANGE_PAGES : 1, options.windowsPerProcess);
    });
    return opened({ actors });
  },
};
