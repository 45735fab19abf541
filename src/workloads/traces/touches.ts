/**
 * First touches and the balloon: what each page has been through, and what that makes the guest or the host do.
 *
 *   vCPU touches              a guest access of that vCPU
 *   host, before userspace    the launch image: no access, populated before the run begins
 *   host, page shared         a host access
 *   host, page not shared     inferred: the recorded guest let a device write to its memory.
 *                             --dma pool: it went to the pool, and the guest's copy out of it is a guest access;
 *                             --dma direct: to-shared, host access, to-private
 *   release                   the VMM punches a hole
 *   to-shared, to-private     what the guest asked for (requests.ts). Beside these nothing is inferred: a page that the host touches
 *                             is one that the guest has shared
 *
 * What the host does for I/O is in the stream of the driver, or of the vCPU whose request was recorded: behind the request that
 * allows it.
 */
import { Access, type AccessKind, type WorkloadOptions } from '../workload.ts';
import type { GuestBuffers } from './buffers.ts';
import { damaged } from './damage.ts';
import { RecordOp, VCPU_0, type TraceRecords } from './format.ts';
import type { TraceHeader } from './header.ts';
import type { AccessQueue } from './queue.ts';
import type { GuestRequests } from './requests.ts';

const Page = { Untouched: 0, Touched: 1, Released: 2 } as const;

export interface TouchQueues {
  readonly vcpus: readonly AccessQueue[];
  readonly driver: AccessQueue;
  readonly vmm: AccessQueue;
}

export class GuestTouches {
  /** Recorded time of the last page of the launch image; 0 where there is none. */
  launchNs = 0;
  /** Host touches that had to be inferred, and releases. */
  inferredCount = 0;
  releaseCount = 0;

  private readonly header: TraceHeader;
  private readonly dma: WorkloadOptions['dma'];
  private readonly userspaceNs: number;
  private readonly queues: TouchQueues;
  private readonly buffers: GuestBuffers | null;
  private readonly requests: GuestRequests | null;
  private readonly pages: Uint8Array;
  /** Runs of the launch image in the order of their touches. */
  private readonly launchRuns: (readonly [page: number, count: number])[] = [];

  constructor(header: TraceHeader, dma: WorkloadOptions['dma'], queues: TouchQueues, buffers: GuestBuffers | null, requests: GuestRequests | null) {
    this.header = header;
    this.dma = dma;
    this.userspaceNs = header.userspaceNs ?? 0;
    this.queues = queues;
    this.buffers = buffers;
    this.requests = requests;
    this.pages = new Uint8Array(header.pageCount);
  }

  /** The launch image as maximal extents in order of pages. */
  launch(): readonly (readonly [page: number, count: number])[] {
    const extents: [page: number, count: number][] = [];
    for (const [page, count] of [...this.launchRuns].sort(([a], [b]) => a - b)) {
      const last = extents.at(-1);
      if (last !== undefined && last[0] + last[1] === page) last[1] += count;
      else extents.push([page, count]);
    }
    return extents;
  }

  /** One record. @throws UserError where it does not fit the records before it */
  take(records: TraceRecords, i: number): void {
    const op = records.op[i];
    const page = records.page[i];
    if (op === RecordOp.Release) {
      this.release(records, i);
      return;
    }
    if (op > RecordOp.Release) {
      this.requests?.take(records, i);
      return;
    }
    const isFirst = op <= RecordOp.FirstTouchRead;
    const state = this.pages[page];
    if (isFirst && state !== Page.Untouched) throw this.damage(records, i, `gfn ${page} was touched before; a page has one first touch`);
    if (!isFirst && state !== Page.Released) throw this.damage(records, i, `gfn ${page} is touched again, but the guest never gave it back`);
    this.pages[page] = Page.Touched;
    const tNs = records.tNs[i];
    const actor = records.actor[i];
    const isWrite = op === RecordOp.FirstTouchWrite || op === RecordOp.AgainTouchWrite;
    this.buffers?.touched(page, tNs);
    if (actor >= VCPU_0) this.queues.vcpus[actor - VCPU_0].push(tNs, isWrite ? Access.GuestWrite : Access.GuestRead, page, 1);
    else if (isFirst && tNs < this.userspaceNs) this.addToLaunch(page, tNs);
    else this.hostTouch(page, tNs, isWrite, records.firstLine + i);
  }

  private hostTouch(page: number, tNs: number, isWrite: boolean, line: number): void {
    const { driver } = this.queues;
    const access: AccessKind = isWrite ? Access.HostWrite : Access.HostRead;
    if (this.requests !== null) {
      this.requests.needShared(this.header.file, line, 'the host touches', page, 1);
      (this.requests.streamOf(page) ?? driver).push(tNs, access, page, 1);
      return;
    }
    if (this.buffers?.isShared(page) === true) {
      driver.push(tNs, access, page, 1);
      return;
    }
    this.inferredCount++;
    if (this.dma === 'pool') {
      driver.push(tNs, isWrite ? Access.GuestWrite : Access.GuestRead, page, 1);
      return;
    }
    driver.push(tNs, Access.ToShared, page, 1);
    driver.push(tNs, access, page, 1);
    driver.push(tNs, Access.ToPrivate, page, 1);
  }

  private addToLaunch(page: number, tNs: number): void {
    this.launchNs = tNs;
    const last = this.launchRuns.at(-1);
    if (last !== undefined && last[0] + last[1] === page) this.launchRuns[this.launchRuns.length - 1] = [last[0], last[1] + 1];
    else this.launchRuns.push([page, 1]);
  }

  private release(records: TraceRecords, i: number): void {
    const page = records.page[i];
    const count = records.pageCount[i];
    for (let at = page; at < page + count; at++) {
      if (this.pages[at] !== Page.Touched) throw this.damage(records, i, `gfn ${at} is given back, but the guest does not have it`);
      this.pages[at] = Page.Released;
    }
    this.releaseCount++;
    // The balloon's VMM frees it, whoever the recorder saw at work.
    this.queues.vmm.push(records.tNs[i], Access.Punch, page, count);
  }

  private damage({ firstLine }: TraceRecords, i: number, why: string): Error {
    return damaged(this.header.file, firstLine + i, why);
  }
}
