/**
 * Footprints: which elements of a world a step reads and which bits of them it changes, told by proxies in place of its columns.
 */
import type { Column } from '../../src/model/columns.ts';
import type { Run } from '../../src/model/step.ts';
import { worldColumns } from '../../src/model/world.ts';
import type { World } from '../../src/model/world.ts';

type Elements = Uint8Array | Uint16Array | Uint32Array | Int32Array;

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

export interface Recorder {
  /** Runs a step on the world and tells what it touched. */
  watch(run: Run, task: number): { readonly flow: ReturnType<Run>; readonly footprint: Footprint };
}

export const axisOf = (column: string): Column['axis'] => (worldColumns as Readonly<Record<string, Column>>)[column].axis;

export function createRecorder(world: World): Recorder {
  let reads = new Map<string, Touch>();
  /** What each written element held before. */
  let before = new Map<string, { readonly column: string; readonly index: number; readonly value: number }>();

  const noteRead = (column: string, index: number): void => void reads.set(`${column} ${index}`, { column, index, changed: 0 });
  const noteWrite = (column: string, elements: Elements, index: number): void => {
    const key = `${column} ${index}`;
    if (!before.has(key)) before.set(key, { column, index, value: elements[index] });
  };
  const watched = Object.fromEntries(Object.keys(worldColumns).map((column) => [column, proxyOf(column, world[column as keyof World] as Elements, noteRead, noteWrite)]));
  // Words of entries are for stretches that no small world has: nobody would see what is touched through them.
  const entryWords = new Proxy(world.entryWords, {
    get: () => {
      throw new Error('entries of so small a world are looked at one by one');
    },
  });
  // The meter is replaced by engines: it is asked for anew.
  const seen = Object.assign(Object.create(world) as object, { ...watched, entryWords }) as unknown as World;

  return {
    watch(run, task) {
      reads = new Map();
      before = new Map();
      const flow = run(seen, task);
      const writes = [...before.values()].map(({ column, index, value }) => ({ column, index, changed: (world[column as keyof World] as Elements)[index] ^ value }));
      return { flow, footprint: { reads: [...reads.values()], writes: writes.filter(({ changed }) => changed !== 0) } };
    },
  };
}

const METHODS = ['fill', 'copyWithin', 'includes', 'some', 'every'] as const;
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
