/**
 * Footprints: which elements of a world a step reads and which bits of them it changes, told by proxies in place of its columns.
 */
import type { SceneColumn } from '../../src/explore/family.ts';
import type { Run } from '../../src/model/step.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';

type Elements = SceneColumn['array'];

export interface Touch {
  readonly column: string;
  readonly index: number;
  /** Bits of a write that are other than before; 0 of a read. */
  readonly changed: number;
}

export interface Footprint {
  readonly reads: readonly Touch[];
  /** Elements that hold another value than before. */
  readonly writes: readonly Touch[];
}

export interface Recorder<W extends TaskWorld> {
  /** Runs a step on the world and tells what it touched. */
  watch(run: Run<W>, task: number): { readonly flow: ReturnType<Run<W>>; readonly footprint: Footprint };
}

/** @param columns those of the world */
export function createRecorder<W extends TaskWorld>(world: W, columns: readonly SceneColumn[]): Recorder<W> {
  const elementsOf = new Map(columns.map(({ name, array }) => [name, array]));
  let reads = new Map<string, Touch>();
  /** What each written element held before. */
  let before = new Map<string, { readonly column: string; readonly index: number; readonly value: number }>();

  const noteRead = (column: string, index: number): void => void reads.set(`${column} ${index}`, { column, index, changed: 0 });
  const noteWrite = (column: string, elements: Elements, index: number): void => {
    const key = `${column} ${index}`;
    if (!before.has(key)) before.set(key, { column, index, value: elements[index] });
  };
  const watched = Object.fromEntries(columns.map(({ name, array }) => [name, proxyOf(name, array, noteRead, noteWrite)]));
  // Other views of the same bytes, such as words of entries, are for stretches that no small world has: nobody would see what is touched through them.
  const others = Object.entries(world as object).filter(([name, value]) => ArrayBuffer.isView(value) && !elementsOf.has(name));
  const refused = Object.fromEntries(others.map(([name, view]) => [name, refusing(name, view as object)]));
  // The meter is replaced by engines: it is asked for anew.
  const seen = Object.assign(Object.create(world) as object, { ...watched, ...refused }) as unknown as W;

  return {
    watch(run, task) {
      reads = new Map();
      before = new Map();
      const flow = run(seen, task);
      const writes = [...before.values()].map(({ column, index, value }) => ({ column, index, changed: (elementsOf.get(column)?.[index] ?? 0) ^ value }));
      return { flow, footprint: { reads: [...reads.values()], writes: writes.filter(({ changed }) => changed !== 0) } };
    },
  };
}

const refusing = (name: string, view: object): object =>
  new Proxy(view, {
    get: () => {
      throw new Error(`${name} is looked at in stretches, and so small a world has none`);
    },
  });

const METHODS = ['fill', 'copyWithin', 'includes', 'some', 'every', 'indexOf'] as const;
type Method = (typeof METHODS)[number];

function proxyOf(column: string, elements: Elements, noteRead: (column: string, index: number) => void, noteWrite: (column: string, elements: Elements, index: number) => void): Elements {
  const all = (note: (index: number) => void): void => elements.forEach((_, index) => note(index));
  /** Methods touch every element, for all that is known. */
  const method = (name: Method) => (...values: readonly never[]) => {
    if (name !== 'fill') all((index) => noteRead(column, index));
    if (name === 'fill' || name === 'copyWithin') all((index) => noteWrite(column, elements, index));
    return (elements[name] as (...rest: readonly never[]) => unknown)(...values);
  };
  return new Proxy(elements, {
    get(target, property) {
      if (typeof property === 'string' && /^\d+$/.test(property)) noteRead(column, Number(property));
      const name = METHODS.find((one) => one === property);
      if (name !== undefined) return method(name);
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value === 'function') throw new Error(`${column}.${String(property)} is not watched: say in footprint.ts what it touches`);
      return value;
    },
    set(target, property, value: number) {
      noteWrite(column, elements, Number(property));
      return Reflect.set(target, property, value, target);
    },
  });
}
