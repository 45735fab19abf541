/** Every sentence can be broken: a world in which exactly one thing is wrong, and what the invariant says about it. */
import { describe, expect, test } from 'vitest';
import { EntryBit, TableBit } from './entries.ts';
import { PageBit } from './file.ts';
import { FolioType } from './folioType.ts';
import { buildHost } from './host.ts';
import { brokenInvariant, invariants } from './invariants.ts';
import { LockClass, WRITER } from './locks.ts';
import type { Shape } from './shape.ts';
import { SlotKind } from './slots.ts';
import { GiganticBit, RegionBit } from './stage2.ts';
import { DEPTH_MAX, end } from './step.ts';
import { Gather, TaskFlag } from './tasks.ts';
import { openWindow } from './windows.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

const { program } = buildHost({ toPrivate: [end], toShared: [end] }, { lazy: false });

/** Two folios of two pages; page 0 is mapped, page 1 pinned, by a task that is idle now. */
function pinnedWorld(shape: Partial<Shape> = {}): World {
  const world = createWorld({
    pages: 4, folioOrder: 1, regionOrder: 1, largeBacking: false, spareFolios: 1, windows: 1, childWindows: 0, mms: 1, cpus: 2, vcpus: 1, tasks: 2,
    slots: 1, slotPages: 2, chunk: 1, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
    ...shape,
  });
  openWindow(world, 0, 0);
  world.pageState[0] = PageBit.Present | PageBit.UpToDate;
  world.entry[0] = EntryBit.Present;
  world.table[0] = TableBit.Allocated;
  world.mapcount[0] = 1;
  world.largeMapcount[0] = 1;
  world.slotKind[0] = SlotKind.Pin;
  world.slotCount[0] = 1;
  world.slotFrame[0] = 2;
  world.pincount[0] = 1;
  world.dataRefs[0] = 1;
  world.dataRefs[1] = 1;
  world.refcount[0] = 4; // two of the page cache, one of the mapping, one of the pin
  return world;
}

const broken = (change: (world: World) => void, world = pinnedWorld()): string | undefined => {
  change(world);
  return brokenInvariant(world, program);
};

/** Puts a task in the middle of an access, so that it is not idle. */
const busy = (world: World, task: number): void => {
  world.pc[task * DEPTH_MAX] = program.entry('hostRead');
};

/** The same, with a leaf of all four pages possible: every page is in the page cache. */
function giganticWorld(): World {
  const world = pinnedWorld({ largeBacking: true, giganticOrder: 2 });
  world.pageState[2] = PageBit.Present;
  world.refcount[2] = 2;
  world.giganticPresent[0] = 4;
  world.giganticState[0] = GiganticBit.Leaf;
  return world;
}
/** The same, where folios may be split. */
const splitsWorld = (): World => pinnedWorld({ splits: true });

/** All pages are private, and then this. */
const privatise = (change: (world: World) => void) => (world: World): void => {
  for (let page = 0; page < 4; page++) world.pageState[page] |= PageBit.Flipped;
  world.flippedPages[0] = 4;
  world.regionFlipped.fill(2);
  change(world);
};

describe('a world', () => {
  test('in which a folio is mapped and pinned breaks nothing', () => {
    expect(brokenInvariant(pinnedWorld(), program)).toBeUndefined();
    expect(brokenInvariant(giganticWorld(), program)).toBeUndefined();
  });

  test('of order 0 counts a pin as 1024 references', () => {
    const world = pinnedWorld({ folioOrder: 0 });
    world.slotFrame[0] = 1;
    world.dataRefs.set([2, 0]);
    world.refcount[0] = 1 + 1 + 1024;
    expect(brokenInvariant(world, program)).toBeUndefined();
    world.refcount[0] = 1 + 1 + 1;
    expect(brokenInvariant(world, program)).toBe('F1: refcount of frame 0 is 3, counted 1026');
  });
});

describe('broken invariants', () => {
  const cases: [message: string, change: (world: World) => void, of?: () => World][] = [
    ['F1: refcount of frame 0 is 5, counted 4', (world) => world.refcount[0]++],
    ['F2: frame 2 has no reference, mapcount 0, pincount 0, data references 1', (world) => world.dataRefs[2]++],
    ['F3: tail frame 3 has refcount 1', (world) => world.refcount[3]++],
    ['F4: mapcount of frame 1 is 1, counted 0', (world) => world.mapcount[1]++],
    ['F5: large mapcount of folio 0 is 2, counted 1', (world) => world.largeMapcount[0]++],
    ['F6: pincount of folio 0 is 0, counted 1', (world) => world.pincount[0]--],
    ['F7: data references of frame 1 is 2, counted 1', (world) => world.dataRefs[1]++],
    ['F8: the large folio of page 0 is in one piece, and has a shared page', () => undefined, splitsWorld],
    ['F8: the large page at 2 is in pieces, of which there are none', privatise((world) => (world.folioSplit[1] = 1)), splitsWorld],
    ['F8: the folio of page 2 is frozen, and nobody splits or merges', privatise((world) => (world.pageState[2] |= PageBit.Present)), splitsWorld],
    ['M1: stage-2 maps page 2, which has no folio', (world) => (world.pageState[2] |= PageBit.Leaf)],
    ['M2: window 0 has 2 VMAs, counted 1', (world) => world.windowVmas[0]++],
    [
      'M3: the cleared entry of page 1 in window 0 belongs to 0 gathers',
      (world) => {
        world.entry[1] = EntryBit.StaleMunmap;
        world.refcount[0]++;
        world.dataRefs[1]++;
      },
    ],
    [
      'M3: page 1 in window 0 has a delayed mapping count and no cleared entry',
      (world) => {
        world.entry[1] = EntryBit.RmapDelayed;
        world.mapcount[1] = 1;
        world.largeMapcount[0]++;
      },
    ],
    ['M4: window 0 has a migration entry for page 1, whose folio nobody moves', (world) => (world.entry[1] = EntryBit.Migration)],
    ['M5: the PMD of page 0 in window 0 stands beside a page table', (world) => {
      world.table[0] |= TableBit.Pmd;
      world.entry[1] = EntryBit.Present;
      world.mapcount[0] = 0;
      world.dataRefs[1]++;
    }],
    ['M5: the PMD of page 0 in window 0 does not map page 1', (world) => {
      world.table[0] = TableBit.Pmd;
      world.mapcount[0] = 0;
    }],
    ['M5: the PMD of page 0 in window 0 was cleared by a zap, and page 0 is not stale', (world) => (world.table[0] |= TableBit.PmdOfZap)],
    ['S1: flippedPages is 1, counted 0', (world) => world.flippedPages[0]++],
    [
      'S1: flipped pages of region 1 is 0, counted 1',
      (world) => {
        world.pageState[3] |= PageBit.Flipped;
        world.flippedPages[0]++;
      },
    ],
    ['S1: flipped pages of gigantic region 0 is 1, counted 0', (world) => world.giganticFlipped[0]++, giganticWorld],
    ['S2: 1 invalidations are open, with invalidate_lock not held by a writer', (world) => world.invalidating[0]++],
    [
      'S3: one leaf maps region 0, of whose pages 1 are flipped',
      (world) => {
        world.regionState[0] = RegionBit.Leaf;
        world.regionFlipped[0] = 1;
        world.flippedPages[0] = 1;
        world.pageState[0] |= PageBit.Flipped;
      },
    ],
    [
      'S3: page 1 has a small leaf under the large one of region 0',
      (world) => {
        world.regionState[0] = RegionBit.Leaf;
        world.pageState[1] |= PageBit.Leaf;
      },
    ],
    ['S3: region 1 has a large leaf under the gigantic one 0', (world) => (world.regionState[1] = RegionBit.Leaf), giganticWorld],
    ['S3: page 3 has a small leaf under the gigantic one 0', (world) => (world.pageState[3] |= PageBit.Leaf), giganticWorld],
    [
      'S3: one leaf maps gigantic region 0, of whose pages 1 are flipped',
      (world) => {
        world.giganticFlipped[0] = 1;
        world.regionFlipped[0] = 1;
        world.flippedPages[0] = 1;
        world.pageState[0] |= PageBit.Flipped;
      },
      giganticWorld,
    ],
    ['S4: secondaries is 0, counted 1', (world) => {
      world.pageState[0] |= PageBit.Secondary;
      world.dataRefs[0]++;
    }],
    ['S5: page 2 has the mark of an exclusive pin, and nobody converts', (world) => (world.pageState[2] |= PageBit.ExclusivePin)],
    [
      'S5: page 0 is private, and marked as what the host may read',
      (world) => {
        world.pageState[0] |= PageBit.Flipped | PageBit.ReadOnly;
        world.flippedPages[0]++;
        world.regionFlipped[0]++;
      },
    ],
    ['S6: present pages of gigantic region 0 is 3, counted 4', (world) => world.giganticPresent[0]--, giganticWorld],
    [
      'W1: page 0 is private, and waits for its last put',
      (world) => {
        world.pageState[0] |= PageBit.Flipped | PageBit.Draining;
        world.flippedPages[0]++;
        world.regionFlipped[0]++;
      },
    ],
    ['L1: mmap_locks have 1 readers and 0 writers, and 0 tasks hold one', (world) => world.mmapLock[0]++],
    ['L1: invalidate_lock is held by a writer, and 0 tasks hold it', (world) => (world.invalidateLock[0] = WRITER)],
    ['L1: i_mmap_rwsem is held by 2 readers, and 0 tasks hold it', (world) => (world.iMmapLock[0] = 2)],
    ['L1: mmu_lock is held by 0 readers, and 1 tasks hold it', (world) => (world.held[0] = 1 << LockClass.Mmu)],
    ['L1: 1 folios are locked, and 0 tasks hold a folio lock', (world) => (world.pageState[0] |= PageBit.Locked)],
    [
      'L1: folio 0 is moved, and not locked',
      (world) => {
        world.pageState[0] |= PageBit.Migrating;
        world.refcount[0]++;
      },
    ],
    [
      'L1: 1 folios are moved, and nobody with invalidate_lock holds a folio lock',
      (world) => {
        world.pageState[0] |= PageBit.Migrating | PageBit.Locked;
        world.refcount[0]++;
      },
    ],
    ['L1: task 1 holds the folio lock of page 0, which is not locked', (world) => (world.held[1] = 1 << LockClass.Folio)],
    ['L1: 1 page tables are locked, and 0 tasks hold a page-table lock', (world) => (world.table[1] = TableBit.Locked)],
    ['L1: task 0 holds a page-table lock, and no table of its is locked', (world) => (world.held[0] = 1 << LockClass.PageTable)],
    [
      'L2: task 1 is idle and holds locks 10',
      (world) => {
        world.held[1] = 1 << LockClass.Invalidate;
        world.invalidateLock[0] = 1;
      },
    ],
    ['L2: task 1 is idle and has a gather in state 1', (world) => (world.gather[1] = Gather.Pending)],
    ['L2: task 1 is idle and has not ended its notifier', (world) => (world.notifying[1] = 1)],
    ['L2: task 0 is idle with flags 1', (world) => (world.flags[0] = TaskFlag.IrqOff)],
    [
      'C1: task 0 waits for 1 acknowledgements, 0 are pending',
      (world) => {
        busy(world, 0);
        world.callCount[0] = 1;
      },
    ],
  ];

  test.each(cases)('%s', (message, change, of = pinnedWorld) => {
    expect(broken(change, of())).toBe(message);
  });

  test('are all in this file', () => {
    const tested = new Set(cases.map(([message]) => message.slice(0, message.indexOf(':'))));
    expect([...tested]).toEqual(invariants.map(({ name }) => name));
  });
});

describe('folios that wait for their last put', () => {
  const waiting = (type: number): World => {
    const world = createWorld({
      pages: 2, folioOrder: 0, regionOrder: 1, largeBacking: false, spareFolios: 0, windows: 1, childWindows: 0, mms: 1, cpus: 1, vcpus: 1, tasks: 2,
      slots: 0, slotPages: 0, chunk: 1, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true, keeps: 'put-callbacks',
    });
    world.pageState[1] = PageBit.Present | PageBit.UpToDate | PageBit.Draining;
    world.folioType[1] = type;
    world.refcount[1] = type >= FolioType.Armed ? 0 : 1;
    return world;
  };
  const set = (world: World, change: (world: World) => void): World => {
    change(world);
    return world;
  };
  const queued = (): World => set(waiting(FolioType.Queued), (world) => { world.workCount[0] = 1; world.workFirst[0] = 2; });

  test('have a page that neither side may use, and work that is queued once the last reference has gone', () => {
    expect(brokenInvariant(waiting(FolioType.None), program)).toBeUndefined();
    expect(brokenInvariant(waiting(FolioType.Set), program)).toBeUndefined();
    expect(brokenInvariant(queued(), program)).toBeUndefined();
  });

  test.each([
    ['the folio of page 1 has a type, and the page waits for no put', set(waiting(FolioType.Set), ({ pageState }) => (pageState[1] &= ~PageBit.Draining))],
    ['the folio of page 1 has a type, and is mapped', set(waiting(FolioType.Set), (world) => {
      world.mapcount[1] = 1;
      world.entry[1] = EntryBit.Present;
      world.refcount[1]++;
      world.dataRefs[1]++;
    })],
    ['0 folios have work queued, the lowest is -1; counted 1, the lowest is 1', waiting(FolioType.Queued)],
    ['1 folios have work queued, the lowest is 0; counted 1, the lowest is 1', set(queued(), ({ workFirst }) => (workFirst[0] = 1))],
  ])('else: %s', (what, world) => {
    expect(brokenInvariant(world, program)).toBe(`W1: ${what}`);
  });
});

describe('a gather', () => {
  const cleared = (gather: number): World => {
    const world = pinnedWorld();
    busy(world, 0);
    world.entry[0] = EntryBit.StaleMunmap;
    world.mapcount[0] = 0;
    world.largeMapcount[0] = 0;
    world.gather[0] = gather;
    world.gatherEnd[0] = 1;
    return world;
  };

  test('keeps the reference and the way to the data of what it cleared until its flush is over', () => {
    expect(brokenInvariant(cleared(Gather.Pending), program)).toBeUndefined();
    expect(brokenInvariant(cleared(Gather.Sent), program)).toBeUndefined();
  });

  test('keeps the reference alone after that', () => {
    expect(brokenInvariant(cleared(Gather.Flushed), program)).toBe('F7: data references of frame 0 is 1, counted 0');
    const world = cleared(Gather.Flushed);
    world.dataRefs[0] = 0;
    expect(brokenInvariant(world, program)).toBeUndefined();
  });
});
