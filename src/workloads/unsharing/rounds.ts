/**
 * Rounds: what the actors of a family of processes do together. A parent that forks waits until the last child is gone, and a child's
 * accesses wait until it is born, so that a round has to have the same forks and exits for all of them. Every actor does whole rounds.
 */
import { AnonymousAccess } from '../../model/anonymous/kinds.ts';
import { UserError } from '../../model/userError.ts';
import { createRandom } from '../random.ts';
import type { RandomState } from '../random.ts';
import { createActor, opened, put, putSlot } from '../synthetic/stream.ts';
import type { Actor, Batch, OpenedWorkload, WorkloadOptions } from '../workload.ts';

/** Smallest memory that a pattern of the family takes. */
const PAGES_MIN = 512;

export interface OpenedUnsharingWorkload extends OpenedWorkload {
  /** Processes map a memfd privately, and not anonymous memory. */
  readonly mapsFile?: true;
}

export const isOfFile = (opened: OpenedUnsharingWorkload): boolean => opened.mapsFile === true;

export interface RoundActor {
  readonly name: string;
  readonly process: number;
  /** Its accesses in a round. */
  readonly accesses: number;
  /** Writes access number `index` of a round at `at` of the batch. */
  readonly write: (batch: Batch, at: number, index: number, round: number, random: RandomState) => void;
}

export interface RoundsOptions {
  readonly workload: string;
  readonly options: WorkloadOptions;
  readonly actors: readonly RoundActor[];
  readonly slots: number;
  readonly slotPages: number;
  readonly notes?: readonly string[];
}

/** As many whole rounds as the accesses of the run make, at least one. @throws UserError where the memory is too small */
export function openRounds({ workload, options, actors, slots, slotPages, notes = [] }: RoundsOptions): OpenedWorkload {
  const { pageCount, accessCount, seed } = options;
  if (pageCount < PAGES_MIN) {
    throw new UserError({ what: `workload "${workload}" does not fit ${pageCount} pages`, why: `it needs at least ${PAGES_MIN} pages of 4 KiB`, fix: `use --memory ${PAGES_MIN / 256}MiB or more` });
  }
  const rounds = Math.max(1, Math.floor(accessCount / actors.reduce((sum, { accesses }) => sum + accesses, 0)));
  return { ...opened({ actors: actors.map((actor, nth) => actorOf(actor, rounds, createRandom(seed, nth))), slots, slotPages }), notes };
}

function actorOf({ name, process, accesses, write }: RoundActor, rounds: number, random: RandomState): Actor {
  let index = 0;
  let round = 0;
  return createActor({
    name,
    role: 'vmm',
    process,
    accessCount: rounds * accesses,
    plan(batch, at) {
      write(batch, at, index, round, random);
      if (++index === accesses) {
        index = 0;
        round++;
      }
      return at + 1;
    },
  });
}

/** Child processes of process 0 in a run; a family has at least one. */
export const childrenOf = ({ processes }: WorkloadOptions): number => Math.max(1, processes - 1);

/** A part of a round: `count` accesses, written by their place in it. */
export type Part = readonly [count: number, write: (batch: Batch, at: number, nth: number, round: number, random: RandomState) => void];

/** An actor that does its parts one after the other. */
export function inParts(name: string, process: number, parts: readonly Part[]): RoundActor {
  const accesses = parts.reduce((sum, [count]) => sum + count, 0);
  return {
    name,
    process,
    accesses,
    write(batch, at, index, round, random) {
      let nth = index;
      for (const [count, write] of parts) {
        if (nth < count) {
          write(batch, at, nth, round, random);
          return;
        }
        nth -= count;
      }
    },
  };
}

/* ---- parts that patterns share ---- */

/** Writes pages [first, first + count), one after the other. */
export const writes = (first: number, count: number): Part => [count, (batch, at, nth) => put(batch, at, AnonymousAccess.Write, first + nth)];
export const reads = (first: number, count: number): Part => [count, (batch, at, nth) => put(batch, at, AnonymousAccess.Read, first + nth)];
/** Forks the processes [first, first + count). */
export const forks = (first: number, count = 1): Part => [count, (batch, at, nth) => put(batch, at, AnonymousAccess.Fork, first + nth)];
export const exits: Part = [1, (batch, at) => put(batch, at, AnonymousAccess.Exit, 0)];
/** Takes references on [first, first + count) into a slot. */
export const takes = (kind: number, slot: number, first: number, count: number): Part => [1, (batch, at) => putSlot(batch, at, kind, slot, first, count)];
/** A device reads the slot `times` times. */
export const deviceReads = (slot: number, times = 1): Part => [times, (batch, at) => putSlot(batch, at, AnonymousAccess.DeviceRead, slot, 0, 1)];
export const deviceWrites = (slot: number, times = 1): Part => [times, (batch, at) => putSlot(batch, at, AnonymousAccess.DeviceWrite, slot, 0, 1)];
export const unpins = (slot: number): Part => [1, (batch, at) => putSlot(batch, at, AnonymousAccess.Unpin, slot, 0, 1)];
