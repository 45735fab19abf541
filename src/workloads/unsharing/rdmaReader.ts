/**
 * rdma-reader: memory regions for remote reads only, registered before anybody has written to them, or behind a fork; peers read them for
 * as long as they are registered.
 *
 * Nothing but the zero page is there at first. Suffers: who pins that serves zeros for ever; who fails cannot register a fresh
 * allocation; who unshares allocates at once what the process may never write.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { putRange } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const REGION_PAGES = 64;
/** The part of a region that the process fills. */
const FILLED_PAGES = 16;
const READS = 4;

export const rdmaReader: Workload = {
  name: 'rdma-reader',
  summary: 'Memory regions for remote reads, registered before they are filled: peers read zeros for ever, registration fails, or all of it is allocated at once.',
  open(options) {
    const fresh: Part = [1, (batch, at) => putRange(batch, at, AnonymousAccess.DontNeed, 0, REGION_PAGES)];
    return openRounds({
      workload: rdmaReader.name,
      options,
      slots: 2,
      slotPages: REGION_PAGES,
      actors: [
        inParts('server', 0, [
          fresh,
          reads(0, REGION_PAGES),
          takes(AnonymousAccess.PinLongRead, 0, 0, REGION_PAGES),
          writes(0, FILLED_PAGES),
          deviceReads(0, READS),
          writes(REGION_PAGES, REGION_PAGES),
          forks(1),
          takes(AnonymousAccess.PinLongRead, 1, REGION_PAGES, REGION_PAGES),
          writes(REGION_PAGES, FILLED_PAGES),
          deviceReads(1, READS),
          unpins(1),
          unpins(0),
        ]),
        inParts('helper', 1, [reads(REGION_PAGES, REGION_PAGES), exits]),
      ],
    });
  },
};
