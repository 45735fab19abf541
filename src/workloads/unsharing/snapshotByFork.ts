/**
 * snapshot-by-fork: a database in memory forks a child that reads all of it and writes it out, while the parent goes on; its log goes
 * out with O_DIRECT, from pages that are pinned for as long as a write lasts.
 *
 * Suffers: the parent, by a copy a page that it writes while the child is there; and by one a page of the log where pins unshare,
 * unless it has written the page already, which it has: a log is written before it is sent.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const LOG_PAGES = 4;
/** Pages of the database that are in use; the child reads all of them. */
const DATA_PAGES_MAX = 2048;
const UPDATES = 64;
const BATCHES = 8;

export const snapshotByFork: Workload = {
  name: 'snapshot-by-fork',
  summary: 'A database forks to save itself and goes on writing, its log by O_DIRECT: each page written meanwhile is copied once, by whoever comes first.',
  open(options) {
    const data = Math.min(DATA_PAGES_MAX, options.pageCount - LOG_PAGES);
    const update: Part = [UPDATES, (batch, at, _nth, _round, random) => put(batch, at, AnonymousAccess.Write, LOG_PAGES + below(random, data))];
    // Every second write of the log sends what was there: a header that nobody has touched since the fork.
    const log = (batch: number): readonly Part[] => [
      ...(batch & 1 ? [] : [writes(0, LOG_PAGES)]),
      takes(AnonymousAccess.PinRead, 0, 0, LOG_PAGES),
      deviceReads(0),
      unpins(0),
    ];
    return openRounds({
      workload: snapshotByFork.name,
      options,
      slots: 1,
      slotPages: LOG_PAGES,
      actors: [
        inParts('database', 0, [
          update,
          forks(1),
          ...Array.from({ length: BATCHES }, (_, batch) => [...log(batch + 1), update]).flat(),
        ]),
        inParts('snapshot', 1, [reads(LOG_PAGES, data), exits]),
      ],
    });
  },
};

