/**
 * A run walked step by step: the steps that the simulator really took for the accesses of one task, in order, with what each
 * charged and how long it took. Lists of steps in documents and explanations are made of it, so that they cannot say what the
 * program does not do.
 */
import { LockClass, WRITER } from '../model/locks.ts';
import { OPERATIONS, Op, PHASES } from '../model/operations.ts';
import { DEPTH_MAX } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { World } from '../model/world.ts';
import { Access } from '../workloads/workload.ts';
import type { Staging } from './engineFamily.ts';

/** A step as it was taken by one task. */
export interface WalkedStep {
  readonly routine: string;
  readonly name: string;
  /** Its position in the program. */
  readonly at: number;
  /** How deep its routine was called: 0 is the access itself. */
  readonly depth: number;
  /** How often it charged or noted an operation, in the order of OPERATIONS; what those charged that it interrupted is among it. */
  readonly counts: readonly (readonly [operation: number, times: number])[];
  /** Nanoseconds of the task that went by, waits for others included, by index in PHASES. */
  readonly phasesNs: readonly number[];
  /** Locks that the task holds after it. */
  readonly locks: readonly HeldLock[];
}

export interface HeldLock {
  /** A key of `LockClass`. */
  readonly lock: keyof typeof LockClass;
  readonly mode: 'read' | 'write';
}

/** What a step charged, as operation names with their number where it is not one. */
export const chargesOf = ({ counts }: Pick<WalkedStep, 'counts'>): readonly string[] =>
  counts.map(([operation, times]) => (times === 1 ? OPERATIONS[operation].name : `${times} x ${OPERATIONS[operation].name}`));

/** Operations that a CPU pays which was interrupted. A drain's work on other CPUs follows from how many it was sent to. */
const INTERRUPTS: ReadonlySet<number> = new Set([Op['tlb.interrupt'], Op['stage2.interrupt']]);

/** How often the counts of a step were charged to others than its task, by operation. */
export function othersCounts(counts: WalkedStep['counts']): ReadonlyMap<number, number> {
  const drains = counts.find(([operation]) => operation === Op['lru.drain'])?.[1] ?? 0;
  return new Map([...counts.filter(([operation]) => INTERRUPTS.has(operation)), ...(drains === 0 ? [] : [[Op['lru.drainWork'], drains] as const])]);
}

/** Jumps cost nothing and nobody can see them. */
export const isVisible = ({ name, counts }: Pick<WalkedStep, 'name' | 'counts'>): boolean => counts.length > 0 || !(name.startsWith('to ') || name === 'end');

/** Words of locks by their class, where they tell who reads and who writes. */
export type LockWords = Readonly<Partial<Record<keyof typeof LockClass, Uint16Array>>>;

/** What a walk has to know of a family. */
export interface WalkedFamily<W extends TaskWorld> {
  /** The engine clears a task's phases where an access of this kind begins. */
  readonly clearsPhases: (kind: number) => boolean;
  /** Of a class with several words those of all. */
  readonly lockWords: (world: W) => LockWords;
}

export const WALKED_CONVERSIONS: WalkedFamily<World> = {
  clearsPhases: (kind) => kind === Access.ToShared || kind === Access.ToPrivate,
  lockWords: ({ mmapLock, invalidateLock, iMmapLock }) => ({ Mmap: mmapLock, Invalidate: invalidateLock, IMmap: iMmapLock }),
};

/** Writes down the accesses of one task: `take` is for `onStep` of a run without run-ahead. */
export class Walker<W extends TaskWorld, Step extends WalkedStep = WalkedStep> {
  /** Each access as the list of its steps. */
  readonly accesses: Step[][] = [];
  private readonly task: number;
  private readonly kinds: readonly number[];
  private readonly look: (step: WalkedStep, world: W) => Step;
  private readonly family: WalkedFamily<W>;
  private readonly counted = new Float64Array(OPERATIONS.length);
  private readonly phasesNs = new Float64Array(PHASES.length);
  private at = 0;
  private depth = 0;

  /**
   * @param kinds of the task's accesses, in their order
   * @param look adds to a step what else is wanted of the world after it
   */
  constructor(task: number, kinds: readonly number[], look: (step: WalkedStep, world: W) => Step, family: WalkedFamily<W>) {
    this.task = task;
    this.kinds = kinds;
    this.look = look;
    this.family = family;
  }

  take(world: W, stepped: number, host: Staging<W>): void {
    const counts = this.countsSince(world);
    if (stepped !== this.task) return;
    if (this.at === 0) this.begin(host);
    const { names, routineNames } = host.program;
    const step = { routine: routineNames[this.at], name: names[this.at], at: this.at, depth: this.depth, counts, phasesNs: this.phasesSince(world), locks: locksOf(world, stepped, this.family.lockWords(world)) };
    this.accesses[this.accesses.length - 1].push(this.look(step, world));
    this.depth = world.depth[stepped];
    this.at = world.pc[stepped * DEPTH_MAX + this.depth];
  }

  private begin({ entries }: Staging<W>): void {
    const kind = this.kinds[this.accesses.length];
    this.at = entries[kind];
    // The engine has cleared them, and the first step has charged already.
    if (this.family.clearsPhases(kind)) this.phasesNs.fill(0);
    this.accesses.push([]);
    this.depth = 0;
  }

  private countsSince({ meter }: W): WalkedStep['counts'] {
    const found: (readonly [number, number])[] = [];
    for (const operation of OPERATIONS.keys()) {
      const times = meter.count[operation] - this.counted[operation];
      if (times > 0) found.push([operation, times]);
    }
    this.counted.set(meter.count);
    return found;
  }

  /** The engine clears a task's phases where a conversion ends: where they are less than before, that was it. */
  private phasesSince({ meter }: W): readonly number[] {
    const cleared = PHASES.some((_, phase) => meter.phaseOfTask(this.task, phase) < this.phasesNs[phase]);
    return PHASES.map((_, phase) => {
      const now = meter.phaseOfTask(this.task, phase);
      const since = now - (cleared ? 0 : this.phasesNs[phase]);
      this.phasesNs[phase] = now;
      return since;
    });
  }
}

/** Locks that a task holds, outermost first. Of mmap_lock it is that of any process. */
function locksOf(world: TaskWorld, task: number, words: LockWords): readonly HeldLock[] {
  const classes = Object.keys(LockClass) as (keyof typeof LockClass)[];
  return classes
    .filter((lock) => world.held[task] & (1 << LockClass[lock]))
    .map((lock) => ({ lock, mode: words[lock]?.includes(WRITER) === false ? 'read' : 'write' }));
}
