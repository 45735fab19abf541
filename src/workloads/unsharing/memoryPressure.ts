/**
 * memory-pressure: reclaim takes pages to swap all the time, while a process that forks now and then pins what it sends.
 *
 * A page that was exclusive stays so in swap, and a pin of it needs no copy; one that a fork has shared is shared in swap, too. Suffers:
 * pins wait for the swap device, under every policy; reclaim cannot take what is pinned.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';

const PAGES = 64;
const SENT_PAGES = 16;
const SENDS = 4;
const RECLAIMED = 96;

export const memoryPressure: Workload = {
  name: 'memory-pressure',
  summary: 'Reclaim swaps while a process forks and pins: what was exclusive comes back exclusive, and needs no copy; what is pinned stays.',
  open(options) {
    const send = [takes(AnonymousAccess.PinRead, 0, 0, SENT_PAGES), writes(0, SENT_PAGES), deviceReads(0), unpins(0)];
    return openRounds({
      workload: memoryPressure.name,
      options,
      slots: 1,
      slotPages: SENT_PAGES,
      actors: [
        inParts('sender', 0, [writes(0, PAGES), ...Array.from({ length: SENDS }, () => send).flat(), forks(1), ...send]),
        inParts('reclaim', 0, [[RECLAIMED, (batch, at, _nth, _round, random) => put(batch, at, AnonymousAccess.SwapOut, below(random, PAGES))]]),
        inParts('child', 1, [reads(0, PAGES), exits]),
      ],
    });
  },
};
