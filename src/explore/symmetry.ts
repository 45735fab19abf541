/**
 * Symmetry: threads of one process that run the same program are interchangeable, so that of two states which differ only in
 * their names one is enough (Ip and Dill, "Better Verification Through Symmetry", 1996).
 *
 * Columns say which axis they run along and which hold ids (src/model/columns.ts): from that a swap of two threads follows, with
 * their CPUs and their buffers. Pages are interchangeable in another way: where every operation is about `any` one page and
 * the policy does nothing by itself, the first choice of a run may be page 0.
 * Assumed of a policy: its steps treat no task and no page by its number. A test renumbers both and finds the same verdicts.
 */
import type { Column } from '../model/columns.ts';
import { DEPTH_MAX } from '../model/step.ts';
import { worldColumns } from '../model/world.ts';
import type { WorldColumns } from '../model/world.ts';
import { buffersOf, operationsOf } from './litmusShape.ts';
import type { Litmus, LitmusThread } from './litmus.ts';
import type { Machine } from './machine.ts';

/** What two threads must have in common; buffers are named by the order in which the thread uses them. */
function programOf({ role, process, operations }: LitmusThread): string {
  const buffers = buffersOf(operations);
  const words = operations.map(({ kind, page, count, slot, window, value, flags, expected }) =>
    [kind, page, count, buffers.indexOf(slot), window, value, flags, expected?.errno, expected?.at, expected?.value].join(' '));
  return [role, process, ...words].join('; ');
}

/** Classes of interchangeable threads, those of one left out. Every thread of a class uses its buffers alone, and nothing names one of them. */
export function threadClasses({ threads, before, sometimes, never }: Litmus): readonly (readonly number[])[] {
  const named = new Set([...sometimes, ...never].map(({ thread }) => thread));
  const classes = new Map<string, number[]>();
  for (const [thread, one] of threads.entries()) {
    if (named.has(thread) || before.some((first) => first.thread === thread)) continue;
    const program = programOf(one);
    classes.set(program, [...(classes.get(program) ?? []), thread]);
  }
  const users = (buffer: number): number => threads.filter(({ operations }) => buffersOf(operations).includes(buffer)).length;
  return [...classes.values()].filter((members) => members.length > 1 && members.every((thread) => buffersOf(threads[thread].operations).every((buffer) => users(buffer) === 1)));
}

/** Whether the first page that anybody chooses may be page 0. */
export function pagesAreAlike(litmus: Litmus, policyActs: boolean): boolean {
  const { world } = litmus;
  const operations = operationsOf(litmus);
  return (
    !policyActs && world.folioOrder === 0 && !world.largeBacking && world.pages <= 1 << world.regionOrder &&
    world.shared.every((shared) => shared === world.shared[0]) && litmus.before.length === 0 && litmus.threads.every(({ operations: [first] }) => first?.page === 'any') &&
    operations.every(({ page }) => page === 'any' || page === 0)
  );
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array;

interface Row {
  readonly array: Numbers;
  readonly stride: number;
}

export interface Symmetry {
  /** Puts the loaded state in its canonical form. */
  canonicalize(): void;
}

/** The symmetry of a machine's interchangeable threads; undefined where it has none. */
export function createSymmetry(machine: Machine): Symmetry | undefined {
  const classes = machine.keepResults ? [] : threadClasses(machine.litmus);
  if (classes.length === 0) return undefined;
  const { world, litmus } = machine;
  const { tasks, cpus } = world.shape;
  const { callPending, slot: slotOfTask, slotKind, slotCount, slotFrame, lruPage, lruCount } = world;
  const ownBuffers = litmus.threads.map(({ operations }) => buffersOf(operations));
  // What differs most often comes first.
  const rows: Row[] = [
    { array: machine.next, stride: 1 },
    ...Object.entries(worldColumns as Readonly<Record<string, Column>>)
      .filter(([name, { axis }]) => axis === 'task' && name !== 'callPending' && name !== 'slot')
      .map(([name]) => {
        const array = world[name as keyof WorldColumns] as Numbers;
        return { array, stride: array.length / tasks };
      }),
    { array: machine.errno, stride: 1 },
    { array: machine.errorPage, stride: 1 },
    { array: machine.readValue, stride: 1 },
  ];
  const cpuRows: Row[] = [{ array: lruPage, stride: lruPage.length / cpus }, { array: lruCount, stride: 1 }];

  const compare = (a: number, b: number): number => {
    for (const { array, stride } of rows) {
      for (let at = 0; at < stride; at++) {
        const difference = array[a * stride + at] - array[b * stride + at];
        if (difference !== 0) return difference;
      }
    }
    for (const [nth, slot] of ownBuffers[a].entries()) {
      const difference = slotCount[slot] - slotCount[ownBuffers[b][nth]];
      if (difference !== 0) return difference;
    }
    return 0;
  };

  const swapRows = ({ array, stride }: Row, a: number, b: number): void => {
    for (let at = 0; at < stride; at++) {
      const value = array[a * stride + at];
      array[a * stride + at] = array[b * stride + at];
      array[b * stride + at] = value;
    }
  };

  /** Which of its buffers the task is at, or -1: an idle task has no use for the number that it keeps. */
  const bufferAt = (task: number): number => (world.pc[task * DEPTH_MAX] === 0 ? -1 : ownBuffers[task].indexOf(slotOfTask[task]));

  const swap = (a: number, b: number): void => {
    const ofA = bufferAt(a);
    const ofB = bufferAt(b);
    for (const row of rows) swapRows(row, a, b);
    for (const row of cpuRows) swapRows(row, a, b);
    const calls = { array: callPending, stride: cpus };
    swapRows(calls, a, b);
    for (let task = 0; task < tasks; task++) {
      const value = callPending[task * cpus + a];
      callPending[task * cpus + a] = callPending[task * cpus + b];
      callPending[task * cpus + b] = value;
    }
    // Ids of buffers: those of the one thread become those of the other, with what they hold.
    slotOfTask[a] = ofB < 0 ? 0 : ownBuffers[a][ofB];
    slotOfTask[b] = ofA < 0 ? 0 : ownBuffers[b][ofA];
    for (const [nth, slot] of ownBuffers[a].entries()) {
      const other = ownBuffers[b][nth];
      if (slot === other) continue;
      swapRows({ array: slotKind, stride: 1 }, slot, other);
      swapRows({ array: slotCount, stride: 1 }, slot, other);
      swapRows({ array: slotFrame, stride: world.shape.slotPages }, slot, other);
    }
  };

  return {
    canonicalize() {
      for (const members of classes) {
        for (let last = members.length - 1; last > 0; last--) {
          for (let nth = 0; nth < last; nth++) if (compare(members[nth], members[nth + 1]) > 0) swap(members[nth], members[nth + 1]);
        }
      }
    },
  };
}
