/** The world that a litmus asks for: small, with chunks of one page, so that every interleaving of every page counts. */
import type { HostRules } from '../model/host.ts';
import type { Keeps, Shape } from '../model/shape.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import { Access } from '../workloads/workload.ts';
import { operationsOf } from './litmus.ts';
import type { Litmus, LitmusOperation } from './litmus.ts';

const CONVERTS: ReadonlySet<number> = new Set([Access.ToShared, Access.ToPrivate]);
const TOUCHES: ReadonlySet<number> = new Set([Access.GuestRead, Access.GuestWrite]);

/** Whether an operation may take folios out of the file: a VMM whose private pages have a memory of their own does with each conversion. */
export function mayRemoveFolios({ kind }: LitmusOperation, { world }: Litmus, keeps: Keeps | undefined): boolean {
  if (kind === Access.Punch || kind === Access.Close) return true;
  return keeps === 'separate-memory' && (CONVERTS.has(kind) || (world.lazy && TOUCHES.has(kind)));
}

/** Thread n is CPU n is task n; each `io` has a device of its own, which is a task behind them. */
export function shapeOfLitmus(litmus: Litmus, policy: ConversionPolicy, { keeps }: HostRules): Shape {
  const { world, threads, buffers } = litmus;
  const folioOrder = policy.coreOrder?.(world.folioOrder) ?? world.folioOrder;
  const operations = operationsOf(litmus);
  const processes = 1 + Math.max(...threads.map(({ process }) => process));
  const childWindows = operations.some(({ kind }) => kind === Access.Fork) ? world.windowsPerProcess : 0;
  const devices = operations.filter(({ kind }) => kind === Access.Io).length;
  const held = operations.filter(({ kind }) => kind === Access.PinShort || kind === Access.PinLong || kind === Access.Splice || kind === Access.Io);
  return {
    pages: world.pages,
    folioOrder,
    regionOrder: world.regionOrder,
    largeBacking: world.largeBacking,
    ...(world.giganticOrder > 0 ? { giganticOrder: world.giganticOrder } : {}),
    // Where the policy splits folios nothing is left for a PMD to map.
    ...(world.pmdMappings && folioOrder >= world.regionOrder ? { pmdMappings: true } : {}),
    spareFolios: operations.some((operation) => mayRemoveFolios(operation, litmus, keeps)) ? world.spareFolios : 0,
    windows: processes * world.windowsPerProcess + childWindows,
    childWindows,
    mms: processes + 1,
    cpus: threads.length,
    vcpus: threads.filter(({ role }) => role === 'vcpu').length,
    tasks: threads.length + devices,
    slots: buffers.length + devices,
    slotPages: Math.max(0, ...held.map(({ count }) => count)),
    chunk: 1,
    lruBatch: world.lruBatch,
    initShared: world.shared[0],
    lazy: world.lazy,
    broadcastFlush: world.flush === 'broadcast',
    ownerRefs: policy.ownerRefs ?? 0,
    content: world.content,
    mmapAllowed: world.mmap,
  };
}

const GUEST_OR_KERNEL: ReadonlySet<number> = new Set([
  Access.GuestRead, Access.GuestWrite, Access.ToShared, Access.ToPrivate, Access.Unpin, Access.DeviceAccess, Access.Punch, Access.Unmap, Access.Map,
  Access.Allocate, Access.Close, Access.SecondaryAccess, Access.ToReadOnly,
]);
const GUP: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice, Access.SecondaryMap]);

/** Kinds of operations that name a buffer. */
export const WITH_BUFFER: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice, Access.DeviceAccess, Access.Unpin]);

/** The buffers that operations fill, use or drop, in the order of their first use. */
export const buffersOf = (operations: readonly LitmusOperation[]): readonly number[] => [
  ...new Set(operations.filter(({ kind }) => WITH_BUFFER.has(kind)).map(({ slot }) => slot)),
];

/** Whether a thread ever loads or stores through a mapping, where a stale TLB entry would serve it. @param copies the VMM's GUP may be a bounce copy */
export function mayTouchMapping({ threads }: Litmus, thread: number, copies: boolean): boolean {
  return threads[thread].operations.some(({ kind }) => !GUEST_OR_KERNEL.has(kind) && (copies || !GUP.has(kind)));
}
