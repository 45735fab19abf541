/**
 * Hits: accesses that need no fault, which the engine takes many at once.
 *
 * What the first steps of their routines would do, without a step's overhead: the same world, the same counters, the same time,
 * in the same order. A guest's hit may miss its TLB, which costs more and changes nothing else.
 */
import { WALK_OPS, chargeGuestHits, chargeHostHits, reachesGuest, reachesHost } from '../model/access.ts';
import { Op } from '../model/operations.ts';
import { Leaf } from '../model/stage2.ts';
import { DEPTH_MAX } from '../model/step.ts';
import type { World } from '../model/world.ts';
import { Access } from '../workloads/workload.ts';
import { GuestTlbs } from './guestTlb.ts';
import type { TaskQueue } from './queue.ts';
import type { Streams } from './streams.ts';

/** The grain of virtual time: prices are multiples of it. */
const EIGHTH = 1 / 8;

export interface HitOptions {
  readonly world: World;
  readonly queue: TaskQueue;
  readonly streams: Streams;
  readonly windowsPerProcess: number;
}

export class Hits {
  private readonly world: World;
  private readonly queue: TaskQueue;
  private readonly streams: Streams;
  private readonly windowsPerProcess: number;
  private readonly guestTlb: GuestTlbs;
  private readonly guestNs: number;
  private readonly hostNs: number;
  /** By `Leaf`: what a walk of the tables costs. */
  private readonly walkNs: Float64Array;
  /** What was taken and is not yet charged; walks by `Leaf`. */
  private guestHits = 0;
  private hostHits = 0;
  private readonly walks: Float64Array;

  /** Gives the meter of the world the TLBs that steps look into, too. */
  constructor({ world, queue, streams, windowsPerProcess }: HitOptions) {
    const { meter } = world;
    this.world = world;
    this.queue = queue;
    this.streams = streams;
    this.windowsPerProcess = windowsPerProcess;
    this.guestTlb = new GuestTlbs(world.shape);
    meter.guestTlb = this.guestTlb;
    this.guestNs = meter.priceOf(Op['guest.access']);
    this.hostNs = meter.priceOf(Op['host.access']);
    this.walkNs = Float64Array.from(WALK_OPS, (operation) => meter.priceOf(operation));
    this.walks = new Float64Array(WALK_OPS.length);
  }

  /**
   * Takes accesses that hit, of this task and of those that come before it, as long as the earliest task has one. Every task's
   * time is left in the queue's `timeNs`.
   * @returns the earliest task, which cannot go on in this way
   */
  take(firstTask: number): number {
    const { world, queue, guestTlb, guestNs, hostNs, walks, walkNs, windowsPerProcess } = this;
    const { batches, at, end: ends } = this.streams;
    const { timeNs } = queue;
    const { pc } = world;
    const { cpus } = world.shape;
    let task = firstTask;
    let guestHits = 0;
    let hostHits = 0;
    for (;;) {
      const { kind, page, window, atNs } = batches[task];
      const base = world.mm[task] * windowsPerProcess;
      const end = ends[task];
      const limitTask = queue.first;
      const limitNs = task < limitTask ? timeNs[limitTask] : timeNs[limitTask] - EIGHTH;
      let next = at[task];
      let now = timeNs[task];
      for (; next < end && now <= limitNs && atNs[next] <= now; next++) {
        const access = kind[next];
        if (access <= Access.GuestWrite) {
          const leaf = reachesGuest(world, page[next]);
          if (leaf === Leaf.None) break;
          guestHits++;
          now += guestNs;
          if (guestTlb.misses(task, page[next], leaf)) {
            walks[leaf]++;
            now += walkNs[leaf];
          }
        } else if (access <= Access.HostWrite) {
          const nth = window[next];
          const through = base + (nth < windowsPerProcess ? nth : nth % windowsPerProcess);
          if (!reachesHost(world, through, page[next], access === Access.HostWrite)) break;
          hostHits++;
          now += hostNs;
        } else break;
      }
      at[task] = next;
      timeNs[task] = now;
      if (now <= limitNs) break;
      task = queue.replaceFirst(task, now);
      if (task >= cpus || pc[task * DEPTH_MAX] !== 0 || at[task] === ends[task]) break;
    }
    this.guestHits += guestHits;
    this.hostHits += hostHits;
    this.streams.note(guestHits + hostHits);
    return task;
  }

  /** Its time has passed already, and it is in nobody's phases: whoever takes a hit has no request open. */
  settle(): void {
    const { world, guestHits, hostHits, walks } = this;
    const { meter } = world;
    this.guestHits = 0;
    this.hostHits = 0;
    meter.attribute(world.shape.tasks, false);
    chargeGuestHits(world, guestHits);
    chargeHostHits(world, hostHits);
    for (let leaf = 1; leaf < walks.length; leaf++) meter.chargeMany(WALK_OPS[leaf], walks[leaf]);
    walks.fill(0);
    meter.ns = 0;
  }
}
