/**
 * The shape of a world: every size that its columns follow from. Small worlds (a few pages, orders 1 or 2) are for the
 * explorer, large ones for the simulator; nothing else tells them apart.
 */
import type { PlatformName } from './platform.ts';
import { UserError } from './userError.ts';

export interface Shape {
  /** 4 KiB pages of the guest_memfd file. */
  readonly pages: number;
  /** Order of the folios that core-mm sees in the file. */
  readonly folioOrder: number;
  /** log2 of the pages behind one page table, and of a large stage-2 leaf: 9 on x86-64 and arm64 with 4 KiB pages. */
  readonly regionOrder: number;
  /** The memory behind the file comes in units of `regionOrder`, so that stage-2 may use large leaves. */
  readonly largeBacking: boolean;
  /** Folios that can live on as orphans: punched, and still referenced. */
  readonly spareFolios: number;
  /** Mappings of the file: one mmap call each. The last `childWindows` of them are those of forked children. */
  readonly windows: number;
  readonly childWindows: number;
  /** Processes; the last one is the forked child's where `childWindows` > 0. */
  readonly mms: number;
  /** CPUs, one an actor of the workload; the first `vcpus` of them run the guest. */
  readonly cpus: number;
  readonly vcpus: number;
  /** Tasks: one a CPU, then a worker of the kernel where the policy needs one (`isWorked`), then one a device slot. */
  readonly tasks: number;
  /** Buffers that can be held by reference, and the pages that one can have. The last `tasks - cpus` slots belong to the device tasks. */
  readonly slots: number;
  readonly slotPages: number;
  /** Largest number of pages that one step of a burst handles: 1 where every interleaving counts, else 512. */
  readonly chunk: number;
  /** Folios that a CPU's LRU batch holds before it is drained by itself; 0 = no batches. Linux: 31. */
  readonly lruBatch: number;
  /** Pages start shared (INIT_SHARED) or private. */
  readonly initShared: boolean;
  /** The guest's first touch of a page that it did not ask to share donates the page (pKVM). */
  readonly lazy: boolean;
  /** Flushes reach other CPUs by broadcast (TLBI, INVLPGB) and not by interrupts that wait for GUP-fast. */
  readonly broadcastFlush: boolean;
  /** References that the file's owner holds on each folio beside the page cache's (split-4k: 1, "unmovable"). */
  readonly ownerRefs: number;
  /** What a conversion does to the content of a page; `none`: contents are not kept. */
  readonly content: ContentRule;
  /** What the platform adds to a conversion; default: nothing. Contents follow `content`, whatever it is. */
  readonly platform?: PlatformName;
  /** The file was made with GUEST_MEMFD_FLAG_MMAP; without it mmap is ENODEV. */
  readonly mmapAllowed: boolean;
  /** What the kernel keeps of a page beyond what guest_memfd does, where the policy needs it; default: nothing. */
  readonly keeps?: Keeps;
  /** Large folios may be split into folios of order 0, and put together again, one by one; default: folios keep their order. */
  readonly splits?: boolean;
  /** log2 of the pages that the pool hands out at a time, with `largeBacking`; default: `regionOrder`. */
  readonly backingOrder?: number;
  /** The host's fault may map all of a region with one entry (a PMD); default: single pages only. */
  readonly pmdMappings?: boolean;
  /** log2 of the pages of a gigantic stage-2 leaf, where the memory comes in units of it: 18 on x86-64; default: there is none. */
  readonly giganticOrder?: number;
  /** The struct pages of large folios are given back but for the first page of them (HVO); default: they are not. */
  readonly hvo?: boolean;
  /** The host's access to a private page through a mapping ends as a signal and reaches nothing (pKVM), so that a mapping is no exposure. */
  readonly mappingsAreHarmless?: boolean;
}

/**
 * Exclusive pins of a converter, migration entries, a third state in which the host may only read, a memory of its own for private
 * pages, or folios that wait for their last reference; columns and bits for them are part of no other world.
 */
export type Keeps = 'exclusive-pins' | 'migrations' | 'read-only' | 'separate-memory' | 'put-callbacks';

/** The platform's rule for contents at a conversion: they survive, read as zero, or are undefined afterwards. */
export const CONTENT_RULES = ['none', 'preserve', 'zero', 'scramble'] as const;
export type ContentRule = (typeof CONTENT_RULES)[number];

/** Whether a task behind the CPUs is a worker of the kernel, which does what cannot be done where it falls due. */
export const isWorked = ({ keeps }: Pick<Shape, 'keeps'>): boolean => keeps === 'put-callbacks';
/** The worker's task, where there is one. */
export const workerOf = ({ cpus }: Shape): number => cpus;
/** The first device's task. */
export const firstDevice = (shape: Shape): number => shape.cpus + (isWorked(shape) ? 1 : 0);

/** Sizes that follow from a shape. */
export interface Sizes {
  readonly folioPages: number;
  readonly folios: number;
  /** Folios of this world are large, and may be split. */
  readonly splits: boolean;
  readonly regionPages: number;
  readonly regions: number;
  /** Pages of a gigantic stage-2 leaf, and how many of them the file has, a part at its end included; 0 where there is none. */
  readonly giganticPages: number;
  readonly gigantics: number;
  readonly frames: number;
}

export function sizesOf({ pages, folioOrder, regionOrder, giganticOrder, spareFolios, splits = false }: Shape): Sizes {
  const folioPages = 1 << folioOrder;
  const regionPages = 1 << regionOrder;
  const giganticPages = giganticOrder === undefined ? 0 : 1 << giganticOrder;
  return {
    folioPages,
    folios: pages / folioPages,
    splits: splits && folioOrder > 0,
    regionPages,
    regions: Math.ceil(pages / regionPages),
    giganticPages,
    gigantics: giganticPages === 0 ? 0 : Math.ceil(pages / giganticPages),
    frames: pages + spareFolios * folioPages,
  };
}

/** Most elements that V8 allows in one typed array on Node 20. */
const COLUMN_LENGTH_MAX = 0x1_0000_0000;
/** Pages beyond the end of the file that an access may name, in a world whose states are packed by the maxima of its columns. */
export const PAGES_BEYOND_END_MAX = 16;
/** Windows have 16-bit ids, and a page's ways (an entry a window, gathers, buffers) a 16-bit count: half of it is for entries. */
export const WINDOWS_MAX = 0x7fff;

/** Refuses what cannot be built. @throws UserError */
export function checkShape(shape: Shape): void {
  const { pages, folioOrder, regionOrder, giganticOrder } = shape;
  if (giganticOrder !== undefined && (giganticOrder <= regionOrder || giganticOrder < folioOrder)) {
    throw new Error(`a gigantic leaf of order ${giganticOrder} is not larger than a large one of order ${regionOrder}, or smaller than a folio of order ${folioOrder}`);
  }
  if (pages % (1 << folioOrder) !== 0) {
    throw new UserError({
      what: `${pages} pages cannot be made of folios of order ${folioOrder}`,
      why: `the memory must be a multiple of the folio's ${1 << folioOrder} pages`,
      fix: 'pick a memory size that the folio size divides, or a smaller folio',
    });
  }
  checkMappings(shape);
}

/** Refuses more mappings, or more entries in them, than columns can hold. @throws UserError */
export function checkMappings({ pages, windows }: Pick<Shape, 'pages' | 'windows'>): void {
  if (windows > WINDOWS_MAX) {
    throw new UserError({
      what: `${windows} mappings are too many`,
      why: `a world has at most ${WINDOWS_MAX}, those of a forked child among them`,
      fix: 'use fewer --vmas or fewer --processes',
    });
  }
  if (pages * windows > COLUMN_LENGTH_MAX) {
    throw new UserError({
      what: `${pages} pages under ${windows} mappings are too many`,
      why: `they have ${pages * windows} page-table entries, those of a forked child among them, and at most ${COLUMN_LENGTH_MAX} fit`,
      fix: 'use a smaller --memory, fewer --vmas or fewer --processes',
    });
  }
}
