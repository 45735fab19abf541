/**
 * A stream of accesses from a plan: a pattern says what comes next, a few accesses at a time; this file does the rest.
 *
 * A plan writes one episode of up to PLAN_LENGTH accesses, straight into the batch where there is room for it, else into a
 * small spill that the next batch begins with. So streams are the same whatever the length of the batches, and a pattern
 * knows nothing about them. Episodes are cut at the stream's end; a plan that holds something sees `remaining` and lets go in time.
 */
import { copyAccess, createBatch } from '../workload.ts';
import type { Actor, Batch, OpenedWorkload } from '../workload.ts';

/** The most accesses that one call of a plan writes. */
export const PLAN_LENGTH = 64;

/**
 * Writes the next episode from `at` on, at least one access, and returns the position behind it.
 * The columns are reset, so a plan only writes what its kinds use.
 * @param remaining accesses that the stream still has, this episode included
 */
export type Plan = (batch: Batch, at: number, remaining: number) => number;

export interface ActorOptions {
  readonly name: string;
  readonly role?: 'vcpu' | 'vmm';
  readonly process?: number;
  readonly accessCount: number;
  readonly plan: Plan;
}

/** An actor that does exactly `accessCount` accesses of a plan. Nothing is allocated after this call. */
export function createActor({ name, role = 'vcpu', process = 0, accessCount, plan }: ActorOptions): Actor {
  const spill = createBatch(PLAN_LENGTH);
  let spillAt = 0;
  let spillEnd = 0;
  let given = 0;
  return {
    name,
    role,
    process,
    fill(batch) {
      const length = Math.min(batch.kind.length, accessCount - given);
      reset(batch, length);
      let at = 0;
      while (at < length) {
        if (spillAt < spillEnd) {
          const count = Math.min(spillEnd - spillAt, length - at);
          for (let i = 0; i < count; i++) copyAccess(spill, spillAt + i, batch, at + i);
          spillAt += count;
          at += count;
        } else if (length - at >= PLAN_LENGTH) {
          at = plan(batch, at, accessCount - given - at);
        } else {
          reset(spill, PLAN_LENGTH);
          spillEnd = plan(spill, 0, accessCount - given - at);
          spillAt = 0;
        }
      }
      given += length;
      return length;
    },
  };
}

function reset({ count, slot, window, holdNs, atNs }: Batch, length: number): void {
  count.fill(1, 0, length);
  slot.fill(0, 0, length);
  window.fill(0, 0, length);
  holdNs.fill(0, 0, length);
  atNs.fill(0, 0, length);
}

/** Writes an access to one page. @returns the next position */
export function put(batch: Batch, at: number, kind: number, page: number): number {
  batch.kind[at] = kind;
  batch.page[at] = page;
  return at + 1;
}

/** Writes an access to [page, page + count). @returns the next position */
export function putRange(batch: Batch, at: number, kind: number, page: number, count: number): number {
  batch.count[at] = count;
  return put(batch, at, kind, page);
}

/** Writes an access of the host through one of the process's mappings. @returns the next position */
export function putHost(batch: Batch, at: number, kind: number, page: number, window: number): number {
  batch.window[at] = window;
  return put(batch, at, kind, page);
}

/** Writes an access that fills, uses or empties a slot. @returns the next position */
export function putSlot(batch: Batch, at: number, kind: number, slot: number, page: number, count: number): number {
  batch.slot[at] = slot;
  return putRange(batch, at, kind, page, count);
}

/** Writes a short I/O, or the copy in its place. @returns the next position */
export function putIo(batch: Batch, at: number, kind: number, page: number, count: number, holdNs: number): number {
  batch.holdNs[at] = holdNs;
  return putRange(batch, at, kind, page, count);
}

/** An opened workload that begins with nothing populated, with room for at least one buffer. */
export function opened({ actors, slots = 0, slotPages = 1, ioDepth = 1 }: {
  readonly actors: readonly Actor[];
  readonly slots?: number;
  readonly slotPages?: number;
  readonly ioDepth?: number;
}): OpenedWorkload {
  return { actors, slots, slotPages, ioDepth, launch: [], notes: [] };
}
