/**
 * The guest's DMA as the VMM sees it: what the driver converts, and what is pinned or copied for each transfer.
 *
 * All of it is one actor's stream, since its order is what a policy is asked about: to-shared, pin, unpin, to-private.
 * The VMM unpins before it completes the request, so an unmap never meets its own pin.
 *
 *   --dma pool     the whole pool is shared once, at its first touch; a transfer uses pool pages
 *   --dma direct   no pool: a transfer shares the pages of the original buffer and takes them back
 *
 *   requests       the guest's own were recorded (requests.ts): a transfer uses the pages of its record, which the guest has shared,
 *                  and converts nothing. It is in the stream of the vCPU that shared its first page
 *
 * The first two are one rule: the pages of a transfer have one more user while it lasts. Those of the pool have had one since boot.
 */
import { UserError } from '../../model/userError.ts';
import { Access, type AccessKind, type WorkloadOptions } from '../workload.ts';
import { damaged } from './damage.ts';
import { Direction, PAGE_BYTES, RecordOp, type TraceRecords } from './format.ts';
import type { TraceHeader } from './header.ts';
import type { AccessQueue } from './queue.ts';
import type { GuestRequests } from './requests.ts';
import { SharedPages } from './sharing.ts';
import { FreeSlots } from './slots.ts';

/** Transfers that may be live at one time; Linux guests have a few hundred. */
export const SLOTS = 1024;
/** Largest transfer: swiotlb gives at most 256 KiB (128 slots of 2 KiB), and one that begins inside a page ends in a 65th. */
export const SLOT_PAGES = 65;

/** What a transfer was mapped with; its unmap has to tell the same. */
interface Transfer {
  readonly line: number;
  readonly slot: number;
  readonly pageCount: number;
  readonly direction: number;
  readonly originalPage: number;
  readonly originalPageCount: number;
}

/** A transfer that is mapped, and the stream that its I/O is in. */
interface LiveTransfer extends Transfer {
  readonly stream: AccessQueue;
}

export class GuestBuffers {
  private readonly header: TraceHeader;
  private readonly dma: WorkloadOptions['dma'];
  private readonly io: WorkloadOptions['io'];
  private readonly driver: AccessQueue;
  private readonly shared: SharedPages;
  private readonly requests: GuestRequests | null;
  private readonly slots = new FreeSlots(SLOTS);
  /** By bounce buffer: gfn x 4096 + offset. */
  private readonly transfers = new Map<number, LiveTransfer>();
  private readonly coherent = new Map<number, { readonly line: number; readonly pageCount: number }>();
  private poolIsShared = false;
  private nowNs = 0;

  constructor(header: TraceHeader, { dma, io }: Pick<WorkloadOptions, 'dma' | 'io'>, driver: AccessQueue, requests: GuestRequests | null) {
    this.header = header;
    this.dma = dma;
    this.io = io;
    this.driver = driver;
    this.requests = requests;
    this.shared = new SharedPages(header.pageCount);
  }

  isShared(page: number): boolean {
    return this.shared.isShared(page);
  }

  /** Transfers that the recording ended in the middle of. */
  get liveTransfers(): number {
    return this.transfers.size;
  }

  /** The first touch of a page; the first one in the pool is the guest setting it up. */
  touched(page: number, tNs: number): void {
    const { pool } = this.header;
    if (pool !== null && page >= pool.page && page < pool.page + pool.pageCount) this.sharePool(tNs);
  }

  /** One DMA record. @throws UserError where it does not fit the records before it */
  take(records: TraceRecords, i: number): void {
    this.nowNs = records.tNs[i];
    const op = records.op[i];
    if (op === RecordOp.DmaMap) this.map(records, i);
    else if (op === RecordOp.DmaUnmap) this.unmap(records, i);
    else if (op === RecordOp.CoherentAlloc) this.allocate(records, i);
    else this.free(records, i);
  }

  private map(records: TraceRecords, i: number): void {
    const line = records.firstLine + i;
    const { file } = this.header;
    const before = this.transfers.get(keyOf(records, i));
    if (before !== undefined) throw damaged(file, line, `the buffer at gfn ${records.page[i]} offset ${records.offset[i]} is mapped since line ${before.line}`);
    this.sharePool(this.nowNs);
    const slot = this.slots.take();
    if (slot < 0) throw tooLarge(file, line, `more than ${SLOTS} transfers are live`);
    const transfer = transferOf(records, i, slot);
    const [page, count] = this.pagesOf(records.page[i], transfer);
    const stream = this.requests?.streamOf(page) ?? this.driver;
    this.transfers.set(keyOf(records, i), { ...transfer, stream });
    if (count > SLOT_PAGES) throw tooLarge(file, line, `a transfer of ${count} pages; the largest has ${SLOT_PAGES}`);
    this.requests?.needShared(file, line, 'a device gets', page, count);
    this.shared.share(page, count, this.toShared);
    if (this.io === 'direct') stream.push(this.nowNs, Access.PinShort, page, count, slot);
    else if (transfer.direction !== Direction.FromDevice) stream.push(this.nowNs, Access.Copy, page, count);
  }

  private unmap(records: TraceRecords, i: number): void {
    const line = records.firstLine + i;
    const { file } = this.header;
    const key = keyOf(records, i);
    const transfer = this.transfers.get(key);
    if (transfer === undefined) throw damaged(file, line, `the buffer at gfn ${records.page[i]} offset ${records.offset[i]} is not mapped`);
    if (!isSame(transfer, transferOf(records, i, transfer.slot))) throw damaged(file, line, `the unmap does not tell what the map in line ${transfer.line} told`);
    const [page, count] = this.pagesOf(records.page[i], transfer);
    if (this.io === 'direct') transfer.stream.push(this.nowNs, Access.Unpin, 0, 0, transfer.slot);
    else if (transfer.direction !== Direction.ToDevice) transfer.stream.push(this.nowNs, Access.Copy, page, count);
    this.shared.unshare(page, count, this.toPrivate);
    this.transfers.delete(key);
    this.slots.giveBack(transfer.slot);
  }

  private allocate(records: TraceRecords, i: number): void {
    const line = records.firstLine + i;
    const key = keyOf(records, i);
    const before = this.coherent.get(key);
    if (before !== undefined) throw damaged(this.header.file, line, `the coherent memory at gfn ${records.page[i]} offset ${records.offset[i]} is allocated since line ${before.line}`);
    this.sharePool(this.nowNs);
    this.coherent.set(key, { line, pageCount: records.pageCount[i] });
    this.shared.share(records.page[i], records.pageCount[i], this.toShared);
  }

  private free(records: TraceRecords, i: number): void {
    const line = records.firstLine + i;
    const { file } = this.header;
    const key = keyOf(records, i);
    const before = this.coherent.get(key);
    if (before === undefined) throw damaged(file, line, `the coherent memory at gfn ${records.page[i]} offset ${records.offset[i]} is not allocated`);
    if (before.pageCount !== records.pageCount[i]) throw damaged(file, line, `it frees ${records.pageCount[i]} pages; line ${before.line} allocated ${before.pageCount}`);
    this.coherent.delete(key);
    this.shared.unshare(records.page[i], records.pageCount[i], this.toPrivate);
  }

  /** The pool has one user from boot on, the guest itself. */
  private sharePool(tNs: number): void {
    const { pool } = this.header;
    if (this.poolIsShared || this.dma === 'direct' || this.requests !== null || pool === null) return;
    this.poolIsShared = true;
    this.nowNs = tNs;
    this.shared.share(pool.page, pool.pageCount, this.toShared);
  }

  private pagesOf(bouncePage: number, { pageCount, originalPage, originalPageCount }: Transfer): readonly [page: number, count: number] {
    return this.dma === 'pool' ? [bouncePage, pageCount] : [originalPage, originalPageCount];
  }

  private readonly toShared = (page: number, count: number): void => this.infer(Access.ToShared, page, count);
  private readonly toPrivate = (page: number, count: number): void => this.infer(Access.ToPrivate, page, count);

  private infer(kind: AccessKind, page: number, count: number): void {
    if (this.requests === null) this.driver.push(this.nowNs, kind, page, count);
  }
}

function keyOf({ page, offset }: TraceRecords, i: number): number {
  return page[i] * PAGE_BYTES + offset[i];
}

function transferOf(records: TraceRecords, i: number, slot: number): Transfer {
  return {
    line: records.firstLine + i,
    slot,
    pageCount: records.pageCount[i],
    direction: records.direction[i],
    originalPage: records.originalPage[i],
    originalPageCount: records.originalPageCount[i],
  };
}

function isSame(a: Transfer, b: Transfer): boolean {
  return a.pageCount === b.pageCount && a.direction === b.direction && a.originalPage === b.originalPage && a.originalPageCount === b.originalPageCount;
}

function tooLarge(file: string, line: number, what: string): UserError {
  return new UserError({
    what: `${file}, line ${line}: ${what}`,
    why: `a run has ${SLOTS} slots of ${SLOT_PAGES} pages for them, more than any Linux guest needs`,
    fix: 'check how the trace was recorded; if it is right, raise the limits in src/workloads/traces/buffers.ts',
  });
}
