/** numa-balancing: entries become hints, pages move between nodes, and reclaim takes some. */
import { below } from '../random.ts';
import { requirePages } from '../synthetic/layout.ts';
import { opened, put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { CALL_PAGES, RECLAIM_PAGES, actorsOf, rounds, scattered, snapshotter, threads, worker } from './parts.ts';

export const numaBalancing: Workload = {
  name: 'numa-balancing',
  summary: 'NUMA balancing turns entries of a tracked memory into PROTNONE hints and moves pages: where PROTNONE means two things each fault has to find out which',
  open(options) {
    requirePages('numa-balancing', options, 1);
    const { pageCount, vcpus } = options;
    const plans = [
      ...threads(vcpus, 84, worker(pageCount, 30)),
      { name: 'snapshotter', percent: 5, plan: snapshotter(pageCount) },
      { name: 'task-numa-work', percent: 5, plan: () => rounds(pageCount, CALL_PAGES, WpAccess.NumaScan) },
      { name: 'migrater', percent: 3, plan: (random: Parameters<typeof below>[0]) => (batch: Parameters<typeof put>[0], at: number) => put(batch, at, WpAccess.Migrate, below(random, pageCount)) },
      { name: 'kswapd', percent: 3, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.Reclaim) },
    ];
    return { ...opened({ actors: actorsOf(plans, options) }), launch: [[0, pageCount]] };
  },
};
