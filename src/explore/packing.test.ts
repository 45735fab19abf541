/** States as words: what goes in comes out, and only equal states are equal. */
import { array as arrays, assert, constant, integer, property, record } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { policies } from '../policies/index.ts';
import { buildHost } from '../model/host.ts';
import { DEPTH_MAX } from '../model/step.ts';
import { controlPoints } from './control.ts';
import { ROWS_AT_ONCE, RowColumn, RowSet, createPacking, hashWords } from './packing.ts';

describe('a packing', () => {
  test('takes as many bits as the maxima need, and starts a new word where a field does not fit', () => {
    const bytes = new Uint8Array(8);
    const packing = createPacking(Array.from(bytes, (_, index) => ({ array: bytes, index, max: 31 })));
    expect([packing.bits, packing.words]).toEqual([40, 2]);
  });

  test('leaves out what can only be zero', () => {
    const numbers = new Uint32Array(2);
    const packing = createPacking([{ array: numbers, index: 0, max: 0 }, { array: numbers, index: 1, max: 0xffffffff }]);
    expect([packing.bits, packing.words]).toEqual([32, 1]);
  });

  test('gives back what was packed, whatever the widths', () => {
    const field = integer({ min: 0, max: 32 }).chain((width) => {
      const max = width === 32 ? 0xffffffff : (2 ** width) - 1;
      return record({ max: constant(max), value: integer({ min: 0, max }) });
    });
    assert(
      property(arrays(field, { minLength: 1, maxLength: 40 }), (fields) => {
        const array = Uint32Array.from(fields, ({ value }) => value);
        const { pack, unpack, words } = createPacking(fields.map(({ max }, index) => ({ array, index, max })));
        const out = new Uint32Array(words + 2);
        pack(out, 1);
        array.fill(7);
        for (const [index, { max }] of fields.entries()) if (max === 0) array[index] = 0;
        unpack(out, 1);
        expect([...array]).toEqual(fields.map(({ value }) => value));
      }),
    );
  });

  test('forgets ghosts: bits that come back as zero', () => {
    const array = Uint8Array.of(0b1111, 0b0110);
    const { pack, unpack, words } = createPacking([{ array, index: 0, max: 15, ghost: 0b0101 }, { array, index: 1, max: 6, ghost: 0b0110 }]);
    const out = new Uint32Array(words);
    pack(out, 0);
    unpack(out, 0);
    expect([...array]).toEqual([0b1010, 0]);
  });
});

describe('a set of rows', () => {
  test('numbers rows in the order of their coming and knows them again', () => {
    const rows = new RowSet(2);
    expect([[1, 2], [2, 1], [1, 2], [0, 0], [2, 1]].map((words) => rows.insert(Uint32Array.from(words), 0))).toEqual([0, 1, 0, 2, 1]);
    expect(rows.find(Uint32Array.of(9, 0, 0), 1)).toBe(2);
    expect(rows.find(Uint32Array.of(3, 3), 0)).toBe(-1);
  });

  test('takes in many at once as it takes in one after another, also where its index grows among them', () => {
    assert(
      property(arrays(integer({ min: 0, max: 5000 }), { minLength: 3000, maxLength: 6000 }), (values) => {
        const single = new RowSet(1);
        const many = new RowSet(1);
        const from = Uint32Array.from(values);
        const numbers = new Uint32Array(ROWS_AT_ONCE);
        for (let at = 0; at < from.length; at += ROWS_AT_ONCE) {
          const part = from.subarray(at, at + ROWS_AT_ONCE);
          many.insertAll(part, part.length, numbers);
          expect([...numbers.subarray(0, part.length)]).toEqual(Array.from(part, (_, nth) => single.insert(part, nth)));
        }
        expect(many.count).toBe(new Set(values).size);
      }),
      { numRuns: 10 },
    );
  });

  test('holds more than a chunk, each row where it was', () => {
    const rows = new RowSet(1);
    const count = 200_000;
    const one = new Uint32Array(1);
    for (let row = 0; row < count; row++) {
      one[0] = row * 7;
      if (rows.insert(one, 0) !== row) throw new Error(`row ${row} has another number`);
    }
    expect(rows.count).toBe(count);
    expect(rows.chunkOf(150_000)[rows.placeOf(150_000)]).toBe(1_050_000);
    one[0] = 7 * 123_456;
    expect(rows.find(one, 0)).toBe(123_456);
  });

  test('has a column of numbers beside it', () => {
    const column = new RowColumn();
    for (let row = 0; row < 100_000; row++) column.set(row, row ^ 5);
    expect([column.get(0), column.get(65_536), column.get(99_999)]).toEqual([5, 65_541, 99_994]);
  });

  test('hashes the words alone, not what lies around them', () => {
    expect(hashWords(Uint32Array.of(5, 6, 7), 1, 2)).toBe(hashWords(Uint32Array.of(6, 7), 0, 2));
    expect(hashWords(Uint32Array.of(6, 7), 0, 2)).not.toBe(hashWords(Uint32Array.of(7, 6), 0, 2));
  });
});

describe('control points', () => {
  test.each(policies.map((policy) => [policy.name, policy] as const))('stand for every call stack that %s can have, each for one', (_, policy) => {
    const { program } = buildHost(policy.rules({ check: 'refcount' }), { lazy: true });
    const points = controlPoints(program);
    const pc = new Uint16Array(DEPTH_MAX);
    const seen = new Set<string>();
    for (let point = 0; point < points.count; point++) {
      const depth = points.decode(point, pc, 0);
      expect(points.encode(pc, 0, depth)).toBe(point);
      expect(pc.slice(0, depth).every((site) => program.callee[site] !== 0)).toBe(true);
      seen.add(pc.join());
    }
    expect(seen.size).toBe(points.count);
    expect(points.count).toBeLessThan(1 << 13);
  });
});
