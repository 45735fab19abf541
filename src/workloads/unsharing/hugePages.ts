/**
 * huge-pages: memory that khugepaged has collapsed to huge pages, a fork, and a buffer that is pinned in the middle of each of them.
 *
 * Suffers: an unshare of one page takes the PMD to pieces and copies 4 KiB, and the process loses the huge page until the next collapse;
 * the other policies lose it at the next write all the same.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { REGION_PAGES } from '../synthetic/layout.ts';
import { put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const BUFFER_PAGES = 8;
const REGIONS_MAX = 4;
const BUFFER_AT = 100;

export const hugePages: Workload = {
  name: 'huge-pages',
  summary: 'Collapsed huge pages, a fork, and a buffer pinned in the middle of each: unsharing takes the PMD to pieces, a page at a time.',
  open(options) {
    const regions = Math.min(REGIONS_MAX, Math.floor(options.pageCount / REGION_PAGES));
    const all = Array.from({ length: regions }, (_, region) => region * REGION_PAGES);
    const collapse: Part = [regions, (batch, at, nth) => put(batch, at, AnonymousAccess.Collapse, nth * REGION_PAGES)];
    return openRounds({
      workload: hugePages.name,
      options,
      slots: regions,
      slotPages: BUFFER_PAGES,
      actors: [
        inParts('parent', 0, [
          ...all.map((first) => writes(first, REGION_PAGES / 4)),
          collapse,
          forks(1),
          ...all.flatMap((first, slot) => [
            takes(AnonymousAccess.PinLongRead, slot, first + BUFFER_AT, BUFFER_PAGES),
            writes(first + BUFFER_AT, BUFFER_PAGES),
            deviceReads(slot),
            unpins(slot),
          ]),
        ]),
        inParts('child', 1, [...all.map((first) => writes(first, 1)), exits]),
      ],
    });
  },
};
