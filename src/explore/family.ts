/**
 * Families: what the explorer has to be told of a debate, so that its litmus files can be read, explored and told.
 *
 * A family brings two things. A grammar: the keys of a file's `world`, the words of operations, what the name of a thread means.
 * And scenes: of a file and a policy the world with its program, and what must hold in it. The machine, the search, packing,
 * traces and verdicts know no more than this; marks of steps join them to moves in any family (`Mark` in src/model/step.ts).
 */
import type { Axis, Column, Columns, ElementType } from '../model/columns.ts';
import type { Program } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { Check, Policy, PolicyOptions } from '../policies/policy.ts';
import { commonSentences } from './commonSentences.ts';
import type { Sentence } from './commonSentences.ts';
import type { Grammar } from './grammar.ts';
import type { Litmus, LitmusOperation, LitmusWorldBase } from './litmus.ts';
import type { Field } from './packing.ts';
import type { Reductions } from './verdict.ts';

/** What the explorer knows of a policy, whatever its rules are: where one is a measure, it is explored only where it is named. */
export interface ExploredPolicy extends Policy {
  rules(options: PolicyOptions): unknown;
}

/** A debate: everything of a family but its policies. It stands in `families/<name>.ts`. */
export interface Debate<W extends TaskWorld = TaskWorld, P extends ExploredPolicy = ExploredPolicy, L extends LitmusWorldBase = LitmusWorldBase> {
  /** What stands behind `family:` in a file. */
  readonly name: string;
  readonly grammar: Grammar<L>;
  /** Everything that must hold, in the order in which it is asked: `sentencesOf` puts the common ones between. */
  readonly sentences: readonly Sentence[];
  /** Those of the sentences that are about moves, in the order in which they are asked of one. */
  readonly moveRules: readonly MoveRule[];
  /** Kinds of operations that a policy is there for: where none without an expected result ever succeeds, its verdict is `refuses`. */
  readonly asked: ReadonlySet<number>;
  /** What such an operation is: "conversion". */
  readonly askedFor: string;
  /** @throws UserError where the file and the policy make no world */
  createScene(options: SceneOptions<P, L>): Scene<W>;
}

/** What there is to explore of a debate. */
interface Positions<P extends ExploredPolicy> {
  /** What ships, in the order of the documents. Names are unique among the policies of all families. */
  readonly policies: readonly P[];
  /** Policies that are wrong on purpose, explored where a file names them. */
  readonly wrongPolicies: readonly P[];
}

export interface ExploredFamily extends Debate, Positions<ExploredPolicy> {}

/** A sentence that a move breaks by charging an operation of the model: of `src/model/operations.ts`, one that is counted and free. */
export interface MoveRule {
  /** Of the sentence. */
  readonly name: string;
  readonly operation: number;
}

export interface SceneOptions<P extends ExploredPolicy = ExploredPolicy, L extends LitmusWorldBase = LitmusWorldBase> {
  readonly litmus: Litmus<L>;
  readonly policy: P;
  readonly check: Check | undefined;
  readonly reductions: Reductions;
  /** The results of operations are part of the state. */
  readonly keepResults: boolean;
}

/** A file under a policy: the world as it stands before anything of `before` has run, and what there is to know about it. */
export interface Scene<W extends TaskWorld = TaskWorld> {
  readonly world: W;
  readonly program: Program<W>;
  /** Position at which an operation of a kind begins, by kind. */
  readonly entries: Uint16Array;
  /** Every column of the world: `columnsOf`. */
  readonly columns: readonly SceneColumn[];
  /** Names of the tasks behind those of the threads: "worker", "device0". */
  readonly actors: readonly string[];
  /** The world in one line: "2 pages in folios of order 0, 3 CPUs". */
  readonly worldText: string;
  /** Whatever an operation begins with beside the common locals: these are set already. */
  begin?(task: number, operation: LitmusOperation): void;
  /** Puts all locals of a task back to zero when its operation has ended. */
  clearTask(world: W, task: number): void;
  /** The CPU does what the caller's call asks of it. */
  acknowledge(world: W, caller: number, cpu: number): void;
  /** Whether nobody can see when this CPU acknowledges, because its thread never touches memory through a mapping; default: somebody can. */
  acknowledgesAtOnce?(cpu: number): boolean;
  /** Marks of the program's steps where the file leaves something quiet; default: those of the steps. */
  readonly marks?: Uint8Array;
  /** Bits of a column that no step's behaviour depends on: merged searches leave them out. Default: none. */
  ghostsOf?(column: string): number;
  /** Whether the first page that anybody chooses may be page 0; default: no. */
  readonly pagesAreAlike?: boolean;
  /** Interchangeable threads; default: there are none. */
  createSymmetry?(): Symmetry | undefined;
  /** A question to every state: the first of these sentences that does not hold. undefined where none of them is about states. */
  invariants(names: ReadonlySet<string>): (() => Broken | undefined) | undefined;
  /** What is wrong in a state to which a move has led that broke this rule. */
  describeMove(rule: string): string;
  /** Another world of the same shape, to hold this one against. */
  createAnother(): W;
  /** What the step between two worlds of one shape changed, in words. */
  describeChanges(before: W, after: W, names: ChangeNames): Changes;
}

/** A column of a world, in its array. */
export interface SceneColumn {
  readonly name: string;
  readonly axis: Axis;
  readonly ids: Axis | undefined;
  readonly array: Field['array'];
  /** Largest value of an element. */
  readonly max: number;
}

/** A sentence that does not hold, and how. */
export interface Broken {
  readonly rule: string;
  readonly what: string;
}

export interface Symmetry {
  /** Classes of interchangeable threads. */
  readonly classes: readonly (readonly number[])[];
  /** Orders two threads of a class with equal locals by what their buffers hold; 0 where that is the same. */
  compareShared(a: number, b: number): number;
  /** Swaps two threads of a class in everything but their own locals: calls, buffers, batches. */
  swapShared(a: number, b: number): void;
}

export interface Changes {
  /** "takes invalidate_lock (write)", "drops folio lock of page 0". */
  readonly locks: readonly string[];
  /** All else, the most telling first. */
  readonly others: readonly string[];
}

/** What the file calls things; numbers where it does not say. */
export interface ChangeNames {
  /** By CPU. */
  readonly threads?: readonly string[];
  /** By slot. */
  readonly buffers?: readonly string[];
}

/**
 * A family as the explorer takes it: what its world, its policies and its files are made of is for the family alone to know. A file
 * carries its family, and a policy is looked up in it, so that the three fit.
 */
export const exploredFamily = <W extends TaskWorld, P extends ExploredPolicy, L extends LitmusWorldBase>(debate: Debate<W, P, L>, positions: Positions<P>): ExploredFamily =>
  ({ ...(debate as unknown as Debate), ...positions });

/** What ships of a family and is no measure. */
export const proposalsOf = ({ policies }: Pick<ExploredFamily, 'policies'>): readonly ExploredPolicy[] => policies.filter(({ reference }) => reference === undefined);

/** Everything of a family that can be explored: what ships, in its order, then what is wrong on purpose. */
export const explorableOf = ({ policies, wrongPolicies }: Pick<ExploredFamily, 'policies' | 'wrongPolicies'>): readonly ExploredPolicy[] => [...policies, ...wrongPolicies];

/** The columns of a world in their arrays. @param world as `layWorld` gave it */
export const columnsOf = <S>(columns: Columns<S>, world: object, shape: S): readonly SceneColumn[] =>
  Object.entries<Column<ElementType, S>>(columns).map(([name, { axis, ids, max }]) => ({ name, axis, ids, array: (world as Readonly<Record<string, Field['array']>>)[name], max: max(shape) }));

/** All sentences of a family in the order in which they are asked: those about moves, the common ones, those about states. */
export const sentencesOf = (moves: readonly Sentence[], states: readonly Sentence[]): readonly Sentence[] => [...moves, ...commonSentences, ...states];

/** A sentence about single states. */
export interface StateRule<W extends TaskWorld> extends Sentence {
  /** What is wrong in this state, with numbers; undefined where nothing is. */
  broken(world: W): string | undefined;
}

/** `Scene.invariants` of a family whose sentences about states need nothing but the world. */
export const askStates = <W extends TaskWorld>(rules: readonly StateRule<W>[], world: W): Scene<W>['invariants'] => (names) => {
  const asked = rules.filter(({ name }) => names.has(name));
  if (asked.length === 0) return undefined;
  return () => {
    for (const rule of asked) {
      const what = rule.broken(world);
      if (what !== undefined) return { rule: rule.name, what };
    }
    return undefined;
  };
};
