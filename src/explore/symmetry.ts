/**
 * Symmetry: threads of one process that run the same program are interchangeable, so that of two states which differ only in
 * their names one is enough (Ip and Dill, "Better Verification Through Symmetry", 1996).
 *
 * Columns say which axis they run along and which hold ids (src/model/columns.ts): from that a swap of two threads follows, with
 * their CPUs and their buffers. Pages are interchangeable in another way: where every operation is about `any` one page and
 * the policy does nothing by itself, the first choice of a run may be page 0. What walks over several pages tells them apart by their order.
 * Assumed of a policy: its steps treat no task and no page by its number. A test renumbers both and finds the same verdicts.
 */
import { DEPTH_MAX } from '../model/step.ts';
import type { World } from '../model/world.ts';
import { Access } from '../workloads/workload.ts';
import type { Symmetry } from './family.ts';
import { operationsOf } from './litmus.ts';
import type { Litmus, LitmusThread } from './litmus.ts';
import { WITH_BUFFER, buffersOf } from './litmusShape.ts';

/** What two threads must have in common; buffers are named by the order in which the thread uses them. */
function programOf({ role, process, operations }: LitmusThread): string {
  const buffers = buffersOf(operations);
  const words = operations.map(({ kind, page, count, slot, window, value, flags, expected }) =>
    [kind, page, count, WITH_BUFFER.has(kind) ? buffers.indexOf(slot) : -1, window, value, flags, expected?.errno, expected?.at, expected?.value].join(' '));
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

/** Kinds that are about the pages of a buffer, whichever these are. */
const USES_BUFFER: ReadonlySet<number> = new Set([Access.DeviceAccess, Access.Unpin]);

/** Whether the first page that anybody chooses may be page 0. */
export function pagesAreAlike(litmus: Litmus, policyActs: boolean): boolean {
  const { world } = litmus;
  const operations = operationsOf(litmus);
  return (
    !policyActs && world.folioOrder === 0 && !world.largeBacking && world.pages <= 1 << world.regionOrder &&
    world.shared.every((shared) => shared === world.shared[0]) && litmus.before.length === 0 && litmus.threads.every(({ operations: [first] }) => first?.page === 'any') &&
    operations.every(({ kind, page }) => page === 'any' || USES_BUFFER.has(kind)) && !namesPage(litmus)
  );
}

/** Whether an expected result says a page. */
function namesPage({ threads, sometimes, never }: Litmus): boolean {
  const results = [...threads.flatMap(({ operations }) => operations.map(({ expected }) => expected)), ...[...sometimes, ...never].map(({ result }) => result)];
  return results.some((result) => result?.at !== undefined);
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array;

interface Row {
  readonly array: Numbers;
  readonly stride: number;
}

/** The symmetry of a litmus' interchangeable threads in its world; undefined where it has none. */
export function createSymmetry(litmus: Litmus, world: World): Symmetry | undefined {
  const classes = threadClasses(litmus);
  if (classes.length === 0) return undefined;
  const { tasks, cpus, slotPages } = world.shape;
  const { callPending, slot: slotOfTask, slotKind, slotCount, slotFrame, lruPage, lruCount, pc, kind } = world;
  const ownBuffers = litmus.threads.map(({ operations }) => buffersOf(operations));
  const cpuRows: Row[] = [{ array: lruPage, stride: lruPage.length / cpus }, { array: lruCount, stride: 1 }, { array: callPending, stride: cpus }];
  const slotRows: Row[] = [{ array: slotKind, stride: 1 }, { array: slotCount, stride: 1 }, { array: slotFrame, stride: slotPages }];

  const swapElements = (array: Numbers, a: number, b: number): void => {
    const value = array[a];
    array[a] = array[b];
    array[b] = value;
  };
  const swapRows = ({ array, stride }: Row, a: number, b: number): void => {
    for (let at = 0; at < stride; at++) swapElements(array, a * stride + at, b * stride + at);
  };
  /** Which of its buffers the task is at, or -1: an I/O has the slot of a device there, and a forked child the mm that it came from. */
  const bufferAt = (task: number): number => (pc[task * DEPTH_MAX] !== 0 && WITH_BUFFER.has(kind[task]) ? ownBuffers[task].indexOf(slotOfTask[task]) : -1);

  return {
    classes,
    compareShared(a, b) {
      for (let nth = 0; nth < ownBuffers[a].length; nth++) {
        for (const { array, stride } of slotRows) {
          for (let at = 0; at < stride; at++) {
            const difference = array[ownBuffers[a][nth] * stride + at] - array[ownBuffers[b][nth] * stride + at];
            if (difference !== 0) return difference;
          }
        }
      }
      return 0;
    },
    swapShared(a, b) {
      const ofA = bufferAt(a);
      const ofB = bufferAt(b);
      swapElements(slotOfTask, a, b);
      if (ofB >= 0) slotOfTask[a] = ownBuffers[a][ofB];
      if (ofA >= 0) slotOfTask[b] = ownBuffers[b][ofA];
      for (let nth = 0; nth < ownBuffers[a].length; nth++) for (const row of slotRows) swapRows(row, ownBuffers[a][nth], ownBuffers[b][nth]);
      for (const row of cpuRows) swapRows(row, a, b);
      for (let task = 0; task < tasks; task++) swapElements(callPending, task * cpus + a, task * cpus + b);
      // Positions and kinds go with the locals, which are swapped as they are packed; here they say who is at a buffer.
      swapElements(kind, a, b);
      for (let level = 0; level < DEPTH_MAX; level++) swapElements(pc, a * DEPTH_MAX + level, b * DEPTH_MAX + level);
    },
  };
}
