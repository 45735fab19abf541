/** What a search says of a litmus, as far as no reduction, no renumbering and no order of moves may change it. */
import type { ExploredPolicy } from '../../src/explore/family.ts';
import type { AnyLitmus, Litmus } from '../../src/explore/litmus.ts';
import { Machine } from '../../src/explore/machine.ts';
import { search } from '../../src/explore/search.ts';
import type { Search, SearchResult } from '../../src/explore/search.ts';
import { NO_REDUCTIONS } from '../../src/explore/verdict.ts';
import type { Reductions } from '../../src/explore/verdict.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';
import type { World } from '../../src/model/world.ts';
import type { Check, ConversionPolicy } from '../../src/policies/policy.ts';

/** A file under a policy and a check, of whatever family. */
export interface AnyCell {
  readonly litmus: AnyLitmus;
  readonly policy: ExploredPolicy;
  /** undefined: the policy has none. */
  readonly check: Check | undefined;
}

export interface Cell extends AnyCell {
  readonly litmus: Litmus;
  readonly policy: ConversionPolicy;
}

export interface Searched {
  readonly safety: string;
  readonly liveness: string;
  /** The rule by which a result differs; what follows is undefined where the search ended early. */
  readonly differs?: string | undefined;
  readonly converts?: boolean;
  readonly seen?: readonly boolean[];
  readonly outcomes?: readonly string[];
}

export interface SearchedWith {
  readonly reductions?: Reductions;
  readonly keepResults?: boolean;
  readonly statesMax?: number;
}

export function searchCell<W extends TaskWorld = World>(
  cell: AnyCell, { reductions = NO_REDUCTIONS, keepResults = false, statesMax = Infinity }: SearchedWith = {},
): { readonly machine: Machine<W>; readonly found: Search } {
  const machine = new Machine<W>({ ...cell, reductions, keepResults });
  return { machine, found: search({ machine, reductions, statesMax }) };
}

/** undefined where there are more states than `statesMax`. */
export function searched(cell: AnyCell, options: SearchedWith): Searched | undefined {
  return saidBy(searchCell(cell, options).found.result);
}

/** What came of a search; undefined where it was bounded. */
export function saidBy(result: SearchResult): Searched | undefined {
  const { broken, stuck, differs, exhaustive, converts, seen, outcomes } = result;
  if (broken !== undefined) return { safety: broken.rule, liveness: 'unknown' };
  if (stuck !== undefined) return { safety: 'unknown', liveness: stuck.rule };
  return exhaustive ? { safety: 'proved', liveness: 'proved', differs: differs?.rule, converts, seen, outcomes } : undefined;
}

export const REDUCTION_SETS: Readonly<Record<string, Reductions>> = {
  merge: { merge: true, symmetry: false, movers: false },
  symmetry: { merge: false, symmetry: true, movers: false },
  movers: { merge: false, symmetry: false, movers: true },
  'merge and movers': { merge: true, symmetry: false, movers: true },
  all: { merge: true, symmetry: true, movers: true },
};
