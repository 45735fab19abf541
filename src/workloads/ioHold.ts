/**
 * How long a device holds the buffer of each I/O: the same streams, with one time for all of them.
 *
 * Between the submission of an O_DIRECT request and its completion the block layer holds the pages by pins (bio_iov_iter_get_pages,
 * block/bio.c; bio_release_pages at the end), for as long as the device takes: some 10 us on an NVMe drive, milliseconds on a disk or
 * over a network. A workload draws a time for each I/O; here all of them have the one that is asked for, so that what a policy pays
 * for a held page can be seen over that time. Pages, kinds and the order of all else stay as they were.
 */
import { Access } from './workload.ts';
import type { Actor, Batch, Workload } from './workload.ts';

/** The workload with a device that holds the buffer of every `Io` access for `holdNs`. */
export function withIoHold(workload: Workload, holdNs: number): Workload {
  return {
    ...workload,
    async open(options) {
      const opened = await workload.open(options);
      return { ...opened, actors: opened.actors.map((actor) => withHoldsOf(actor, holdNs)) };
    },
  };
}

/** One actor with its I/O held for `holdNs`. */
export function withHoldsOf(actor: Actor, holdNs: number): Actor {
  function hold({ kind, holdNs: holds }: Batch, filled: number): number {
    for (let at = 0; at < filled; at++) {
      if (kind[at] === Access.Io) holds[at] = holdNs;
    }
    return filled;
  }

  return {
    ...actor,
    fill(batch) {
      const filled = actor.fill(batch);
      return typeof filled === 'number' ? hold(batch, filled) : filled.then((later) => hold(batch, later));
    },
  };
}
