/** hole-punch: memory is given back while others read around it. */
import { requirePages } from '../synthetic/layout.ts';
import { opened } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { WpAccess } from './access.ts';
import { actorsOf, protector, scattered, threads, worker } from './parts.ts';

/** A balloon gives back this much at a time. */
const HOLE_PAGES = 8;

export const holePunch: Workload = {
  name: 'hole-punch',
  summary: 'a balloon punches holes into memory that others read and write: a reader next to a hole may map a page that is about to go, and a write to it is heard of by nobody',
  open(options) {
    requirePages('hole-punch', options, 1);
    const { pageCount, vcpus } = options;
    // Small enough that holes and readers meet.
    const usedPages = Math.min(pageCount, 2048);
    const plans = [
      ...threads(vcpus, 88, worker(usedPages, 20, usedPages)),
      { name: 'snapshotter', percent: 4, plan: protector(usedPages) },
      { name: 'balloon', percent: 8, plan: scattered(usedPages, HOLE_PAGES, WpAccess.Punch) },
    ];
    return { ...opened({ actors: actorsOf(plans, options) }), launch: [[0, usedPages]] };
  },
};
