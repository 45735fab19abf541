/**
 * What one simulated run counted: plain numbers and typed arrays, no text. The harness turns it into a CellResult.
 *
 * Everything here is a function of the cell's inputs and its seed, to the last bit.
 * Units: *Ns = virtual nanoseconds, multiples of 1/8, so that sums are exact in a double.
 */
import type { GaugeName } from '../model/gauges.ts';
import type { Histogram } from './histogram.ts';

/** What every run counts, whatever family its policy is of. */
export interface BaseTally {
  /** Accesses taken from the workload's streams, and those of them that completed. */
  readonly accesses: number;
  readonly completed: number;
  /** Pages of work that were done: a load or store is one, an I/O as many as it has pages, a conversion none. */
  readonly work: number;
  /** Virtual time at which the last actor was done. */
  readonly virtualNs: number;
  /** By index in OPERATIONS. */
  readonly operations: Float64Array;
  readonly latencyNs: Readonly<Record<string, Histogram>>;
  /** Time that tasks lost to interrupts which others sent. */
  readonly bystanderNs: number;
  /** Of that time, and of the time that tasks were blocked: what those lost that were at no request of their own. */
  readonly lostNs: number;
  /** Time that tasks waited, by index in LOCKS. */
  readonly lockBlockedNs: Float64Array;
  /** Errors by kind and index in ERRNOS. */
  readonly errors: { readonly mmap: Float64Array; readonly gup: Float64Array };
}

/** How much there was of something: its mean over virtual time, the most at one moment, and what is left at the end. */
export interface GaugeFigures {
  readonly mean: number;
  readonly max: number;
  readonly end: number;
}

/** What a run of a family counts that says itself what its latencies and figures are (family.ts). */
export interface FamilyTally extends BaseTally {
  readonly gauges: Readonly<Record<GaugeName, GaugeFigures>>;
  /** Figures of the family, by their names. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Latencies that a run records, each in a histogram of its own. */
export const LATENCIES = ['toPrivate', 'toShared', 'kernel', 'abandoned', 'hostFault', 'guestFault', 'io', 'reconstruct'] as const;
export type LatencyName = (typeof LATENCIES)[number];

export const DIRECTIONS = ['toPrivate', 'toShared'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Locks that a task can wait for; the order is the lock order, outermost first. */
export const LOCKS = ['mmap', 'invalidate', 'folio', 'iMmap', 'pageTable', 'mmu'] as const;
export type LockName = (typeof LOCKS)[number];

export interface ConversionTally {
  /** Requests of the guest; = succeeded + timedOut + gaveUp. */
  readonly requested: number;
  readonly pages: number;
  readonly succeeded: number;
  readonly timedOut: number;
  readonly gaveUp: number;
  /** Attempts beyond each request's first. */
  readonly retries: number;
  /** Attempts refused, by index in ERRNOS. */
  readonly refused: Float64Array;
  /** Latency of the succeeded requests by index in PHASES; sums to the histogram's total exactly. */
  readonly phasesNs: Float64Array;
}

/** What a run of the conversion family counts. */
export interface Tally extends BaseTally {
  readonly conversions: { readonly [D in Direction]: ConversionTally };
  readonly latencyNs: { readonly [L in LatencyName]: Histogram };
  /** Errors by kind and index in ERRNOS. */
  readonly errors: { readonly mmap: Float64Array; readonly gup: Float64Array; readonly convert: Float64Array };
  /** Time charged by rmap walks: the operations of phase `rmap`, wherever they were charged. */
  readonly rmapNs: number;
  /** Large pages that are in pieces of 4 KiB at the end, and those of them of which a buffer holds a piece. */
  readonly largePages: { readonly inPieces: number; readonly heldApart: number };
  /** Bytes; *Mean* is over virtual time, *Max* the most at one moment, the others are at the end. */
  readonly memory: {
    /** struct pages of the populated memory at its largest, without HVO; and their means without and with it. */
    readonly vmemmapBytes: number;
    readonly vmemmapMeanBytes: number;
    readonly vmemmapHvoMeanBytes: number;
    readonly vmemmapHvoEndBytes: number;
    readonly pageTableBytes: number;
    readonly pageTableMaxBytes: number;
    /** Memory that stands twice for one piece of guest memory. */
    readonly doubleMaxBytes: number;
    readonly doubleMeanBytes: number;
    /** Highest total of populated guest memory, its struct pages without HVO, and host page tables. */
    readonly peakBytes: number;
    /** Stage-2 leaves. */
    readonly stage2Leaves4K: number;
    readonly stage2Leaves2M: number;
    readonly stage2Leaves1G: number;
    /** Share of the stage-2 mapped bytes that large leaves map; 0 where nothing is mapped. */
    readonly hugeCoverage: number;
    readonly hugeCoverageMean: number;
  };
}
