/**
 * Accesses that were read from a trace and that their actor has not taken yet: columns that grow.
 *
 * A trace is one stream in order of time, and actors take their parts at their own pace; what the slow ones have not taken
 * waits here. At worst (an actor that comes late, or never) that is the whole trace, 19 bytes an access.
 */
import type { AccessKind, Batch } from '../workload.ts';

const FIRST_LENGTH = 1024;

export class AccessQueue {
  private kind = new Uint8Array(FIRST_LENGTH);
  private page = new Uint32Array(FIRST_LENGTH);
  private count = new Uint32Array(FIRST_LENGTH);
  private slot = new Uint16Array(FIRST_LENGTH);
  private tNs = new Float64Array(FIRST_LENGTH);
  private head = 0;
  private tail = 0;

  get length(): number {
    return this.tail - this.head;
  }

  push(tNs: number, kind: AccessKind, page: number, count: number, slot = 0): void {
    if (this.tail === this.kind.length) this.makeRoom();
    const at = this.tail++;
    this.kind[at] = kind;
    this.page[at] = page;
    this.count[at] = count;
    this.slot[at] = slot;
    this.tNs[at] = tNs;
  }

  /**
   * Moves accesses to the batch, all of its columns filled, and returns how many.
   * @param launchNs recorded time at which the run begins, null where recorded times are not kept
   */
  take(batch: Batch, launchNs: number | null): number {
    const { head } = this;
    const length = Math.min(this.length, batch.kind.length);
    const end = head + length;
    batch.kind.set(this.kind.subarray(head, end));
    batch.page.set(this.page.subarray(head, end));
    batch.count.set(this.count.subarray(head, end));
    batch.slot.set(this.slot.subarray(head, end));
    batch.window.fill(0, 0, length);
    batch.holdNs.fill(0, 0, length);
    if (launchNs === null) batch.atNs.fill(0, 0, length);
    else for (let i = 0; i < length; i++) batch.atNs[i] = Math.max(0, this.tNs[head + i] - launchNs);
    this.head = end === this.tail ? 0 : end;
    if (end === this.tail) this.tail = 0;
    return length;
  }

  /** To the front if that frees half of the columns, into columns twice as long if not: amortized, a move or two an access. */
  private makeRoom(): void {
    const { head, tail } = this;
    const target = head >= tail >> 1 ? tail : tail * 2;
    this.kind = moved(this.kind, new Uint8Array(target), head, tail);
    this.page = moved(this.page, new Uint32Array(target), head, tail);
    this.count = moved(this.count, new Uint32Array(target), head, tail);
    this.slot = moved(this.slot, new Uint16Array(target), head, tail);
    this.tNs = moved(this.tNs, new Float64Array(target), head, tail);
    this.head = 0;
    this.tail = tail - head;
  }
}

function moved<Column extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: Column, to: Column, head: number, tail: number): Column {
  to.set(from.subarray(head, tail));
  return to;
}
