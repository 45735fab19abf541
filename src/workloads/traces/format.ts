/**
 * The words of the format `gmem-trace-csv 1` (traces/README.md): columns, actors, operations, directions.
 *
 * Units: tNs = ns of the recording host's clock; page = gfn = index of a 4 KiB page counted from the start of guest RAM.
 */
export const FORMAT = 'gmem-trace-csv 1';
export const PAGE_BYTES = 4096;

export const TOUCH_COLUMNS = 't_ns,actor,op,gfn,npages';
export const DMA_COLUMNS = 't_ns,actor,op,gfn,npages,offset,bytes,device,direction,orig_gfn,orig_npages';

/** What a record tells; an index into `OP_NAMES`. Touches come first, then the guest's requests, DMA from `DmaMap` on. */
export const RecordOp = {
  FirstTouchWrite: 0,
  FirstTouchRead: 1,
  AgainTouchWrite: 2,
  AgainTouchRead: 3,
  Release: 4,
  ToShared: 5,
  ToPrivate: 6,
  DmaMap: 7,
  DmaUnmap: 8,
  CoherentAlloc: 9,
  CoherentFree: 10,
} as const;

export const OP_NAMES = [
  'first-touch-write',
  'first-touch-read',
  'again-touch-write',
  'again-touch-read',
  'release',
  'to-shared',
  'to-private',
  'dma-map',
  'dma-unmap',
  'coherent-alloc',
  'coherent-free',
] as const;

/**
 * How pages stand when a recording of requests begins, the header's `initial_state`: all private, or as the first request for each
 * implies (one that is asked to become private was shared; one that is asked to become shared, or that nobody asks for, was private).
 */
export const INITIAL_STATES = ['private', 'by-first-request'] as const;
export type InitialState = (typeof INITIAL_STATES)[number];

/** `TraceRecords.actor`: who acted. vCPU N is `VCPU_0 + N`. */
export const HOST = 0;
export const DMA = 1;
export const VCPU_0 = 2;
/** A world has at most 128 CPUs; the guest's driver and the VMM have one each. */
export const VCPUS_MAX = 126;

/** Which way the data of a mapping goes; an index into `DIRECTION_NAMES`. */
export const Direction = { ToDevice: 0, FromDevice: 1, Bidirectional: 2 } as const;
export const DIRECTION_NAMES = ['to-device', 'from-device', 'bidirectional'] as const;

/** Largest RAM of a recorded guest: page numbers and their byte of history stay well inside typed arrays. */
export const GUEST_PAGES_MAX = 1_073_741_824; // 4 TiB

/** Numbers have at most this many digits, so that they are exact in a double. */
export const DIGITS_MAX = 15;

/** A run of records in file order, one column a field. The reader fills the same one again and again. */
export interface TraceRecords {
  count: number;
  /** Line of the first record in its file; each record is one line. */
  firstLine: number;
  readonly tNs: Float64Array;
  readonly actor: Uint8Array;
  readonly op: Uint8Array;
  readonly page: Uint32Array;
  readonly pageCount: Uint32Array;
  /** DMA only: byte in the first page at which the buffer starts. */
  readonly offset: Uint16Array;
  readonly direction: Uint8Array;
  /** DMA maps only: the pages of the buffer that was bounced. */
  readonly originalPage: Uint32Array;
  readonly originalPageCount: Uint32Array;
}

export const RECORDS_LENGTH = 4096;

export function createTraceRecords(): TraceRecords {
  return {
    count: 0,
    firstLine: 0,
    tNs: new Float64Array(RECORDS_LENGTH),
    actor: new Uint8Array(RECORDS_LENGTH),
    op: new Uint8Array(RECORDS_LENGTH),
    page: new Uint32Array(RECORDS_LENGTH),
    pageCount: new Uint32Array(RECORDS_LENGTH),
    offset: new Uint16Array(RECORDS_LENGTH),
    direction: new Uint8Array(RECORDS_LENGTH),
    originalPage: new Uint32Array(RECORDS_LENGTH),
    originalPageCount: new Uint32Array(RECORDS_LENGTH),
  };
}
