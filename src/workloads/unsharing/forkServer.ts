/**
 * fork-server: a server forks a worker for each batch of requests, and sends answers out of a buffer that it registers behind the fork.
 * A second thread of the server takes requests meanwhile: each fork write-protects its pages and keeps it from faulting, and each flush
 * interrupts it.
 *
 * The buffer's pages are shared with the worker when they are pinned for reading. Suffers: who pins what it finds sends old answers;
 * who fails serves nothing; who unshares copies the buffer in every round, though the worker never looks at it.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { childrenOf, deviceReads, exits, forks, inParts, openRounds, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const BUFFER_PAGES = 16;
const REQUESTS = 64;
/** Requests that the second thread takes in a round. */
const TAKEN_REQUESTS = 2 * REQUESTS;

export const forkServer: Workload = {
  name: 'fork-server',
  summary: 'Forks a worker a batch and pins its send buffer behind the fork: stale answers, no answers, or a copy of the buffer each time.',
  open(options) {
    const { pageCount } = options;
    const children = childrenOf(options);
    const handle = (requests: number): Part => [requests, (batch, at, nth, _round, random) =>
      put(batch, at, nth & 1 ? AnonymousAccess.Write : AnonymousAccess.Read, BUFFER_PAGES + below(random, pageCount - BUFFER_PAGES))];
    return openRounds({
      workload: forkServer.name,
      options,
      slots: 1,
      slotPages: BUFFER_PAGES,
      actors: [
        inParts('server', 0, [
          writes(0, BUFFER_PAGES),
          forks(1, children),
          takes(AnonymousAccess.PinLongRead, 0, 0, BUFFER_PAGES),
          writes(0, BUFFER_PAGES),
          deviceReads(0),
          unpins(0),
        ]),
        inParts('listener', 0, [handle(TAKEN_REQUESTS)]),
        ...Array.from({ length: children }, (_, nth) => inParts(`worker${nth + 1}`, nth + 1, [handle(REQUESTS), exits])),
      ],
    });
  },
};
