/** numa-balancing: entries become hints, pages move between nodes, and reclaim takes some. */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';
import { requirePages } from '../synthetic/layout.ts';
import { opened, put, putSlot } from '../synthetic/stream.ts';
import type { Plan } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { CALL_PAGES, RECLAIM_PAGES, actorsOf, rounds, scattered, snapshotter, threads, worker } from './parts.ts';

const migrater = (pages: number) => (random: RandomState): Plan => (batch, at) => put(batch, at, WpAccess.Migrate, below(random, pages));

/** A reader that pins a page for as long as it takes to read it. */
const pinner = (pages: number) => (random: RandomState): Plan => {
  let isHeld = false;
  return (batch, at) => {
    isHeld = !isHeld;
    return isHeld ? putSlot(batch, at, WpAccess.Pin, 0, below(random, pages), 1) : putSlot(batch, at, WpAccess.Unpin, 0, 0, 1);
  };
};

export const numaBalancing: Workload = {
  name: 'numa-balancing',
  summary: 'NUMA balancing turns entries of a tracked memory into PROTNONE hints and moves pages: where PROTNONE means two things each fault has to find out which',
  open(options) {
    requirePages('numa-balancing', options, 1);
    const { pageCount, vcpus } = options;
    const plans = [
      ...threads(vcpus, 81, worker(pageCount, 30)),
      { name: 'snapshotter', percent: 5, plan: snapshotter(pageCount) },
      { name: 'task-numa-work', percent: 5, plan: () => rounds(pageCount, CALL_PAGES, WpAccess.NumaScan) },
      { name: 'migrater', percent: 3, plan: migrater(pageCount) },
      { name: 'rdma', percent: 3, plan: pinner(pageCount) },
      { name: 'kswapd', percent: 3, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.Reclaim) },
    ];
    return { ...opened({ actors: actorsOf(plans, options), slots: 1 }), launch: [[0, pageCount]] };
  },
};
