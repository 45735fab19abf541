/**
 * restored-image: a virtual machine that is restored from an image, a memfd that it maps privately (as Firecracker restores a snapshot): its
 * device buffers are registered before the guest has written to them; a second thread loads the image ahead of the guest.
 *
 * Until the first write the pages are the file's. Suffers: who pins those, and sends the image's old content for ever; who fails cannot
 * restore a machine with devices; who unshares copies the buffers at once, and only them. The page cache is shared by all restored machines.
 * Source: mm/gup.c (gup_must_unshare: long-term pins alone have to keep a page of a file in a private mapping).
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { below } from '../random.ts';
import { put, putRange } from '../synthetic/stream.ts';
import type { Workload } from '../workload.ts';
import { deviceReads, inParts, openRounds, reads, takes, unpins, writes } from './rounds.ts';
import type { OpenedUnsharingWorkload, Part } from './rounds.ts';

const BUFFER_PAGES = 32;
const SENDS = 4;
const LOADS = 128;

export const restoredImage: Workload = {
  name: 'restored-image',
  summary: 'A guest restored from a privately mapped image registers buffers that it has not written: the image goes out, or nothing, or each buffer is copied once.',
  open(options): OpenedUnsharingWorkload {
    const { pageCount } = options;
    const load: Part = [LOADS, (batch, at, _nth, _round, random) => put(batch, at, AnonymousAccess.Read, below(random, pageCount))];
    const restore: Part = [1, (batch, at) => putRange(batch, at, AnonymousAccess.DontNeed, 0, pageCount)];
    return {
      ...openRounds({
        workload: restoredImage.name,
        options,
        slots: 1,
        slotPages: BUFFER_PAGES,
        actors: [
          inParts('guest', 0, [
            restore,
            reads(0, BUFFER_PAGES),
            takes(AnonymousAccess.PinLongRead, 0, 0, BUFFER_PAGES),
            ...Array.from({ length: SENDS }, () => [writes(0, BUFFER_PAGES), deviceReads(0)]).flat(),
            unpins(0),
          ]),
          inParts('loader', 0, [load]),
        ],
      }),
      mapsFile: true,
    };
  },
};
