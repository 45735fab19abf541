/**
 * What the streams of a workload do to memory, in the figures that traces/README.md gives for the recorded guests, so that
 * a synthetic pattern can be held against them.
 *
 * Streams have no common order of their own: the engine makes one, and it depends on the policy. Here every access takes
 * the same time (`accessNs`), an actor rests until `atNs` where an access has one, and the earliest goes first, ties to the
 * lower actor. A recorded guest at its recorded pace therefore keeps its order.
 *
 * Touches are loads and stores of the guest and of the host, the launch image before them. I/O is whatever holds pages or
 * copies them: an `Io` lives for its `holdNs`, a pin until its unpin, a `Copy` for no time at all.
 */
import { Access, createBatch } from './workload.ts';
import type { Actor, Batch, OpenedWorkload } from './workload.ts';

const REGION_BITS = 9;
const REGION_PAGES = 1 << REGION_BITS;
/** "In a 2 MiB region of one of the last 8." */
const RECENT_TOUCHES = 8;
/** A mean of what accesses cost on the simulated machine, faults and conversions included: 100 000 accesses take 40 to 170 ms. */
const DEFAULT_ACCESS_NS = 1000;

export interface RequestStatistics {
  readonly requests: number;
  readonly pages: number;
  readonly pagesMax: number;
}

export interface IoStatistics {
  readonly requests: number;
  readonly pages: number;
  readonly pagesP50: number;
  readonly pagesP90: number;
  readonly pagesMax: number;
  readonly distinctPages: number;
  /** Share of requests that hold a page which another live one holds. */
  readonly overlapping: number;
  /** Share of pages that had been in an earlier request. */
  readonly reused: number;
  /** Most pages held at one time, a page that is held twice counted twice. */
  readonly pagesLiveMax: number;
}

/** Shares are from 0 to 1, and 0 where there is nothing to divide. */
export interface StreamStatistics {
  readonly accesses: number;
  /** Pages that are touched at all, the launch image included. */
  readonly touchedPages: number;
  /** First touches after the launch; the shares of the next four figures are of these. */
  readonly firstTouches: number;
  /** Page = that of the first touch before it + 1, or - 1. */
  readonly nextPage: number;
  readonly previousPage: number;
  /** One page up or down from the same actor's first touch before it. */
  readonly adjacentOwn: number;
  /** In a 2 MiB region of one of the eight first touches before it. */
  readonly recentRegion: number;
  readonly regions: number;
  readonly regionsTouched: number;
  readonly regionsFull: number;
  /** Touches of a page after a hole was punched there. */
  readonly touchesAfterPunch: number;
  readonly toShared: RequestStatistics;
  readonly toPrivate: RequestStatistics;
  readonly io: IoStatistics;
}

export interface StatisticsOptions {
  readonly pageCount: number;
  readonly accessNs?: number;
}

/** Reads all streams to their end. */
export async function statisticsOf({ actors, launch }: Pick<OpenedWorkload, 'actors' | 'launch'>, options: StatisticsOptions): Promise<StreamStatistics> {
  const { pageCount, accessNs = DEFAULT_ACCESS_NS } = options;
  const touches = new Touches(pageCount);
  const toShared = new Requests();
  const toPrivate = new Requests();
  const io = new IoRequests(pageCount);
  for (const [page, count] of launch) for (let at = page; at < page + count; at++) touches.launch(at);
  let accesses = 0;
  for await (const { actor, batch, at, timeNs } of inOrder(actors, accessNs)) {
    accesses++;
    const page = batch.page[at];
    const count = batch.count[at];
    if (page + count > pageCount) continue; // A request beyond the end of the file, which answers EINVAL.
    switch (batch.kind[at]) {
      case Access.GuestRead:
      case Access.GuestWrite:
      case Access.HostRead:
      case Access.HostWrite:
        touches.touch(actor, page);
        break;
      case Access.ToShared:
        toShared.add(count);
        break;
      case Access.ToPrivate:
        toPrivate.add(count);
        break;
      case Access.Io:
        io.begin(page, count, timeNs, timeNs + batch.holdNs[at]);
        break;
      case Access.Copy:
        io.begin(page, count, timeNs, timeNs);
        break;
      case Access.PinShort:
      case Access.PinLong:
      case Access.Splice:
        io.begin(page, count, timeNs, Infinity, batch.slot[at]);
        break;
      case Access.Unpin:
        io.release(batch.slot[at]);
        break;
      case Access.Punch:
        touches.punch(page, count);
        break;
      default:
    }
  }
  return { accesses, ...touches.summary(), toShared: toShared.summary(), toPrivate: toPrivate.summary(), io: io.summary() };
}

interface Cursor {
  readonly actor: number;
  readonly batch: Batch;
  at: number;
  timeNs: number;
}

/** All accesses in the order of the file's header. The cursor that is given is only good until the next one. */
async function* inOrder(actors: readonly Actor[], accessNs: number): AsyncGenerator<Cursor> {
  const cursors: Cursor[] = actors.map((_, actor) => ({ actor, batch: createBatch(), at: 0, timeNs: 0 }));
  const filled = new Int32Array(actors.length);
  const ready: Cursor[] = [];
  /** Makes sure that the cursor stands on an access and knows when it is due; false at the stream's end. */
  const settle = async (cursor: Cursor): Promise<boolean> => {
    if (cursor.at === filled[cursor.actor]) {
      filled[cursor.actor] = await actors[cursor.actor].fill(cursor.batch);
      cursor.at = 0;
      if (filled[cursor.actor] === 0) return false;
    }
    cursor.timeNs = Math.max(cursor.timeNs, cursor.batch.atNs[cursor.at]);
    return true;
  };
  for (const cursor of cursors) if (await settle(cursor)) ready.push(cursor);
  while (ready.length > 0) {
    let first = 0;
    for (let i = 1; i < ready.length; i++) if (ready[i].timeNs < ready[first].timeNs) first = i;
    const cursor = ready[first];
    yield cursor;
    cursor.at++;
    cursor.timeNs += accessNs;
    // Within a batch this needs no wait, which would cost a turn of the event loop for each access.
    if (cursor.at < filled[cursor.actor]) cursor.timeNs = Math.max(cursor.timeNs, cursor.batch.atNs[cursor.at]);
    else if (!(await settle(cursor))) ready.splice(first, 1);
  }
}

const shareOf = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

const PageMark = { Touched: 1, Punched: 2 } as const;

class Touches {
  private readonly mark: Uint8Array;
  private readonly perRegion: Uint32Array;
  private readonly ownLast = new Map<number, number>();
  private readonly recent = new Int32Array(RECENT_TOUCHES).fill(-1);
  private last = -2;
  private touchedPages = 0;
  private firstTouches = 0;
  private next = 0;
  private previous = 0;
  private adjacent = 0;
  private inRecent = 0;
  private afterPunch = 0;

  constructor(pageCount: number) {
    this.mark = new Uint8Array(pageCount);
    this.perRegion = new Uint32Array(Math.ceil(pageCount / REGION_PAGES));
  }

  launch(page: number): void {
    if ((this.mark[page] & PageMark.Touched) === 0) this.count(page);
  }

  touch(actor: number, page: number): void {
    const mark = this.mark[page];
    if (mark & PageMark.Punched) {
      this.mark[page] = PageMark.Touched;
      this.afterPunch++;
    }
    if (mark & PageMark.Touched) return;
    this.count(page);
    const region = page >>> REGION_BITS;
    const own = this.ownLast.get(actor) ?? -2;
    if (page === this.last + 1) this.next++;
    if (page === this.last - 1) this.previous++;
    if (page === own + 1 || page === own - 1) this.adjacent++;
    if (this.recent.includes(region)) this.inRecent++;
    this.recent[this.firstTouches % RECENT_TOUCHES] = region;
    this.firstTouches++;
    this.last = page;
    this.ownLast.set(actor, page);
  }

  punch(page: number, count: number): void {
    for (let at = page; at < page + count; at++) if (this.mark[at] & PageMark.Touched) this.mark[at] |= PageMark.Punched;
  }

  private count(page: number): void {
    this.mark[page] = PageMark.Touched;
    this.touchedPages++;
    this.perRegion[page >>> REGION_BITS]++;
  }

  summary() {
    const { firstTouches, touchedPages, perRegion, mark } = this;
    const sizeOf = (region: number): number => Math.min(REGION_PAGES, mark.length - region * REGION_PAGES);
    return {
      touchedPages,
      firstTouches,
      nextPage: shareOf(this.next, firstTouches),
      previousPage: shareOf(this.previous, firstTouches),
      adjacentOwn: shareOf(this.adjacent, firstTouches),
      recentRegion: shareOf(this.inRecent, firstTouches),
      regions: perRegion.length,
      regionsTouched: perRegion.filter((count) => count > 0).length,
      regionsFull: perRegion.filter((count, region) => count === sizeOf(region)).length,
      touchesAfterPunch: this.afterPunch,
    };
  }
}

class Requests {
  private requests = 0;
  private pages = 0;
  private pagesMax = 0;

  add(count: number): void {
    this.requests++;
    this.pages += count;
    this.pagesMax = Math.max(this.pagesMax, count);
  }

  summary(): RequestStatistics {
    const { requests, pages, pagesMax } = this;
    return { requests, pages, pagesMax };
  }
}

interface LiveIo {
  readonly page: number;
  readonly count: number;
  readonly endNs: number;
  readonly slot: number;
}

const NO_SLOT = -1;

class IoRequests {
  private readonly holders: Uint16Array;
  private readonly used: Uint8Array;
  private readonly sizes: number[] = [];
  private live: LiveIo[] = [];
  private pages = 0;
  private distinct = 0;
  private reusedPages = 0;
  private overlaps = 0;
  private pagesLive = 0;
  private pagesLiveMax = 0;

  constructor(pageCount: number) {
    this.holders = new Uint16Array(pageCount);
    this.used = new Uint8Array(pageCount);
  }

  begin(page: number, count: number, nowNs: number, endNs: number, slot = NO_SLOT): void {
    this.drop((io) => io.endNs <= nowNs);
    let overlaps = false;
    for (let at = page; at < page + count; at++) {
      if (this.holders[at]++ > 0) overlaps = true;
      if (this.used[at]) this.reusedPages++;
      else this.distinct++;
      this.used[at] = 1;
    }
    if (overlaps) this.overlaps++;
    this.sizes.push(count);
    this.pages += count;
    this.pagesLive += count;
    this.pagesLiveMax = Math.max(this.pagesLiveMax, this.pagesLive);
    this.live.push({ page, count, endNs, slot });
  }

  release(slot: number): void {
    this.drop((io) => io.slot === slot);
  }

  private drop(isOver: (io: LiveIo) => boolean): void {
    if (!this.live.some(isOver)) return;
    for (const { page, count } of this.live.filter(isOver)) {
      this.pagesLive -= count;
      for (let at = page; at < page + count; at++) this.holders[at]--;
    }
    this.live = this.live.filter((io) => !isOver(io));
  }

  summary(): IoStatistics {
    const { sizes, pages } = this;
    const sorted = Uint32Array.from(sizes).sort();
    const percentile = (percent: number): number => (sorted.length === 0 ? 0 : sorted[Math.ceil((sorted.length * percent) / 100) - 1]);
    return {
      requests: sizes.length,
      pages,
      pagesP50: percentile(50),
      pagesP90: percentile(90),
      pagesMax: percentile(100),
      distinctPages: this.distinct,
      overlapping: shareOf(this.overlaps, sizes.length),
      reused: shareOf(this.reusedPages, pages),
      pagesLiveMax: this.pagesLiveMax,
    };
  }
}
