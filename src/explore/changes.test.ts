/** What a step changed, in words: single steps of scripted accesses, and worlds that were changed by hand. */
import { describe, expect, test } from 'vitest';
import { acknowledge, canAcknowledge } from '../model/crossCalls.ts';
import { EntryBit } from '../model/entries.ts';
import { PageBit } from '../model/file.ts';
import { dropReference } from '../model/folios.ts';
import { FolioType } from '../model/folioType.ts';
import { WRITER } from '../model/locks.ts';
import type { Shape } from '../model/shape.ts';
import { SlotKind } from '../model/slots.ts';
import { Flow } from '../model/step.ts';
import { TaskFlag } from '../model/tasks.ts';
import { copyWorld, createWorld, worldColumns } from '../model/world.ts';
import type { World } from '../model/world.ts';
import { Machine } from '../../test/tools/litmusMachine.ts';
import type { Litmus } from '../../test/tools/litmusMachine.ts';
import { races } from '../../test/tools/races.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { describeChanges } from './changes.ts';
import type { ChangeNames, Changes } from './family.ts';

/** Every step as "thread step: changes"; thread after thread, each as far as it gets; others acknowledge when they are asked. */
function story(litmus: Omit<Litmus, 'policy'> & { readonly policy?: string }, { locks = false, ...names }: ChangeNames & { readonly locks?: boolean } = {}): string {
  const machine = new Machine({ ...litmus, policy: policyNamed(litmus.policy ?? 'sigbus-on-fault') });
  const { world } = machine;
  const before = createWorld(world.shape);
  const lines: string[] = [];
  const tell = (label: string): void => {
    const changes = describeChanges(before, world, names);
    const told = locks ? changes.locks : changes.others;
    if (told.length > 0) lines.push(`${label}: ${told.join('; ')}`);
  };
  for (let moved = true; moved; ) {
    moved = false;
    for (let task = 0; task < world.shape.tasks; task++) {
      while (machine.hasWork(task)) {
        const name = machine.stepName(task);
        copyWorld(world, before);
        if (machine.step(task, false) === Flow.Wait) break;
        tell(`${task} ${name}`);
        moved = true;
      }
      for (let cpu = 0; cpu < world.shape.cpus; cpu++) {
        if (!canAcknowledge(world, task, cpu)) continue;
        copyWorld(world, before);
        acknowledge(world, task, cpu);
        tell(`${cpu} ack(${task})`);
        moved = true;
      }
    }
  }
  return lines.join('\n');
}

const linesWith = (text: string, pattern: RegExp): string => text.split('\n').filter((line) => pattern.test(line)).join('\n');

/** Two worlds that are alike but for what `change` does. */
function changed(change: (world: World) => void, shape: Partial<Shape> = {}, prepare: (world: World) => void = () => {}): Changes {
  const { world: before } = new Machine({ policy: policyNamed('sigbus-on-fault'), threads: races.pin.threads, shape });
  prepare(before);
  const after = createWorld(before.shape);
  copyWorld(before, after);
  change(after);
  return describeChanges(before, after);
}

describe('the steps of a race', () => {
  const named = { threads: ['vcpu', 'host'], buffers: ['a'] };

  test('are told by what others can see of them', () => {
    expect(story(races.pin, named)).toMatchInlineSnapshot(`
      "0 pte.clear: PTE of page 0 cleared (stale TLB)
      0 rmap.remove: mapcount of page 0: 1 -> 0
      0 tlb.send: asks host to flush
      1 ack(0): flushes its TLB for vcpu
      1 irq.off: interrupts off
      1 irq.onSlow: interrupts on
      0 tlb.wait: PTE of page 0 flushed
      0 gather.put: refcount of page 0: 2 -> 1
      0 folio.lookupGet: refcount of page 0: 1 -> 2
      0 folio.put: refcount of page 0: 2 -> 1
      0 seq.begin: stage-2 invalidation begins
      0 state.store: page 0 becomes private
      0 seq.end: stage-2 invalidation ends
      1 slot.refuse: buffer a is refused"
    `);
  });

  test('have locks, apart', () => {
    expect(story({ before: [[1, a.hostWrite(0)]], threads: [{ accesses: [a.toPrivate(0)] }, { role: 'vmm', accesses: [] }] }, { locks: true })).toMatchInlineSnapshot(`
      "0 invalidate.writeLock: takes invalidate_lock (write)
      0 iMmap.readLock: takes i_mmap_rwsem (read)
      0 ptl.lock: takes page-table lock of pages 0..1
      0 ptl.unlock: drops page-table lock of pages 0..1
      0 iMmap.readUnlock: drops i_mmap_rwsem
      0 mmuLock.write: takes mmu_lock (write)
      0 mmuLock.unlock: drops mmu_lock
      0 invalidate.unlock: drops invalidate_lock"
    `);
    expect(story({ threads: [{ accesses: [] }, { role: 'vmm', accesses: [a.unmap(0, 2)] }] }, { locks: true })).toMatchInlineSnapshot(`
      "1 mmapLock.write: takes mmap_lock (write)
      1 mmapLock.downgrade: downgrades mmap_lock
      1 iMmap.writeLock: takes i_mmap_rwsem (write)
      1 iMmap.remove: drops i_mmap_rwsem
      1 mmapLock.readUnlock: drops mmap_lock"
    `);
  });

  test('dirty a page, and flush a dirty entry before its mapping count drops', () => {
    expect(story({ threads: [{ role: 'vmm', accesses: [a.hostWrite(0), a.unmap(0, 2)] }] })).toMatchInlineSnapshot(`
      "0 pageCache.insert: page 0 enters the page cache; refcount of page 0: 0 -> 2
      0 folio.clear: page 0 is up to date
      0 rmap.add: mapcount of page 0: 0 -> 1
      0 pte.set: PTE of page 0 set
      0 host.access: PTE of page 0 dirty
      0 vma.detach: VMA leaves the mm
      0 pte.clear: PTE of page 0 cleared (stale TLB)
      0 dirty.wait: PTE of page 0 flushed
      0 rmap.removeDelayed: mapcount of page 0: 1 -> 0
      0 dirty.put: refcount of page 0: 2 -> 1
      0 iMmap.remove: VMA leaves i_mmap"
    `);
  });

  test('fill the page cache, the LRU batch and stage-2', () => {
    expect(story({ threads: [{ accesses: [a.guestWrite(0), a.guestWrite(1)] }], shape: { lruBatch: 1 } }, { threads: ['vcpu'] })).toMatchInlineSnapshot(`
      "0 pageCache.insert: page 0 enters the page cache; refcount of page 0: 0 -> 2
      0 lru.add: refcount of page 0: 2 -> 3; LRU batch of vcpu holds page 0
      0 folio.clear: page 0 is up to date
      0 stage2.map: stage-2 leaf of page 0 set
      0 folio.put: refcount of page 0: 3 -> 2
      0 pageCache.insert: page 1 enters the page cache; refcount of page 1: 0 -> 2
      0 lru.add: refcount of page 0: 2 -> 1; refcount of page 1: 2 -> 3; LRU batch of vcpu drained; LRU batch of vcpu holds page 1
      0 folio.clear: page 1 is up to date
      0 stage2.map: stage-2 leaf of page 1 set
      0 folio.put: refcount of page 1: 3 -> 2"
    `);
  });

  test('set a large leaf and split it', () => {
    expect(story({ threads: [{ accesses: [a.guestWrite(0), a.toPrivate(1)] }], shape: { largeBacking: true } })).toMatchInlineSnapshot(`
      "0 pageCache.insert: region 0 is backed; pages 0..1 enter the page cache; refcount of page 0: 0 -> 2; refcount of page 1: 0 -> 1
      0 stage2.map: large leaf of region 0 set
      0 folio.put: refcount of page 0: 2 -> 1
      0 folio.lookupGet: refcount of page 1: 1 -> 2
      0 folio.put: refcount of page 1: 2 -> 1
      0 seq.begin: stage-2 invalidation begins
      0 spte.clear: large leaf of region 0 split, page 1 cleared
      0 state.store: page 1 becomes private
      0 seq.end: stage-2 invalidation ends"
    `);
  });

  test('set a gigantic leaf, and split it down to small ones; a range that covers it takes it away whole', () => {
    const accesses = [a.guestWrite(0), a.toPrivate(3), a.toShared(3), a.guestWrite(3), a.toPrivate(0, 4), a.guestWrite(2), a.toShared(2, 2)];
    const lines = story({ threads: [{ accesses }], shape: { pages: 4, folioOrder: 2, largeBacking: true, giganticOrder: 2 } }).split('\n');
    expect(lines.filter((line) => / (spte\.clear|stage2\.map): /.test(line)).join('\n')).toMatchInlineSnapshot(`
      "0 stage2.map: gigantic leaf 0 set
      0 spte.clear: gigantic leaf 0 split; large leaf of region 1 split, page 3 cleared
      0 stage2.map: gigantic leaf 0 set
      0 spte.clear: gigantic leaf 0 cleared
      0 stage2.map: gigantic leaf 0 set
      0 spte.clear: gigantic leaf 0 split; large leaf of region 1 cleared"
    `);
  });

  test('hold pages in buffers, and let go of them', () => {
    const accesses = [a.pinShort(0, 0, 2), a.unpin(0), a.splice(1, 0), a.unpin(1), a.pinLong(0, 5)];
    expect(story({ threads: [{ role: 'vmm', accesses }], shape: { pages: 2 } }, { buffers: ['a', 'b'] })).toMatchInlineSnapshot(`
      "0 irq.off: interrupts off
      0 irq.onSlow: interrupts on
      0 pageCache.insert: page 0 enters the page cache; refcount of page 0: 0 -> 2
      0 folio.clear: page 0 is up to date
      0 rmap.add: mapcount of page 0: 0 -> 1
      0 pte.set: PTE of page 0 set
      0 folio.grab: refcount of page 0: 2 -> 1026 (pinned); buffer a holds page 0 (pin)
      0 irq.off: interrupts off
      0 irq.onSlow: interrupts on
      0 pageCache.insert: page 1 enters the page cache; refcount of page 1: 0 -> 2
      0 folio.clear: page 1 is up to date
      0 rmap.add: mapcount of page 1: 0 -> 1
      0 pte.set: PTE of page 1 set
      0 folio.grab: refcount of page 1: 2 -> 1026 (pinned); buffer a holds page 1 (pin)
      0 unpin: refcount of pages 0..1: 1026 -> 2 (unpinned); buffer a drops page 0, page 1
      0 irq.off: interrupts off
      0 folio.tryGet: refcount of page 0: 2 -> 3
      0 irq.on: buffer b holds page 0 (get); interrupts on
      0 unpin: refcount of page 0: 3 -> 2; buffer b drops page 0
      0 slot.refuse: buffer a is refused"
    `);
  });

  test('count the pins of a large folio apart', () => {
    expect(story({ threads: [{ role: 'vmm', accesses: [a.pinLong(0, 1), a.unpin(0)] }], shape: { folioOrder: 1 } }, { buffers: ['a'] })).toMatchInlineSnapshot(`
      "0 pageCache.insert: folio 0..1 enters the page cache; refcount of folio 0..1: 0 -> 3
      0 folio.clear: folio 0..1 is up to date
      0 rmap.add: mapcount of page 1: 0 -> 1
      0 pte.set: PTE of page 1 set
      0 folio.grab: refcount of folio 0..1: 3 -> 4; pincount of folio 0..1: 0 -> 1; buffer a holds page 1 (long-term pin)
      0 unpin.pins: pincount of folio 0..1: 1 -> 0
      0 unpin: refcount of folio 0..1: 4 -> 3; buffer a drops page 1"
    `);
  });

  test('leave an orphan behind where a held page is punched', () => {
    const accesses = [a.pinLong(0, 0), a.punch(0), a.unpin(0)];
    const litmus = { threads: [{ role: 'vmm' as const, accesses }], shape: { content: 'preserve' as const, lruBatch: 1 } };
    expect(story(litmus, { buffers: ['a'] }).split('\n').slice(-11).join('\n')).toMatchInlineSnapshot(`
      "0 pte.set: PTE of page 0 set
      0 folio.grab: refcount of page 0: 3 -> 1027 (pinned); buffer a holds page 0 (long-term pin)
      0 seq.begin: stage-2 invalidation begins
      0 folio.next: refcount of page 0: 1027 -> 1028
      0 pte.clear: PTE of page 0 cleared (stale TLB)
      0 rmap.remove: mapcount of page 0: 1 -> 0
      0 tlb.wait: PTE of page 0 flushed
      0 gather.put: refcount of page 0: 1028 -> 1027
      0 pageCache.remove: page 0 leaves the page cache; its folio lives on as orphan 0, refcount 1025
      0 seq.end: stage-2 invalidation ends
      0 unpin: refcount of orphan 0: 1025 -> 1 (unpinned); buffer a drops orphan 0"
    `);
  });

  test('map and unmap: VMAs leave the mm before they leave i_mmap', () => {
    expect(story({ policy: 'folio-mmapped', threads: [{ accesses: [a.toPrivate(0), a.toShared(0)] }] })).toMatchInlineSnapshot(`
      "0 vma.detach: VMA over page 0 leaves the mm
      0 iMmap.remove: VMA over page 0 leaves i_mmap
      0 seq.begin: stage-2 invalidation begins
      0 state.store: page 0 becomes private
      0 seq.end: stage-2 invalidation ends
      0 request.begin: guest asks to share page 0
      0 seq.begin: stage-2 invalidation begins
      0 state.store: page 0 becomes shared
      0 seq.end: stage-2 invalidation ends
      0 vma.insert: VMA over page 0 enters the mm
      0 iMmap.insert: VMA over page 0 enters i_mmap"
    `);
  });

  test('say which process and which of its mappings, where there are several', () => {
    const twice = { before: [[1, a.hostRead(0)], [2, a.hostRead(0)]] as const, threads: [{ accesses: [a.toPrivate(0)] }, { role: 'vmm' as const, accesses: [] }, { role: 'vmm' as const, process: 1, accesses: [] }] };
    const entries = (text: string): string => linesWith(text, /PTE|page-table/);
    expect(entries(story(twice))).toMatchInlineSnapshot(`
      "0 pte.clear: PTE of page 0 in process 0 cleared (stale TLB)
      0 tlb.wait: PTE of page 0 in process 0 flushed
      0 pte.clear: PTE of page 0 in process 1 cleared (stale TLB)
      0 tlb.wait: PTE of page 0 in process 1 flushed"
    `);
    expect(entries(story(twice, { locks: true }))).toMatchInlineSnapshot(`
      "0 ptl.lock: takes page-table lock of pages 0..1 in process 0
      0 ptl.unlock: drops page-table lock of pages 0..1 in process 0
      0 ptl.lock: takes page-table lock of pages 0..1 in process 1
      0 ptl.unlock: drops page-table lock of pages 0..1 in process 1"
    `);
    expect(entries(story({ threads: [{ role: 'vmm', accesses: [a.hostRead(0)] }], shape: { windows: 2 } }))).toMatchInlineSnapshot(`"0 pte.set: PTE of page 0 in mapping 0 set"`);
  });

  test('fork a child that maps, touches and exits', () => {
    expect(story({ threads: [{ role: 'vmm', accesses: [a.fork(0)] }] })).toMatchInlineSnapshot(`
      "0 mmapLock.write: the child begins
      0 fork.vma: VMA in the child enters the mm; VMA in the child enters i_mmap
      0 pageCache.insert: page 0 enters the page cache; refcount of page 0: 0 -> 2
      0 folio.clear: page 0 is up to date
      0 rmap.add: mapcount of page 0: 0 -> 1
      0 pte.set: PTE of page 0 in the child set
      0 vma.detach: VMA in the child leaves the mm
      0 pte.clear: PTE of page 0 in the child cleared (stale TLB)
      0 rmap.remove: mapcount of page 0: 1 -> 0
      0 iMmap.remove: VMA in the child leaves i_mmap
      0 tlb.wait: PTE of page 0 in the child flushed
      0 gather.put: refcount of page 0: 2 -> 1
      0 exit: the child exits"
    `);
    expect(linesWith(story({ threads: [{ role: 'vmm', accesses: [a.fork(0)] }] }, { locks: true }), /mmap_lock/)).toMatchInlineSnapshot(`
      "0 mmapLock.write: takes mmap_lock (write)
      0 fork.return: drops mmap_lock
      0 mmapLock.read: takes mmap_lock of the child (read)
      0 mmapLock.readUnlock: drops mmap_lock of the child
      0 mmapLock.write: takes mmap_lock of the child (write)
      0 mmapLock.downgrade: downgrades mmap_lock of the child
      0 mmapLock.readUnlock: drops mmap_lock of the child"
    `);
  });

  test('donate a page in a lazy run, and drain batches for that', () => {
    expect(story({ ...races.donation, shape: { lazy: true, lruBatch: 1 } }, named)).toMatchInlineSnapshot(`
      "0 seq.begin: stage-2 invalidation begins
      0 state.store: page 1 becomes private
      0 seq.end: stage-2 invalidation ends
      0 pageCache.insert: page 1 enters the page cache; refcount of page 1: 0 -> 2
      0 lru.add: refcount of page 1: 2 -> 3; LRU batch of vcpu holds page 1
      0 folio.clear: page 1 is up to date
      0 stage2.map: stage-2 leaf of page 1 set
      0 folio.put: refcount of page 1: 3 -> 2
      1 irq.off: interrupts off
      1 folio.tryGet: refcount of page 0: 3 -> 4
      1 irq.on: buffer a holds page 0 (get); interrupts on"
    `);
  });
});

describe('a change that few races make', () => {
  test.each<[string, (world: World) => void, string]>([
    ['content', ({ content }) => void (content[1] = 0xab), 'content of page 1: 0x0 -> 0xAB'],
    ['content of a page of a large orphan', ({ content }) => void (content[5] = 1), 'content of page 1 of orphan 0: 0x0 -> 0x1'],
    ['a secondary MMU', ({ pageState }) => void (pageState[1] |= PageBit.Secondary), 'secondary MMU maps page 1'],
    ['a request that is given up', ({ pageState }) => void (pageState[1] |= PageBit.Degraded), 'request for page 1 given up'],
    ['a bounced buffer', ({ slotKind }) => void (slotKind[0] = SlotKind.Bounced), 'buffer 0 is bounced'],
    ['a VMA over a part of the file', ({ entry }) => entry.fill(EntryBit.IMmapMark, 1, 3), 'VMA over pages 1..2 leaves i_mmap'],
    ['a large folio in the page cache', ({ pageState }) => void (pageState[2] |= PageBit.Present), 'folio 2..3 enters the page cache'],
  ])('is told: %s', (_, change, expected) => {
    expect(changed(change, { pages: 4, folioOrder: 1, content: 'preserve' })).toEqual({ locks: [], others: [expected] });
  });

  test.each<[number, number, string]>([
    [0, PageBit.Secondary, 'secondary MMU drops page 0'],
    [0, PageBit.Degraded, 'page 0 is no longer given up'],
    [1, PageBit.Asked, 'guest no longer asks to share page 1'],
  ])('is told when it goes: bit %i of the page', (page, bit, expected) => {
    expect(changed(({ pageState }) => void (pageState[page] &= ~bit), {}, ({ pageState }) => void (pageState[page] |= bit)).others).toEqual([expected]);
  });

  test.each<[string, (world: World) => void, (world: World) => void, readonly string[]]>([
    ['in use', () => {}, ({ pageState }) => void (pageState[1] |= PageBit.Draining), ['page 1 can be used by neither side']],
    ['typed', () => {}, ({ folioType }) => void (folioType[1] = FolioType.Set), ['folio of page 1 gets its type']],
    ['whose last reference goes', ({ folioType }) => void (folioType[1] = FolioType.Armed), (world) => dropReference(world, 1, 1), ['the last put of page 1 queues work', 'refcount of page 1: 1 -> 0']],
    ['untyped', ({ folioType }) => void (folioType[1] = FolioType.Set), ({ folioType }) => void (folioType[1] = FolioType.None), ['folio of page 1 loses its type']],
    ['unused', ({ pageState }) => void (pageState[1] |= PageBit.Draining), ({ pageState }) => void (pageState[1] = 0), ['page 1 is no longer between the sides']],
  ])('of a page that waits for its last put is told: %s', (_, prepare, change, expected) => {
    const shape = { keeps: 'put-callbacks', tasks: 3 } as const;
    expect(changed(change, shape, (world) => { world.refcount[1] = 1; prepare(world); }).others).toEqual(expected);
  });

  test('of a full LRU batch is a drain and a new page', () => {
    const full = (world: World): void => {
      world.lruPage[0] = 1;
      world.lruCount[0] = 1;
    };
    expect(changed(({ lruPage }) => void (lruPage[0] = 2), { lruBatch: 1 }, full).others).toEqual(['LRU batch of CPU 0 drained', 'LRU batch of CPU 0 holds page 1']);
  });
});

describe('a PMD', () => {
  const shape = { pages: 2, folioOrder: 1, regionOrder: 1, pmdMappings: true } as const;
  const told = (script: readonly ScriptedAccess[]): string => linesWith(story({ threads: [{ accesses: script }], shape }), /PMD|PTE|large mapcount/);

  test('is told once, and not page by page', () => {
    expect(told([a.hostRead(0), a.hostWrite(1), a.toPrivate(1)])).toBe([
      '0 pmd.rmapAdd: large mapcount of folio 0..1: 0 -> 1',
      '0 pmd.set: PMD of pages 0..1 set',
      '0 host.access: PMD of pages 0..1 dirty',
      '0 pte.clear: PMD of pages 0..1 cleared (stale TLB)',
      '0 rmap.remove: large mapcount of folio 0..1: 1 -> 0',
      '0 tlb.wait: PMD of pages 0..1 flushed',
    ].join('\n'));
  });

  test('of which a part is unmapped is flushed under the page-table lock, and PTEs follow', () => {
    expect(told([a.hostRead(0), a.unmap(0), a.hostRead(1)])).toBe([
      '0 pmd.rmapAdd: large mapcount of folio 0..1: 0 -> 1',
      '0 pmd.set: PMD of pages 0..1 set',
      '0 pte.clear: PMD of pages 0..1 cleared (stale TLB)',
      '0 dirty.wait: PMD of pages 0..1 flushed',
      '0 rmap.removeDelayed: large mapcount of folio 0..1: 1 -> 0',
      '0 pte.set: PTE of page 1 set',
    ].join('\n'));
  });
});

test('of a memory for private pages: what enters and leaves it, what is written there, and which lock is taken', () => {
  const separate = { keeps: 'separate-memory', content: 'preserve' } as const;
  expect(changed(({ pageState }) => void (pageState[1] |= PageBit.PrivatePresent), separate).others).toEqual(['page 1 enters the memory for private pages']);
  const there = (world: World): void => void (world.pageState[1] |= PageBit.PrivatePresent);
  expect(changed(({ pageState }) => void (pageState[1] &= ~PageBit.PrivatePresent), separate, there).others).toEqual(['page 1 leaves the memory for private pages']);
  expect(changed(({ privateContent }) => void (privateContent[1] = 0xab), separate).others).toEqual(['content of private page 1: 0x0 -> 0xAB']);
  const locks = (word: number): readonly string[] => changed(({ invalidateLock }) => void (invalidateLock[word] = WRITER), separate).locks;
  expect([0, 1, 2].map(locks)).toEqual([['takes invalidate_lock (write)'], ['takes slots_lock (write)'], ['takes invalidate_lock of guest_memfd (write)']]);
});

describe('what is not told', () => {
  /** What only the task reads, ghosts, and totals of what is told. */
  const silent = [
    'pc', 'depth', 'kind', 'held', 'outcome', 'attempts', 'mm', 'window', 'slot', 'rangeStart', 'rangeEnd', 'page', 'cursor', 'cursorEnd', 'walkStart', 'walkEnd', 'walkCursor',
    'walkWindow', 'askedMm', 'gatherStart', 'gatherEnd', 'value', 'dataRefs', 'flippedPages', 'regionFlipped', 'giganticFlipped', 'giganticPresent', 'largeMapcount', 'windowVmas', 'windowMm', 'notifying', 'secondaries', 'descriptorClosed', 'accepting',
    'passes', 'failedFolio', 'reading', 'regionShared', 'slotReadOnly', 'workCount', 'workFirst',
  ] as const;
  /** Of these at least a part is told; callCount and slotCount go with what they count. */
  const spoken = [
    'flags', 'gather', 'callPending', 'callKind', 'callCount', 'mmapLock', 'invalidateLock', 'iMmapLock', 'mmuLock', 'windowFlags', 'childAlive', 'slotKind', 'slotCount', 'slotFrame',
    'lruPage', 'lruCount', 'regionState', 'giganticState', 'pageState', 'invalidating', 'refcount', 'mapcount', 'content', 'privateContent', 'pincount', 'folioSplit', 'entry', 'table', 'folioType',
  ] as const;

  test('is decided for every column of the world', () => expect([...silent, ...spoken].sort()).toEqual(Object.keys(worldColumns).sort()));

  test.each(silent)('is a change of %s alone', (name) => {
    expect(changed((world) => void (world[name][0] ^= 1), { folioOrder: 1, platform: 'snp' })).toEqual({ locks: [], others: [] });
  });

  test('is any flag of a task but that its interrupts are off', () => {
    expect(changed(({ flags }) => void (flags[0] = 0xffff & ~TaskFlag.IrqOff))).toEqual({ locks: [], others: [] });
    expect(changed(({ flags }) => void (flags[0] = TaskFlag.IrqOff))).toEqual({ locks: [], others: ['interrupts off'] });
  });

  test('is a ghost of a page', () => {
    expect(changed(({ pageState }) => void (pageState[0] |= PageBit.Exposed | PageBit.NeighbourZapped))).toEqual({ locks: [], others: [] });
  });

  test('is a step that changed nothing', () => expect(changed(() => {})).toEqual({ locks: [], others: [] }));
});

test('a large folio that is split, and put together again, is told as that, and its counts are not', () => {
  const text = story({ policy: 'split-4k-lazy', threads: [{ accesses: [a.guestWrite(0), a.toShared(0), a.toPrivate(0)] }], shape: { pages: 2, folioOrder: 1, initShared: false, splits: true } });
  expect(linesWith(text, /split\.|folio\.(freeze|thaw)|insert(Pieces|Large)/)).toBe([
    '0 split.freeze: refcount of folio 0..1: 2 -> 0 (frozen)',
    '0 pageCache.insertPieces: folio 0..1 split into pages 0..1',
    '0 folio.freeze: refcount of page 0: 1 -> 0 (frozen)',
    '0 folio.freeze: refcount of page 1: 1 -> 0 (frozen)',
    '0 pageCache.insertLarge: pages 0..1 merged to folio 0..1',
  ].join('\n'));
});
