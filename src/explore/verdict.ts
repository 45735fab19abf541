/** What came of exploring one litmus file under one policy and one check: plain data, as it stands in records and crosses threads. */
import type { Check } from '../policies/policy.ts';
import type { VerdictName } from './litmus.ts';

/** One step of a counterexample, in a machine without any reduction. */
export interface TraceStep {
  /** Which thread took it (an index into `Counterexample.threads`). */
  readonly thread: number;
  /** Name of the step: "folio.lookupGet", "ack(host)", "timeout". */
  readonly step: string;
  /** The operation that it belongs to, as in the file; set on the first step of each. */
  readonly begins?: string;
  /** How the operation ended, set on its last step: "OK", "EAGAIN at 2", "0xB". */
  readonly ends?: string;
  /** What it changed in the machine that others can see, in words: "page 0 becomes private", "refcount of page 0: 2 -> 3". Without locks. */
  readonly changes: readonly string[];
  /** Locks that it took or dropped: "takes invalidate_lock (write)". Both lists come from `describeChanges`. */
  readonly locks: readonly string[];
}

export interface Counterexample {
  /** The name of the sentence that is violated, or `stuck`, `expected`, `sometimes`, `never`, `outcomes`. */
  readonly rule: string;
  /** The sentence itself. */
  readonly sentence: string;
  /** What is wrong in this state, with numbers. */
  readonly what: string;
  /** Why that matters, one sentence. */
  readonly why: string;
  readonly threads: readonly string[];
  readonly steps: readonly TraceStep[];
  /** The same as one word for `--replay`: "vcpu*14 host*3 vcpu*2". */
  readonly schedule: string;
}

export interface Verdict {
  readonly family: string;
  readonly litmus: string;
  readonly policy: string;
  readonly check: Check | null;
  /** What was chosen otherwise than by default. */
  readonly choices?: Readonly<Record<string, string>>;
  readonly verdict: VerdictName;
  /** Apart: whether a sentence broke, and whether somebody is stuck; `unknown` where the search ended before it could say. */
  readonly safety: 'proved' | 'broken' | 'unknown';
  readonly liveness: 'proved' | 'stuck' | 'unknown';
  /** The world in one line: "2 pages of order 0, 3 CPUs (1 vCPU), flushes by IPI, patience 0". Sequentially consistent. */
  readonly world: string;
  /** The verdict rests on no bound: all reachable states were seen, or what was found ended the search; else it ended at `bound` states. */
  readonly exhaustive: boolean;
  readonly bound: number | null;
  readonly states: number;
  readonly transitions: number;
  /** Of the breadth-first search, in transitions. */
  readonly depth: number;
  /** All final outcomes, sorted; null where results were not kept (the file states none). */
  readonly outcomes: readonly string[] | null;
  readonly counterexample: Counterexample | null;
  /** What the file expects, and whether it is that; null where it does not say. */
  readonly expected: VerdictName | null;
  readonly because: string | null;
  readonly asExpected: boolean | null;
}

/** Numbers of a search under way, for progress. */
export interface SearchProgress {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** States that have not been expanded yet. */
  readonly queued: number;
}

/** Which reductions are on; all by default. Verdicts are the same with and without (a test shows it). */
export interface Reductions {
  /** Steps that nobody else can observe join the step before them. */
  readonly merge: boolean;
  /** Threads with the same program in the same process are interchangeable, and so are pages where every operation is about one. */
  readonly symmetry: boolean;
  /** Taking a lock joins the step after it, and dropping one the step before it. */
  readonly movers: boolean;
}

export const ALL_REDUCTIONS: Reductions = { merge: true, symmetry: true, movers: true };
export const NO_REDUCTIONS: Reductions = { merge: false, symmetry: false, movers: false };

export interface SearchOptions {
  readonly reductions?: Reductions;
  /** The search ends here and the verdict is `bounded`. */
  readonly statesMax?: number;
  readonly onProgress?: (progress: SearchProgress) => void;
}
