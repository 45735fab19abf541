/** Stage-2 leaves of three sizes: what is mapped by which, what forces one apart, and what that is charged. */
import { describe, expect, test } from 'vitest';
import { PageBit } from './file.ts';
import { noteFolio } from './folios.ts';
import { OPERATIONS } from './operations.ts';
import { recountGauges } from './recount.ts';
import type { Shape } from './shape.ts';
import { Leaf, clearLeaves, countLeaves, largeLeafOf, setLeaf } from './stage2.ts';
import { populate, setShareability } from './start.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

const shape: Shape = {
  pages: 20, folioOrder: 0, regionOrder: 1, giganticOrder: 3, largeBacking: true, spareFolios: 0, windows: 1, childWindows: 0, mms: 1, cpus: 1, vcpus: 1, tasks: 1,
  slots: 0, slotPages: 0, chunk: 1, lruBatch: 0, initShared: false, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
};

/** Twenty pages in regions of two and gigantic ones of eight; the last gigantic region reaches beyond the end. */
function worldOf(changes: Partial<Shape> = {}): World {
  const world = createWorld({ ...shape, ...changes });
  for (let page = 0; page < world.shape.pages; page++) populate(world, page);
  return world;
}

/** One letter a page: what maps it. */
const leaves = (world: World): string =>
  Array.from({ length: world.shape.pages }, (_, page) => (world.pageState[page] & PageBit.Leaf ? 's' : { [Leaf.None]: '-', [Leaf.Small]: '?', [Leaf.Large]: 'L', [Leaf.Gigantic]: 'G' }[largeLeafOf(world, page)])).join('');

const charged = ({ meter }: World): readonly string[] => OPERATIONS.flatMap(({ name }, at) => (meter.count[at] > 0 ? [`${name} ${meter.count[at]}`] : []));
const expectExactGauges = (world: World): void => expect([...world.meter.gauge]).toEqual([...recountGauges(world)]);

/** Clears a range page by page, as a conversion in small steps does. @returns leaves that were cleared */
function clear(world: World, start: number, end: number, chunk = 1): number {
  let cleared = 0;
  for (let first = start; first < end; first += chunk) cleared += clearLeaves(world, first, Math.min(first + chunk, end), start, end, true);
  return cleared;
}

describe('a launch image', () => {
  test('has the largest leaves that its pages allow: a gigantic region that reaches beyond the end of the file has none', () => {
    const world = worldOf();
    expect(leaves(world)).toBe('GGGGGGGGGGGGGGGGLLLL');
    expectExactGauges(world);
  });

  test('over small memory has small ones', () => {
    const { giganticOrder: _, ...small } = shape;
    const world = createWorld({ ...small, largeBacking: false });
    for (let page = 0; page < 20; page++) populate(world, page);
    expect(leaves(world)).toBe('s'.repeat(20));
  });

  test('of folios as large as the leaf is mapped by one, too', () => {
    expect(leaves(worldOf({ folioOrder: 3, pages: 16 }))).toBe('GGGGGGGGGGGGGGGG');
    expect(leaves(worldOf({ folioOrder: 2 }))).toBe('GGGGGGGGGGGGGGGGLLLL');
  });
});

describe.each([1, 8])('in chunks of %i pages', (chunk) => {
  test('a part of a gigantic leaf is cleared by splitting it to large ones, and one of these to small ones', () => {
    const world = worldOf();
    expect(clear(world, 3, 4, chunk)).toBe(1);
    expect(leaves(world)).toBe('LLs-LLLLGGGGGGGGLLLL');
    expect(charged(world)).toEqual(['stage2.split 1', 'stage2.splitGigantic 1']);
    expectExactGauges(world);
  });

  test('a part that is whole regions splits no large leaf', () => {
    const world = worldOf();
    expect(clear(world, 2, 6, chunk)).toBe(2);
    expect(leaves(world)).toBe('LL----LLGGGGGGGGLLLL');
    expect(charged(world)).toEqual(['stage2.splitGigantic 1']);
    expectExactGauges(world);
  });

  test('a range that covers gigantic leaves clears each as one, and splits those at its ends', () => {
    const world = worldOf();
    expect(clear(world, 0, 17, chunk)).toBe(3);
    expect(leaves(world)).toBe('-----------------sLL');
    expect(charged(world)).toEqual(['stage2.split 1']);
    expectExactGauges(world);
  });
});

test('leaves over a range are counted once each, those that reach beyond it too', () => {
  const world = worldOf();
  clear(world, 3, 4);
  expect(leaves(world)).toBe('LLs-LLLLGGGGGGGGLLLL');
  expect([[0, 20], [1, 3], [3, 4], [7, 9], [9, 15], [15, 17]].map(([start, end]) => countLeaves(world, start, end))).toEqual([7, 2, 0, 2, 1, 2]);
});

describe('a leaf comes back', () => {
  test('in the largest size by the first fault behind a zap, and never by itself', () => {
    const world = worldOf();
    clear(world, 3, 4);
    expect(leaves(world)).toBe('LLs-LLLLGGGGGGGGLLLL');
    setLeaf(world, 0); // somebody whose fault was under way: the leaf that is there serves it
    expect(leaves(world)).toBe('LLs-LLLLGGGGGGGGLLLL');
    setLeaf(world, 3);
    expect(leaves(world)).toBe('GGGGGGGGGGGGGGGGLLLL');
    expectExactGauges(world);
  });

  test('only as large as the pages are of one shareability', () => {
    const world = worldOf();
    clear(world, 3, 4);
    setShareability(world, 3, true);
    setLeaf(world, 3);
    expect(leaves(world)).toBe('LLssLLLLGGGGGGGGLLLL');
    clear(world, 2, 8);
    setLeaf(world, 5);
    expect(leaves(world)).toBe('LL--LL--GGGGGGGGLLLL');
    for (let page = 0; page < 8; page++) setShareability(world, page, true);
    setLeaf(world, 2);
    expect(leaves(world)).toBe('GGGGGGGGGGGGGGGGLLLL');
    expectExactGauges(world);
  });

  test('only as large as the pages are in the page cache', () => {
    const world = worldOf();
    clear(world, 12, 13);
    world.pageState[12] &= ~PageBit.Present;
    noteFolio(world, 12, -1);
    setLeaf(world, 13);
    setLeaf(world, 8);
    expect(leaves(world)).toBe('GGGGGGGGLLLL-sLLLLLL');
    expectExactGauges(world);
  });
});
