/**
 * The type of a folio that waits for its last reference, and the work that its last put queues.
 *
 * Source: "KVM: Restricted mapping of guest_memfd at the host" (PGTY_guestmem, kvm_gmem_handle_folio_put), mm/swap.c (free_typed_folio).
 * The page cache gives its references on such a folio up, so that the last put of anybody comes to 0 and, in place of freeing the
 * folio, calls back. That put may be in atomic context, and what has to be done takes a lock that sleeps: it is left to a worker.
 * Differs from Linux: folios of one page only, as in that series; one worker, which takes the lowest folio first; the series calls
 * back in the put itself.
 */
import { column } from './columns.ts';
import { Op } from './operations.ts';
import { isWorked, workerOf } from './shape.ts';
import type { Shape } from './shape.ts';
import { DEPTH_MAX } from './step.ts';
import type { World } from './world.ts';

export const FolioType = {
  None: 0,
  /** The type is set, and the page cache has its references. Of the type alone nobody sees more than that it is there. */
  Set: 1,
  /** The page cache has given its references up: the last put calls back. */
  Armed: 2,
  /** The last reference has gone, and the work is queued. */
  Queued: 3,
} as const;

const pages = (shape: Shape): number => (isWorked(shape) ? shape.pages : 0);
const one = (shape: Shape): number => (isWorked(shape) ? 1 : 0);

export const folioTypeColumns = {
  folioType: column('u8', 'page', pages, () => 3),
  /** Folios whose work is queued, and the lowest of them (plus one; 0 = none). */
  workCount: column('u32', 'world', one, ({ pages: count }) => count),
  workFirst: column('u32', 'world', one, ({ pages: count }) => count, 'page'),
} as const;

/** The routine of the worker comes first in the program: whoever queues work finds its entry without asking for it. */
export const WORKER_ENTRY = 1;

/** Whether the last put of this folio calls back. */
export const callsBack = ({ folioType }: World, head: number): boolean => head < folioType.length && folioType[head] === FolioType.Armed;

/** The last reference of the folio went: queues the work and wakes the worker. */
export function queueWork(world: World, head: number): void {
  const { folioType, workCount, workFirst, meter, pc } = world;
  folioType[head] = FolioType.Queued;
  workCount[0]++;
  if (workFirst[0] === 0 || head + 1 < workFirst[0]) workFirst[0] = head + 1;
  meter.charge(Op['work.queue']);
  const worker = workerOf(world.shape);
  if (pc[worker * DEPTH_MAX] !== 0) return;
  pc[worker * DEPTH_MAX] = WORKER_ENTRY;
  meter.wake(worker);
}

/** The folio has another type from now on; its work is taken out of the queue where it was in it. */
export function setFolioType(world: World, head: number, type: number): void {
  const { folioType, workCount, workFirst } = world;
  const wasQueued = folioType[head] === FolioType.Queued;
  folioType[head] = type;
  if (!wasQueued) return;
  workCount[0]--;
  if (workFirst[0] !== head + 1) return;
  let next = workCount[0] === 0 ? 0 : head + 1;
  if (next > 0) while (folioType[next] !== FolioType.Queued) next++;
  workFirst[0] = next === 0 ? 0 : next + 1;
}
