/**
 * vmsplice-pipe: pages go into a pipe by reference (FOLL_GET), a child is forked, both go on writing, and the pipe is read later.
 *
 * A get promises nothing but that the page stays alive, and no policy of pins changes it. Suffers: the writers, who copy what somebody
 * else refers to; the reader of the pipe gets what the page was, or what it has become.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, takes, unpins, writes } from './rounds.ts';

const PIPE_PAGES = 16;

export const vmsplicePipe: Workload = {
  name: 'vmsplice-pipe',
  summary: 'Pages in a pipe by reference, read after a fork and more writes: no pin, no promise, the same under every policy; writers copy.',
  open: (options) =>
    openRounds({
      workload: vmsplicePipe.name,
      options,
      slots: 2,
      slotPages: PIPE_PAGES,
      actors: [
        inParts('parent', 0, [
          writes(0, PIPE_PAGES),
          takes(AnonymousAccess.Splice, 0, 0, PIPE_PAGES),
          forks(1),
          writes(0, PIPE_PAGES),
          deviceReads(0),
          unpins(0),
        ]),
        inParts('child', 1, [takes(AnonymousAccess.Splice, 1, 0, PIPE_PAGES), writes(0, PIPE_PAGES), deviceReads(1), unpins(1), exits]),
      ],
    }),
};
