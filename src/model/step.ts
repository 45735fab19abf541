/**
 * Steps, routines and programs: how a protocol is written down, and what an engine runs.
 *
 * A routine is a named list of steps. A step does at most one access to state that no lock of its own protects, and says
 * where to go on: to the next step, to its `otherwise` label, back to its caller, or nowhere yet. Routines call one
 * another, at most `DEPTH_MAX` deep.
 *
 * A program is all routines of a run flattened to one array, so that a task's position is a few small numbers in columns
 * and an engine's inner loop is one indexed call.
 */
import type { TaskWorld } from './taskWorld.ts';
import type { World } from './world.ts';

export const Flow = {
  /** Go on with the next step of the routine. */
  Next: 0,
  /** Go on at the step that `otherwise` names. */
  Otherwise: 1,
  /** The routine is over; go on after the call, or the access is done. */
  Done: 2,
  /** Not yet. The world is unchanged; `meter.waitOn` says what for. The step is repeated. */
  Wait: 3,
  /** Sleep for a while, then go on with the next step, or at `otherwise` when the time limit has passed. Explore takes both. */
  Sleep: 4,
  /** Call the routine that the step names. */
  Call: 5,
} as const;
export type FlowKind = (typeof Flow)[keyof typeof Flow];

/** @typeParam W the world that it steps in: that of guest_memfd, or another one with tasks */
export type Run<W extends TaskWorld = World> = (world: W, task: number) => FlowKind;

/**
 * What an engine may take for granted of a step when it joins steps to one (Lipton, "Reduction", 1975). Nothing is taken for
 * granted of a step without a mark. A test steps the whole library of litmus files and holds every mark to its sentence.
 */
export const Mark = {
  /** Nothing is known of it. */
  None: 0,
  /** May wait, and others may see what it does. */
  Waits: 1,
  /** Never waits. */
  Steady: 2,
  /** Never waits, and reads and writes nothing but locals of its own task. */
  Free: 3,
  /** Never waits, writes nothing but locals, and reads, beside them, only what a lock that it holds keeps from changing. */
  Guarded: 4,
  /** Takes a lock, waits for it where it must, and touches nothing else but locals. Interrupts that are off are a lock against acknowledgements. */
  Acquire: 5,
  /** Drops a lock, never waits, and touches nothing else but locals. */
  Release: 6,
} as const;
export type MarkKind = (typeof Mark)[keyof typeof Mark];

/** What a litmus may leave in peace: nobody else looks at it, or nobody changes it. Which of them are quiet is for the explorer to say. */
export const QUIETABLE = ['stage2', 'kicks', 'vmas', 'wishes', 'pincounts', 'mapcounts', 'slots', 'lru', 'contents', 'data', 'secondaries'] as const;
export type Quietable = (typeof QUIETABLE)[number];

export interface Step<W extends TaskWorld = World> {
  readonly name: string;
  readonly run: Run<W>;
  readonly mark?: MarkKind;
  /** The mark that it has where this is quiet. */
  readonly whenQuiet?: readonly [what: Quietable, mark: MarkKind];
  /** Name of the step (in the same routine) to go on at after `Flow.Otherwise`, or after a time-out. */
  readonly otherwise?: string;
  /** Name of the routine to call. */
  readonly callee?: string;
  /**
   * A wait with a limit: where the step has answered `Flow.Wait` for so long, in virtual nanoseconds, it goes on at the step of this
   * name. Engines without clocks take it at any moment of the wait.
   */
  readonly onTimeout?: string;
  readonly waitNsMax?: number;
}

/** @param otherwise label of the step to go on at when `run` answers `Flow.Otherwise` */
export function step<W extends TaskWorld = World>(name: string, run: Run<W>, otherwise?: string): Step<W> {
  return otherwise === undefined ? { name, run } : { name, run, otherwise };
}

type StepMaker = <W extends TaskWorld = World>(name: string, run: Run<W>, otherwise?: string) => Step<W>;

const marked = (mark: MarkKind): StepMaker => (name, run, otherwise) => ({ ...step(name, run, otherwise), mark });
const markedWhen = (what: Quietable, quiet: MarkKind, mark: MarkKind): StepMaker => (name, run, otherwise) => ({ ...step(name, run, otherwise), mark, whenQuiet: [what, quiet] });

/** Steps with a mark; what each promises stands at `Mark`. */
export const waits = marked(Mark.Waits);
export const steady = marked(Mark.Steady);
export const free = marked(Mark.Free);
export const guarded = marked(Mark.Guarded);
export const acquire = marked(Mark.Acquire);
export const release = marked(Mark.Release);

/** A step that waits, and goes on at `onTimeout` after `waitNsMax`. @param waitNsMax Infinity: it waits for ever */
export function waitsUpTo<W extends TaskWorld = World>(name: string, run: Run<W>, waitNsMax: number, onTimeout: string): Step<W> {
  return waitNsMax === Infinity ? waits(name, run) : { ...waits(name, run), waitNsMax, onTimeout };
}

/** Steps that are free where something is quiet, and else steady, wait, or are locks. */
export const freeWhen = (what: Quietable): StepMaker => markedWhen(what, Mark.Free, Mark.Steady);
export const waitsUnless = (what: Quietable): StepMaker => markedWhen(what, Mark.Free, Mark.Waits);
export const acquireUnless = (what: Quietable): StepMaker => markedWhen(what, Mark.Free, Mark.Acquire);
export const releaseUnless = (what: Quietable): StepMaker => markedWhen(what, Mark.Free, Mark.Release);
export const releaseWhen = (what: Quietable): StepMaker => markedWhen(what, Mark.Release, Mark.Steady);

const call: Run<TaskWorld> = () => Flow.Call;

/** A step that runs a whole routine and goes on behind it; the callee's result is in `world.outcome[task]`. */
export function callRoutine(name: string, callee: string): Step<TaskWorld> {
  return { name, run: call, callee };
}

const jump: Run<TaskWorld> = () => Flow.Otherwise;

/** A step that only goes on elsewhere. It costs nothing and nobody can see it. */
export function goTo(label: string): Step<TaskWorld> {
  return { name: `to ${label}`, run: jump, otherwise: label };
}

const done: Run<TaskWorld> = () => Flow.Done;

/** The end of a routine with nothing left to do. */
export const end: Step<TaskWorld> = { name: 'end', run: done };

export interface Routine<W extends TaskWorld = World> {
  readonly steps: readonly Step<W>[];
  /** Time charged in it is the VMM's own. */
  readonly vmm?: boolean;
}

export type Routines<W extends TaskWorld = World> = Readonly<Record<string, Routine<W>>>;

/** Positions are indices into these; 0 is "idle", so that a world starts with all tasks idle. */
export interface Program<W extends TaskWorld = World> {
  readonly run: readonly Run<W>[];
  readonly otherwise: Uint16Array;
  readonly callee: Uint16Array;
  /** Where a wait with a limit goes on after it, and the limit in virtual nanoseconds; 0 where a step has none. */
  readonly onTimeout: Uint16Array;
  readonly waitNsMax: Float64Array;
  /** 1 where the step belongs to the VMM's own dance. */
  readonly vmm: Uint8Array;
  /** `Mark` of each step. */
  readonly marks: Uint8Array;
  /** What has to be quiet for another mark, and that mark. */
  readonly whenQuiet: readonly Step['whenQuiet'][];
  readonly names: readonly string[];
  readonly routineNames: readonly string[];
  /** First position of a routine. @throws Error where there is none */
  entry(routine: string): number;
}

/** How deep routines nest: a guest's fault, the conversion in it, the VMM's dance around that, the munmap in that. */
export const DEPTH_MAX = 4;

/** Flattens routines. @throws Error for a label or a callee that does not exist, a name used twice, a wait whose limit is none, calls that nest too deep */
export function buildProgram<W extends TaskWorld = World>(routines: Routines<W>): Program<W> {
  for (const routine of Object.keys(routines)) checkDepth(routines, [routine]);
  const starts = new Map<string, number>();
  const all: { readonly routine: string; readonly step: Step<W>; readonly vmm: boolean }[] = [
    { routine: 'idle', step: { name: 'idle', run: done }, vmm: false },
  ];
  for (const [routine, { steps, vmm = false }] of Object.entries(routines)) {
    if (steps.length === 0) throw new Error(`routine "${routine}" has no steps`);
    starts.set(routine, all.length);
    for (const one of steps) all.push({ routine, step: one, vmm });
  }
  const entry = (routine: string): number => {
    const start = starts.get(routine);
    if (start === undefined) throw new Error(`no routine "${routine}"; there are ${[...starts.keys()].join(', ')}`);
    return start;
  };
  const otherwise = new Uint16Array(all.length);
  const callee = new Uint16Array(all.length);
  const onTimeout = new Uint16Array(all.length);
  const waitNsMax = new Float64Array(all.length);
  for (const [routine, { steps }] of Object.entries(routines)) {
    const start = entry(routine);
    const places = new Map<string, number>();
    for (const [index, one] of steps.entries()) {
      const { name } = one;
      if (places.has(name) && one.run !== done && one.run !== jump) throw new Error(`routine "${routine}" has two steps "${name}"`);
      places.set(name, start + index);
    }
    const placeOf = (one: Step<W>, label: string): number => {
      const place = places.get(label);
      if (place === undefined) throw new Error(`routine "${routine}", step "${one.name}": no step "${label}"`);
      return place;
    };
    for (const [index, one] of steps.entries()) {
      if (one.otherwise !== undefined) otherwise[start + index] = placeOf(one, one.otherwise);
      if (one.onTimeout !== undefined) {
        if (!(one.waitNsMax !== undefined && one.waitNsMax > 0)) throw new Error(`routine "${routine}", step "${one.name}": a wait with a limit needs one above zero, got ${one.waitNsMax}`);
        onTimeout[start + index] = placeOf(one, one.onTimeout);
        waitNsMax[start + index] = one.waitNsMax;
      }
      if (one.callee !== undefined) callee[start + index] = entry(one.callee);
    }
  }
  return {
    run: all.map(({ step: { run } }) => run),
    otherwise,
    callee,
    onTimeout,
    waitNsMax,
    vmm: Uint8Array.from(all, ({ vmm }) => (vmm ? 1 : 0)),
    whenQuiet: all.map(({ step: { whenQuiet } }) => whenQuiet),
    marks: Uint8Array.from(all, ({ step: { run, callee: called, mark = Mark.None } }) => (called !== undefined || run === jump || run === done ? Mark.Free : mark)),
    names: all.map(({ step: { name } }) => name),
    routineNames: all.map(({ routine }) => routine),
    entry,
  };
}

/** A deeper call would write over the position of the next task. */
function checkDepth<W extends TaskWorld>(routines: Routines<W>, calls: readonly string[]): void {
  if (calls.length > DEPTH_MAX) throw new Error(`routines nest deeper than ${DEPTH_MAX}: ${calls.join(' > ')}`);
  for (const { callee } of routines[calls[calls.length - 1]]?.steps ?? []) if (callee !== undefined) checkDepth(routines, [...calls, callee]);
}
