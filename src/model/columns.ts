/**
 * Columns: all state of a world, one typed array a field, over one buffer.
 *
 * Each model file declares its own with `column(...)`. The maximum gives the explorer a bit width, the axis its
 * symmetry. Zero is the initial value of every column, so untouched memory stays uncommitted.
 */
import type { Shape } from './shape.ts';
import { UserError } from './userError.ts';

/** Largest value that fits an element. */
const ELEMENT_MAX: Readonly<Record<ElementType, number>> = { u8: 0xff, u16: 0xffff, u32: 0xffff_ffff, i32: 0x7fff_ffff };

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, i32: Int32Array } as const;

export type ElementType = keyof typeof ARRAYS;
export type Axis = 'page' | 'frame' | 'folio' | 'region' | 'gigantic' | 'window' | 'entry' | 'table' | 'mm' | 'cpu' | 'task' | 'slot' | 'world';
export type ArrayOf<T extends ElementType> = InstanceType<(typeof ARRAYS)[T]>;

/** @typeParam S the shape that its length and its maximum follow from */
export interface Column<T extends ElementType = ElementType, S = Shape> {
  readonly type: T;
  readonly axis: Axis;
  readonly length: (shape: S) => number;
  /** Largest value that an element can have in a world of this shape. */
  readonly max: (shape: S) => number;
  /** Set where elements are ids of another axis (stored as id, or id + 1 where 0 means none). */
  readonly ids?: Axis;
}

export function column<T extends ElementType, S = Shape>(
  type: T,
  axis: Axis,
  length: (shape: S) => number,
  max: (shape: S) => number,
  ids?: Axis,
): Column<T, S> {
  return ids === undefined ? { type, axis, length, max } : { type, axis, length, max, ids };
}

export type Columns<S = Shape> = Readonly<Record<string, Column<ElementType, S>>>;
export type ArraysOf<C extends Readonly<Record<string, { readonly type: ElementType }>>> = { readonly [K in keyof C]: ArrayOf<C[K]['type']> };

/** Bytes of a buffer that holds the columns; each starts at a multiple of 8. */
export function bytesOf<S>(columns: Columns<S>, shape: S): number {
  let bytes = 0;
  for (const { type, length } of Object.values(columns)) bytes += align(length(shape) * ARRAYS[type].BYTES_PER_ELEMENT);
  return bytes;
}

/** Refuses a shape in which an element could come to hold more than its type can. @throws UserError */
export function checkMaxima<S>(columns: Columns<S>, shape: S): void {
  for (const [name, { type, length, max }] of Object.entries(columns)) {
    if (max(shape) <= ELEMENT_MAX[type] || length(shape) === 0) continue;
    throw new UserError({
      what: `this world is too large: its column "${name}" could come to ${max(shape)}`,
      why: `an element holds at most ${ELEMENT_MAX[type]}`,
      fix: 'use fewer --vmas, --processes or --vcpus, fewer or shorter buffers, or a smaller --folio',
    });
  }
}

/** Lays the columns over the buffer in the order of their declaration. */
export function layColumns<S, C extends Columns<S>>(columns: C, shape: S, buffer: ArrayBuffer): ArraysOf<C> {
  const arrays: Record<string, ArrayOf<ElementType>> = {};
  let offset = 0;
  for (const [name, { type, length }] of Object.entries(columns)) {
    const elements = length(shape);
    arrays[name] = new ARRAYS[type](buffer, offset, elements);
    offset += align(elements * ARRAYS[type].BYTES_PER_ELEMENT);
  }
  return arrays as ArraysOf<C>;
}

const align = (bytes: number): number => Math.ceil(bytes / 8) * 8;
