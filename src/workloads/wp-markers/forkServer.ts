/** fork-server: a tracked process forks children that write, half of them tracked too, while reclaim looks for their entries. */
import { below, createRandom } from '../random.ts';
import { requirePages } from '../synthetic/layout.ts';
import { createActor, opened, put, putSlot } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { CALL_PAGES, RECLAIM_PAGES, rounds, scattered, worker } from './parts.ts';

/** What parent and child do between a birth and the next. */
const PARENT_ACCESSES = 120;
const CHILD_ACCESSES = 120;
const CHILD = 1;
const SNAPSHOTTER_PERCENT = 6;
const RECLAIM_PERCENT = 1;

export const forkServer: Workload = {
  name: 'fork-server',
  summary: 'a server over shared memory forks a child for each job, half of them with fork events: where the child\'s entries are left to faults, what it writes is lost to the monitor',
  open(options) {
    requirePages('fork-server', options, 1);
    const { pageCount, accessCount, seed } = options;
    const usedPages = Math.min(pageCount, 4096);
    const snapshots = Math.floor((accessCount * SNAPSHOTTER_PERCENT) / 100);
    const reclaims = Math.floor((accessCount * RECLAIM_PERCENT) / 100);
    // Every birth has its end: a child that is waited for in vain would wait for ever.
    const births = Math.floor((accessCount - snapshots - reclaims) / (PARENT_ACCESSES + 1 + CHILD_ACCESSES + 1));
    const rest = accessCount - snapshots - reclaims - births * (PARENT_ACCESSES + 1 + CHILD_ACCESSES + 1);
    const parentRandom = createRandom(seed, 0);
    const parent = worker(usedPages, 30)(parentRandom);
    const child = worker(usedPages, 50)(createRandom(seed, 1));
    let parentNext = 0;
    let childNext = 0;
    return {
      ...opened({
        actors: [
          createActor({
            name: 'server',
            role: 'vmm',
            accessCount: births * (PARENT_ACCESSES + 1) + rest,
            plan(batch, at, remaining) {
              const place = parentNext++ % (PARENT_ACCESSES + 1);
              if (place !== 0 || remaining <= rest) return parent(batch, at, remaining);
              return putSlot(batch, at, below(parentRandom, 2) === 0 ? WpAccess.ForkWithEvents : WpAccess.Fork, CHILD, 0, 1);
            },
          }),
          createActor({
            name: 'child',
            role: 'vmm',
            process: CHILD,
            accessCount: births * (CHILD_ACCESSES + 1),
            plan: (batch, at, remaining) => (childNext++ % (CHILD_ACCESSES + 1) === CHILD_ACCESSES ? put(batch, at, WpAccess.Exit, 0) : child(batch, at, remaining)),
          }),
          createActor({ name: 'snapshotter', role: 'vmm', accessCount: snapshots, plan: rounds(usedPages, CALL_PAGES, WpAccess.Protect) }),
          createActor({ name: 'kswapd', role: 'vmm', accessCount: reclaims, plan: scattered(usedPages, RECLAIM_PAGES, WpAccess.Reclaim)(createRandom(seed, 3)) }),
        ],
      }),
      launch: [[0, usedPages]],
    };
  },
};
