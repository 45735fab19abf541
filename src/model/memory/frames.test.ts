import { describe, expect, test } from 'vitest';
import {
  FrameBit, ZERO_FRAME, addMapping, addPinPart, allocateFrame, allocateHuge, dropReference, folioPages, headOf, isLarge, mapcountOf, maybePinned, refcountOf, removeMapping,
  takeReference,
} from './frames.ts';
import { createMemoryWorld } from './world.ts';
import type { MemoryShape } from './shape.ts';

const shape: MemoryShape = {
  pages: 4, windows: 1, windowsPerMm: 1, mms: 1, cpus: 1, vcpus: 0, tasks: 1, slots: 1, slotPages: 4, broadcastFlush: false,
  regionOrder: 1, frames: 80, hugeFolios: 2, filePages: 0, swapSlots: 0,
};

describe('frames', () => {
  test('are given out lowest first, the zero page never, and a freed one is the next', () => {
    const world = createMemoryWorld(shape);
    expect(Array.from({ length: 70 }, () => allocateFrame(world))).toEqual(Array.from({ length: 70 }, (_, nth) => nth + 1));
    dropReference(world, 33);
    dropReference(world, 5);
    expect([allocateFrame(world), allocateFrame(world), allocateFrame(world)]).toEqual([5, 33, 71]);
    for (let left = 72; left < 80; left++) allocateFrame(world);
    expect(() => allocateFrame(world)).toThrow('the 80 frames of this world are all in use');
  });

  test('count as the kernel does: a pin of a small folio is 1024, and 1024 references look like a pin', () => {
    const world = createMemoryWorld(shape);
    const frame = allocateFrame(world);
    takeReference(world, frame);
    addPinPart(world, frame, 1);
    expect([refcountOf(world, frame), maybePinned(world, frame)]).toEqual([1025, true]);
    addPinPart(world, frame, -1);
    expect(maybePinned(world, frame)).toBe(false);
    takeReference(world, frame, 1022);
    expect([refcountOf(world, frame), maybePinned(world, frame)]).toEqual([1024, true]);
  });

  test('of a huge folio are counted at its head, its pins apart', () => {
    const world = createMemoryWorld(shape);
    const head = allocateHuge(world);
    expect([head, headOf(world, head + 1), isLarge(world, head + 1), folioPages(world, head), allocateHuge(world), allocateHuge(world)]).toEqual([80, 80, true, 2, 82, -1]);
    takeReference(world, head + 1);
    addPinPart(world, head + 1, 1);
    addMapping(world, head);
    addMapping(world, head + 1);
    expect([refcountOf(world, head + 1), maybePinned(world, head), mapcountOf(world, head)]).toEqual([2, true, 2]);
    removeMapping(world, head);
    removeMapping(world, head + 1);
    addPinPart(world, head, -1);
    world.frameFlags[head + 1] = FrameBit.Anon;
    dropReference(world, head, 2);
    expect([world.frameFlags[head + 1], allocateHuge(world)]).toEqual([0, 80]);
  });

  test('that are in pieces are a huge folio again when the last of them is free', () => {
    const world = createMemoryWorld(shape);
    const head = allocateHuge(world);
    world.hugeSplit[0] = 1;
    world.hugeUsed[0] = 2;
    world.frameRefs[head + 1] = 1;
    expect([isLarge(world, head + 1), headOf(world, head + 1), mapcountOf(world, head + 1)]).toEqual([false, head + 1, 0]);
    dropReference(world, head);
    expect([world.hugeSplit[0], world.hugeUsed[0]]).toEqual([1, 1]);
    dropReference(world, head + 1);
    expect([world.hugeSplit[0], allocateHuge(world)]).toEqual([0, head]);
  });

  test('are not counted for the zero page, and never below zero or with mappings', () => {
    const world = createMemoryWorld(shape);
    takeReference(world, ZERO_FRAME);
    addMapping(world, ZERO_FRAME);
    removeMapping(world, ZERO_FRAME);
    addPinPart(world, ZERO_FRAME, 1);
    dropReference(world, ZERO_FRAME);
    expect([world.frameRefs[ZERO_FRAME], world.frameMaps[ZERO_FRAME]]).toEqual([0, 0]);
    const frame = allocateFrame(world);
    expect(() => dropReference(world, frame, 2)).toThrow('refcount of frame 1 fell to -1');
    addMapping(world, frame);
    expect(() => dropReference(world, frame)).toThrow('frame 1 is freed with 1 mappings');
    removeMapping(world, frame);
    expect(() => removeMapping(world, frame)).toThrow('frame 1 loses a mapping that it does not have');
  });

  test('are counted by nobody who has none in his hands: a null pointer', () => {
    const world = createMemoryWorld(shape);
    for (const count of [takeReference, dropReference, addMapping, removeMapping]) expect(() => count(world, -1)).toThrow('a step counts references of no frame');
    expect(() => addPinPart(world, -1, 1)).toThrow('a step counts references of no frame');
  });
});
