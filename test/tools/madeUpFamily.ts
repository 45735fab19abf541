/**
 * A family that nobody argues about: threads that add to numbers. Small enough to be seen through, and with everything that a family
 * brings: columns of its own, a lock, operations, sentences about moves and about states, policies that hold, refuse or lose.
 */
import { columnsOf, askStates, exploredFamily, sentencesOf } from '../../src/explore/family.ts';
import type { Debate, ExploredPolicy, Scene, SceneOptions, StateRule } from '../../src/explore/family.ts';
import { hostThreads } from '../../src/explore/hostThreads.ts';
import type { Litmus, LitmusWorldBase } from '../../src/explore/litmus.ts';
import { readLitmusOf } from '../../src/explore/readLitmus.ts';
import { families } from '../../src/explore/families/index.ts';
import { column } from '../../src/model/columns.ts';
import type { ArraysOf } from '../../src/model/columns.ts';
import { acknowledgeFlush } from '../../src/model/crossCalls.ts';
import { Errno } from '../../src/model/errno.ts';
import { LockClass, acquireWrite, releaseWrite } from '../../src/model/locks.ts';
import { Meter } from '../../src/model/meter.ts';
import { Op } from '../../src/model/operations.ts';
import { Flow, acquire, buildProgram, free, guarded, release, steady } from '../../src/model/step.ts';
import type { Run, Step } from '../../src/model/step.ts';
import { clearCommonLocals, commonTaskColumns, layWorld } from '../../src/model/taskWorld.ts';
import type { TaskShape, TaskWorld } from '../../src/model/taskWorld.ts';

const columns = {
  ...commonTaskColumns,
  /** What a thread has read of a number. */
  seen: column('u8', 'task', ({ tasks }: TaskShape) => tasks, () => 15),
  number: column('u8', 'page', ({ pages }: TaskShape) => pages, () => 15),
  /** What each number ought to be. */
  due: column('u8', 'page', ({ pages }: TaskShape) => pages, () => 15),
  lock: column<'u8', TaskShape>('u8', 'world', () => 1, () => 255),
} as const;

export interface Sums extends ArraysOf<typeof columns>, TaskWorld {
  readonly shape: TaskShape;
  readonly buffer: ArrayBuffer;
  meter: Meter;
}

interface SumsWorld extends LitmusWorldBase {
  /** What every number is at the start. */
  readonly first: number;
}

interface SumsPolicy extends ExploredPolicy {
  readonly rules: () => { readonly add: readonly Step<Sums>[] };
}

const Kind = { Add: 1, Read: 2, Peek: 3 } as const;

const done: Run<Sums> = (world) => {
  world.meter.charge(Op['access.done']);
  return Flow.Done;
};
const load: Run<Sums> = (world, task) => {
  world.seen[task] = world.number[world.page[task]];
  return Flow.Next;
};
const store: Run<Sums> = (world, task) => {
  const page = world.page[task];
  world.number[page] = world.seen[task] + 1;
  world.due[page]++;
  return Flow.Next;
};
const lock: Run<Sums> = (world, task) => acquireWrite(world, task, world.lock, 0, LockClass.Mmap, 255);
const unlock: Run<Sums> = (world, task) => {
  releaseWrite(world, task, world.lock, 0, LockClass.Mmap);
  return Flow.Next;
};
const refuse: Run<Sums> = (world, task) => {
  world.outcome[task] = Errno.EBUSY;
  world.meter.charge(Op['access.failed']);
  return Flow.Done;
};
const read: Run<Sums> = (world, task) => {
  world.meter.readValue = world.number[world.page[task]];
  return done(world, task);
};
/** Looks at a number, which a sentence forbids of large ones. */
const peek: Run<Sums> = (world, task) => {
  if (world.number[world.page[task]] > 1) world.meter.charge(Op['access.rogue']);
  return done(world, task);
};

const policy = (name: string, add: readonly Step<Sums>[]): SumsPolicy => ({ name, summary: `adds by ${add.map((step) => step.name).join(', ')}`, family: 'sums', checks: [], rules: () => ({ add }) });
const finished = free('finished', done);

export const locked = policy('locked', [acquire('lock', lock), guarded('load', load), steady('store', store), release('unlock', unlock), finished]);
export const refusing = policy('refusing', [free('refuse', refuse)]);
export const torn = policy('torn', [steady('load', load), steady('store', store), finished]);
/** A lock that is taken and never dropped. */
export const forgetful = policy('forgetful', [acquire('lock', lock), steady('load', load), steady('store', store), finished]);

const isDue: StateRule<Sums> = {
  name: 'sums',
  sentence: 'a number is what was added to it',
  why: 'an addition that is lost is lost for ever',
  broken: ({ number, due }) => {
    const page = number.findIndex((is, at) => is !== due[at]);
    return page < 0 ? undefined : `number ${page} is ${number[page]}, and ${due[page]} was added`;
  },
};
const noPeeking = { name: 'no-peeking', sentence: 'nobody looks at a number above 1', why: 'it is none of their business' };

const debate: Debate<Sums, SumsPolicy, SumsWorld> = {
  name: 'sums',
  grammar: {
    worldKeys: [{ key: 'pages', usual: '1', means: 'numbers' }, { key: 'first', usual: '0', means: 'what each is at the start, 0 to 3' }],
    readWorld({ integer }) {
      const world = { pages: integer('pages', 1, 1, 2), windowsPerProcess: 1, patience: 0, first: integer('first', 0, 0, 3) };
      return { ...world, finish: () => world };
    },
    threads: hostThreads,
    operations: [
      { words: 'add', form: 'add PAGE', example: 'add 0', means: 'adds one to a number', read: ({ page }) => ({ kind: Kind.Add, ...page() }) },
      { words: 'read', form: 'read PAGE', example: 'read any', means: 'reads a number', read: ({ page }) => ({ kind: Kind.Read, ...page() }) },
      { words: 'peek', form: 'peek PAGE', example: 'peek 0', means: 'looks at a number, which is forbidden of large ones', read: ({ page }) => ({ kind: Kind.Peek, ...page() }) },
    ],
    kinds: { readers: new Set([Kind.Read]), requests: new Set(), guest: new Set(), fills: new Set(), uses: new Set(), drops: new Set() },
  },
  sentences: sentencesOf([noPeeking], [isDue]),
  moveRules: [{ name: noPeeking.name, operation: Op['access.rogue'] }],
  asked: new Set([Kind.Add]),
  askedFor: 'addition',
  createScene,
};

export const sums = exploredFamily(debate, { policies: [locked, refusing], wrongPolicies: [torn, forgetful] });

function createScene({ litmus, policy: { rules } }: SceneOptions<SumsPolicy, SumsWorld>): Scene<Sums> {
  const { threads, world: { pages, first } } = litmus;
  const shape: TaskShape = { pages, windows: 1, mms: 1, cpus: threads.length, vcpus: 0, tasks: threads.length, slots: 0, broadcastFlush: false };
  const createAnother = (): Sums => layWorld(columns, shape, { meter: new Meter() });
  const world = createAnother();
  world.number.fill(first);
  world.due.fill(first);
  const program = buildProgram<Sums>({ add: { steps: rules().add }, read: { steps: [steady('read', read)] }, peek: { steps: [steady('peek', peek)] } });
  return {
    world,
    program,
    entries: Uint16Array.from(['', 'add', 'read', 'peek'], (routine) => (routine === '' ? 0 : program.entry(routine))),
    columns: columnsOf<TaskShape>(columns, world, shape),
    actors: [],
    worldText: `${pages} ${pages === 1 ? 'number' : 'numbers'}`,
    clearTask(_, task) {
      clearCommonLocals(world, task);
      world.seen[task] = 0;
    },
    acknowledge: acknowledgeFlush,
    invariants: askStates([isDue], world),
    describeMove: (rule) => `${rule} is broken: the numbers are ${[...world.number].join(' and ')}`,
    createAnother,
    describeChanges: (before, after) => ({
      locks: before.lock[0] === after.lock[0] ? [] : [after.lock[0] === 0 ? 'drops the lock' : 'takes the lock'],
      others: [...after.number].flatMap((is, at) => (is === before.number[at] ? [] : [`number ${at}: ${before.number[at]} -> ${is}`])),
    }),
  };
}

/** A litmus of the family, out of whole lines behind its source. */
export const sumsLitmus = (...lines: readonly string[]): Litmus<SumsWorld> =>
  readLitmusOf<SumsWorld>([...families, sums], ['name: x', 'question: What comes of it?', 'source: a test', 'family: sums', ...lines, ''].join('\n'), 'x.litmus.yaml').litmus;
