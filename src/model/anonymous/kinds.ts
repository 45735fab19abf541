/** What an actor of the family `unsharing` does: the values that its workloads and its litmus files name, and bits that go with them. */

export const AnonymousAccess = {
  /** A load or store of `page` through the process's window. */
  Read: 1,
  Write: 2,
  /** The process forks; `page` is the number of the child's process. Copy-on-write from then on. */
  Fork: 3,
  /** The process exits; it may be forked once more. */
  Exit: 4,
  /** Pins of [page, page + count) into `slot`: FOLL_PIN for reading or for writing, and the same with FOLL_LONGTERM. */
  PinRead: 5,
  PinWrite: 6,
  PinLongRead: 7,
  PinLongWrite: 8,
  /** vmsplice: FOLL_GET for reading, and yet somebody reads the data later. */
  Splice: 9,
  /** A device or the kernel reads, or writes, all pages of `slot` through its references. */
  DeviceRead: 10,
  DeviceWrite: 11,
  Unpin: 12,
  /** mprotect of [page, page + count) to PROT_READ, and back; entries stay read-only until they are written. */
  ProtectRead: 13,
  ProtectWrite: 14,
  /** munmap, and MADV_DONTNEED. */
  Unmap: 15,
  DontNeed: 16,
  /** Reclaim takes `page` of the window of process 0 (or of the actor's) to swap. */
  SwapOut: 17,
  /** MADV_COLLAPSE of the region of `page`: its pages become one huge folio, mapped by a PMD. */
  Collapse: 18,
  /** The PMD over the region of `page` becomes a page table; the folio stays huge. */
  SplitPmd: 19,
} as const;
export type AnonymousAccessKind = (typeof AnonymousAccess)[keyof typeof AnonymousAccess];

/** Bits of `flags`; bit 0 is TaskFlag.IrqOff. */
export const AnonymousFlag = {
  /** For writing: FAULT_FLAG_WRITE, FOLL_WRITE. */
  Write: 1 << 1,
  /** FAULT_FLAG_UNSHARE. */
  Unshare: 1 << 2,
  /** FOLL_GET: no pin. */
  Get: 1 << 3,
  /** FOLL_LONGTERM. */
  LongTerm: 1 << 4,
  /** GUP only by the fast path (FOLL_FAST_ONLY), or only by the slow one. */
  FastOnly: 1 << 5,
  SlowOnly: 1 << 6,
  /** A fault of this access was raised to the engine. */
  Faulted: 1 << 7,
  /** The page goes to the child as a copy. */
  Copies: 1 << 8,
  /** The swap entry that is being filled is its owner's alone. */
  WasExclusive: 1 << 9,
  /** The fault took a PMD to pieces, and goes on with the page table. */
  Again: 1 << 10,
} as const;

/** What is timed, by index. */
export const ANONYMOUS_SPANS = ['pin', 'writeFault', 'fork'] as const;
export const AnonymousSpan = { Pin: 0, WriteFault: 1, Fork: 2 } as const;

/** Kinds that take references, and what they ask of GUP. */
export const REFERENCE_FLAGS: Readonly<Record<number, number>> = {
  [AnonymousAccess.PinRead]: 0,
  [AnonymousAccess.PinWrite]: AnonymousFlag.Write,
  [AnonymousAccess.PinLongRead]: AnonymousFlag.LongTerm,
  [AnonymousAccess.PinLongWrite]: AnonymousFlag.Write | AnonymousFlag.LongTerm,
  [AnonymousAccess.Splice]: AnonymousFlag.Get,
};
