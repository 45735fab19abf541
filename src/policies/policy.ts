/**
 * What a policy is, and what one of the conversion family is: both sides of a contract, as lists of steps, and the words for it.
 *
 * A policy never counts, and mentions no time but the limit of a wait in its kernel: the model charges operations, engines
 * price them. It is a pure function of its options; all its state lives in the world.
 */
import type { HostRules } from '../model/host.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { CheckName } from '../model/references.ts';

/** The reference tests that a policy may apply before it commits, from the weakest. */
export const CHECKS = ['mapcount', 'mapped-or-pinned', 'refcount'] as const satisfies readonly CheckName[];
export type Check = (typeof CHECKS)[number];
export const DEFAULT_CHECK: Check = 'refcount';

export interface PolicyOptions {
  readonly check: Check;
  /** By name; what is missing has its default. */
  readonly choices?: Readonly<Record<string, string>>;
}

/** Something about a policy that no source fixes. */
export interface PolicyChoice<V extends string = string> {
  readonly name: string;
  readonly values: readonly V[];
  readonly default: V;
  /** What is chosen, and what the values mean. */
  readonly what: string;
}

/** Somebody in the debate, and what they hold for or against a policy. */
export interface Voice {
  readonly who: string;
  readonly says: string;
  /** Date of the mail, as in "27 Feb 2024". */
  readonly mail?: string;
}

/** Why a policy was proposed, and what was said about it. */
export interface Argument {
  readonly idea: string;
  readonly for: readonly Voice[];
  readonly against: readonly Voice[];
  /** What has to be paid for it. */
  readonly price: string;
  /** Mails and series, where they can be read again. */
  readonly sources: readonly string[];
}

/** What every policy has, whatever it argues about: its name, the words for it, and what it leaves open. */
export interface Policy {
  readonly name: string;
  /** One line: the rule. */
  readonly summary: string;
  /** What `foliobench explain` tells of the debate. */
  readonly argument?: Argument;
  readonly family: string;
  /** The checks that it can run under; none where it has no reference test: one row, never repeated per check. */
  readonly checks: readonly Check[];
  /** Not a proposal but a measure: `null` (the harness itself) and `lower-bound` (what no safe policy can beat). */
  readonly reference?: 'null' | 'lower-bound';
  /** Compared only where it is named, or all are. */
  readonly onRequest?: true;
  /** What no source fixes. */
  readonly choices?: readonly PolicyChoice[];
}

export interface ConversionPolicy extends Policy {
  readonly family: 'conversion';
  /** Compared only where it is named, or all are: the default table stays that of the five that the project was founded on. */
  readonly onRequest?: true;
  /** Order of the folios that core-mm sees where the run asks for folios of this order; default: the same. */
  readonly coreOrder?: (folioOrder: number) => number;
  /** References that the file's owner holds on each folio beside the page cache's. */
  readonly ownerRefs?: number;
  /** What its VMM does with a refusal that another attempt may change, unless a run says otherwise; default: `back-off`. */
  readonly vmmStrategy?: VmmStrategy;
  /** Gets what was chosen, too. */
  readonly rules: (options: PolicyOptions) => HostRules;
}
