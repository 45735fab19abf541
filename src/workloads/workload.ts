/**
 * What a workload is: named streams of accesses, one stream an actor, filled in batches, independent of the policy.
 *
 * Every policy of a comparison sees the same streams. A stream never learns how an access ended, so it is written from
 * what the *guest asked for*: a well-behaved workload lets the host touch a page only after the guest asked to share
 * it, whether or not the host could grant that.
 *
 * Units: page = index of a 4 KiB page in the guest_memfd file; *Ns = virtual nanoseconds.
 */

/** What an actor does, once. `slot` names a buffer that stays held between accesses; it belongs to the actor that filled it, or is handed over. */
export const Access = {
  /** A guest load or store of `page`. In a lazy run the first touch of a page that the guest did not ask to share donates it. */
  GuestRead: 1,
  GuestWrite: 2,
  /** A load or store of `page` by a thread of the VMM (or of another process), through its mapping number `window`. */
  HostRead: 3,
  HostWrite: 4,
  /** The guest asks to convert [page, page + count). A request for the state that already holds is legal. */
  ToShared: 5,
  ToPrivate: 6,
  /** Short I/O: the VMM pins [page, page + count) (O_DIRECT), a device works on it for `holdNs`, then it is unpinned. Fire and forget. */
  Io: 7,
  /** Short pin (FOLL_PIN) of [page, page + count) into `slot`, held until `Unpin`. */
  PinShort: 8,
  /** Long-term pin (FOLL_PIN | FOLL_LONGTERM): an io_uring fixed buffer or a VFIO mapping. */
  PinLong: 9,
  /** vmsplice into a pipe: FOLL_GET, neither pin nor long-term, and yet it reads the data later. */
  Splice: 10,
  /** A device or kernel user touches all pages of `slot` through its references. */
  DeviceAccess: 11,
  /** Drop the references of `slot`. The device's last access to the buffer comes right before it. A slot that was refused is skipped. */
  Unpin: 12,
  /** I/O that copies (read/write through the page cache of the host, `--io buffered`): the kernel touches the pages through the mapping and keeps no reference. */
  Copy: 13,
  /** The balloon gives [page, page + count) back: the VMM punches a hole. */
  Punch: 14,
  /** The VMM unmaps [page, page + count) of mapping `window`, or maps it again. */
  Unmap: 15,
  Map: 16,
  /** The actor's process forks; the child inherits its mappings (VMAs, no PTEs), touches `page` through each and exits. */
  Fork: 17,
  /** fallocate without a hole: the pages come into the file. */
  Allocate: 18,
  /** The process closes its descriptor of the file. */
  Close: 19,
  /** A secondary MMU without references (gfn_to_pfn_cache, ODP, SVA) maps `page`; only the mmu_notifier reaches it. */
  SecondaryMap: 20,
  /** It touches `page` through its own entry. */
  SecondaryAccess: 21,
  /** The guest asks that the host may only read [page, page + count), which it has shared. Counted with the requests to share; only one policy knows of it. */
  ToReadOnly: 22,
} as const;
export type AccessKind = (typeof Access)[keyof typeof Access];

/** Room for up to `kind.length` accesses, filled in place. Columns that a kind does not use are left at 0. */
export interface Batch {
  readonly kind: Uint8Array;
  readonly page: Uint32Array;
  /** Pages in the range; 1 for plain accesses. */
  readonly count: Uint32Array;
  readonly slot: Uint16Array;
  /** Which of the process's mappings of the file a host access goes through; taken modulo their number. */
  readonly window: Uint16Array;
  /** `Io`: how long the device holds the buffer. */
  readonly holdNs: Float64Array;
  /** Not before this virtual time; 0 = as soon as the actor is free. */
  readonly atNs: Float64Array;
}

export const BATCH_LENGTH = 4096;

export function createBatch(length = BATCH_LENGTH): Batch {
  return {
    kind: new Uint8Array(length),
    page: new Uint32Array(length),
    count: new Uint32Array(length).fill(1),
    slot: new Uint16Array(length),
    window: new Uint16Array(length),
    holdNs: new Float64Array(length),
    atNs: new Float64Array(length),
  };
}

/** Writes an access of one batch over one of another. */
export function copyAccess(from: Batch, source: number, to: Batch, target: number): void {
  to.kind[target] = from.kind[source];
  to.page[target] = from.page[source];
  to.count[target] = from.count[source];
  to.slot[target] = from.slot[source];
  to.window[target] = from.window[source];
  to.holdNs[target] = from.holdNs[source];
  to.atNs[target] = from.atNs[source];
}

/** One thread of the guest or the host, and what it does. */
export interface Actor {
  readonly name: string;
  /** `vcpu`: runs the guest, and the VMM's code for its own exits. `vmm`: a host thread. Only vCPUs are kicked for stage-2 flushes. */
  readonly role: 'vcpu' | 'vmm';
  /** The process whose mm it runs in; vCPUs are in process 0. */
  readonly process: number;
  /**
   * Fills the batch from its start, every column of each access it writes, and returns how many it wrote; 0 means that the
   * actor is done. Synthetic streams answer at once and allocate nothing; a reader of a file may answer later.
   */
  fill(batch: Batch): number | Promise<number>;
}

/** What a run asks of a workload. All sizes are checked by the caller. */
export interface WorkloadOptions {
  readonly pageCount: number;
  /** Accesses in all, over all actors; a trace has its own length and ignores it. */
  readonly accessCount: number;
  readonly seed: number;
  readonly vcpus: number;
  readonly processes: number;
  /** Mappings of the file in each process. */
  readonly windowsPerProcess: number;
  readonly conversion: 'explicit' | 'lazy';
  readonly dma: 'pool' | 'direct';
  readonly io: 'direct' | 'buffered';
  readonly pace: 'recorded' | 'closed';
}

export interface OpenedWorkload {
  readonly actors: readonly Actor[];
  /** Buffers that can be held at one time, and the pages that one of them can have. `Io` accesses take free slots above `slots` by themselves. */
  readonly slots: number;
  readonly slotPages: number;
  /** `Io` accesses that may be in flight at one time; an actor that submits one more waits. */
  readonly ioDepth: number;
  /** Extents of the launch image, as [page, count]: populated before t = 0 and not counted. */
  readonly launch: readonly (readonly [page: number, count: number])[];
  /** Extents that the guest had shared before t = 0. Explicit runs alone: lazy ones start with everything shared. */
  readonly shared?: readonly (readonly [page: number, count: number])[];
  /** Facts about the run that the reader of a result should see, such as "inferred: 40148 host touches became guest writes". */
  readonly notes: readonly string[];
  close?(): void;
}

export interface Workload {
  readonly name: string;
  /** One sentence: the guest that it stands for, and who suffers under it. */
  readonly summary: string;
  /** Part of a comparison only where it is named, or all are. */
  readonly onRequest?: true;
  /** A trace knows the size of its guest; a synthetic pattern takes any. */
  readonly memoryPages?: number;
  /** A trace that has the requests of its guest: nothing is inferred from its DMA, so that `--dma direct` cannot be asked for. */
  readonly hasRequests?: boolean;
  open(options: WorkloadOptions): OpenedWorkload | Promise<OpenedWorkload>;
}
