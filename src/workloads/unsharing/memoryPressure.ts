/**
 * memory-pressure: a process that pins what it sends, and forks now and then, is at the limit of its memory: a second thread of it
 * allocates, and takes pages of the process to swap to do so (direct reclaim).
 *
 * A page that was exclusive stays so in swap, and a pin of it needs no copy; one that a fork has shared is shared in swap, too. Suffers:
 * pins wait for the swap device, under every policy; reclaim cannot take what is pinned.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put, putRange } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const PAGES = 64;
const SENT_PAGES = 16;
const SENDS = 4;
/** Pages that the second thread allocates in a round, one page to swap for each: it is at work about as long as the first. */
const ALLOCATED_PAGES = 64;

export const memoryPressure: Workload = {
  name: 'memory-pressure',
  summary: 'Reclaim swaps while a process forks and pins: what was exclusive comes back exclusive, and needs no copy; what is pinned stays.',
  open(options) {
    const send = [takes(AnonymousAccess.PinRead, 0, 0, SENT_PAGES), writes(0, SENT_PAGES), deviceReads(0), unpins(0)];
    const allocate: Part = [2 * ALLOCATED_PAGES, (batch, at, nth, _round, random) =>
      nth & 1 ? put(batch, at, AnonymousAccess.Write, PAGES + (nth >> 1)) : put(batch, at, AnonymousAccess.SwapOut, below(random, PAGES))];
    const giveBack: Part = [1, (batch, at) => putRange(batch, at, AnonymousAccess.DontNeed, PAGES, ALLOCATED_PAGES)];
    return openRounds({
      workload: memoryPressure.name,
      options,
      slots: 1,
      slotPages: SENT_PAGES,
      actors: [
        inParts('sender', 0, [writes(0, PAGES), ...Array.from({ length: SENDS }, () => send).flat(), forks(1), ...send]),
        inParts('allocator', 0, [allocate, giveBack]),
        inParts('child', 1, [reads(0, PAGES), exits]),
      ],
    });
  },
};
