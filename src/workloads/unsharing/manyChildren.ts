/**
 * many-children: a tree of processes, each forked by the one above it (process n by process (n - 1) / 2), all with the same pages; each
 * writes some, and sends some that it has not written.
 *
 * Suffers: whoever is high in the tree shares each page with most others. The run has `processes` of them, at least 3.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const PROCESSES_MIN = 3;
const PAGES = 64;
const SENT_PAGES = 8;
const WRITES = 16;

export const manyChildren: Workload = {
  name: 'many-children',
  summary: 'A tree of forked processes over the same pages, each writing some and sending others: one copy more for every process that pins what all share.',
  open(options) {
    const processes = Math.max(PROCESSES_MIN, options.processes);
    const write: Part = [WRITES, (batch, at, _nth, _round, random) => put(batch, at, AnonymousAccess.Write, SENT_PAGES + below(random, PAGES - SENT_PAGES))];
    return openRounds({
      workload: manyChildren.name,
      options,
      slots: processes,
      slotPages: SENT_PAGES,
      actors: Array.from({ length: processes }, (_, process) => {
        const first = 2 * process + 1;
        const children = Math.max(0, Math.min(2, processes - first));
        return inParts(`process${process}`, process, [
          ...(process === 0 ? [writes(0, PAGES)] : []),
          ...(children > 0 ? [forks(first, children)] : []),
          takes(AnonymousAccess.PinRead, process, 0, SENT_PAGES),
          write,
          writes(0, SENT_PAGES),
          deviceReads(process),
          unpins(process),
          ...(process === 0 ? [] : [exits]),
        ]);
      }),
    });
  },
};
