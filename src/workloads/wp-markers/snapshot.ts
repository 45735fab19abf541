/** snapshot: a running snapshot of a guest's memory in shmem, while the host is short of it. */
import { requirePages } from '../synthetic/layout.ts';
import { opened } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { RECLAIM_PAGES, actorsOf, scattered, snapshotter, threads, worker } from './parts.ts';

export const snapshot: Workload = {
  name: 'snapshot',
  summary: 'a VMM saves its guest while it runs, and the host swaps: a page that comes back without its bit is saved with what was written later, and the snapshot is no state that ever was',
  open(options) {
    requirePages('snapshot', options, 1);
    const { pageCount, vcpus } = options;
    const plans = [
      ...threads(vcpus, 90, worker(pageCount, 50)),
      { name: 'snapshotter', percent: 6, plan: snapshotter(pageCount) },
      { name: 'kswapd', percent: 4, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.Reclaim) },
    ];
    return { ...opened({ actors: actorsOf(plans, options) }), launch: [[0, pageCount]] };
  },
};
