/**
 * A made-up family, for tests of what every family shares: a ledger of numbers, one a page, to which tasks add one each. `locked`
 * holds a lock from the reading to the writing, `unlocked` does not, and so loses what others added in between.
 */
import { column } from '../../src/model/columns.ts';
import type { ArraysOf } from '../../src/model/columns.ts';
import { sendFlush, waitCalls } from '../../src/model/crossCalls.ts';
import { Gauge } from '../../src/model/gauges.ts';
import { LockClass, WRITER, acquireWrite, releaseWrite } from '../../src/model/locks.ts';
import { Op } from '../../src/model/operations.ts';
import { Flow, acquire, buildProgram, end, release, steady, waits } from '../../src/model/step.ts';
import type { Run, Step } from '../../src/model/step.ts';
import { clearCommonLocals, commonTaskColumns, layWorld } from '../../src/model/taskWorld.ts';
import type { TaskShape, TaskWorld } from '../../src/model/taskWorld.ts';
import type { Policy } from '../../src/policies/policy.ts';
import { createSimulatedFamily } from '../../src/simulate/family.ts';
import type { FamilyModel } from '../../src/simulate/family.ts';
import type { Workload } from '../../src/workloads/workload.ts';
import { createActor, opened, put } from '../../src/workloads/synthetic/stream.ts';

const ledgerColumns = {
  ...commonTaskColumns,
  ledger: column('u32', 'page', ({ pages }: TaskShape) => pages, () => 0xffff_ffff),
  ledgerLock: column<'u16', TaskShape>('u16', 'world', () => 1, () => WRITER),
  /** What its task has read. */
  seen: column('u32', 'task', ({ tasks }: TaskShape) => tasks, () => 0xffff_ffff),
} as const;

export interface LedgerWorld extends ArraysOf<typeof ledgerColumns>, TaskWorld {
  readonly shape: TaskShape;
}

export const LedgerAccess = { Add: 1, Flush: 2 } as const;
/** What is timed, by index. */
export const LedgerSpan = { Add: 0, Flush: 1 } as const;

type LedgerRun = Run<LedgerWorld>;

const read: LedgerRun = (world, task) => {
  world.meter.charge(Op['pte.check']);
  world.seen[task] = world.ledger[world.page[task]];
  return Flow.Next;
};

const write: LedgerRun = (world, task) => {
  const { meter, ledger, page, seen } = world;
  meter.charge(Op['pte.set']);
  // Somebody added in between: theirs is lost.
  if (ledger[page[task]] !== seen[task]) meter.note(Op['access.orphan']);
  if (ledger[page[task]] === 0) meter.move(Gauge.pages, 1);
  ledger[page[task]] = seen[task] + 1;
  return Flow.Next;
};

const begins = (span: number): LedgerRun => (world) => {
  world.meter.beginSpan(span);
  return Flow.Next;
};

const ends = (span: number): LedgerRun => (world) => {
  world.meter.note(Op['access.done']);
  world.meter.note(Op['work.done']);
  world.meter.endSpan(span);
  return Flow.Done;
};

const lock: LedgerRun = (world, task) => acquireWrite(world, task, world.ledgerLock, 0, LockClass.PageTable);
const unlock: LedgerRun = (world, task) => {
  releaseWrite(world, task, world.ledgerLock, 0, LockClass.PageTable);
  return Flow.Next;
};

const send: LedgerRun = (world, task) => {
  sendFlush(world, task, 0, 1);
  return Flow.Next;
};

export interface LedgerPolicy extends Policy {
  readonly family: 'ledger';
  readonly locks: boolean;
}

const policy = (name: string, locks: boolean, summary: string): LedgerPolicy => ({
  name,
  summary,
  family: 'ledger',
  checks: [],
  locks,
  argument: { idea: `${summary}`, for: [{ who: 'a clerk', says: 'it adds up', mail: '1 Jan 2020' }], against: [], price: locks ? 'tasks wait for one another' : 'sums are wrong', sources: ['made up'] },
  choices: [{ name: 'start', values: ['zero', 'one'], default: 'zero', what: 'what stands in the ledger at first' }],
});

const locked = policy('locked', true, 'Adds under a lock');
const unlocked = policy('unlocked', false, 'Adds without a lock');

export const buildLedgerProgram = ({ locks }: LedgerPolicy) =>
  buildProgram<LedgerWorld>({
    add: {
      steps: [
        steady('begin', begins(LedgerSpan.Add)),
        ...(locks ? [acquire('lock', lock)] : []),
        steady('read', read),
        steady('write', write),
        ...(locks ? [release('unlock', unlock)] : []),
        steady('end.add', ends(LedgerSpan.Add)),
      ] as readonly Step<LedgerWorld>[],
    },
    flush: { steps: [steady('begin', begins(LedgerSpan.Flush)), steady('send', send), waits('wait', waitCalls), steady('end.flush', ends(LedgerSpan.Flush)), end] },
  });

export const createLedgerWorld = (shape: TaskShape, meter: TaskWorld['meter']): LedgerWorld => layWorld(ledgerColumns, shape, { meter });

/** Every CPU adds to all pages in turn, and flushes after each round. */
const rounds: Workload = {
  name: 'rounds',
  summary: 'All CPUs add to the same pages at once; who has no lock loses.',
  open: ({ pageCount, accessCount, vcpus }) =>
    opened({
      actors: Array.from({ length: vcpus }, (_, cpu) => {
        let page = 0;
        return createActor({
          name: `clerk-${cpu}`,
          accessCount: Math.floor(accessCount / vcpus),
          plan(batch, at) {
            if (page === pageCount) {
              page = 0;
              return put(batch, at, LedgerAccess.Flush, 0);
            }
            return put(batch, at, LedgerAccess.Add, page++);
          },
        });
      }),
    }),
};

/** One CPU alone. */
const alone: Workload = { ...rounds, name: 'alone', summary: 'One CPU adds; nobody suffers.', open: (options) => rounds.open({ ...options, vcpus: 1 }) };

export const ledgerModel: FamilyModel<LedgerWorld, LedgerPolicy> = {
  name: 'ledger',
  policies: [locked, unlocked],
  workloads: [rounds, alone],
  latencies: ['add', 'flush'],
  createStage({ policy: { locks, ...rest }, choices, opened: { actors }, options: { pageCount }, createMeter }) {
    const cpus = actors.length;
    const world = createLedgerWorld({ pages: pageCount, windows: 1, mms: 1, cpus, vcpus: cpus, tasks: cpus, slots: 0, broadcastFlush: false }, createMeter(cpus));
    if (choices.start === 'one') world.ledger.fill(1);
    const program = buildLedgerProgram({ ...rest, locks });
    return { world, program, entries: Uint16Array.of(0, program.entry('add'), program.entry('flush')) };
  },
  clearTask(world, task) {
    clearCommonLocals(world, task);
    world.seen[task] = 0;
  },
  explained: {
    scene: 'a ledger of two pages and two clerks',
    pages: 2,
    processes: [0, 0],
    script: [
      { by: 0, access: { kind: LedgerAccess.Add, page: 1 } },
      { by: 1, access: { kind: LedgerAccess.Add, page: 1 }, told: { name: 'add', asked: 'the second clerk adds to page 1' } },
      { by: 0, access: { kind: LedgerAccess.Flush }, told: { name: 'flush', asked: 'the first clerk flushes' } },
    ],
    columns: ['page 1'],
    legend: 'page 1 = what stands there.',
    view: ({ ledger }) => [String(ledger[1])],
    lockWords: () => ({}),
  },
  figuresOf: ({ ledger }) => ({ sum: ledger.reduce((sum, entry) => sum + entry, 0) }),
};

export const ledgerFamily = createSimulatedFamily(ledgerModel);
