/**
 * The guard around the steps of a policy that somebody brings: a step that does what no step may do ends its cell with its name.
 *
 * Shipped policies run bare. The guard changes nothing of what a right step does, so that figures and verdicts are the same with it.
 */
import { Flow, callRoutine, end, goTo } from '../model/step.ts';
import type { HostRules } from '../model/host.ts';
import type { FlowKind, Routine, Run, Step } from '../model/step.ts';
import type { World } from '../model/world.ts';
import type { ConversionPolicy } from './policy.ts';

/** A step of a policy has done what no step may do. The message is one line, for a counterexample; the parts are for a cell that failed. */
export class StepError extends Error {
  readonly what: string;
  readonly why: string;
  readonly fix: string;

  constructor({ what, why, fix, message = `${what}: ${why}` }: { readonly what: string; readonly why: string; readonly fix: string; readonly message?: string }) {
    super(message);
    this.name = 'StepError';
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

/** Somebody outside who wants to know where a policy is: a step that never comes back can only be seen from there. */
export interface Watcher {
  /** Names of all steps, told before the first of them is taken. */
  readonly steps: (names: readonly string[]) => void;
  /** Number of the step (from 1) that begins, `RULES` for the policy's own function, or 0 where one is over. */
  readonly at: (number: number) => void;
}

/** In place of a step's number: `rules` itself. */
export const RULES = -1;

export interface GuardOptions {
  /** The module, as the user named it. */
  readonly path: string;
  /** Whether routines have to end after some number of steps: for an engine that follows one run. An explorer sees a circle by itself. */
  readonly bounded: boolean;
  readonly watcher?: Watcher;
}

/** Steps of one routine between two of its ends. A zap of 16 GiB in 64 VMAs takes six million. */
const STEPS_MAX = 20_000_000;

/** These say only where to go on, and the program knows them by their functions. */
const CONTROL: ReadonlySet<Run> = new Set([end.run, goTo('').run, callRoutine('', '').run]);

const FLOWS: readonly string[] = Object.keys(Flow);
const FLOW_LAST = Math.max(...Object.values(Flow));

/** The policy, with every step of its routines watched. */
export function guardPolicy(policy: ConversionPolicy, { path, bounded, watcher }: GuardOptions): ConversionPolicy {
  return {
    ...policy,
    rules(options) {
      const rules = watched(RULES, watcher, () => policy.rules(options));
      const names: string[] = [];
      const guarded = (routine: string, steps: readonly Step[], isWhole = true): readonly Step[] =>
        steps.map((one, index) => {
          if (CONTROL.has(one.run)) return one;
          names.push(`step "${one.name}" of ${routine}`);
          const number = names.length;
          const told = { name: names[number - 1], policy: policy.name, path };
          const run = guardRun(one, told, isWhole && index === steps.length - 1);
          const limited = bounded ? boundRun(run, told) : run;
          return { ...one, run: watcher === undefined ? limited : (world: World, task: number) => watched(number, watcher, () => limited(world, task)) };
        });
      const guardedRules = guardRules(rules, guarded);
      watcher?.steps(names);
      return guardedRules;
    },
  };
}

function guardRules(rules: HostRules, guarded: (routine: string, steps: readonly Step[], isWhole?: boolean) => readonly Step[]): HostRules {
  const { toPrivate, toShared, mmapHook, vmm } = rules;
  const { beforeToPrivate, afterRequest } = vmm ?? {};
  const routine = (name: string, one: Routine): Routine => ({ ...one, steps: guarded(name, one.steps) });
  return {
    ...rules,
    toPrivate: guarded('toPrivate', toPrivate),
    toShared: guarded('toShared', toShared),
    // The hook goes on into the mmap that it stands in.
    ...(mmapHook === undefined ? {} : { mmapHook: guarded('mmapHook', mmapHook, false) }),
    ...(vmm === undefined
      ? {}
      : {
          vmm: {
            ...vmm,
            ...(beforeToPrivate === undefined ? {} : { beforeToPrivate: routine('vmm.beforeToPrivate', beforeToPrivate) }),
            ...(afterRequest === undefined ? {} : { afterRequest: routine('vmm.afterRequest', afterRequest) }),
          },
        }),
  };
}

interface Told {
  /** `step "x" of toPrivate`. */
  readonly name: string;
  readonly policy: string;
  readonly path: string;
}

/** Nothing waits for this: a step that waits has to say what for. */
const NOTHING = -1;

function guardRun(one: Step, told: Told, isLast: boolean): Run {
  const { run, otherwise, callee } = one;
  const refuse = (why: string, fix: string): never => {
    throw stepError(told, why, fix);
  };
  return (world, task) => {
    const { meter } = world;
    meter.waitOn = NOTHING;
    let flow: FlowKind;
    try {
      flow = run(world, task);
    } catch (error) {
      throw error instanceof StepError ? error : thrown(told, error);
    }
    if (!((flow as number) >= 0 && flow <= FLOW_LAST && Number.isInteger(flow))) {
      refuse(answerText(flow), `answer one of ${FLOWS.map((name) => `Flow.${name}`).join(', ')}, and never wait for a promise: steps are synchronous`);
    }
    // Not a number, where an operation that does not exist was charged.
    if (!(meter.ns >= 0)) refuse('it charged an operation that does not exist, or less than none of one', 'charge Op[...] as `foliobench list operations` has it, and no negative number of times');
    if (flow === Flow.Wait && meter.waitOn === NOTHING) refuse('it answers Flow.Wait and does not say what it waits for', 'answer waitFor(world, lockId(...)), or what acquireWrite, acquireRead or waitCalls answer');
    if ((flow === Flow.Otherwise || flow === Flow.Sleep) && otherwise === undefined) {
      refuse(`it answers Flow.${flow === Flow.Sleep ? 'Sleep' : 'Otherwise'} and has no label to go on at`, "name that step as the third argument: step('name', run, 'label')");
    }
    if (flow === Flow.Call && callee === undefined) refuse('it answers Flow.Call and names no routine', 'write callRoutine(name, routine) in its place');
    if (flow === Flow.Next && isLast) refuse('it answers Flow.Next and is the last step of its routine', 'put `end` behind it, or answer Flow.Done');
    return flow;
  };
}

function answerText(flow: unknown): string {
  if (flow === undefined) return 'it answers nothing, and a step says where to go on';
  if (flow instanceof Promise) {
    flow.catch(() => {}); // told already
    return 'it answers a promise, and a step is over when it returns';
  }
  return `it answers ${typeof flow === 'object' ? 'an object' : String(flow)}, which is no Flow`;
}

/** Counts the steps of each task since its routine was last at its end. */
function boundRun(run: Run, told: Told): Run {
  return (world, task) => {
    const steps = countsOf(world);
    if (steps[task]++ > STEPS_MAX) throw stepError(told, `its routine has taken ${STEPS_MAX} steps and does not end; it was here when the count was full`, 'see that every way through the routine comes to its `end`');
    const flow = run(world, task);
    if (flow === Flow.Done) steps[task] = 0;
    return flow;
  };
}

const counts = new WeakMap<ArrayBuffer, Float64Array>();

function countsOf({ buffer, shape }: World): Float64Array {
  let steps = counts.get(buffer);
  if (steps === undefined) counts.set(buffer, (steps = new Float64Array(shape.tasks)));
  return steps;
}

function watched<T>(number: number, watcher: Watcher | undefined, call: () => T): T {
  watcher?.at(number);
  try {
    return call();
  } finally {
    watcher?.at(0);
  }
}

const stepError = ({ name, policy, path }: Told, why: string, fix: string): StepError => new StepError({ what: `${name} of ${policy} (${path}) is no step`, message: `${name}: ${why}`, why, fix });

function thrown({ name, policy, path }: Told, error: unknown): StepError {
  const text = errorText(error);
  const isOrder = error instanceof Error && error.message.startsWith('lock order:');
  return new StepError({
    what: `${name} of ${policy} (${path}) threw`,
    why: text,
    fix: `correct it; \`foliobench explore --policy ${path}\` shows the way to where it throws, if a litmus file goes there`,
    message: isOrder ? `${error.message} (${name})` : `${name} threw ${text}`,
  });
}

/** An error in one line, with the place in the user's module: `TypeError: x is not a function (my.policy.mjs:12)`. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `a thrown ${typeof error}: ${String(error)}`;
  const [first] = error.message.split('\n');
  // The first frame that is not the package's own: there the user's code is.
  const frames = [...(error.stack ?? '').matchAll(/(?:\(|at )(?:async )?((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/gm)];
  const own = frames.find(([, file]) => !file.startsWith('node:') && !/[\\/](?:dist[\\/])?src[\\/](?:model|policies|simulate|explore|harness|cli)[\\/]/.test(file));
  return `${error.name}: ${first}${own === undefined ? '' : ` (${own[1].split(/[\\/]/).pop()}:${own[2]})`}`;
}
