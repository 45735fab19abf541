/** The scene that policies of `wp-markers` are explained by: one page that is written, protected, reclaimed, read, written and punched. */
import { EntryBit, EntryType, entryAt } from '../../model/memory/entries.ts';
import { ZERO_FRAME } from '../../model/memory/frames.ts';
import { Promised } from '../../model/shmem/world.ts';
import type { ShmemWorld } from '../../model/shmem/world.ts';
import { WpAccess } from '../../workloads/wp-markers/access.ts';
import type { ExplainedScene } from '../family.ts';

const PAGE = 5;
const THREAD = 0;
const SNAPSHOTTER = 1;
const KERNEL = 2;

const at = (kind: number): { readonly kind: number; readonly page: number } => ({ kind, page: PAGE });

export const wpMarkersScene: ExplainedScene<ShmemWorld> = {
  scene: `a process maps a shmem file of 8 pages that a userfaultfd is armed for; a thread of it, a snapshotter, and the kernel's own thread that reclaims memory; nobody else is at work. All is about page ${PAGE}`,
  pages: 8,
  processes: [0, 0, 0],
  script: [
    { by: THREAD, access: at(WpAccess.Write) },
    { by: SNAPSHOTTER, access: at(WpAccess.Protect), told: { name: 'protect', asked: 'the snapshotter write-protects the page' } },
    { by: KERNEL, access: at(WpAccess.Reclaim), told: { name: 'reclaim', asked: 'memory is short: the page goes to swap, and its entry is zapped' } },
    { by: THREAD, access: at(WpAccess.Read), told: { name: 'read', asked: 'the thread reads the page' } },
    { by: THREAD, access: at(WpAccess.Write), told: { name: 'write', asked: 'the thread writes to the page: the monitor has to be told first' } },
    { by: SNAPSHOTTER, access: at(WpAccess.Protect) },
    { by: KERNEL, access: at(WpAccess.Punch), told: { name: 'hole punch', asked: 'the page, protected again, is punched out of the file' } },
  ],
  columns: ['entry', 'page', 'protected'],
  legend: 'entry = what the page table has: none, present (w: writable), marker, or PROTNONE, with wp where the write-protect bit is set; page = where the file has its page; protected = what was promised to the snapshotter.',
  view: (world) => [entryText(world), pageText(world), world.promise[entryAt(world, 0, PAGE)] === Promised.Nothing ? 'no' : 'yes'],
  lockWords: ({ mmapLock, rmapLock, inodeLock }) => ({ Mmap: mmapLock, IMmap: rmapLock, Invalidate: inodeLock }),
};

function entryText(world: ShmemWorld): string {
  const place = entryAt(world, 0, PAGE);
  const bits = world.entry[place];
  const wp = bits & EntryBit.UffdWp ? '+wp' : '';
  if (bits & EntryBit.Present) {
    if ((bits & EntryBit.ProtNone) === 0) return `present${bits & EntryBit.Write ? '+w' : ''}${wp}`;
    return world.entryTarget[place] === ZERO_FRAME + 1 ? `PROTNONE zero${wp}` : `PROTNONE${wp}`;
  }
  return (bits & EntryBit.Type) === EntryType.Marker ? `marker${wp}` : 'none';
}

function pageText({ cacheFrame, swapped }: ShmemWorld): string {
  if (cacheFrame[PAGE] !== 0) return 'page cache';
  return swapped[PAGE] === 1 ? 'swap' : 'hole';
}
