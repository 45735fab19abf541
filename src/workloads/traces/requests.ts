/**
 * The conversions that the guest asked for, where the recording has them: each is made again by the vCPU that made it, for the
 * same pages, in the order of the recording.
 *
 * What the host does with a page that the guest shared is in the stream of the vCPU that shared it, behind its request: so it comes
 * after it at any pace.
 *
 * What is recorded is not inferred a second time: beside such requests DMA shares nothing, and the host touches only what the
 * guest has shared. A record that says otherwise contradicts the one before it, and both lines are told.
 */
import { UserError } from '../../model/userError.ts';
import { Access } from '../workload.ts';
import { damaged } from './damage.ts';
import { RecordOp, VCPU_0, type TraceRecords } from './format.ts';
import type { TraceHeader } from './header.ts';
import type { AccessQueue } from './queue.ts';
import type { TraceReader } from './reader.ts';

export type Extents = readonly (readonly [page: number, count: number])[];

const Known = { Nothing: 0, Private: 1, Shared: 2 } as const;

export class GuestRequests {
  /** Requests so far, and those for a page that another vCPU had asked for before. */
  requestCount = 0;
  crossedCount = 0;

  private readonly file: string;
  private readonly vcpus: readonly AccessQueue[];
  private readonly shared: Uint8Array;
  /** The line of the last request for each page, and the actor; 0 where there was none. */
  private readonly line: Uint32Array;
  private readonly actor: Uint8Array;

  /** @param startsShared pages that are shared when the recording begins */
  constructor({ file, pageCount }: TraceHeader, vcpus: readonly AccessQueue[], startsShared: Extents) {
    this.file = file;
    this.vcpus = vcpus;
    this.shared = new Uint8Array(pageCount);
    this.line = new Uint32Array(pageCount);
    this.actor = new Uint8Array(pageCount);
    for (const [page, count] of startsShared) this.shared.fill(1, page, page + count);
  }

  /** One request. Asking for the state that a page has already is legal, and made again like any other. */
  take({ firstLine, tNs, op, actor: actors, page: pages, pageCount }: TraceRecords, i: number): void {
    const page = pages[i];
    const end = page + pageCount[i];
    const actor = actors[i];
    const toShared = op[i] === RecordOp.ToShared;
    let crossed = false;
    for (let at = page; at < end; at++) if (this.actor[at] !== 0 && this.actor[at] !== actor) crossed = true;
    if (crossed) this.crossedCount++;
    this.requestCount++;
    this.shared.fill(toShared ? 1 : 0, page, end);
    this.line.fill(firstLine + i, page, end);
    this.actor.fill(actor, page, end);
    this.vcpus[actor - VCPU_0].push(tNs[i], toShared ? Access.ToShared : Access.ToPrivate, page, pageCount[i]);
  }

  /** The stream of the vCPU that asked for this page last; null where none did. */
  streamOf(page: number): AccessQueue | null {
    return this.actor[page] === 0 ? null : this.vcpus[this.actor[page] - VCPU_0];
  }

  /**
   * The host or a device is seen at [page, page + count) by a record in `line` of `file`, so the guest must have shared it.
   * @throws UserError with both lines where it has not
   */
  needShared(file: string, line: number, who: string, page: number, count: number): void {
    for (let at = page; at < page + count; at++) {
      if (this.shared[at] === 1) continue;
      const since = this.line[at] === 0 ? 'from the start' : `since line ${this.line[at]}${file === this.file ? '' : ` of ${this.file}`}`;
      throw damaged(file, line, `${who} gfn ${at}, which is private ${since}`);
    }
  }
}

/** Direct I/O is a guess at what a guest would convert, and this trace knows it. */
export function contradictsDirect(trace: string): UserError {
  return new UserError({
    what: `--dma direct contradicts ${trace}`,
    why: 'the trace has the conversions that its guest asked for (to-shared, to-private), and direct would infer others from its DMA',
    fix: 'leave --dma away, or replay a trace without such records',
  });
}

/** Pages whose first request in the trace is to become private, as maximal extents; reads it to its end. @throws UserError */
export async function sharedBeforeFirstRequest(reader: TraceReader): Promise<Extents> {
  const known = new Uint8Array(reader.header.pageCount);
  for (let records = await reader.read(); records !== null; records = await reader.read()) {
    const { count, op, page, pageCount } = records;
    for (let i = 0; i < count; i++) {
      if (op[i] !== RecordOp.ToShared && op[i] !== RecordOp.ToPrivate) continue;
      const was = op[i] === RecordOp.ToPrivate ? Known.Shared : Known.Private;
      for (let at = page[i]; at < page[i] + pageCount[i]; at++) if (known[at] === Known.Nothing) known[at] = was;
    }
  }
  const extents: [page: number, count: number][] = [];
  for (let page = known.indexOf(Known.Shared); page >= 0; ) {
    let end = page;
    while (known[end] === Known.Shared) end++;
    extents.push([page, end - page]);
    page = known.indexOf(Known.Shared, end);
  }
  return extents;
}
