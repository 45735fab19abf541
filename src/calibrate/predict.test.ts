import { describe, expect, test } from 'vitest';
import type { BackingName } from './backing.ts';
import type { Place } from './points.ts';
import { namedCounts, predict } from './predict.ts';

const PLAIN: Place = { operation: 'punch', pages: 1, vmas: 1, processes: 1, touched: false, dirty: false, cpus: 1 };

/** Counts by name, without the call's own term. */
function countsOf(some: Partial<Place>, backing: BackingName = 'guest_memfd'): Readonly<Record<string, number>> {
  const prediction = predict({ ...PLAIN, ...some }, backing);
  if (prediction === null) throw new Error('the model has no such call');
  return namedCounts(prediction);
}

describe('a hole of N pages under V VMAs that are touched', () => {
  const [pages, vmas] = [64, 3];
  test('of a guest_memfd is unmapped page by page: N x V flushes of one entry each', () => {
    expect(countsOf({ pages, vmas, touched: true })).toMatchObject({
      'vma.visit': pages * vmas, 'pte.zap': pages * vmas, 'tlb.flush': pages * vmas, 'rmap.walk': pages, 'tlb.flushEntry': pages * vmas, 'pageCache.remove': pages, 'folio.free': pages, 'refill.punch': 1, 'mapping.last': pages,
    });
    expect(countsOf({ pages, vmas, touched: true })).not.toHaveProperty('tlb.flushAll');
  });
  test('of a memfd is unmapped as a range: V flushes, of all of the TLB above 33 entries', () => {
    expect(countsOf({ pages, vmas, touched: true }, 'memfd')).toMatchObject({
      'vma.visit': vmas, 'pte.zap': pages * vmas, 'rmap.walk': 1, 'pageCache.remove': pages, 'tlb.flush': vmas, 'tlb.flushAll': vmas, 'refill.punch': 1,
    });
    expect(countsOf({ pages, vmas, touched: true }, 'memfd')).not.toHaveProperty('tlb.flushEntry');
    expect(countsOf({ pages: 33, vmas, touched: true }, 'memfd')).toMatchObject({ 'tlb.flush': vmas, 'tlb.flushEntry': 33 * vmas });
  });
});

describe('a hole', () => {
  test('under dirty entries clears as many of those', () => {
    expect(countsOf({ pages: 4, vmas: 3, touched: true, dirty: true })).toMatchObject({ 'pte.zap': 12, 'entry.dirty': 12 });
    expect(countsOf({ pages: 4, vmas: 3, touched: true })).not.toHaveProperty('entry.dirty');
  });
  test('of pages that one of V VMAs has entries of looks into all of them, page by page, or as a range', () => {
    expect(countsOf({ operation: 'punch.one', pages: 4, vmas: 5, touched: true })).toMatchObject({ 'vma.visit': 20, 'pte.zap': 4, 'tlb.flush': 4, 'refill.punch': 1, 'call.punch': 1 });
    expect(countsOf({ operation: 'punch.one', pages: 4, vmas: 5, touched: true }, 'memfd')).toMatchObject({ 'vma.visit': 5, 'pte.zap': 4, 'tlb.flush': 1 });
  });
  test('of untouched pages visits no VMA of a guest_memfd, and all of them of a memfd', () => {
    expect(countsOf({ pages: 4, vmas: 5 })).not.toHaveProperty('vma.visit');
    expect(countsOf({ pages: 4, vmas: 5 }, 'memfd')).toMatchObject({ 'vma.visit': 5 });
  });
  test('in the mapping of a process that sleeps zaps there, and has nobody to flush', () => {
    expect(countsOf({ pages: 4, touched: true, processes: 2 })).toMatchObject({ 'pte.zap': 8, 'tlb.flush': 4 });
  });
  test('asks each other CPU that runs the process, which pays for itself', () => {
    const counts = countsOf({ pages: 4, touched: true, cpus: 3 });
    expect(counts).toMatchObject({ 'tlb.flush': 4, 'tlb.ipi': 8 });
    expect(counts).not.toHaveProperty('tlb.interrupt');
  });
});

test('a first touch has an exception, a folio and an entry; a later one the entry; populating it no exception', () => {
  expect(countsOf({ operation: 'fault.first', pages: 7, dirty: true })).toMatchObject({ 'host.fault': 7, 'folio.alloc': 7, 'page.clear': 7, 'pte.set': 7 });
  const minor = countsOf({ operation: 'fault.minor', pages: 7, dirty: true });
  expect(minor).toMatchObject({ 'host.fault': 7, 'pageCache.lookup': 7, 'pte.set': 7 });
  expect(minor).not.toHaveProperty('page.clear');
  const populated = countsOf({ operation: 'populate', pages: 7 });
  expect(populated).toMatchObject({ syscall: 1, 'lock.mmap': 1, 'gup.slow': 7, 'pte.set': 7 });
  expect(populated).not.toHaveProperty('host.fault');
});

test('a get of pages that have entries goes fast; a long-term pin never does, and takes mmap_lock once', () => {
  expect(countsOf({ operation: 'gup.get', pages: 9, touched: true })).toEqual({ syscall: 1, 'irq.toggle': 1, 'gup.fast': 9, 'gup.grab': 9, 'access.done': 1, 'work.done': 9, 'call.gup.get': 1 });
  expect(countsOf({ operation: 'gup.pin', pages: 9, touched: true })).toMatchObject({ 'lock.mmap': 1, 'gup.slow': 9, 'gup.grab': 9, 'call.gup.pin': 1 });
  expect(countsOf({ operation: 'gup.unpin', pages: 9, touched: true })).toMatchObject({ 'gup.release': 9 });
});

test('mmap, munmap, zap, allocate, a read into a private page and a system call that does nothing', () => {
  expect(countsOf({ operation: 'mmap', pages: 4, vmas: 2 })).toMatchObject({ mmap: 1, 'vma.insert': 1, 'lock.mmap': 1 });
  expect(countsOf({ operation: 'munmap', pages: 4, vmas: 2, touched: true })).toMatchObject({ munmap: 1, 'vma.remove': 1, 'pte.zap': 4, 'tlb.flush': 1, 'tlb.flushEntry': 4 });
  expect(countsOf({ operation: 'zap', pages: 4, touched: true })).toMatchObject({ 'pte.zap': 4, 'folio.put': 4, 'tlb.flush': 1, 'tlb.flushEntry': 4 });
  expect(countsOf({ operation: 'allocate', pages: 4 })).toMatchObject({ 'folio.alloc': 4, 'pageCache.insert': 4 });
  expect(countsOf({ operation: 'allocate', pages: 4 })).not.toHaveProperty('page.clear');
  expect(countsOf({ operation: 'efault' })).toMatchObject({ syscall: 1, 'host.fault': 1, 'state.read': 1, 'access.failed': 1 });
  expect(countsOf({ operation: 'syscall', pages: 0, vmas: 0 })).toEqual({ syscall: 1 });
});

test('a fork copies its VMAs and no entry, and flushes all that the parent has; the child is not in its price', () => {
  expect(countsOf({ operation: 'fork', pages: 8, vmas: 3, touched: true })).toEqual({ syscall: 1, fork: 1, 'fork.vma': 3, 'tlb.flush': 1, 'tlb.flushAll': 1, 'access.done': 1 });
  expect(countsOf({ operation: 'fork', pages: 512, vmas: 0 })).toEqual({ syscall: 1, fork: 1, 'tlb.flush': 1, 'tlb.flushAll': 1, 'access.done': 1 });
});

test('a load from a private page is a fault without a page, and a signal', () => {
  expect(countsOf({ operation: 'sigbus' })).toEqual({ 'host.fault': 1, 'lock.mmap': 1, 'lock.invalidate': 1, 'state.read': 1, signal: 1, 'signal.SIGBUS': 1, 'access.failed': 1 });
});

test.each<Place['operation']>(['efault', 'sigbus'])('nothing of a memfd is private: there is no %s', (operation) => expect(predict({ ...PLAIN, operation }, 'memfd')).toBe(null));

describe('a read of pages of a memfd maps up to 16 around', () => {
  type Counts = Readonly<Record<string, number>>;
  const per512 = (counts: Counts): Counts => Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / 512]));

  test('33 faults for 512 pages, as mappings begin anywhere; the second of them looks at 8 pages that the first has mapped', () => {
    expect(countsOf({ operation: 'fault.minor', pages: 512 }, 'memfd')).toEqual({
      'host.access': 512, 'host.fault': 33, 'lock.mmap': 33, 'lock.pageTable': 33, 'pageCache.lookup': 520, 'lock.folio': 520, 'pte.set': 512, 'folio.put': 8, 'access.done': 512, 'work.done': 512,
    });
  });
  test('the ranges of the next calls too: one call of a batch is the mean of them', () => {
    expect(countsOf({ operation: 'fault.minor', pages: 1 }, 'memfd')).toEqual({
      'host.access': 1, 'pte.set': 1, 'access.done': 1, 'work.done': 1,
      ...per512({ 'host.fault': 33, 'lock.mmap': 33, 'lock.pageTable': 33, 'pageCache.lookup': 520, 'lock.folio': 520, 'folio.put': 8 }),
    });
  });
  test('populating looks at each page, and has no exception', () => {
    expect(countsOf({ operation: 'populate', pages: 1 }, 'memfd')).toEqual({
      'syscall': 1, 'lock.mmap': 1, 'gup.slow': 1, 'pte.set': 1, 'access.done': 1, 'call.populate': 1,
      ...per512({ 'lock.pageTable': 33, 'pageCache.lookup': 520, 'lock.folio': 520, 'folio.put': 8 }),
    });
  });
  test('a get stays in slow GUP behind the first page that it faults in, and goes fast where an earlier call has mapped all of its pages', () => {
    expect(countsOf({ operation: 'gup.get', pages: 256 }, 'memfd')).toEqual({
      'syscall': 1, 'irq.toggle': 1, 'gup.fast': 1, 'lock.mmap': 1, 'gup.slow': 256, 'gup.grab': 256, 'pte.set': 256, 'pageCache.lookup': 264, 'lock.folio': 264, 'folio.put': 8,
      // One a page, one more where there was no entry, and one for each of 17 windows.
      'lock.pageTable': 256 + 17 + 17, 'access.done': 1, 'work.done': 256, 'call.gup.get.faulting': 1,
    });
    // Of 32 calls of 8 pages each that begins in a window faults: one, and then every other one.
    expect(countsOf({ operation: 'gup.get', pages: 8 }, 'memfd')).toMatchObject({ 'gup.grab': 8, 'call.gup.get.faulting': 17 / 32, 'call.gup.get': 15 / 32 });
  });
  test('of a page that the file does not have the fault looks at those of its neighbours that it has, and allocates', () => {
    const { 'pageCache.lookup': lookups, 'folio.put': puts, ...rest } = countsOf({ operation: 'fault.first', pages: 512 }, 'memfd');
    // 0 to 15 of them in each of 31 windows, 0 to 7 in the halves at both ends.
    expect([lookups, puts]).toEqual([28 + 31 * 120 + 28, lookups]);
    expect(rest).toMatchObject({ 'host.fault': 512, 'folio.alloc': 512, 'pte.set': 512, 'pageCache.insert': 512 });
  });
  test('not for writing, and not of a guest_memfd', () => {
    expect(countsOf({ operation: 'fault.minor', pages: 32, dirty: true }, 'memfd')).toMatchObject({ 'host.fault': 32, 'pageCache.lookup': 32 });
    expect(countsOf({ operation: 'fault.minor', pages: 32 })).toMatchObject({ 'host.fault': 32, 'pageCache.lookup': 32 });
  });
});

describe('a virtual machine', () => {
  test('faults page by page, without an exit, without invalidate_lock and without a look at what is private; a leaf that is there is found', () => {
    const fault = { 'stage2.fault': 6, 'lock.mmu': 6, 'lock.folio': 6, 'pageCache.lookup': 6, 'folio.put': 6, syscall: 1, 'access.done': 1, 'call.stage2.fault': 1 };
    expect(countsOf({ operation: 'stage2.fault', pages: 6, vmas: 0 })).toEqual({ ...fault, 'stage2.map': 6 });
    expect(countsOf({ operation: 'stage2.fault', pages: 6, vmas: 0, touched: true })).toEqual(fault);
  });
  test('loses all leaves of a hole under one lock; the rest of it is the hole of a file', () => {
    for (const some of [{ vmas: 0 }, { vmas: 3, touched: true }, { vmas: 2, touched: true, dirty: true }]) {
      const { 'call.punch': call, ...hole } = countsOf({ operation: 'punch', pages: 6, ...some });
      expect(countsOf({ operation: 'stage2.punch', pages: 6, ...some })).toEqual({ ...hole, 'stage2.zap': 6, 'call.stage2.punch': call });
    }
  });
  test.each(['convert.private', 'convert.shared'] as const)('has no reference looked at in %s: its leaves go, and each page\'s attribute is stored', (operation) => {
    const attributes = { syscall: 1, 'lock.invalidate': 1, 'lock.mmu': 1, 'state.read': 1, 'access.done': 1, 'attribute.page': 6, [`call.${operation}`]: 1 };
    for (const backing of ['guest_memfd', 'memfd'] as const) {
      expect(countsOf({ operation, pages: 6, vmas: 0 }, backing)).toEqual(attributes);
      expect(countsOf({ operation, pages: 6, vmas: 0, touched: true }, backing)).toEqual({ ...attributes, 'stage2.zap': 6, 'attribute.flush': 1 });
    }
  });
});

test.each<Place['operation']>(['stage2.fault', 'stage2.punch'])('stage-2 takes the pages of a memfd by GUP: nobody measures %s there', (operation) => expect(predict({ ...PLAIN, operation }, 'memfd')).toBe(null));

test('a long-term pin goes fast in a memfd, and slowly in a guest_memfd', () => {
  expect(countsOf({ operation: 'gup.pin', pages: 9, touched: true }, 'memfd')).toMatchObject({ 'gup.fast': 9, 'gup.grab': 9, 'irq.toggle': 1 });
  expect(countsOf({ operation: 'gup.pin', pages: 9, touched: true })).not.toHaveProperty('gup.fast');
});
