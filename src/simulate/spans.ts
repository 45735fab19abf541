/**
 * Spans: the latencies of a family, each from the step that began it to the step that ended it, by task.
 *
 * A span that begins again before it has ended begins anew: what was tried in vain has no latency. Different spans may lie within one
 * another, as a fault in a pin does.
 */
import { Event } from '../model/meter.ts';
import type { EventKind, Meter } from '../model/meter.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { Account } from './engineFamily.ts';
import { Histogram } from './histogram.ts';

export class Spans implements Account {
  readonly latencyNs: Readonly<Record<string, Histogram>>;
  /** When each task's last span began: a family that backs off begins one before. */
  readonly requestStartNs: Float64Array;
  private readonly meter: Meter;
  private readonly histograms: readonly Histogram[];
  /** By task and span; -1 while it is in none. */
  private readonly startNs: Float64Array;

  /** @param names of the latencies, by the index that steps raise */
  constructor({ meter, shape: { tasks } }: TaskWorld, names: readonly string[]) {
    this.meter = meter;
    this.histograms = names.map(() => new Histogram());
    this.latencyNs = Object.fromEntries(names.map((name, span) => [name, this.histograms[span]]));
    this.requestStartNs = new Float64Array(tasks);
    this.startNs = new Float64Array(tasks * names.length).fill(-1);
  }

  note(event: EventKind, task: number, beforeNs: number, nowNs: number): void {
    const { span } = this.meter;
    const at = task * this.histograms.length + span;
    if (event === Event.SpanBegin) {
      this.requestStartNs[task] = beforeNs;
      this.startNs[at] = beforeNs;
    } else if (event === Event.SpanEnd) {
      if (this.startNs[at] < 0) throw new Error(`span ${span} of task ${task} ends and has not begun`);
      this.histograms[span].record(nowNs - this.startNs[at]);
      this.startNs[at] = -1;
    } else {
      throw new Error(`event ${event} of task ${task} is of another family`);
    }
  }

  /** What never ends has no latency. */
  noteStarved(): void {}
}
