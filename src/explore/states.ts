/** States: how those of a machine are packed, stored and loaded again. */
import type { Column } from '../model/columns.ts';
import { PageBit } from '../model/file.ts';
import { DEPTH_MAX } from '../model/step.ts';
import { UserError } from '../model/userError.ts';
import { worldColumns } from '../model/world.ts';
import type { WorldColumns } from '../model/world.ts';
import { controlPoints } from './control.ts';
import type { Machine } from './machine.ts';
import { operationsOf } from './litmusShape.ts';
import { RowSet, createGroupPacking, createPacking } from './packing.ts';
import type { Field } from './packing.ts';
import { RESULT_MAX } from './results.ts';
import { NAMING_COLUMNS, createSymmetry } from './symmetry.ts';
import type { Symmetry } from './symmetry.ts';
import type { Reductions } from './verdict.ts';

/** Bits of a task's number in the table of locals. */
const LOCALS_BITS = 20;
const LOCALS_MAX = 2 ** LOCALS_BITS - 1;
const UNKNOWN = 0xffffffff;

export interface States {
  /** Every state that came in, numbered in the order of its coming. */
  readonly rows: RowSet;
  readonly bits: number;
  /** Whether there are interchangeable threads: what is saved or looked for is then left in the machine half sorted, and may not be read. */
  readonly sortsThreads: boolean;
  /**
   * Puts the canonical form of the machine's state into the set. The machine is to be restored or loaded before it goes on.
   * @returns its number; `rows.wasKnown` says whether it was there
   */
  save(): number;
  /** The number of the machine's state (in its canonical form), or -1. The same holds for the machine. */
  find(): number;
  load(row: number): void;
}

/** Bits that no step's behaviour depends on: ghosts, and in runs that are not lazy the guest's wishes. */
export function ghostsOf(name: string, { lazy }: { readonly lazy: boolean }): number {
  if (name !== 'pageState') return 0;
  return PageBit.Exposed | PageBit.NeighbourZapped | (lazy ? 0 : PageBit.Asked | PageBit.Degraded);
}

export function createStates(machine: Machine, reductions: Reductions): States {
  const { world, host, litmus } = machine;
  const { shape } = world;
  const { tasks } = shape;
  const points = controlPoints(host.program);
  const control = new Uint32Array(tasks);
  const symmetry = reductions.symmetry ? createSymmetry(machine) : undefined;

  const columns = Object.entries(worldColumns as Readonly<Record<string, Column>>);
  const fieldOf = (name: string, index: number, max: number): Field => ({
    array: world[name as keyof WorldColumns] as Field['array'],
    index,
    max,
    ghost: reductions.merge ? ghostsOf(name, shape) : 0,
  });
  // Operations may reach beyond the end of the file, which no column's maximum knows of.
  const lastPage = Math.max(0, ...operationsOf(litmus).map(({ page, count }) => (page === 'any' ? 0 : page + count)));
  const localsOf = (task: number): readonly Field[] => [
    { array: control, index: task, max: points.count - 1 },
    ...columns
      .filter(([name, { axis }]) => axis === 'task' && name !== 'pc' && name !== 'depth' && !NAMING_COLUMNS.has(name))
      .flatMap(([name, { length, max, ids }]) => {
        const stride = length(shape) / tasks;
        const largest = ids === 'page' ? Math.max(max(shape), lastPage) : max(shape);
        return Array.from({ length: stride }, (_, at) => fieldOf(name, task * stride + at, largest));
      }),
    ...(task < litmus.threads.length
      ? [
          { array: machine.next, index: task, max: litmus.threads[task].operations.length },
          { array: machine.errno, index: task, max: 15 },
          { array: machine.errorPage, index: task, max: 31 },
          { array: machine.readValue, index: task, max: 256 },
        ]
      : []),
  ];
  const localPacking = createGroupPacking(Array.from({ length: tasks }, (_, task) => localsOf(task)));
  const localWords = localPacking.words / tasks;
  const locals = new RowSet(localWords);
  const ids = new Uint32Array(tasks);
  const packing = createPacking([
    ...Array.from({ length: tasks }, (_, task) => ({ array: ids, index: task, max: LOCALS_MAX })),
    ...columns
      .filter(([name, { axis }]) => axis !== 'task' || NAMING_COLUMNS.has(name))
      .flatMap(([name, { length, max }]) => Array.from({ length: length(shape) }, (_, index) => fieldOf(name, index, max(shape)))),
    ...Array.from(machine.results, (_, index) => ({ array: machine.results, index, max: RESULT_MAX })),
  ]);
  const rows = new RowSet(packing.words);
  const packed = new Uint32Array(Math.max(1, packing.words));
  // What each task's locals were when they were last loaded or saved: most moves change those of one task.
  const last = new Uint32Array(tasks * localWords);
  const lastIds = new Uint32Array(tasks).fill(UNKNOWN);
  const now = new Uint32Array(tasks * localWords);
  const { pc, depth } = world;

  /** Sorts the locals of interchangeable threads, and what the world knows of them. The machine's own locals stay as they are. */
  const sortThreads = ({ classes, compareShared, swapShared }: Symmetry): void => {
    for (const members of classes) {
      for (let end = members.length - 1; end > 0; end--) {
        for (let nth = 0; nth < end; nth++) {
          const a = members[nth] * localWords;
          const b = members[nth + 1] * localWords;
          let word = 0;
          while (word < localWords && now[a + word] === now[b + word]) word++;
          const isSorted = word === localWords ? compareShared(members[nth], members[nth + 1]) <= 0 : now[a + word] < now[b + word];
          if (isSorted) continue;
          for (; word < localWords; word++) {
            const value = now[a + word];
            now[a + word] = now[b + word];
            now[b + word] = value;
          }
          swapShared(members[nth], members[nth + 1]);
        }
      }
    }
  };

  const pack = (): void => {
    for (let task = 0; task < tasks; task++) control[task] = points.encode(pc, task * DEPTH_MAX, depth[task]);
    localPacking.pack(now, 0);
    if (symmetry !== undefined) sortThreads(symmetry);
    for (let task = 0; task < tasks; task++) {
      const base = task * localWords;
      let same = lastIds[task] !== UNKNOWN;
      for (let word = base; word < base + localWords; word++) {
        if (last[word] === now[word]) continue;
        same = false;
        last[word] = now[word];
      }
      if (!same) lastIds[task] = locals.insert(now, base);
      ids[task] = lastIds[task];
    }
    if (locals.count > LOCALS_MAX) {
      throw new UserError({
        what: `${litmus.path}: more than ${LOCALS_MAX} combinations of one thread's locals`,
        why: `a state names each in ${LOCALS_BITS} bits`,
        fix: 'explore a smaller world: fewer pages, operations or values',
      });
    }
    packing.pack(packed, 0);
  };

  return {
    rows,
    bits: packing.bits,
    sortsThreads: symmetry !== undefined,
    save() {
      pack();
      return rows.insert(packed, 0);
    },
    find() {
      pack();
      return rows.find(packed, 0);
    },
    load(row) {
      packing.unpack(rows.chunkOf(row), rows.placeOf(row));
      for (let task = 0; task < tasks; task++) {
        const id = ids[task];
        if (lastIds[task] === id) continue;
        lastIds[task] = id;
        const from = locals.chunkOf(id);
        const at = locals.placeOf(id);
        for (let word = 0; word < localWords; word++) last[task * localWords + word] = from[at + word];
      }
      localPacking.unpack(last, 0);
      for (let task = 0; task < tasks; task++) depth[task] = points.decode(control[task], pc, task * DEPTH_MAX);
    },
  };
}
