import { describe, expect, test } from 'vitest';
import { DROP, MARKERS, PROTNONE, createShmemMachine } from '../../../test/tools/shmem.ts';
import type { MachineAsked } from '../../../test/tools/shmem.ts';
import { Gauge } from '../gauges.ts';
import { EntryBit, TableBit } from '../memory/entries.ts';
import { FrameBit } from '../memory/frames.ts';
import { Backing } from '../memory/windows.ts';
import type { WpRules } from './kept.ts';
import { WpKind } from './tasks.ts';
import { Userfault } from './world.ts';
import type { ShmemWorld } from './world.ts';
import { walkedWindow } from './zap.ts';

const N = 8;
const machineOf = (rules: WpRules, asked: MachineAsked = {}) => createShmemMachine(rules, { pages: N, regionOrder: 2, ...asked });
const all = { page: 0, count: N };
const KEEPING = [['pte-marker', MARKERS], ['protnone-zero-page', PROTNONE]] as const;

test('a walk that has come to no window has no page table to look for', () => {
  const { world } = machineOf(MARKERS);
  expect(() => walkedWindow(world, 0)).toThrow('task 0 walks over no window');
  world.walkWindow[0] = 1;
  expect(walkedWindow(world, 0)).toBe(0);
});

describe.each(KEEPING)('%s', (name, rules) => {
  const walked = name === 'pte-marker' ? 'special.swap' : 'special.present';

  test('keeps an entry for each page that is protected and not mapped, and the page tables that they need', () => {
    const { run, count, world } = machineOf(rules);
    run(0, { kind: WpKind.Protect, ...all });
    expect([count('wp.keep'), count('special.none'), count('pte.protect')]).toEqual([N, N, N]);
    expect([world.meter.gauge[Gauge.keptEntries], world.meter.gauge[Gauge.keptTables], world.meter.gauge[Gauge.tables]]).toEqual([N, N / 4, N / 4]);
    run(0, { kind: WpKind.Unprotect, ...all });
    expect([world.meter.gauge[Gauge.keptEntries], world.meter.gauge[Gauge.keptTables], count(walked)]).toEqual([0, 0, N]);
  });

  test('keeps what a zap clears, once, and nothing is counted for it', () => {
    const { run, count, world } = machineOf(rules);
    for (let page = 0; page < N; page++) run(0, { kind: WpKind.Read, page });
    run(0, { kind: WpKind.Protect, ...all });
    run(0, { kind: WpKind.DontNeed, ...all });
    expect([count('pte.zap'), count('wp.keep'), count(walked)]).toEqual([N, N, 0]);
    expect([...world.frameMaps].every((maps) => maps === 0)).toBe(true);
    run(0, { kind: WpKind.DontNeed, ...all });
    expect([count('pte.zap'), count('wp.keep'), count(walked)]).toEqual([N, N, N]);
  });

  test('a write to a page that was reclaimed faults twice, is told once, and then the page is free', () => {
    const { run, count } = machineOf(rules);
    run(0, { kind: WpKind.Write, page: 1, value: 7 });
    run(0, { kind: WpKind.Protect, ...all });
    run(1, { kind: WpKind.Reclaim, ...all });
    expect([count('shmem.swapOut'), count('host.fault')]).toEqual([N, 1]);
    expect(run(0, { kind: WpKind.ReadBit, page: 1 })).toBe(1);
    run(0, { kind: WpKind.Write, page: 1, value: 9 });
    // One that maps the page with its bit, one that waits for the monitor.
    expect([count('host.fault'), count('special.fault'), count('wp.event'), count('wp.spurious'), count('wp.lost')]).toEqual([3, 1, 1, 0, 0]);
    expect([run(0, { kind: WpKind.ReadBit, page: 1 }), run(0, { kind: WpKind.Read, page: 1 })]).toEqual([0, 9]);
  });

  test('a tracked child has a copy of each entry, the others none', () => {
    const tracked = machineOf(rules, { processOfCpu: [0, 1] });
    for (let page = 0; page < 4; page++) tracked.run(0, { kind: WpKind.Read, page });
    tracked.run(0, { kind: WpKind.Protect, ...all });
    tracked.run(0, { kind: WpKind.ForkWithEvents, slot: 1 });
    expect([tracked.count('fork.pte'), tracked.count('special.fork')]).toEqual([N, N]);
    expect(tracked.world.frameMaps[tracked.world.cacheFrame[0] - 1]).toBe(2);
    tracked.run(1, { kind: WpKind.Write, page: 7, value: 1 });
    expect([tracked.count('wp.event'), tracked.count('wp.lost')]).toEqual([1, 0]);
    tracked.run(1, { kind: WpKind.Exit });
    expect(tracked.broken()).toBeUndefined();

    const plain = machineOf(rules, { processOfCpu: [0, 1] });
    plain.run(0, { kind: WpKind.Protect, ...all });
    plain.run(0, { kind: WpKind.Fork, slot: 1 });
    expect([plain.count('fork.pte'), plain.run(1, { kind: WpKind.ReadBit, page: 0 })]).toEqual([0, 0]);
    plain.run(1, { kind: WpKind.Write, page: 0, value: 1 });
    expect([plain.count('wp.event'), plain.count('wp.lost')]).toEqual([0, 0]);
  });

  test('migration takes the bit along', () => {
    const { run, count, world } = machineOf(rules);
    run(0, { kind: WpKind.Write, page: 0, value: 5 });
    run(0, { kind: WpKind.Protect, page: 0 });
    const frame = world.cacheFrame[0];
    run(1, { kind: WpKind.Migrate, page: 0 });
    expect(world.cacheFrame[0]).not.toBe(frame);
    expect([run(0, { kind: WpKind.ReadBit, page: 0 }), run(0, { kind: WpKind.Read, page: 0 })]).toEqual([1, 5]);
    run(0, { kind: WpKind.Write, page: 0, value: 6 });
    expect([count('wp.event'), count('wp.lost')]).toEqual([1, 0]);
  });

  test('a marker that outlives a hole is a spurious event later', () => {
    const { run, count } = machineOf(rules);
    run(0, { kind: WpKind.Write, page: 2, value: 3 });
    run(0, { kind: WpKind.Protect, page: 2 });
    run(1, { kind: WpKind.Punch, page: 2 });
    expect(run(0, { kind: WpKind.Read, page: 2 })).toBe(0);
    run(0, { kind: WpKind.Write, page: 2, value: 4 });
    expect([count('wp.event'), count('wp.spurious'), count('wp.lost')]).toEqual([1, 1, 0]);
  });

  test('anonymous memory that is not there can be protected, and a zap drops that with the data', () => {
    const { run, count } = machineOf(rules, { anonymous: true });
    run(0, { kind: WpKind.Protect, ...all });
    expect(run(0, { kind: WpKind.ReadBit, page: 3 })).toBe(1);
    run(0, { kind: WpKind.DontNeed, ...all });
    expect(run(0, { kind: WpKind.ReadBit, page: 3 })).toBe(0);
    run(0, { kind: WpKind.Protect, page: 3 });
    expect(run(0, { kind: WpKind.Read, page: 3 })).toBe(0);
    run(0, { kind: WpKind.Write, page: 3, value: 8 });
    expect([run(0, { kind: WpKind.Read, page: 3 }), count('wp.event'), count('wp.lost')]).toEqual([8, 1, 0]);
    // The zero page, without protection, is copied at the first write.
    run(0, { kind: WpKind.Read, page: 4 });
    run(0, { kind: WpKind.Write, page: 4, value: 2 });
    expect(run(0, { kind: WpKind.Read, page: 4 })).toBe(2);
  });
});

describe('PROTNONE', () => {
  test('means two things, and each path over hints tells them apart', () => {
    const { run, count } = machineOf(PROTNONE);
    run(0, { kind: WpKind.Write, page: 0, value: 1 });
    run(0, { kind: WpKind.Protect, page: 1 });
    run(0, { kind: WpKind.NumaScan, ...all });
    expect([count('special.numa'), count('numa.hint')]).toEqual([1, 0]);
    expect(run(0, { kind: WpKind.Read, page: 0 })).toBe(1);
    expect([count('special.numa'), count('numa.hint')]).toEqual([1, 1]);
    run(0, { kind: WpKind.Read, page: 1 });
    expect([count('special.numa'), count('numa.hint')]).toEqual([2, 1]);
  });

  test('is no page for GUP', () => {
    const { run, count, world } = machineOf(PROTNONE);
    run(0, { kind: WpKind.Protect, page: 1 });
    run(0, { kind: WpKind.Pin, page: 1, slot: 0 });
    expect([count('special.gup'), count('gup.grab'), world.slotFrame[0]]).toEqual([1, 1, world.cacheFrame[1]]);
    run(0, { kind: WpKind.Unpin, slot: 0 });
    run(0, { kind: WpKind.Unpin, slot: 0 });
    expect(count('gup.release')).toBe(1);
  });

  test('hints of markers are none', () => {
    const { run, count } = machineOf(MARKERS);
    run(0, { kind: WpKind.Protect, ...all });
    run(0, { kind: WpKind.NumaScan, ...all });
    expect([count('special.numa'), count('special.swap')]).toEqual([0, N]);
  });
});

describe('drop', () => {
  test('loses a protection with each entry that is zapped, and counts it once', () => {
    const { run, count } = machineOf(DROP);
    for (let page = 0; page < N; page++) run(0, { kind: WpKind.Read, page });
    run(0, { kind: WpKind.Protect, ...all });
    run(1, { kind: WpKind.Reclaim, ...all });
    for (let page = 0; page < N; page++) for (const value of [1, 2]) run(0, { kind: WpKind.Write, page, value });
    expect([count('wp.lost'), count('wp.event'), count('wp.keep')]).toEqual([N, 0, 0]);
  });

  test('cannot protect anonymous memory that is not there, and does not say so', () => {
    const { run, count } = machineOf(DROP, { anonymous: true });
    run(0, { kind: WpKind.Protect, ...all });
    run(0, { kind: WpKind.Write, page: 0, value: 1 });
    expect([count('wp.event'), count('wp.lost')]).toEqual([0, 0]);
  });
});

describe('fault-around', () => {
  test('maps what is in the page cache around a page, but not in an armed window unless the policy says so', () => {
    const mapped = (rules: WpRules): number => {
      const { run, world } = machineOf(rules, { faultAroundPages: 4 });
      run(0, { kind: WpKind.Read, page: 5 });
      return [...world.entry].filter((bits) => bits & EntryBit.Present).length;
    };
    expect([mapped(MARKERS), mapped({ ...MARKERS, aroundArmed: true })]).toEqual([1, 4]);
  });

  test('leaves kept entries alone', () => {
    const { run, count } = machineOf({ ...MARKERS, aroundArmed: true }, { faultAroundPages: 4 });
    run(0, { kind: WpKind.Protect, page: 4, count: 3 });
    run(0, { kind: WpKind.Read, page: 7 });
    expect([count('fault.around'), count('special.none')]).toEqual([0, 3 + 3]);
  });

  test('goes on with the page alone where that is not in the page cache', () => {
    const { run, count, world } = machineOf({ ...MARKERS, aroundArmed: true }, { faultAroundPages: 4, cached: false });
    run(0, { kind: WpKind.Read, page: 5 });
    expect([count('fault.around'), count('page.clear'), world.cacheFrame[5] > 0]).toEqual([0, 1, true]);
  });
});

describe('asynchronous faults', () => {
  test('take the protection away and wake nobody; a scan tells, and may protect again', () => {
    const { run, count } = machineOf(MARKERS, { wpAsync: true });
    for (let page = 0; page < N; page++) run(0, { kind: WpKind.Read, page });
    run(0, { kind: WpKind.Protect, ...all });
    for (const page of [0, 2, 4, 6]) run(0, { kind: WpKind.Write, page, value: 1 });
    expect([run(0, { kind: WpKind.Scan, ...all }), run(0, { kind: WpKind.ScanProtect, ...all }), run(0, { kind: WpKind.Scan, ...all })]).toEqual([4, 4, 0]);
    expect([count('wp.event'), count('wp.lost'), count('scan.missed')]).toEqual([0, 0, 0]);
  });

  test('of the zero page copy it, and the zero page stays zero', () => {
    const { run, count, world } = machineOf(MARKERS, { wpAsync: true, anonymous: true });
    for (const page of [0, 1]) run(0, { kind: WpKind.Read, page });
    run(0, { kind: WpKind.Protect, ...all });
    run(0, { kind: WpKind.Write, page: 0, value: 6 });
    expect([run(0, { kind: WpKind.Read, page: 0 }), run(0, { kind: WpKind.Read, page: 1 }), world.frameContent[0]]).toEqual([6, 0, 0]);
    expect([run(0, { kind: WpKind.Scan, ...all }), count('wp.lost')]).toEqual([1, 0]);
  });

  test('and say nothing of a written page that was reclaimed', () => {
    const { run, count } = machineOf(MARKERS, { wpAsync: true });
    run(0, { kind: WpKind.Protect, page: 0 });
    run(0, { kind: WpKind.Write, page: 0, value: 1 });
    run(1, { kind: WpKind.Reclaim, page: 0 });
    expect([run(0, { kind: WpKind.Scan, page: 0 }), count('scan.missed')]).toEqual([0, 1]);
  });
});

describe('reclaim', () => {
  test('leaves what is pinned where it is, unmapped', () => {
    const { run, count, world } = machineOf(MARKERS);
    run(0, { kind: WpKind.Pin, page: 0, slot: 1 });
    run(1, { kind: WpKind.Reclaim, page: 0 });
    expect([count('shmem.swapOut'), world.cacheFrame[0] > 0, world.entry[0] & EntryBit.Present]).toEqual([0, true, 0]);
  });

  test('and what it takes away comes back with its content', () => {
    const { run, count } = machineOf(MARKERS);
    run(0, { kind: WpKind.Write, page: 3, value: 77 });
    run(1, { kind: WpKind.Reclaim, ...all });
    expect([run(0, { kind: WpKind.Read, page: 3 }), count('shmem.swapIn')]).toEqual([77, 1]);
  });
});

describe('the sentences', () => {
  const spoil = (change: (world: ShmemWorld) => void): string | undefined => {
    const machine = machineOf(MARKERS);
    machine.run(0, { kind: WpKind.Write, page: 0, value: 1 });
    machine.run(0, { kind: WpKind.Protect, page: 1 });
    expect(machine.broken()).toBeUndefined();
    change(machine.world);
    return machine.broken()?.split(':')[0];
  };

  test('find what breaks them', () => {
    expect({
      references: spoil((world) => world.frameRefs[world.cacheFrame[0] - 1]++),
      mappings: spoil((world) => world.frameMaps[world.cacheFrame[0] - 1]++),
      'kept-entries': spoil((world) => world.tableKept[0]++),
      'protected-is-read-only': spoil((world) => void (world.entry[0] |= EntryBit.UffdWp)),
      'no-entry-without-window': spoil((world) => void (world.windowBacking[0] = Backing.None)),
      'maps-the-file': spoil((world) => world.cacheFrame.copyWithin(0, 1, 2)),
      'swap-or-cache': spoil((world) => void (world.swapped[0] = 1)),
    }).toEqual(Object.fromEntries(['references', 'mappings', 'kept-entries', 'protected-is-read-only', 'no-entry-without-window', 'swap-or-cache'].map((name) => [name, name]).concat([['maps-the-file', 'references']])));
    const left = [
      spoil((world) => void (world.table[0] |= TableBit.Locked)),
      spoil((world) => void (world.frameFlags[world.cacheFrame[0] - 1] |= FrameBit.Locked)),
      spoil((world) => void (world.userfault[1] = Userfault.Pending)),
    ];
    expect(left).toEqual(['nothing-left-behind', 'nothing-left-behind', 'nothing-left-behind']);
  });

  test('know a page that is no longer the file\'s', () => {
    const found = spoil((world) => {
      // Both counts stay right: the page of the cache changes places with a copy of it.
      const frame = world.cacheFrame[0] - 1;
      const other = world.cacheFrame[1] - 1;
      world.cacheFrame[0] = other + 1;
      world.cacheFrame[1] = frame + 1;
    });
    expect(found).toBe('maps-the-file');
  });
});
