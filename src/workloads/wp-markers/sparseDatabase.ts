/** sparse-database: a large file that is mostly holes, tracked as a whole. */
import { below } from '../random.ts';
import type { RandomState } from '../random.ts';
import { requirePages } from '../synthetic/layout.ts';
import { opened, put } from '../synthetic/stream.ts';
import type { Plan } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { RECLAIM_PAGES, actorsOf, protector, scattered, threads } from './parts.ts';

/** One page in so many has data. */
const SPARSE = 64;

const sparse = (pages: number) => (random: RandomState): Plan => (batch, at) =>
  put(batch, at, below(random, 100) < 30 ? WpAccess.Write : WpAccess.Read, Math.min(pages - 1, below(random, Math.ceil(pages / SPARSE)) * SPARSE));

export const sparseDatabase: Workload = {
  name: 'sparse-database',
  summary: 'a database with one page of data in 64 is tracked as a whole, and drops its cache of it with MADV_DONTNEED: what is kept for holes is page tables that nobody else needs',
  open(options) {
    requirePages('sparse-database', options, 1);
    const { pageCount, vcpus } = options;
    const plans = [
      ...threads(vcpus, 86, sparse(pageCount)),
      { name: 'tracker', percent: 6, plan: protector(pageCount) },
      { name: 'cache', percent: 4, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.DontNeed) },
      { name: 'kswapd', percent: 4, plan: scattered(pageCount, RECLAIM_PAGES, WpAccess.Reclaim) },
    ];
    return opened({ actors: actorsOf(plans, options) });
  },
};
