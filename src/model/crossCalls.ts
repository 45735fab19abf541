/**
 * Cross calls: what one CPU asks of others and waits for. A TLB shootdown, a vCPU kick, a drain of the LRU batches.
 *
 * Sent in one step, acknowledged by each CPU in any order, waited for in another step. A CPU whose interrupts are off
 * (GUP-fast) acknowledges later, except where flushes are broadcast by hardware.
 * Source: arch/x86/mm/tlb.c (flush_tlb_mm_range, get_flush_tlb_info, flush_tlb_func).
 * Differs from Linux: an interrupted CPU pays one price, whatever the size of the flush.
 */
import { lockId, waitFor } from './locks.ts';
import { drainBatch } from './lru.ts';
import { Waiting } from './meter.ts';
import { Op } from './operations.ts';
import { Flow } from './step.ts';
import type { FlowKind } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { TaskWorld } from './taskWorld.ts';
import type { World } from './world.ts';

export const CrossCall = { None: 0, Flush: 1, Kick: 2, Drain: 3 } as const;
export type CrossCallKind = (typeof CrossCall)[keyof typeof CrossCall];

/** The most entries that a flush invalidates one by one: tlb_single_page_flush_ceiling of arch/x86/mm/tlb.c. */
export const FLUSH_ENTRIES_MAX = 33;
/** A flush of all that the mm has. */
export const ALL_ENTRIES = FLUSH_ENTRIES_MAX + 1;

/**
 * Asks every other CPU that runs `mm` to flush, and flushes this one where it does. Where nobody runs it there is nothing to do
 * (mm_cpumask is empty), but for hardware that broadcasts: it does not know, and needs no acknowledgement.
 * @param entries from the first to the last that has to go: what lies between them goes with them
 * @param asked the mm was asked to do it itself, and so it runs on a CPU of its own
 */
export function sendFlush(world: TaskWorld, task: number, mm: number, entries: number, asked = false): void {
  const { cpus, broadcastFlush } = world.shape;
  if (broadcastFlush) return chargeFlush(world, entries);
  let sent = 0;
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (cpu === task || world.mm[cpu] !== mm) continue;
    world.callPending[task * cpus + cpu] = 1;
    sent++;
  }
  if (asked || world.mm[task] === mm) chargeFlush(world, entries);
  else if (sent > 0) world.meter.charge(Op['tlb.flush']);
  if (sent > 0) post(world, task, CrossCall.Flush, sent, Op['tlb.ipi']);
}

function chargeFlush({ meter }: TaskWorld, entries: number): void {
  meter.charge(Op['tlb.flush']);
  if (entries > FLUSH_ENTRIES_MAX) meter.charge(Op['tlb.flushAll']);
  else meter.chargeMany(Op['tlb.flushEntry'], entries);
}

/** Kicks every other vCPU out of the guest, so that its guest TLB is flushed; a vCPU that converts has left the guest by itself. */
export function sendKick(world: World, task: number): void {
  const { cpus, vcpus } = world.shape;
  let sent = 0;
  if (task < vcpus) world.meter.guestTlb?.flush(task);
  for (let cpu = 0; cpu < vcpus; cpu++) {
    if (cpu === task) continue;
    world.callPending[task * cpus + cpu] = 1;
    sent++;
  }
  if (sent > 0) post(world, task, CrossCall.Kick, sent, Op['stage2.kick']);
}

/** Queues a drain on every CPU that has a pending batch (lru_add_drain_all); this CPU drains its own at once. */
export function sendDrain(world: World, task: number): void {
  const { cpus } = world.shape;
  let sent = 0;
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (world.lruCount[cpu] === 0) continue;
    if (cpu === task) {
      world.meter.charge(Op['lru.drainWork']);
      drainBatch(world, cpu);
      continue;
    }
    world.callPending[task * cpus + cpu] = 1;
    sent++;
  }
  if (sent > 0) post(world, task, CrossCall.Drain, sent, Op['lru.drain']);
}

function post(world: TaskWorld, task: number, kind: CrossCallKind, sent: number, operation: number): void {
  world.callKind[task] = kind;
  world.callCount[task] = sent;
  world.meter.chargeMany(operation, sent);
  world.meter.callCross(task);
}

/** Whether a CPU can acknowledge the calls of a task now. */
export function canAcknowledge(world: TaskWorld, task: number, cpu: number): boolean {
  return world.callPending[task * world.shape.cpus + cpu] !== 0 && (world.flags[cpu] & TaskFlag.IrqOff) === 0;
}

/** The CPU does what was asked. Charged to whoever the meter attributes to: the interrupted CPU. */
export function acknowledge(world: World, task: number, cpu: number): void {
  const kind = world.callKind[task];
  if (kind === CrossCall.Kick) {
    world.meter.charge(Op['stage2.interrupt']);
    world.meter.guestTlb?.flush(cpu);
  } else if (kind === CrossCall.Drain) {
    world.meter.charge(Op['lru.drainWork']);
    drainBatch(world, cpu);
  } else {
    world.meter.charge(Op['tlb.interrupt']);
  }
  noteAcknowledged(world, task, cpu);
}

/** The same in a world that knows of no guest and no batches: all that is asked of a CPU is to flush. */
export function acknowledgeFlush(world: TaskWorld, task: number, cpu: number): void {
  world.meter.charge(Op['tlb.interrupt']);
  noteAcknowledged(world, task, cpu);
}

function noteAcknowledged(world: TaskWorld, task: number, cpu: number): void {
  world.callPending[task * world.shape.cpus + cpu] = 0;
  if (--world.callCount[task] > 0) return;
  world.callKind[task] = CrossCall.None;
  world.meter.release(lockId(Waiting.CrossCall, task));
}

/** Waits until all CPUs have acknowledged. */
export function waitCalls(world: TaskWorld, task: number): FlowKind {
  return world.callCount[task] === 0 ? Flow.Next : waitFor(world, lockId(Waiting.CrossCall, task));
}
