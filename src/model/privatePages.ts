/**
 * Private pages that have a memory of their own: a guest_memfd that nobody can map, beside the file of the world, which is then
 * the memory for what is shared (`Shape.keeps`, `src/model/separate.ts`).
 *
 * Of such a page one bit is known (`PageBit.PrivatePresent`): it is allocated and in guest_memfd. Nobody but the guest can reach
 * it, so that nothing is counted for it. An index may have a page in both memories.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_get_pfn, kvm_gmem_get_folio, kvm_gmem_punch_hole). Its folios are of 4 KiB.
 * Differs from Linux: a new page comes into guest_memfd zeroed, in one step; nobody else could see it before that, since it is locked.
 */
import { column } from './columns.ts';
import { PageBit, isPrivate } from './file.ts';
import { Gauge } from './gauges.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import { Flow, free, freeWhen, goTo } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

const isKept = ({ keeps, content }: Shape): boolean => keeps === 'separate-memory' && content !== 'none';

export const privateColumns = {
  /** Contents of private pages, in worlds that keep contents. */
  privateContent: column('u8', 'page', (shape) => (isKept(shape) ? shape.pages : 0), () => 0xff),
} as const;

/** A page comes into guest_memfd (it was not there), zeroed. What that costs is charged apart. */
export function insertPrivatePage(world: World, page: number): void {
  world.pageState[page] |= PageBit.PrivatePresent;
  if (isKept(world.shape)) world.privateContent[page] = 0;
  world.meter.move(Gauge.privatePages, 1);
  if (world.pageState[page & ~(world.sizes.folioPages - 1)] & PageBit.Present) world.meter.move(Gauge.doublePages, 1);
}

/** Takes the pages of [first, last) out of guest_memfd and frees them. @returns how many there were */
export function removePrivatePages(world: World, first: number, last: number): number {
  const { pageState, meter } = world;
  const mask = world.sizes.folioPages - 1;
  let removed = 0;
  let doubles = 0;
  for (let page = first; page < last; page++) {
    if ((pageState[page] & PageBit.PrivatePresent) === 0) continue;
    if (pageState[page & ~mask] & PageBit.Present) doubles++;
    pageState[page] &= ~PageBit.PrivatePresent;
    removed++;
  }
  // The value of a page that is not there is that of a fresh one, so that equal states are equal bytes.
  if (isKept(world.shape)) world.privateContent.fill(0, first, last);
  meter.move(Gauge.privatePages, -removed);
  meter.move(Gauge.doublePages, -doubles);
  return removed;
}

/* ---- the guest's fault ---- */

/** Reads the attribute under no lock, as KVM's fault does. Otherwise the guest uses its private page. */
const readSide: Run = (world, task) => {
  if (!isPrivate(world, world.page[task])) return Flow.Next;
  world.meter.charge(Op['state.read']);
  return Flow.Otherwise;
};

/** Otherwise guest_memfd has none at the index. */
const findPage: Run = (world, task) => {
  if ((world.pageState[world.page[task]] & PageBit.PrivatePresent) === 0) return Flow.Otherwise;
  world.meter.charge(Op['pageCache.lookup']);
  world.meter.charge(Op['lock.folio']);
  return Flow.Next;
};

const allocatePage: Run = ({ meter }) => {
  meter.charge(Op['folio.alloc']);
  return Flow.Next;
};

/** Otherwise somebody else was first. */
const insertPage: Run = (world, task) => {
  const { meter } = world;
  const page = world.page[task];
  if (world.pageState[page] & PageBit.PrivatePresent) {
    meter.charge(Op['folio.free']);
    return Flow.Otherwise;
  }
  insertPrivatePage(world, page);
  meter.charge(Op['pageCache.insert']);
  meter.charge(Op['lock.folio']);
  meter.charge(Op['page.clear']);
  return Flow.Next;
};

/** Goes on behind it for a shared page, at `gmem.find` for a private one. It touches what stage-2 faults, conversions and punches do. */
export const sideStep: Step = freeWhen('stage2')('state.side', readSide, 'gmem.find');

/** Finds or makes the private page of the fault, and goes on at `found` with it. */
export const findPrivateSteps = (found: string): readonly Step[] => [
  freeWhen('stage2')('gmem.find', findPage, 'gmem.alloc'),
  goTo(found),
  free('gmem.alloc', allocatePage),
  freeWhen('stage2')('gmem.insert', insertPage, 'gmem.find'),
  goTo(found),
];

/** Drops the fault's reference on the page that it has found, in either memory. @param putShared for one of the file */
export const putEither = (putShared: Run): Run => (world, task) => {
  if (world.flags[task] & TaskFlag.HoldsFolio) return putShared(world, task);
  world.meter.charge(Op['folio.put']);
  return Flow.Next;
};
