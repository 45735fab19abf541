import { describe, expect, test } from 'vitest';
import { Meter, Waiting } from '../meter.ts';
import { lockId } from '../locks.ts';
import { Flow } from '../step.ts';
import { EntryBit, EntryType, TableBit, entryAt, isMarker, isNone, isPresent, isSwapEntry, tableAt, typeOf } from './entries.ts';
import { allocateSwap, dropSwap } from './files.ts';
import { FrameBit, allocateFrame } from './frames.ts';
import {
  dropFolioLock, lockEntry, lockFrame, readLockMmap, readLockRmap, readUnlockMmap, readUnlockRmap, unlockEntry, unlockFrame, writeLockMmap, writeLockRmap, writeUnlockMmap, writeUnlockRmap,
} from './locks.ts';
import { MmState, bear, bornStep, bury, conceive } from './processes.ts';
import { framesOf, mmOf, regionsOf, windowOf } from './shape.ts';
import type { MemoryShape } from './shape.ts';
import { SlotKind, clearSlot, detachSlots, isPinned } from './slots.ts';
import { clearMemoryTask } from './tasks.ts';
import { Backing, WindowFlag, copyWindow, isPrivateMapping, openWindow } from './windows.ts';
import { createMemoryWorld } from './world.ts';

const shape: MemoryShape = {
  pages: 3, windows: 4, windowsPerMm: 2, mms: 2, cpus: 2, vcpus: 0, tasks: 2, slots: 2, slotPages: 2, broadcastFlush: false,
  regionOrder: 1, frames: 6, hugeFolios: 1, filePages: 2, swapSlots: 2,
};

describe('a world of processes', () => {
  test('has windows by process and page tables by window', () => {
    const world = createMemoryWorld(shape);
    expect([regionsOf(shape), framesOf(shape), windowOf(world, 1, 1), mmOf(world, 3), entryAt(world, 3, 2), tableAt(world, 3, 2)]).toEqual([2, 8, 3, 1, 11, 7]);
  });

  test('knows entries by their type', () => {
    const bits = [0, EntryType.Swap | EntryBit.Exclusive, EntryType.Marker | EntryBit.UffdWp, EntryBit.Present | EntryBit.ProtNone, EntryBit.NoVma];
    expect(bits.map((one) => [isNone(one), isSwapEntry(one), isMarker(one), isPresent(one), typeOf(one)])).toEqual([
      [true, false, false, false, 0], [false, true, false, false, EntryType.Swap], [false, false, true, false, EntryType.Marker], [false, false, false, true, 0],
      [true, false, false, false, 0],
    ]);
  });

  test('gives the VMAs of a child to it, what is unmapped or protected included, and no entries', () => {
    const world = createMemoryWorld(shape);
    openWindow(world, 0, Backing.Anonymous, WindowFlag.Huge);
    openWindow(world, 1, Backing.FileShared);
    world.entry.set([EntryBit.Present | EntryBit.Write, EntryBit.NoVma, EntryBit.Present | EntryBit.ReadOnlyVma]);
    copyWindow(world, 0, 2);
    expect([...world.entry.subarray(6, 9)]).toEqual([0, EntryBit.NoVma, EntryBit.ReadOnlyVma]);
    expect([world.windowBacking[2], world.windowFlags[2], isPrivateMapping(world, 2), isPrivateMapping(world, 1)]).toEqual([Backing.Anonymous, WindowFlag.Huge, true, false]);
  });

  test('lets a task of a process wait until that is born, and a fork until the last child is gone', () => {
    const meter = new Meter();
    const world = createMemoryWorld(shape, meter);
    world.mm[1] = 1;
    expect([bornStep.run(world, 1), meter.waitOn]).toEqual([Flow.Wait, lockId(Waiting.Child, 1)]);
    expect(conceive(world, 1)).toBe(Flow.Next);
    expect([conceive(world, 1), bornStep.run(world, 1)]).toEqual([Flow.Wait, Flow.Wait]);
    bear(world, 1);
    expect([conceive(world, 1), bornStep.run(world, 1)]).toEqual([Flow.Wait, Flow.Next]);
    world.mmHasPinned[1] = 1;
    bury(world, 1);
    expect([world.mmHasPinned[1], world.mmState[1], conceive(world, 1)]).toEqual([0, MmState.None, Flow.Next]);
  });

  test('takes its locks in their order, and names what it waits for', () => {
    const meter = new Meter();
    const world = createMemoryWorld(shape, meter);
    const frame = allocateFrame(world);
    expect([writeLockMmap(world, 0), readLockMmap(world, 1), meter.waitOn]).toEqual([Flow.Next, Flow.Wait, lockId(0, 0)]);
    expect([writeUnlockMmap(world, 0), readLockMmap(world, 1), lockFrame(world, 1, frame), lockFrame(world, 0, frame), meter.waitOn]).toEqual([Flow.Next, Flow.Next, Flow.Next, Flow.Wait, lockId(2, frame)]);
    expect([readLockRmap(world, 1), writeLockRmap(world, 0), lockEntry(world, 1), lockEntry(world, 0), meter.waitOn]).toEqual([Flow.Next, Flow.Wait, Flow.Next, Flow.Wait, lockId(4, 0)]);
    expect(world.table[0]).toBe(TableBit.Locked);
    expect(() => lockFrame(world, 1, frame)).toThrow('lock order');
    expect([unlockEntry(world, 1), readUnlockRmap(world, 1)]).toEqual([Flow.Next, Flow.Next]);
    unlockFrame(world, 1, frame);
    expect([readUnlockMmap(world, 1), writeLockRmap(world, 0), writeUnlockRmap(world, 0), world.held[0], world.held[1]]).toEqual([Flow.Next, Flow.Next, Flow.Next, 0, 0]);
  });

  test('has no lock unlocked that nobody has locked', () => {
    const world = createMemoryWorld(shape);
    const frame = allocateFrame(world);
    expect(() => unlockEntry(world, 0)).toThrow('page table 0 is unlocked, and nobody has locked it');
    expect(() => unlockFrame(world, 0, frame)).toThrow('the folio of frame 1 is unlocked, and nobody has locked it');
    expect(() => lockFrame(world, 0, -1)).toThrow('a step locks no frame');
    // What was tried for is locked, and its task is not noted to hold it.
    world.frameFlags[frame] |= FrameBit.Locked;
    dropFolioLock(world, frame);
    expect(world.frameFlags[frame]).toBe(0);
  });

  test('forgets a buffer as a whole, and what a process gave up', () => {
    const world = createMemoryWorld(shape);
    world.slotKind[1] = SlotKind.LongTerm;
    world.slotWindow[1] = 1;
    world.slotPage[1] = 1;
    world.slotCount[1] = 2;
    world.slotFrame[2] = 4;
    detachSlots(world, 0, 0, 1);
    detachSlots(world, 1, 0, 3);
    expect([world.slotWindow[1], isPinned(world.slotKind[1]), isPinned(SlotKind.Get)]).toEqual([1, true, false]);
    detachSlots(world, 0, 2, 3);
    expect(world.slotWindow[1]).toBe(0);
    clearSlot(world, 1);
    expect([world.slotKind[1], world.slotCount[1], world.slotFrame[2], world.slotPage[1]]).toEqual([SlotKind.Empty, 0, 0, 0]);
  });

  test('forgets of a buffer what GUP-fast has in its hands, and no page behind it', () => {
    const keptAfter = (grabFrame: number): readonly number[] => [0, 1, 2].map((page) => {
      const world = createMemoryWorld(shape);
      world.slotWindow[1] = 1;
      world.slotPage[1] = 0;
      world.slotCount[1] = 1;
      world.slot[0] = 1;
      world.grabFrame[0] = grabFrame;
      detachSlots(world, 0, page, page + 1);
      return world.slotWindow[1];
    });
    expect(keptAfter(4)).toEqual([0, 0, 1]);
    expect(keptAfter(0)).toEqual([0, 1, 1]);
    const world = createMemoryWorld(shape);
    world.slotWindow.fill(1);
    world.slot[0] = 1;
    world.grabFrame[0] = 4;
    detachSlots(world, 0, 0, 3);
    expect([...world.slotWindow]).toEqual([1, 0]);
  });

  test('gives a swap slot out until nobody names it and no frame is cached for it', () => {
    const world = createMemoryWorld(shape);
    expect([allocateSwap(world), allocateSwap(world), allocateSwap(world)]).toEqual([0, 1, -1]);
    world.swapFrame[0] = 3;
    world.swapContent[0] = 7;
    dropSwap(world, 0);
    expect([allocateSwap(world), world.swapContent[0]]).toEqual([-1, 7]);
    dropSwap(world, 1);
    expect([allocateSwap(world), () => dropSwap(world, 0)].map((one) => typeof one)).toEqual(['number', 'function']);
    expect(() => dropSwap(world, 0)).toThrow('swap slot 0 is dropped once too often');
  });

  test('clears all locals of a task', () => {
    const world = createMemoryWorld(shape);
    const locals = [world.newFrame, world.oldFrame, world.zapFrame, world.grabFrame, world.grabbed, world.readEntry, world.readTarget, world.otherMm, world.page, world.flags];
    for (const column of locals) column[1] = 1;
    clearMemoryTask(world, 1);
    expect(locals.map((column) => column[1])).toEqual(locals.map(() => 0));
  });

  test('has no access end with a lock held, or before its flush has ended', () => {
    const world = createMemoryWorld(shape);
    readLockMmap(world, 1);
    expect(() => clearMemoryTask(world, 1)).toThrow('lock order: task 1 ends its access, and holds 1');
    readUnlockMmap(world, 1);
    world.callCount[1] = 2;
    expect(() => clearMemoryTask(world, 1)).toThrow('task 1 ends its access, and 2 of its calls are not acknowledged');
  });
});
