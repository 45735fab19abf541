import { describe, expect, test } from 'vitest';
import { ALL_ENTRIES, FLUSH_ENTRIES_MAX, sendFlush } from './crossCalls.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import { createWorld } from './world.ts';

const SHAPE: Shape = {
  pages: 4, folioOrder: 0, regionOrder: 9, largeBacking: false, spareFolios: 0, windows: 2, childWindows: 0, mms: 4, cpus: 3, vcpus: 0, tasks: 3,
  slots: 0, slotPages: 0, chunk: 1, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
};
const [SELF, OTHER, SLEEPING] = [0, 1, 2];

/** The first CPU flushes; it runs SELF, the others OTHER. */
function flush(mm: number, entries: number, { asked = false, ...shape }: Partial<Shape> & { readonly asked?: boolean } = {}) {
  const world = createWorld({ ...SHAPE, ...shape });
  world.mm.set([SELF, OTHER, OTHER]);
  sendFlush(world, 0, mm, entries, asked);
  const { count } = world.meter;
  return { flushes: count[Op['tlb.flush']], entries: count[Op['tlb.flushEntry']], all: count[Op['tlb.flushAll']], interrupts: count[Op['tlb.ipi']], waitsFor: world.callCount[0] };
}

describe('a flush', () => {
  test('of what this CPU runs invalidates entry by entry up to 33, and all from there on', () => {
    expect(flush(SELF, 1)).toEqual({ flushes: 1, entries: 1, all: 0, interrupts: 0, waitsFor: 0 });
    expect(flush(SELF, FLUSH_ENTRIES_MAX)).toEqual({ flushes: 1, entries: 33, all: 0, interrupts: 0, waitsFor: 0 });
    expect(flush(SELF, ALL_ENTRIES)).toEqual({ flushes: 1, entries: 0, all: 1, interrupts: 0, waitsFor: 0 });
  });
  test('of what only others run interrupts them, and this CPU invalidates nothing', () => {
    expect(flush(OTHER, 5)).toEqual({ flushes: 1, entries: 0, all: 0, interrupts: 2, waitsFor: 2 });
  });
  test('of what nobody runs is none', () => {
    expect(flush(SLEEPING, 5)).toEqual({ flushes: 0, entries: 0, all: 0, interrupts: 0, waitsFor: 0 });
  });
  test('by a process that was asked to unmap what is its own is on a CPU of its own', () => {
    expect(flush(SLEEPING, 5, { asked: true })).toEqual({ flushes: 1, entries: 5, all: 0, interrupts: 0, waitsFor: 0 });
  });
  test('that hardware broadcasts is sent whoever runs what, and waits for nobody', () => {
    for (const mm of [SELF, OTHER, SLEEPING]) expect(flush(mm, 5, { broadcastFlush: true })).toEqual({ flushes: 1, entries: 5, all: 0, interrupts: 0, waitsFor: 0 });
  });
});
