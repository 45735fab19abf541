import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildHost } from '../model/host.ts';
import { EntryBit } from '../model/entries.ts';
import { PageBit } from '../model/file.ts';
import { Meter } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import { TaskFlag } from '../model/tasks.ts';
import { openWindow } from '../model/windows.ts';
import { createWorld } from '../model/world.ts';
import type { World } from '../model/world.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import { drive } from './drive.ts';
import { aroundProgram } from './faultAround.ts';

const PAGES = 64;

interface What {
  readonly page: number;
  readonly count?: number;
  readonly flags?: number;
}

/** A file of 64 pages in one mapping, which has those of them that are named. */
function openFile(present: readonly number[]) {
  const shape = {
    pages: PAGES, folioOrder: 0, regionOrder: 9, largeBacking: false, spareFolios: 0, windows: 1, childWindows: 0, mms: 1, cpus: 1, vcpus: 0,
    tasks: 1, slots: 1, slotPages: PAGES, chunk: 512, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
  } as const;
  const world = createWorld(shape, new Meter());
  openWindow(world, 0, 0);
  const host = buildHost(sigbusOnFault.rules({ check: 'refcount' }), shape);
  const begin = (kind: AccessKind, { page, count = 1, flags = 0 }: What): void => {
    world.kind[0] = kind;
    world.page[0] = page;
    world.rangeStart[0] = page;
    world.rangeEnd[0] = page + count;
    world.flags[0] |= flags;
  };
  const run = (routine: string, kind: AccessKind, what: What): void => {
    begin(kind, what);
    drive(world, 0, aroundProgram, aroundProgram.entry(routine));
  };
  for (const page of present) {
    begin(Access.Allocate, { page });
    drive(world, 0, host.program, host.entries[Access.Allocate]);
  }
  return { world, run, read: (page: number): void => run('hostRead', Access.HostRead, { page }) };
}

const ALL = Array.from({ length: PAGES }, (_, page) => page);
const mapped = ({ entry }: World): readonly number[] => ALL.filter((page) => entry[page] & EntryBit.Present);
const from = (first: number, last: number): readonly number[] => ALL.slice(first, last + 1);
const countOf = ({ meter }: World, name: keyof typeof Op): number => meter.count[Op[name]];

describe('a read of a page of the file', () => {
  test('maps what the file has of the window that the address lies in: pages 24 to 39 of a mapping that begins in the middle of one', () => {
    const { world, read } = openFile(ALL);
    read(30);
    expect(mapped(world)).toEqual(from(24, 39));
    expect([countOf(world, 'pte.set'), countOf(world, 'lock.pageTable'), countOf(world, 'pageCache.lookup')]).toEqual([16, 1, 16]);
  });
  test('maps 16 pages from the beginning of the mapping on where that cuts the window off, and up to its end', () => {
    const { world, read } = openFile(ALL);
    read(5);
    expect(mapped(world)).toEqual(from(0, 15));
    read(16);
    expect(mapped(world)).toEqual(from(0, 23));
    read(63);
    expect(mapped(world)).toEqual([...from(0, 23), ...from(56, 63)]);
  });
  test('leaves holes and what is not up to date, and entries that are there', () => {
    const { world, read } = openFile([24, 26, 30, 39]);
    world.pageState[26] &= ~PageBit.UpToDate;
    read(30);
    expect(mapped(world)).toEqual([24, 30, 39]);
    // Its page is made, and those that are mapped are looked at in vain.
    const before = countOf(world, 'folio.put');
    read(31);
    expect(mapped(world)).toEqual([24, 30, 31, 39]);
    expect([countOf(world, 'folio.put') - before, countOf(world, 'folio.alloc')]).toEqual([3, 4 + 1]);
  });
  test('of a file without neighbours takes the page-table lock for its own entry alone', () => {
    const { world, read } = openFile([]);
    read(30);
    expect([mapped(world), countOf(world, 'lock.pageTable')]).toEqual([[30], 1]);
  });
});

test('any reads leave each page with as many mappings as it has entries, and as many references more', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(PAGES - 1)), fc.array(fc.nat(PAGES - 1), { maxLength: 20 }), (present, reads) => {
      const { world, read } = openFile(present);
      for (const page of reads) read(page);
      const inFile = ALL.filter((page) => present.includes(page) || reads.includes(page));
      expect(ALL.filter((page) => world.pageState[page] & PageBit.Present)).toEqual(inFile);
      expect(inFile.map((page) => world.refcount[page] - world.mapcount[page])).toEqual(inFile.map(() => 1));
      expect(ALL.filter((page) => world.mapcount[page] === 1)).toEqual(mapped(world));
      expect(reads.every((page) => mapped(world).includes(page))).toBe(true);
      expect([world.walkStart[0], world.walkEnd[0], world.flags[0]]).toEqual([0, 0, 0]);
    }),
    { numRuns: 60 },
  );
});

test('populating for reading maps around, for writing each page alone', () => {
  const reading = openFile(ALL);
  reading.run('populate', Access.HostRead, { page: 8, count: 2 });
  expect(mapped(reading.world)).toEqual(from(8, 23));
  const writing = openFile(ALL);
  writing.run('populate', Access.HostWrite, { page: 8, count: 2 });
  expect(mapped(writing.world)).toEqual([8, 9]);
});

describe('a get', () => {
  test('for reading maps around, and does not try GUP-fast again for the pages behind', () => {
    const { world, run } = openFile(ALL);
    run('splice', Access.Splice, { page: 8, count: 32, flags: TaskFlag.ReadOnly });
    expect(mapped(world)).toEqual(from(8, 39));
    expect([countOf(world, 'gup.fast'), countOf(world, 'gup.slow'), countOf(world, 'gup.grab'), countOf(world, 'lock.mmap')]).toEqual([1, 32, 32, 1]);
  });
  test('for writing maps its own pages', () => {
    const { world, run } = openFile(ALL);
    run('splice', Access.Splice, { page: 8, count: 4 });
    expect(mapped(world)).toEqual(from(8, 11));
  });
});
