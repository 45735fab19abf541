/**
 * Every mark of every step is true: each search that joins steps rests on that.
 *
 * Asked in two ways over the states of the library's races and of random litmuses, searched without reductions. What a step
 * touches: proxies in place of the columns tell which elements it reads and which bits it changes, and each is held to the
 * sentence of its mark. How it moves: what may be joined is taken before and after everything that others can do just then,
 * and both orders must lead to one state; so the marks that hold only where a litmus leaves something quiet are asked too.
 */
import { assert, constantFrom, nat, pre, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { choiceOf, isAcknowledgement, taskOf } from '../src/explore/moves.ts';
import type { SceneColumn } from '../src/explore/family.ts';
import type { Machine } from '../src/explore/machine.ts';
import { forEachMove } from '../src/explore/search.ts';
import type { Search } from '../src/explore/search.ts';
import { ALL_REDUCTIONS } from '../src/explore/verdict.ts';
import { Flow, Mark } from '../src/model/step.ts';
import type { MarkKind, Run } from '../src/model/step.ts';
import { TaskFlag } from '../src/model/tasks.ts';
import type { TaskWorld } from '../src/model/taskWorld.ts';
import { UserError } from '../src/model/userError.ts';
import { sigbusOnFault } from '../src/policies/conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../src/policies/policy.ts';
import { createRecorder } from './tools/footprint.ts';
import type { Recorder, Touch } from './tools/footprint.ts';
import { anyCellsOf, cellsOf, libraryFiles, otherFiles, shippedPolicies } from './tools/library.ts';
import { markRulesOf } from './tools/markRules.ts';
import type { MarkRules } from './tools/markRules.ts';
import { immobilities } from './tools/movers.ts';
import { randomLitmus, randomPmdLitmus, readRandom, textOf } from './tools/randomLitmus.ts';
import { searchCell } from './tools/searched.ts';
import type { AnyCell, Cell } from './tools/searched.ts';

/** A machine of whatever family. */
type AnyMachine = Machine<TaskWorld>;

/* ---- what a step touches ---- */

/** What steps touch, and whose it is. */
interface Ground {
  readonly rules: MarkRules;
  readonly columns: ReadonlyMap<string, SceneColumn>;
  readonly tasks: number;
}

const isOwn = ({ columns, tasks }: Ground, { column, index }: Touch, task: number): boolean => {
  const found = columns.get(column);
  return found?.axis === 'task' && Math.floor(index / (found.array.length / tasks)) === task;
};

/** What a step did, as far as its mark is about it. */
interface Taken {
  readonly name: string;
  readonly task: number;
  /** Whether others look where the task walks. */
  readonly walks: boolean;
}

function isLocalRead(ground: Ground, touch: Touch, { task }: Taken): boolean {
  return isOwn(ground, touch, task) && !['callPending', 'callKind', 'callCount'].includes(touch.column);
}

function isLocalWrite(ground: Ground, touch: Touch, { task, walks }: Taken): boolean {
  const { column, changed } = touch;
  const { sharedColumns, walkColumns, sharedFlags } = ground.rules;
  if (!isOwn(ground, touch, task) || sharedColumns.has(column) || (walks && walkColumns.has(column))) return false;
  return column !== 'flags' || (changed & sharedFlags) === 0;
}

const isLockWrite = (ground: Ground, touch: Touch, { task }: Taken): boolean =>
  ground.rules.lockWords.has(touch.column) || (touch.changed & ~(ground.rules.lockBits[touch.column] ?? 0)) === 0 ||
  // Interrupts that are off are a lock against acknowledgements.
  (touch.column === 'flags' && isOwn(ground, touch, task) && (touch.changed & ground.rules.sharedFlags & ~TaskFlag.IrqOff) === 0);
const isLockRead = ({ rules }: Ground, { column }: Touch): boolean => rules.lockWords.has(column) || column in rules.lockBits;

/** What in a footprint the mark forbids. */
function forbidden(ground: Ground, mark: MarkKind, taken: Taken, reads: readonly Touch[], writes: readonly Touch[]): readonly string[] {
  const allowed = new Set(ground.rules.alsoReads.filter(({ step }) => step.test(taken.name)).flatMap(({ columns }) => columns));
  const isLock = mark === Mark.Acquire || mark === Mark.Release;
  const badReads = mark === Mark.Guarded ? [] : reads.filter((touch) => !isLocalRead(ground, touch, taken) && !(isLock && isLockRead(ground, touch)) && !allowed.has(touch.column));
  const badWrites = writes.filter((touch) => !isLocalWrite(ground, touch, taken) && !(isLock && isLockWrite(ground, touch, taken)));
  return [...badReads.map(({ column }) => `reads ${column}`), ...badWrites.map(({ column, changed }) => `writes ${column} (${changed.toString(16)})`)];
}

const MARK_NAMES = Object.keys(Mark);

/** Steps that touch what their marks forbid, in the state that the machine has kept. */
function trespasses(machine: AnyMachine, recorder: Recorder<TaskWorld>, seen: Set<number>): readonly string[] {
  const { world, scene: { columns }, litmus: { family } } = machine;
  const { program } = machine.host;
  const runs = program.run as Run<TaskWorld>[];
  const rules = markRulesOf(family.name);
  const ground: Ground = { rules, columns: new Map(columns.map((column) => [column.name, column])), tasks: world.shape.tasks };
  const found: string[] = [];
  forEachMove(machine, false, (move) => {
    if (isAcknowledgement(move) || choiceOf(move) !== 0) return false;
    const task = taskOf(move);
    const at = machine.positionOf(task);
    const mark = program.marks[at] as MarkKind;
    const run = runs[at];
    const name = `${program.routineNames[at]}.${program.names[at]}`;
    const complain = (what: string): void => void found.push(`${name} is marked ${MARK_NAMES[mark]}: ${what}`);
    runs[at] = (_, by) => {
      const walks = rules.walks(world, by);
      const { flow, footprint: { reads, writes } } = recorder.watch(run, by);
      const stillWalks = walks || rules.walks(world, by);
      if (flow === Flow.Wait && mark !== Mark.Waits && mark !== Mark.Acquire && mark !== Mark.None) complain('waits');
      if (mark >= Mark.Free) for (const what of forbidden(ground, mark, { name, task: by, walks: stillWalks }, reads, writes)) complain(what);
      return flow;
    };
    try {
      machine.take(move);
      seen.add(at);
    } finally {
      runs[at] = run;
      machine.restore();
    }
    return false;
  });
  return found;
}

/* ---- over many states ---- */

interface Asked {
  readonly machine: AnyMachine;
  readonly complaints: ReadonlySet<string>;
  /** Steps that were taken under a recorder, as "routine.step". */
  readonly names: ReadonlySet<string>;
}

/** Asks both questions of about so many states of a search, evenly chosen. */
function ask({ litmus, policy, check }: AnyCell, { machine, found }: { readonly machine: AnyMachine; readonly found: Search }, samples: number): Asked {
  const { world, host: { program } } = machine;
  const scene = litmus.family.createScene({ litmus, policy, check, reductions: ALL_REDUCTIONS, keepResults: false });
  const marks = scene.marks ?? program.marks;
  const acknowledgesUnseen = (cpu: number): boolean => scene.acknowledgesAtOnce?.(cpu) ?? false;
  const recorder = createRecorder(world, machine.scene.columns);
  const seen = new Set<number>();
  const complaints = new Set<string>();
  const { count } = found.states.rows;
  const stride = Math.max(1, Math.floor(count / samples));
  for (let row = 0; row < count; row += stride) {
    found.states.load(row);
    if (machine.done) continue;
    machine.keep();
    for (const what of immobilities(machine, { marks, acknowledgesUnseen })) complaints.add(`${what} (${policy.name})`);
    for (const what of trespasses(machine, recorder, seen)) complaints.add(`${what} (${policy.name})`);
  }
  return { machine, complaints, names: new Set([...seen].map((at) => `${program.routineNames[at]}.${program.names[at]}`)) };
}

const STATES_MAX = 6_000;
/** Where other work keeps the machine busy. */
const TIMEOUT_MS = 120_000;
const races = libraryFiles().filter(({ threads }) => threads.length > 1);

describe('marks', () => {
  const names = new Set<string>();

  test.each(races.map((litmus) => ({ name: litmus.name, litmus })))('are true in $name', ({ litmus }) => {
    // Split folios are those of another policy, step by step.
    const cells = cellsOf(litmus).filter(({ policy, check }) => policy.name !== 'split-4k' && check !== 'mapped-or-pinned');
    for (const cell of cells) {
      const asked = ask(cell, searchCell<TaskWorld>(cell, { statesMax: STATES_MAX }), 60);
      expect([...asked.complaints]).toEqual([]);
      for (const name of asked.names) names.add(name);
    }
  }, TIMEOUT_MS);

  // A file of one thread has steps that no race has; who is beside it changes nothing.
  test.each(otherFiles().map((litmus) => ({ name: litmus.name, litmus })))('are true in $name, of another family', ({ litmus }) => {
    for (const cell of anyCellsOf(litmus)) expect([...ask(cell, searchCell<TaskWorld>(cell, { statesMax: STATES_MAX }), 60).complaints]).toEqual([]);
  }, TIMEOUT_MS);

  test.each([
    ['litmuses that are drawn at random', randomLitmus, 100],
    ['others whose host maps regions with one entry', randomPmdLitmus, 50],
  ] as const)('are true in %s', (_, drawn, numRuns) => {
    assert(
      property(drawn, nat(shippedPolicies.length - 1), constantFrom('refcount', 'mapped-or-pinned', 'mapcount'), (random, policy, check) => {
        const text = textOf(random);
        const litmus = readRandom(text);
        pre(litmus !== undefined);
        const cell: Cell = { litmus, policy: shippedPolicies[policy], check };
        const searched = searchOf(cell);
        pre(searched !== undefined);
        const asked = ask(cell, searched, 60);
        expect([...asked.complaints], `under ${cell.policy.name}/${check}:\n${text}`).toEqual([]);
        for (const name of asked.names) names.add(name);
      }),
      { seed: 1, numRuns },
    );
  }, TIMEOUT_MS);

  test('were looked at for most steps of a host', () => {
    expect(names.size).toBeGreaterThan(300);
  });

  /** undefined where the policy does not do what comes before. */
  function searchOf(cell: Cell): ReturnType<typeof searchCell<TaskWorld>> | undefined {
    try {
      return searchCell<TaskWorld>(cell, { statesMax: 3_000 });
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
});

describe('a mark that lies', () => {
  /** `sigbus-on-fault` with another mark at one step to private. */
  const lying = (name: string, mark: MarkKind): ConversionPolicy => ({
    ...sigbusOnFault,
    rules: (options) => {
      const rules = sigbusOnFault.rules(options);
      return { ...rules, toPrivate: rules.toPrivate.map((one) => (one.name === name ? { name: one.name, run: one.run, mark, ...(one.otherwise === undefined ? {} : { otherwise: one.otherwise }) } : one)) };
    },
  });
  const complaintsOf = (file: string, policy: ConversionPolicy): readonly string[] => {
    const litmus = races.find(({ name }) => name === file);
    if (litmus === undefined) throw new Error(`no race ${file}`);
    const cell: Cell = { litmus, policy, check: 'refcount' };
    return [...ask(cell, searchCell<TaskWorld>(cell, { statesMax: STATES_MAX }), 2_000).complaints].map((what) => what.replace(' (sigbus-on-fault)', ''));
  };

  test('is found by what it touches: a step that reads the reference count is not free', () => {
    expect(complaintsOf('host-fault-in-flight', lying('folio.readRef', Mark.Free))).toEqual(expect.arrayContaining(['toPrivate.folio.readRef is marked Free: reads refcount']));
  });

  test('and by how it moves: where broadcast flushes leave GUP-fast alone, the count is another after its grab', () => {
    const complaints = complaintsOf('gup-fast-pin-broadcast', lying('folio.readRef', Mark.Free));
    expect(complaints).toEqual(expect.arrayContaining(['toPrivate.folio.readRef and folio.tryGet: the two orders lead to two states']));
  });

  test('is found where a lock is no lock, a drop drops too much, and a step waits', () => {
    expect(complaintsOf('host-fault-in-flight', lying('folio.lookupGet', Mark.Acquire))).toContain('toPrivate.folio.lookupGet is marked Acquire: writes refcount (3)');
    expect(complaintsOf('host-fault-in-flight', lying('state.store', Mark.Release))).toContain('toPrivate.state.store is marked Release: writes pageState (2)');
  });
});
