/**
 * Litmus: a small program as data: a world, threads of operations, and what has to come of it.
 *
 * A file with one thread is a conformance scenario; with several it is a race. The files are YAML (litmus/README.md has the
 * grammar, `parseLitmus` reads it); this is what they mean. Our litmus tests are sequentially consistent: they say nothing
 * about memory barriers.
 */
import type { ErrnoName } from '../model/errno.ts';
import type { ContentRule } from '../model/shape.ts';
import type { Check } from '../policies/policy.ts';
import type { ExploredFamily } from './family.ts';

/** How an operation ended: an errno (or signal) by name, where a request failed the page of its error offset; the value that was read. */
export interface ExpectedResult {
  readonly errno: ErrnoName;
  /** The page of the error offset, `=> EAGAIN at 2`. */
  readonly at?: number;
  /** The content that a read delivers, `=> 0xB`. Only with errno OK. */
  readonly value?: number;
}

export interface LitmusOperation {
  /** An access kind of its family. */
  readonly kind: number;
  /** First page of its range, or the free choice of one page of the file, made when the operation begins. */
  readonly page: number | 'any';
  /** Pages of the range; 1 with `any`. May reach beyond the end of the file. */
  readonly count: number;
  /** The buffer that it fills, uses or drops: an index into `Litmus.buffers`; 0 where it has none. */
  readonly slot: number;
  /** Which mapping of its process it goes through, from 0. */
  readonly window: number;
  /** The content that a write leaves, 1 to 255; 0 writes nothing that anybody compares. */
  readonly value: number;
  /** `TaskFlag` bits that it begins with (FastOnly, SlowOnly, ReadOnly, Unaligned, CopyOnWrite). */
  readonly flags: number;
  readonly expected?: ExpectedResult;
  /** As it stands in the file, without the expected result. */
  readonly text: string;
  readonly line: number;
}

export interface LitmusThread {
  readonly name: string;
  /** Threads named vcpu... run the guest (and the VMM's code for its exits), all others are threads of a process. */
  readonly role: 'vcpu' | 'vmm';
  /** 0 is the VMM's own; vCPUs are in it. */
  readonly process: number;
  readonly operations: readonly LitmusOperation[];
}

/** What the world of any family has. */
export interface LitmusWorldBase {
  /** 1 to 8. */
  readonly pages: number;
  /** Mappings of each process. */
  readonly windowsPerProcess: number;
  /** How often a refused request is tried again before it is given up; Infinity: for ever (and no time-out). */
  readonly patience: number;
}

/** The world of the conversion family. */
export interface LitmusWorld extends LitmusWorldBase {
  /** Of the folios that core-mm sees, and log2 of the pages behind a page table and of a large stage-2 leaf. */
  readonly folioOrder: number;
  readonly regionOrder: number;
  readonly largeBacking: boolean;
  /** log2 of the pages of a gigantic stage-2 leaf; 0: there is none. */
  readonly giganticOrder: number;
  /** A host fault may map a whole region of a large folio with one entry. */
  readonly pmdMappings: boolean;
  /** Shareability of each page at the start. The file is INIT_SHARED where page 0 is shared. */
  readonly shared: readonly boolean[];
  /** The file was made with the MMAP flag. */
  readonly mmap: boolean;
  /** The platform's rule for contents at a conversion; `none`: contents are not kept. */
  readonly content: ContentRule;
  readonly flush: 'ipi' | 'broadcast';
  readonly lruBatch: number;
  readonly lazy: boolean;
  /** Orphans that can live on at one time: punched, and still referenced. */
  readonly spareFolios: number;
}

/** "thread `thread`'s operation `operation` ends with `result`". Indices from 0. */
export interface Fact {
  readonly thread: number;
  readonly operation: number;
  readonly result: ExpectedResult;
  readonly text: string;
  readonly line: number;
}

export const VERDICTS = ['proved', 'refuses', 'differs', 'stuck', 'broken', 'bounded'] as const;
/**
 * proved:  everything that must hold does, in every interleaving.
 * refuses: the same, but no to-private (of another family: what its policies are there for) without an expected result ever succeeds: safe and useless.
 * differs: an operation, the outcomes or a `sometimes` are not as the file says.
 * stuck:   somebody waits for ever, or no end can be reached from some state.
 * broken:  a sentence that must always hold does not.
 * bounded: nothing was found up to the limit, which was reached.
 */
export type VerdictName = (typeof VERDICTS)[number];

export interface Expectation {
  readonly verdict: VerdictName;
  /** Why a policy may differ. */
  readonly because?: string;
  readonly line: number;
}

/** @typeParam L the world of its family: that of the conversion family, or another one */
export interface Litmus<L extends LitmusWorldBase = LitmusWorld> {
  readonly family: ExploredFamily;
  readonly name: string;
  /** As the user gave it, for messages. */
  readonly path: string;
  /** One sentence, ending in a question mark or a full stop. */
  readonly question: string;
  readonly source: string;
  readonly world: L;
  /** vCPUs first; thread n is CPU n is task n. */
  readonly threads: readonly LitmusThread[];
  /** Operations that come before everything, each run to its end alone, in this order. */
  readonly before: readonly { readonly thread: number; readonly operation: LitmusOperation }[];
  /** Names of the buffers, by slot. */
  readonly buffers: readonly string[];
  /** Names of the sentences that must hold in every state; all of them where the file does not say. */
  readonly always: readonly string[];
  readonly sometimes: readonly Fact[];
  readonly never: readonly Fact[];
  /** Policies and checks that the library explores it under; undefined: every shipped one. */
  readonly policies?: readonly string[];
  readonly checks?: readonly Check[];
  /** What is expected of a policy under a check (undefined: the policy has no check); undefined: the file does not say. */
  readonly expectation: (policy: string, check: Check | undefined) => Expectation | undefined;
  /** All final outcomes, sorted: the results of each thread's operations joined by spaces, threads by " | ". undefined: the file does not say. */
  readonly outcomes: (policy: string, check: Check | undefined) => readonly string[] | undefined;
}

/** A litmus of whatever family. */
export type AnyLitmus = Litmus<LitmusWorldBase>;

/** Operations of all threads and of what comes before them. */
export const operationsOf = ({ threads, before }: Pick<AnyLitmus, 'threads' | 'before'>): readonly LitmusOperation[] => [
  ...threads.flatMap(({ operations }) => operations),
  ...before.map(({ operation }) => operation),
];
