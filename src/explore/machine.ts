/**
 * The machine of a litmus: a world, its host, and how far each thread has come. It chooses nothing: whoever holds it says
 * which move comes next, and loads and saves its states.
 *
 * A move is a task's next step (with the free choice of a page where it begins an operation on `any`, and either end of a
 * rest), or a CPU's acknowledgement of a call. With reductions a move takes several steps at once: `free` steps join what
 * comes before them, an `acquire` what comes after it, a `release` what comes before it (`Mark` in src/model/step.ts).
 *
 * Differs from an engine with clocks: any waiter may win, and a rest takes no time.
 */
import { Errno } from '../model/errno.ts';
import { Event } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import { DEPTH_MAX, Flow, Mark } from '../model/step.ts';
import type { FlowKind, Program } from '../model/step.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import type { World } from '../model/world.ts';
import type { Check } from '../policies/policy.ts';
import type { ExploredPolicy, MoveRule, Scene } from './family.ts';
import type { AnyLitmus, LitmusOperation } from './litmus.ts';
import { endsOtherwise, neverEnds, stepUntilNobodyCan } from './before.ts';
import { Choice, acknowledgementOf, choiceOf, isAcknowledgement, moveOf, taskOf } from './moves.ts';
import { sameElements } from './packing.ts';
import { layProgress } from './progress.ts';
import { fits, resultId } from './results.ts';
import type { Reductions } from './verdict.ts';

/** Marks of steps that never wait: they may stand behind others in a move. */
const NEVER_WAITS: ReadonlySet<number> = new Set([Mark.Steady, Mark.Free, Mark.Guarded, Mark.Release]);
/** Steps that join one move; more of them without a stop is a loop. */
const STEPS_JOINED_MAX = 10_000;

export interface MachineOptions {
  readonly litmus: AnyLitmus;
  /** Of the file's family. */
  readonly policy: ExploredPolicy;
  readonly check: Check | undefined;
  readonly reductions: Reductions;
  /** Keep the result of every operation in the state, for the outcomes. */
  readonly keepResults: boolean;
}

/** @typeParam W the world of the litmus' family: that of guest_memfd, or another one */
export class Machine<W extends TaskWorld = World> {
  readonly litmus: AnyLitmus;
  readonly scene: Scene<W>;
  readonly world: W;
  readonly host: { readonly program: Program<W>; readonly entries: Uint16Array };
  readonly keepResults: boolean;
  /** How far the threads are (see `Progress`). */
  readonly next: Uint8Array;
  readonly errno: Uint8Array;
  readonly errorPage: Uint8Array;
  readonly readValue: Uint16Array;
  readonly results: Uint32Array;
  readonly firstResult: readonly number[];
  /** By program position: whether the step was ever taken. */
  readonly taken: Uint8Array;

  /** What the last move did: the operation that it ended (or thread -1), how, and whether it came to a rest. */
  endedThread = -1;
  endedOperation = 0;
  endedResult = 0;
  rested = false;
  /** Whether the last move came to where a time-out may happen: to a rest, or to a wait with a limit. */
  mayTimeOut = false;
  /** Whether the last move began an operation. */
  began = false;
  /** Where set: every single step that moves consist of, as moves of a machine without reductions. */
  recorded: number[] | undefined;

  /** By program position, in this litmus. */
  private readonly marks: Uint8Array;
  private readonly moveRules: readonly MoveRule[];
  private readonly reductions: Reductions;
  /** By CPU: 1 where its thread never touches memory through a mapping, so that nobody can see when it acknowledges. */
  private readonly acknowledgesAtOnce: Uint8Array;
  private readonly stateBytes: Uint8Array;
  private readonly progressBytes: Uint8Array;
  private readonly savedState: Uint8Array;
  private readonly savedProgress: Uint8Array;

  /** @throws UserError where an operation of `before` fails or never ends, or the world cannot be built */
  constructor({ litmus, policy, check, reductions, keepResults }: MachineOptions) {
    this.litmus = litmus;
    this.reductions = reductions;
    this.keepResults = keepResults;
    // A litmus carries its family, whose scenes are worlds of this kind.
    this.scene = litmus.family.createScene({ litmus, policy, check, reductions, keepResults }) as unknown as Scene<W>;
    const { world, program, entries, marks = program.marks } = this.scene;
    const { shape } = world;
    this.world = world;
    this.host = { program, entries };
    this.marks = marks;
    this.moveRules = litmus.family.moveRules;
    this.taken = new Uint8Array(this.host.program.run.length);
    const { threads } = litmus;
    const progress = layProgress(threads.map(({ operations }) => operations.length), keepResults);
    this.firstResult = progress.firstResult;
    this.results = progress.results;
    this.readValue = progress.readValue;
    this.next = progress.next;
    this.errno = progress.errno;
    this.errorPage = progress.errorPage;
    this.stateBytes = new Uint8Array(this.world.buffer);
    this.progressBytes = progress.bytes;
    this.savedState = new Uint8Array(this.stateBytes.length);
    this.savedProgress = new Uint8Array(this.progressBytes.length);
    this.acknowledgesAtOnce = Uint8Array.from({ length: shape.cpus }, (_, cpu) => (reductions.movers && this.scene.acknowledgesAtOnce?.(cpu) === true ? 1 : 0));
    for (const { thread, operation } of litmus.before) this.runAlone(thread, operation);
  }

  /** Remembers the state, for `restore`. */
  keep(): void {
    this.savedState.set(this.stateBytes);
    this.savedProgress.set(this.progressBytes);
  }

  restore(): void {
    this.stateBytes.set(this.savedState);
    this.progressBytes.set(this.savedProgress);
  }

  /** Whether the state is, byte for byte, the one that was kept. */
  get isAsKept(): boolean {
    return sameElements(this.stateBytes, this.savedState) && sameElements(this.progressBytes, this.savedProgress);
  }

  /** All bytes of the state, as a copy. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.stateBytes.length + this.progressBytes.length);
    all.set(this.stateBytes);
    all.set(this.progressBytes, this.stateBytes.length);
    return all;
  }

  load(bytes: Uint8Array): void {
    this.stateBytes.set(bytes.subarray(0, this.stateBytes.length));
    this.progressBytes.set(bytes.subarray(this.stateBytes.length));
  }

  /** Whether every operation of every thread has ended, and every device. */
  get done(): boolean {
    const { tasks } = this.world.shape;
    for (let task = 0; task < tasks; task++) if (this.hasWork(task)) return false;
    return true;
  }

  /** Whether the task is in an operation or can begin one. */
  hasWork(task: number): boolean {
    return this.world.pc[task * DEPTH_MAX] !== 0 || this.hasNext(task);
  }

  hasNext(task: number): boolean {
    const { threads } = this.litmus;
    return task < threads.length && this.next[task] < threads[task].operations.length;
  }

  /** The choices that the task's next move has, from `Choice.FirstPage` on; 0 where it begins no operation on `any`. */
  pageChoices(task: number): number {
    if (this.world.pc[task * DEPTH_MAX] !== 0) return 0;
    return this.litmus.threads[task].operations[this.next[task]].page === 'any' ? this.world.shape.pages : 0;
  }

  /** The position of the step that the task would take. */
  positionOf(task: number): number {
    const { pc, depth } = this.world;
    return pc[task * DEPTH_MAX] === 0 ? this.host.entries[this.litmus.threads[task].operations[this.next[task]].kind] : pc[task * DEPTH_MAX + depth[task]];
  }

  /**
   * Takes the task's next move. Where it must wait it is not taken, and the state may be left in the middle of it: restore it.
   * @returns whether the move was taken @throws Error where a model function throws: a lock out of order, a count below zero
   */
  step(task: number, choice: number): boolean {
    const { world } = this;
    const { program } = this.host;
    const { run } = program;
    const { marks } = this;
    const { merge, movers } = this.reductions;
    const { meter, pc, depth } = world;
    const base = task * DEPTH_MAX;
    this.endedThread = -1;
    this.rested = false;
    this.mayTimeOut = false;
    this.began = pc[base] === 0;
    if (this.began) this.begin(task, this.litmus.threads[task].operations[this.next[task]++], choice);
    // Free steps, then one that others can see or a lock and what it is taken for, then releases and free steps.
    let joinsNext = true;
    let seen = false;
    for (let steps = 0; ; steps++) {
      const at = pc[base + depth[task]];
      const mark = marks[at];
      if (mark === Mark.Free || (movers && mark === Mark.Guarded)) {
        if (steps > 0 && !merge) return true;
      } else if (seen) {
        const joins = joinsNext ? mark === Mark.Steady || mark === Mark.Release : mark === Mark.Release && movers;
        if (!joins) return true;
        joinsNext = false;
      } else if (steps > 0 && !merge) {
        return true;
      } else {
        seen = true;
        joinsNext = movers && mark === Mark.Acquire;
      }
      meter.event = Event.None;
      const flow = run[at](world, task);
      if (flow === Flow.Wait) {
        // Where it waits in the middle of a move the move was no move: better loud than a state that is none.
        if (NEVER_WAITS.has(mark)) throw new Error(`${program.routineNames[at]}.${program.names[at]} waits, and its mark says that it never does`);
        this.mayTimeOut = program.onTimeout[at] !== 0;
        if (!this.mayTimeOut || choice !== Choice.TimeOut) return false;
        this.taken[at] = 1;
        this.recorded?.push(moveOf(task, choice));
        pc[base + depth[task]] = program.onTimeout[at];
        continue;
      }
      this.taken[at] = 1;
      // A choice belongs to the step that began an operation, or that rests.
      this.recorded?.push(moveOf(task, flow === Flow.Sleep || (steps === 0 && choice >= Choice.FirstPage) ? choice : Choice.None));
      this.listen(task);
      if (flow === Flow.Sleep) {
        this.rested = true;
        this.mayTimeOut = true;
        if (choice !== Choice.TimeOut && !this.hasPatience(task)) return false;
        this.follow(task, at, choice === Choice.TimeOut ? Flow.Otherwise : Flow.Next);
      } else {
        this.follow(task, at, flow);
      }
      if (pc[base] === 0) return true;
      if (steps > STEPS_JOINED_MAX) throw new Error(`the steps from ${program.routineNames[at]}.${program.names[at]} on never come to one that others can see`);
    }
  }

  /** Takes a move from the loaded state. @returns whether it was taken @throws Error as `step` does */
  take(move: number): boolean {
    this.clearSignals();
    if (isAcknowledgement(move)) this.acknowledge(taskOf(move), choiceOf(move));
    else if (!this.step(taskOf(move), choiceOf(move))) return false;
    if (this.reductions.movers) this.acknowledgeUnseen();
    return true;
  }

  /** Whether this CPU can acknowledge the calls of this task now. */
  canAcknowledge(caller: number, cpu: number): boolean {
    const { callPending, flags, shape } = this.world;
    return callPending[caller * shape.cpus + cpu] !== 0 && (flags[cpu] & TaskFlag.IrqOff) === 0;
  }

  acknowledge(caller: number, cpu: number): void {
    this.endedThread = -1;
    this.rested = false;
    this.recorded?.push(acknowledgementOf(caller, cpu));
    this.scene.acknowledge(this.world, caller, cpu);
  }

  /** Acknowledgements that nobody can see are given as soon as they can be. */
  acknowledgeUnseen(): void {
    const { world, acknowledgesAtOnce } = this;
    const { tasks, cpus } = world.shape;
    for (let caller = 0; caller < tasks; caller++) {
      if (world.callCount[caller] === 0) continue;
      for (let cpu = 0; cpu < cpus; cpu++) {
        if (acknowledgesAtOnce[cpu] !== 1 || !this.canAcknowledge(caller, cpu)) continue;
        this.recorded?.push(acknowledgementOf(caller, cpu));
        this.scene.acknowledge(world, caller, cpu);
      }
    }
  }

  /** The rule that the last move broke, by what it counted; of these, or of all that there are. */
  brokenMoveRule(asked: readonly MoveRule[] = this.moveRules): string | undefined {
    const { count } = this.world.meter;
    for (let nth = 0; nth < asked.length; nth++) if (count[asked[nth].operation] > 0) return asked[nth].name;
    return undefined;
  }

  /** Forgets what steps told the meter, as far as results and sentences are read from it. */
  private clearSignals(): void {
    const { meter } = this.world;
    const { count } = meter;
    const { moveRules } = this;
    for (let nth = 0; nth < moveRules.length; nth++) count[moveRules[nth].operation] = 0;
    count[Op['access.failed']] = 0;
    meter.event = Event.None;
  }

  /** Whether the VMM tries the task's request once more. */
  hasPatience(task: number): boolean {
    return this.world.attempts[task] < this.litmus.world.patience;
  }

  /** Whether a rest, or a wait with a limit, may end in a time-out. */
  get timesOut(): boolean {
    return this.litmus.world.patience !== Infinity;
  }

  private begin(task: number, operation: LitmusOperation, choice: number): void {
    const { world } = this;
    const { kind, count, slot, window, value, flags } = operation;
    const page = operation.page === 'any' ? choice - Choice.FirstPage : operation.page;
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task] * this.litmus.world.windowsPerProcess + window;
    world.slot[task] = slot;
    world.value[task] = value;
    world.flags[task] = flags;
    world.pc[task * DEPTH_MAX] = this.host.entries[kind];
    this.scene.begin?.(task, operation);
  }

  /** Takes down what the step told the meter, as far as a result may need it later. */
  private listen(task: number): void {
    const { meter } = this.world;
    if (task >= this.next.length) return;
    if (meter.convertErrno > 0) {
      this.errno[task] = meter.convertErrno;
      this.errorPage[task] = meter.errorPage + 1;
      meter.convertErrno = 0;
      meter.errorPage = -1;
    }
    if (meter.readValue >= 0) {
      this.readValue[task] = meter.readValue + 1;
      meter.readValue = -1;
    }
  }

  /** Moves the task's position on from `at`. */
  private follow(task: number, at: number, flow: FlowKind): void {
    const { world } = this;
    const { pc, depth } = world;
    const base = task * DEPTH_MAX;
    if (flow === Flow.Next) pc[base + depth[task]] = at + 1;
    else if (flow === Flow.Otherwise) pc[base + depth[task]] = this.host.program.otherwise[at];
    else if (flow === Flow.Call) pc[base + ++depth[task]] = this.host.program.callee[at];
    else if (depth[task] > 0) {
      pc[base + depth[task]] = 0;
      pc[base + --depth[task]]++;
    } else {
      this.endOperation(task);
      this.scene.clearTask(world, task);
    }
    // A VMM that never gives up has no use for the number of its attempts.
    if (this.litmus.world.patience === Infinity) world.attempts[task] = 0;
  }

  private endOperation(task: number): void {
    if (task >= this.next.length) return;
    this.endedThread = task;
    this.endedOperation = this.next[task] - 1;
    this.endedResult = this.resultOf(task);
    this.errno[task] = 0;
    this.errorPage[task] = 0;
    this.readValue[task] = 0;
    // Operations of `before` end without a number.
    if (this.keepResults && this.endedOperation >= 0) this.results[this.firstResult[task] + this.endedOperation] = this.endedResult;
  }

  private resultOf(task: number): number {
    const { meter, outcome } = this.world;
    const { event } = meter;
    if (event === Event.RequestTimedOut || event === Event.RequestGaveUp) return resultId(this.errno[task], this.errorPage[task] - 1, -1);
    const failed = meter.count[Op['access.failed']] > 0;
    return failed ? resultId(outcome[task], -1, -1) : resultId(Errno.OK, -1, this.readValue[task] - 1);
  }

  /**
   * Runs one operation to its end while everybody else rests, devices that it starts included. Rests time out at once, and waits with
   * a limit when nothing else can go on.
   * @throws UserError where it does not end as it should
   */
  private runAlone(thread: number, operation: LitmusOperation): void {
    const { world } = this;
    const { run, names, onTimeout } = this.host.program;
    this.begin(thread, operation, Choice.FirstPage);
    this.endedThread = -1;
    stepUntilNobodyCan({
      world,
      onTimeout,
      step: (task, at) => {
        this.clearSignals();
        const flow = run[at](world, task);
        if (flow === Flow.Wait) return false;
        this.listen(task);
        this.follow(task, at, flow === Flow.Sleep ? Flow.Otherwise : flow);
        return true;
      },
      acknowledge: (task) => {
        for (let cpu = 0; cpu < world.shape.cpus; cpu++) if (this.canAcknowledge(task, cpu)) this.scene.acknowledge(world, task, cpu);
      },
    });
    const { path } = this.litmus;
    if (world.pc[thread * DEPTH_MAX] !== 0) throw neverEnds(path, operation, names[this.positionOf(thread)]);
    if (this.endedThread < 0 || !fits(this.endedResult, operation.expected ?? { errno: 'OK' })) throw endsOtherwise(path, operation, this.endedResult);
    this.endedThread = -1;
  }
}
