/**
 * The scene that policies of `unsharing` are explained by: a page that is written, shared by a fork, pinned for reading for long, and
 * written again, by the parent while its child lives.
 */
import { EntryBit, EntryType, entryAt } from '../../model/memory/entries.ts';
import { FrameBit } from '../../model/memory/frames.ts';
import type { AnonymousWorld } from '../../model/anonymous/world.ts';
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import type { ExplainedScene } from '../family.ts';

const PAGE = 1;
const PARENT = 0;
const DEVICE = 1;
const CHILD_PROCESS = 1;

export const unsharingScene: ExplainedScene<AnonymousWorld> = {
  scene: `a process with private anonymous memory of 4 pages, which forks; its thread, a second thread that works for a device, and one thread of the child, which does nothing; nobody else is at work. All is about page ${PAGE} in the parent`,
  pages: 4,
  processes: [0, 0, CHILD_PROCESS],
  script: [
    { by: PARENT, access: { kind: AnonymousAccess.Write, page: PAGE } },
    { by: PARENT, access: { kind: AnonymousAccess.Fork, page: CHILD_PROCESS }, told: { name: 'fork', asked: 'the process forks: both have the page from now on' } },
    { by: PARENT, access: { kind: AnonymousAccess.PinLongRead, page: PAGE, slot: 0 }, told: { name: 'pin', asked: 'the parent registers the page for reading (FOLL_PIN | FOLL_LONGTERM): an RDMA region or a fixed buffer' } },
    { by: PARENT, access: { kind: AnonymousAccess.Write, page: PAGE }, told: { name: 'write', asked: 'the parent writes to the page: whom does the device see it by?' } },
    { by: DEVICE, access: { kind: AnonymousAccess.DeviceRead, slot: 0 }, told: { name: 'device read', asked: 'the device reads the buffer' } },
  ],
  columns: ['entry', 'page', 'mapped', 'refs', 'pinned page'],
  legend: 'entry = what the parent\'s page table has (w: writable); page = its frame, with ! where PageAnonExclusive is set; mapped = entries that map that frame, the child\'s among them; refs = its refcount (a pin counts 1024); pinned page = the frame that the buffer has: where it is another, pin and page table have parted.',
  view,
  lockWords: ({ mmapLock, rmapLock }) => ({ Mmap: mmapLock, IMmap: rmapLock }),
};

function view(world: AnonymousWorld): readonly string[] {
  const { entry, entryTarget, frameFlags, frameMaps, frameRefs, slotFrame } = world;
  const place = entryAt(world, 0, PAGE);
  const bits = entry[place];
  const pinned = slotFrame[0] === 0 ? '-' : String(slotFrame[0] - 1);
  if ((bits & EntryBit.Present) === 0) return [(bits & EntryBit.Type) === EntryType.Swap ? 'swap' : 'none', '-', '-', '-', pinned];
  const frame = entryTarget[place] - 1;
  return [bits & EntryBit.Write ? 'present+w' : 'present', `${frame}${frameFlags[frame] & FrameBit.Exclusive ? '!' : ''}`, String(frameMaps[frame]), String(frameRefs[frame]), pinned];
}
