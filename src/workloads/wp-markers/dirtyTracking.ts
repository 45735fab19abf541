/** dirty-tracking: the kernel resolves faults by itself, and a scan asks what was written since the last one. */
import { requirePages } from '../synthetic/layout.ts';
import { opened } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import type { OpenedWpWorkload } from './access.ts';
import { CALL_PAGES, RECLAIM_PAGES, actorsOf, rounds, scattered, threads, worker } from './parts.ts';

export const dirtyTracking: Workload = {
  name: 'dirty-tracking',
  summary: 'live migration asks in rounds which pages were written (PAGEMAP_SCAN, asynchronous), under memory pressure: a page that it is not told of arrives stale at the destination',
  open(options): OpenedWpWorkload {
    requirePages('dirty-tracking', options, 1);
    const { pageCount, vcpus } = options;
    const plans = [
      ...threads(vcpus, 90, worker(pageCount, 50)),
      {
        name: 'migration',
        percent: 6,
        plan: () => {
          const calls = Math.ceil(pageCount / CALL_PAGES);
          const protect = rounds(pageCount, CALL_PAGES, WpAccess.Protect);
          const scan = rounds(pageCount, CALL_PAGES, WpAccess.ScanProtect);
          let next = 0;
          return (batch: Parameters<typeof scan>[0], at: number, remaining: number) => (next++ < calls ? protect(batch, at, remaining) : scan(batch, at, remaining));
        },
      },
      { name: 'kswapd', percent: 4, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.Reclaim) },
    ];
    return { ...opened({ actors: actorsOf(plans, options) }), launch: [[0, pageCount]], wpAsync: true };
  },
};
