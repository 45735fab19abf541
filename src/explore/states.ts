/** States: how those of a machine are packed, stored and loaded again. */
import { DEPTH_MAX } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import { UserError } from '../model/userError.ts';
import { controlPoints } from './control.ts';
import type { SceneColumn, Symmetry } from './family.ts';
import { operationsOf } from './litmus.ts';
import type { Machine } from './machine.ts';
import { RowSet, createGroupPacking, createPacking } from './packing.ts';
import type { Field } from './packing.ts';
import { RESULT_MAX } from './results.ts';
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
  /** Writes the canonical form of the machine's state as a row. The machine is to be restored or loaded before it goes on. */
  pack(out: Uint32Array, at: number): void;
  /** Puts the canonical form of the machine's state into the set. The same holds for the machine. @returns its number */
  save(): number;
  /** The number of the machine's state (in its canonical form), or -1. The same holds for the machine. */
  find(): number;
  load(row: number): void;
}

/**
 * Task columns whose elements name other tasks or buffers: they are no part of a thread's locals as it would see them, and
 * are swapped apart.
 */
export const NAMING_COLUMNS: ReadonlySet<string> = new Set(['slot', 'callPending'] satisfies readonly (keyof TaskWorld)[]);

export function createStates<W extends TaskWorld>(machine: Machine<W>, reductions: Reductions): States {
  const { world, host, litmus, scene } = machine;
  const { tasks } = world.shape;
  const points = controlPoints(host.program);
  const control = new Uint32Array(tasks);
  const symmetry = reductions.symmetry && !machine.keepResults ? scene.createSymmetry?.() : undefined;

  const fieldOf = ({ name, array }: SceneColumn, index: number, max: number): Field => ({ array, index, max, ghost: reductions.merge ? (scene.ghostsOf?.(name) ?? 0) : 0 });
  // Operations may reach beyond the end of the file, which no column's maximum knows of.
  const lastPage = Math.max(0, ...operationsOf(litmus).map(({ page, count }) => (page === 'any' ? 0 : page + count)));
  const localsOf = (task: number): readonly Field[] => [
    { array: control, index: task, max: points.count - 1 },
    ...scene.columns
      .filter(({ name, axis }) => axis === 'task' && name !== 'pc' && name !== 'depth' && !NAMING_COLUMNS.has(name))
      .flatMap((column) => {
        const { array, max, ids } = column;
        const stride = array.length / tasks;
        const largest = ids === 'page' ? Math.max(max, lastPage) : max;
        return Array.from({ length: stride }, (_, at) => fieldOf(column, task * stride + at, largest));
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
    ...scene.columns
      .filter(({ name, axis }) => axis !== 'task' || NAMING_COLUMNS.has(name))
      .flatMap((column) => Array.from(column.array, (_, index) => fieldOf(column, index, column.max))),
    ...Array.from(machine.results, (_, index) => ({ array: machine.results, index, max: RESULT_MAX })),
  ]);
  const rows = new RowSet(packing.words);
  const packed = new Uint32Array(Math.max(1, packing.words));
  // The locals of each task in the state that was loaded: most moves from it change those of one task.
  const loaded = new Uint32Array(tasks * localWords);
  const loadedIds = new Uint32Array(tasks).fill(UNKNOWN);
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
          const id = ids[members[nth]];
          ids[members[nth]] = ids[members[nth + 1]];
          ids[members[nth + 1]] = id;
          swapShared(members[nth], members[nth + 1]);
        }
      }
    }
  };

  const pack = (out: Uint32Array, at: number): void => {
    for (let task = 0; task < tasks; task++) control[task] = points.encode(pc, task * DEPTH_MAX, depth[task]);
    localPacking.pack(now, 0);
    for (let task = 0; task < tasks; task++) {
      const base = task * localWords;
      let word = base;
      while (word < base + localWords && loaded[word] === now[word]) word++;
      ids[task] = word === base + localWords && loadedIds[task] !== UNKNOWN ? loadedIds[task] : locals.insert(now, base);
    }
    if (locals.count > LOCALS_MAX) {
      throw new UserError({
        what: `${litmus.path}: more than ${LOCALS_MAX} combinations of one thread's locals`,
        why: `a state names each in ${LOCALS_BITS} bits`,
        fix: 'explore a smaller world: fewer pages, operations or values',
      });
    }
    if (symmetry !== undefined) sortThreads(symmetry);
    packing.pack(out, at);
  };

  return {
    rows,
    bits: packing.bits,
    sortsThreads: symmetry !== undefined,
    pack,
    save() {
      pack(packed, 0);
      return rows.insert(packed, 0);
    },
    find() {
      pack(packed, 0);
      return rows.find(packed, 0);
    },
    load(row) {
      packing.unpack(rows.chunkOf(row), rows.placeOf(row));
      for (let task = 0; task < tasks; task++) {
        const id = ids[task];
        if (loadedIds[task] === id) continue;
        loadedIds[task] = id;
        const from = locals.chunkOf(id);
        const at = locals.placeOf(id);
        for (let word = 0; word < localWords; word++) loaded[task * localWords + word] = from[at + word];
      }
      localPacking.unpack(loaded, 0);
      for (let task = 0; task < tasks; task++) depth[task] = points.decode(control[task], pc, task * DEPTH_MAX);
    },
  };
}
