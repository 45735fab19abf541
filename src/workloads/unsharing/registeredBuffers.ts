/**
 * registered-buffers: io_uring with fixed buffers: some registered for writing before anybody forks, and kept; others registered for
 * reading again and again, behind forks, and of memory that was made read-only in between.
 *
 * Suffers: forks, which copy what is pinned for the child at once, under every policy; who registers again pays or fails by the policy.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { putRange } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, deviceWrites, exits, forks, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';
import type { Part } from './rounds.ts';

const PAGES = 32;
const FORKS = 4;

export const registeredBuffers: Workload = {
  name: 'registered-buffers',
  summary: 'io_uring buffers that live over forks: pages pinned before are copied for each child; those registered behind a fork go stale, fail, or are copied.',
  open(options) {
    const protect = (kind: number): Part => [1, (batch, at) => putRange(batch, at, kind, PAGES, PAGES)];
    const again: readonly Part[] = [
      forks(1),
      deviceWrites(0),
      reads(0, PAGES),
      protect(AnonymousAccess.ProtectRead),
      protect(AnonymousAccess.ProtectWrite),
      takes(AnonymousAccess.PinLongRead, 1, PAGES, PAGES),
      writes(PAGES, PAGES),
      deviceReads(1),
      unpins(1),
    ];
    return openRounds({
      workload: registeredBuffers.name,
      options,
      slots: 2,
      slotPages: PAGES,
      actors: [
        inParts('ring', 0, [
          writes(0, 2 * PAGES),
          takes(AnonymousAccess.PinLongWrite, 0, 0, PAGES),
          ...Array.from({ length: FORKS }, () => again).flat(),
          unpins(0),
        ]),
        inParts('child', 1, Array.from({ length: FORKS }, () => [reads(0, 2 * PAGES), exits]).flat()),
      ],
    });
  },
};
