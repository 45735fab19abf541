import { describe, expect, test } from 'vitest';
import { CrossCall } from '../model/crossCalls.ts';
import { WRITER } from '../model/locks.ts';
import { EntryBit, EntryType, TableBit } from '../model/memory/entries.ts';
import { FrameBit } from '../model/memory/frames.ts';
import { MmState } from '../model/memory/processes.ts';
import { SlotKind } from '../model/memory/slots.ts';
import { Backing } from '../model/memory/windows.ts';
import { createMemoryWorld } from '../model/memory/world.ts';
import type { MemoryWorld } from '../model/memory/world.ts';
import { entryText, memoryChanges, memoryLocks, pageName } from './memoryChanges.ts';

const create = (windowsPerMm = 1): MemoryWorld =>
  createMemoryWorld({
    pages: 2, windows: 2 * windowsPerMm, windowsPerMm, mms: 2, cpus: 2, vcpus: 0, tasks: 2, slots: 2, slotPages: 1, broadcastFlush: false, regionOrder: 1, frames: 4, hugeFolios: 1, filePages: 1, swapSlots: 1,
  });

/** What is told of one change of a world. */
const told = (change: (world: MemoryWorld) => void, first: (world: MemoryWorld) => void = () => {}): readonly string[] => {
  const [before, after] = [create(), create()];
  first(before);
  first(after);
  change(after);
  return [...memoryLocks(before, after), ...memoryChanges(before, after, { threads: ['a', 'b'], buffers: ['pipe'] })];
};

type Change = (world: MemoryWorld) => void;
const nothing: Change = () => {};
const CHANGES: readonly (readonly [sentence: string, change: Change, first: Change])[] = [
  ['takes mmap_lock of process 1 (write)', (world) => (world.mmapLock[1] = WRITER), nothing],
  ['takes mmap_lock of process 0 (read)', (world) => (world.mmapLock[0] = 1), nothing],
  ['drops mmap_lock of process 0 (read)', (world) => (world.mmapLock[0] = 0), (world) => (world.mmapLock[0] = 1)],
  ['drops rmap lock', (world) => (world.rmapLock[0] = 0), (world) => (world.rmapLock[0] = WRITER)],
  ['downgrades rmap lock', (world) => (world.rmapLock[0] = 1), (world) => (world.rmapLock[0] = WRITER)],
  ['takes lock of the zero page', (world) => (world.frameFlags[0] |= FrameBit.Locked), nothing],
  ['drops page-table lock 1', (world) => (world.table[1] = 0), (world) => (world.table[1] = TableBit.Locked)],
  ['process 1 is conceived', (world) => (world.mmState[1] = MmState.Unborn), nothing],
  ['process 1 is born', (world) => (world.mmState[1] = MmState.Alive), nothing],
  ['process 1 is gone', (world) => (world.mmState[1] = MmState.None), (world) => (world.mmState[1] = MmState.Alive)],
  ['fork sequence of process 1 is 1', (world) => (world.mmForkSequence[1] = 1), (world) => (world.mmState[1] = MmState.Alive)],
  ['process 0 has pinned', (world) => (world.mmHasPinned[0] = 1), nothing],
  ['mapping 0 of process 1 created', (world) => (world.windowBacking[1] = Backing.Anonymous), nothing],
  ['mapping 0 of process 1 removed', (world) => (world.windowBacking[1] = 0), (world) => (world.windowBacking[1] = Backing.Anonymous)],
  ['page 1 of process 0 has no VMA', (world) => (world.entry[1] |= EntryBit.NoVma), nothing],
  ['page 1 of process 1: none becomes marker, uffd-wp', (world) => (world.entry[3] = EntryType.Marker | EntryBit.UffdWp), nothing],
  ['frame 2 allocated', (world) => (world.frameRefs[2] = 1), nothing],
  ['frame 2 freed', (world) => (world.frameRefs[2] = 0), (world) => (world.frameRefs[2] = 1)],
  ['refcount of frame 2 1 -> 1025', (world) => (world.frameRefs[2] = 1025), (world) => (world.frameRefs[2] = 1)],
  ['pincount of huge folio 0 0 -> 1', (world) => (world.hugePins[0] = 1), nothing],
  ['page 0 of the file is frame 1', (world) => (world.cacheFrame[0] = 2), nothing],
  ['page 0 of the file leaves the page cache', (world) => (world.cacheFrame[0] = 0), (world) => (world.cacheFrame[0] = 2)],
  ['swap slot 0 is cached by frame 1', (world) => (world.swapFrame[0] = 2), nothing],
  ['swap slot 0 has no cached page', (world) => (world.swapFrame[0] = 0), (world) => (world.swapFrame[0] = 2)],
  ['buffer 1 holds frame 1', (world) => (world.slotFrame[1] = 2), nothing],
  ['pipe drops frame 1', (world) => (world.slotFrame[0] = 0), (world) => (world.slotFrame[0] = 2)],
  ['pipe is refused', (world) => (world.slotKind[0] = SlotKind.Refused), nothing],
  ['interrupts off', (world) => (world.flags[1] = 1), nothing],
  ['b flushes for a', (world) => (world.callPending[1] = 0), (world) => (world.callPending[1] = 1)],
];

describe('changes of worlds of processes', () => {
  test.each(CHANGES)('are told: %s', (sentence, change, first) => expect(told(change, first)).toEqual([sentence]));

  test('of a frame in use are its mappings, whether it is exclusive, and its content', () => {
    const change = (world: MemoryWorld): void => {
      world.frameMaps[1] = 1;
      world.frameFlags[1] = FrameBit.Exclusive;
      world.frameContent[1] = 7;
    };
    expect(told(change, (world) => (world.frameRefs[1] = 1))).toEqual(['mapcount of frame 1 0 -> 1', 'frame 1 becomes exclusive', 'content of frame 1 0 -> 7']);
    expect(told((world) => (world.frameFlags[1] = 0), (world) => {
      world.frameRefs[1] = 1;
      world.frameFlags[1] = FrameBit.Exclusive;
    })).toEqual(['frame 1 is no longer exclusive']);
  });

  test('of buffers say how they hold, and of calls how many are asked', () => {
    expect(told((world) => {
      world.slotKind[0] = SlotKind.LongTerm;
      world.slotFrame[0] = 3;
      world.callKind[0] = CrossCall.Flush;
      world.callCount[0] = 1;
    })).toEqual(['pipe pins for long frame 2', 'a asks 1 to flush']);
  });

  test('name entries by what they are, and pages by their mapping where there are several', () => {
    const { Present, Write, ProtNone, Exclusive } = EntryBit;
    expect([entryText(Present | Write, 3), entryText(Present | ProtNone, 1), entryText(EntryType.Swap | Exclusive, 1), entryText(EntryType.Migration, 2), entryText(0, 0)]).toEqual([
      '-> frame 2, writable', '-> the zero page, read-only, PROTNONE', 'in swap slot 0, exclusive', 'migrates frame 1', 'none',
    ]);
    expect([pageName(create(), 1, 0), pageName(create(2), 3, 0)]).toEqual(['page 0 of process 1', 'page 0 of mapping 1 of process 1']);
  });
});
