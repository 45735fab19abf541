/**
 * Accounting: turns the model's events and the engine's clock into latencies, phases and outcomes.
 *
 * A conversion's latency runs from the guest's hypercall or fault to the vCPU's resume; its phases are what the meter
 * attributed to the task in between, and sum to it exactly. A request that was given up enters `abandoned`.
 */
import { ERRNOS } from '../model/errno.ts';
import { Event } from '../model/meter.ts';
import type { EventKind, Meter } from '../model/meter.ts';
import { PHASES } from '../model/operations.ts';
import { RequestKind } from '../model/request.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { World } from '../model/world.ts';
import type { Account } from './engineFamily.ts';
import { Histogram } from './histogram.ts';
import type { Direction, LatencyName } from './tally.ts';

class ConversionAccount {
  requested = 0;
  pages = 0;
  succeeded = 0;
  timedOut = 0;
  gaveUp = 0;
  attempts = 0;
  readonly refused = new Float64Array(ERRNOS.length);
  readonly phasesNs = new Float64Array(PHASES.length);

  get retries(): number {
    return Math.max(0, this.attempts - this.requested);
  }
}

export class Accounting implements Account {
  readonly conversions: Readonly<Record<Direction, ConversionAccount>> = { toPrivate: new ConversionAccount(), toShared: new ConversionAccount() };
  readonly latencyNs: Readonly<Record<LatencyName, Histogram>> = {
    toPrivate: new Histogram(),
    toShared: new Histogram(),
    kernel: new Histogram(),
    abandoned: new Histogram(),
    hostFault: new Histogram(),
    guestFault: new Histogram(),
    io: new Histogram(),
    reconstruct: new Histogram(),
  };
  /** When the request that a task has open began; read by the engine for its time limit. */
  readonly requestStartNs: Float64Array;
  private readonly kernelStartNs: Float64Array;
  private readonly hostFaultStartNs: Float64Array;
  private readonly guestFaultStartNs: Float64Array;
  private readonly ioStartNs: Float64Array;
  /** When each large page was last taken to pieces. One that starts in pieces was so at 0. */
  private readonly splitNs: Float64Array;
  private readonly direction: Uint8Array;
  /** 1: the open request is a donation in a guest's fault; 2: it succeeded and the fault goes on. */
  private readonly donation: Uint8Array;
  /** 1 while a request has begun and not ended. */
  private readonly open: Uint8Array;
  private readonly world: World;
  private readonly meter: Meter;

  constructor(world: World) {
    const { tasks } = world.shape;
    this.world = world;
    this.meter = world.meter;
    this.requestStartNs = new Float64Array(tasks);
    this.kernelStartNs = new Float64Array(tasks);
    this.hostFaultStartNs = new Float64Array(tasks);
    this.guestFaultStartNs = new Float64Array(tasks);
    this.ioStartNs = new Float64Array(tasks);
    this.splitNs = new Float64Array(world.sizes.splits ? world.sizes.folios : 0);
    this.direction = new Uint8Array(tasks);
    this.donation = new Uint8Array(tasks);
    this.open = new Uint8Array(tasks);
  }

  /** @param beforeNs the task's time before the step that raised the event; @param nowNs its time after it */
  note(event: EventKind, task: number, beforeNs: number, nowNs: number): void {
    const { latencyNs } = this;
    switch (event) {
      case Event.None:
      case Event.SpanBegin:
      case Event.SpanEnd:
        return;
      case Event.RequestBegin:
        this.beginRequest(task, beforeNs);
        return;
      case Event.RequestSucceeded:
        this.account(task).succeeded++;
        this.open[task] = 0;
        if (this.donation[task] === 1) this.donation[task] = 2;
        else this.recordSuccess(task, nowNs);
        return;
      case Event.RequestTimedOut:
        this.abandon(task, 'timedOut', nowNs);
        return;
      case Event.RequestGaveUp:
        this.abandon(task, 'gaveUp', nowNs);
        return;
      case Event.KernelBegin:
        this.account(task).attempts++;
        this.kernelStartNs[task] = beforeNs;
        return;
      case Event.KernelEnd:
        if (this.world.outcome[task] !== 0) this.account(task).refused[this.world.outcome[task]]++;
        latencyNs.kernel.record(nowNs - this.kernelStartNs[task]);
        return;
      case Event.HostFaultBegin:
        this.hostFaultStartNs[task] = beforeNs;
        return;
      case Event.HostFaultEnd:
        latencyNs.hostFault.record(nowNs - this.hostFaultStartNs[task]);
        return;
      case Event.GuestFaultBegin:
        this.guestFaultStartNs[task] = beforeNs;
        // The step that raises the event charges nothing, so nothing of the fault is lost here.
        this.meter.clearPhases(task);
        return;
      case Event.GuestFaultEnd:
        latencyNs.guestFault.record(nowNs - this.guestFaultStartNs[task]);
        if (this.donation[task] === 2) this.recordSuccess(task, nowNs);
        return;
      case Event.IoBegin:
        this.ioStartNs[task] = beforeNs;
        return;
      case Event.IoReady:
        latencyNs.io.record(nowNs - this.ioStartNs[task]);
        return;
      case Event.LargeSplit:
        this.splitNs[this.meter.largePage >> this.world.shape.folioOrder] = nowNs;
        return;
      case Event.LargeMerged:
        latencyNs.reconstruct.record(nowNs - this.splitNs[this.meter.largePage >> this.world.shape.folioOrder]);
        return;
      default:
        event satisfies never;
    }
  }

  /** A request that will never end: its task waits for something that nobody releases. */
  noteStarved(task: number, nowNs: number): void {
    if (this.open[task] === 1) this.abandon(task, 'timedOut', nowNs);
  }

  private abandon(task: number, how: 'timedOut' | 'gaveUp', nowNs: number): void {
    this.account(task)[how]++;
    this.open[task] = 0;
    this.donation[task] = 0;
    this.latencyNs.abandoned.record(nowNs - this.requestStartNs[task]);
  }

  private account(task: number): ConversionAccount {
    return this.direction[task] === 1 ? this.conversions.toShared : this.conversions.toPrivate;
  }

  private beginRequest(task: number, beforeNs: number): void {
    const { world } = this;
    // A fault that donates twice: the first donation ends where the second begins.
    if (this.donation[task] === 2) this.recordSuccess(task, beforeNs);
    const donation = (world.flags[task] & TaskFlag.Donation) !== 0;
    this.donation[task] = donation ? 1 : 0;
    this.direction[task] = !donation && world.kind[task] !== RequestKind.ToPrivate ? 1 : 0;
    this.requestStartNs[task] = donation ? this.guestFaultStartNs[task] : beforeNs;
    const account = this.account(task);
    account.requested++;
    this.open[task] = 1;
    account.pages += world.rangeEnd[task] - world.rangeStart[task];
  }

  private recordSuccess(task: number, nowNs: number): void {
    const toShared = this.direction[task] === 1;
    (toShared ? this.latencyNs.toShared : this.latencyNs.toPrivate).record(nowNs - this.requestStartNs[task]);
    this.meter.takePhases(task, this.account(task).phasesNs);
    this.donation[task] = 0;
    this.requestStartNs[task] = nowNs;
    this.guestFaultStartNs[task] = nowNs;
  }
}
