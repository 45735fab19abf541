/**
 * What the step loop has to be told of a family of policies, beside its programs: how a task is cleared, what an interrupted CPU does,
 * whose time is lost to others, and what hears of events.
 */
import type { EventKind } from '../model/meter.ts';
import type { Program } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { TaskQueue } from './queue.ts';
import type { Streams } from './streams.ts';

/** What the steps of a family are run by: its program, and where each kind of access begins in it. */
export interface Staging<W extends TaskWorld> {
  readonly program: Program<W>;
  /** Position at which an access of a kind begins, by kind. */
  readonly entries: Uint16Array;
}

/** What hears of events and of tasks that starve. */
export interface Account {
  /** When the request that a task has open began: its back-off has a limit. */
  readonly requestStartNs: Float64Array;
  /** @param beforeNs the task's time before the step that raised the event; @param nowNs its time after it */
  note(event: EventKind, task: number, beforeNs: number, nowNs: number): void;
  /** A task that can never go on. */
  noteStarved(task: number, nowNs: number): void;
}

/** Takes many accesses at once that need no step. */
export interface BulkAccesses {
  /** @returns the earliest task, which cannot go on in this way; every task's time is left in the queue's `timeNs` */
  take(firstTask: number): number;
  /** Counts them all with the meter, once, when the run is over: a count for each handful costs more than the accesses in it. */
  settle(): void;
}

/** What engines with a clock have to be told of a family. */
export interface EngineFamily<W extends TaskWorld> {
  /** Puts the locals of a task back to zero. */
  readonly clearTask: (world: W, task: number) => void;
  /** A CPU does what the cross call of a task asks of it. */
  readonly acknowledge: (world: W, task: number, cpu: number) => void;
  /** Whether the task is at what the family's policies are about: time that it loses then is the price of its own request, and else what others cost it. */
  readonly isAtRequest: (world: W, task: number) => boolean;
  /** Whether its spinning is a wait for the references of others; else it is one for a folio lock. */
  readonly awaitsReferences: (world: W, task: number) => boolean;
  /** Accesses of kinds below this begin without more ado; the others with `begins`, where there is one. */
  readonly plainKinds: number;
  readonly begins?: (world: W, task: number, kind: number) => void;
  readonly bulk?: (parts: { readonly world: W; readonly queue: TaskQueue; readonly streams: Streams; readonly windowsPerProcess: number }) => BulkAccesses;
}
