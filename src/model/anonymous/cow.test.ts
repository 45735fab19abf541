import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { Backing, WindowFlag } from '../memory/windows.ts';
import { EntryBit } from '../memory/entries.ts';
import { refcountOf } from '../memory/frames.ts';
import { AnonymousFlag } from './kinds.ts';

/** A parent (task 0) and its child (task 1), which is not born yet. */
const family = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options });

const copies = (scene: Scene): readonly number[] => [scene.count('copy.fork'), scene.count('copy.writeFault'), scene.count('copy.unshare')];

const MODES = [
  ['base pages', {}],
  ['a huge page behind a PMD', { shape: { hugeFolios: 2 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] }],
  ['hugetlb', { shape: { hugeFolios: 3 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Hugetlb }] }],
] as const;

describe.each(MODES)('memory that a fork shares, of %s', (_name, options) => {
  test('is read as it was by a child whose parent has written', () => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 1 });
    scene.run(0, { kind: 'Fork', page: 1 });
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 255 });
    expect([0, 1].map((page) => [scene.run(1, { kind: 'Read', page }), scene.run(0, { kind: 'Read', page })])).toEqual([['1', '255'], ['1', '255']]);
  });

  test('costs a copy where the other still has it, and none where it has gone', () => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 1 });
    scene.run(0, { kind: 'Fork', page: 1 });
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page });
    expect(copies(scene)).toEqual([0, 2, 0]);
    for (const page of [0, 1]) scene.run(1, { kind: 'Write', page });
    expect(copies(scene)).toEqual([0, 2, 0]);
  });

  test('is copied for the child at once where it is pinned, and stays the parent\'s', () => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
    scene.run(0, { kind: 'PinLongWrite', count: 2 });
    scene.run(0, { kind: 'Fork', page: 1 });
    expect(copies(scene)).toEqual([2, 0, 0]);
    scene.run(0, { kind: 'Write', value: 8 });
    expect([scene.run(0, { kind: 'DeviceRead' }), scene.run(1, { kind: 'Read' }), scene.count('pin.stale')]).toEqual(['8', '7', 0]);
    scene.run(0, { kind: 'Unpin' });
    expect([copies(scene), scene.count('unpin.notExclusive')]).toEqual([[2, 0, 0], 0]);
  });

  test.each([AnonymousFlag.SlowOnly, 0])('is unshared by a pin for reading, which then sees what is written (flags %i)', (flags) => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    expect(scene.run(0, { kind: 'PinLongRead', count: 2, flags })).toBe('OK');
    expect(copies(scene)).toEqual([0, 0, 2]);
    scene.run(0, { kind: 'Write', value: 9 });
    expect([scene.run(0, { kind: 'DeviceRead' }), scene.run(1, { kind: 'Read' }), scene.count('pin.stale'), copies(scene)]).toEqual(['9', '7', 0, [0, 0, 2]]);
  });

  test('is refused to a pin where the kernel fails, and goes stale where it pins all the same', () => {
    const fails = family({ ...options, rules: { onShared: 'fail' } });
    fails.run(0, { kind: 'Write', value: 7 });
    fails.run(0, { kind: 'Fork', page: 1 });
    expect([fails.run(0, { kind: 'PinLongRead' }), fails.run(0, { kind: 'DeviceRead' }), fails.count('pin.failed'), copies(fails)]).toEqual(['EFAULT', 'OK', 1, [0, 0, 0]]);
    const pins = family({ ...options, rules: { onShared: 'pin' } });
    pins.run(0, { kind: 'Write', value: 7 });
    pins.run(0, { kind: 'Fork', page: 1 });
    pins.run(0, { kind: 'PinLongRead' });
    pins.run(0, { kind: 'Write', value: 9 });
    expect([pins.run(0, { kind: 'DeviceRead' }), pins.count('pin.stale')]).toEqual(['7', 1]);
    pins.run(0, { kind: 'Unpin' });
    expect(pins.count('unpin.notExclusive')).toBe(1);
  });

  test('that is exclusive is pinned without a copy, read-only though it is mapped', () => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
    scene.run(0, { kind: 'ProtectRead', count: 2 });
    expect(scene.run(0, { kind: 'Write', page: 1 })).toBe('SIGSEGV');
    scene.run(0, { kind: 'ProtectWrite', count: 2 });
    expect(scene.world.entry[0] & EntryBit.Write).toBe(0);
    scene.run(0, { kind: 'PinLongRead', count: 2, flags: AnonymousFlag.SlowOnly });
    scene.run(0, { kind: 'Write', value: 9 });
    expect([scene.run(0, { kind: 'DeviceRead' }), copies(scene), scene.count('fault.reuse')]).toEqual(['9', [0, 0, 0], 1]);
  });

  test('is all free again when both have gone', () => {
    const scene = family(options);
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(1, { kind: 'Splice', count: 2, slot: 1 });
    scene.run(1, { kind: 'Write', page: 1 });
    scene.run(1, { kind: 'Exit' });
    scene.run(0, { kind: 'Unmap', count: 2 });
    expect(scene.run(0, { kind: 'Read' })).toBe('SIGSEGV');
    scene.run(1, { kind: 'Unpin', slot: 1 });
    expect([...scene.world.frameRefs].filter((count) => count !== 0)).toEqual([]);
    expect([...scene.world.entryTarget]).toEqual([0, 0, 0, 0]);
  });
});

describe('a page behind vmsplice', () => {
  test.each([
    ['base pages', {}, '1'],
    ['hugetlb, where references do not keep a page', MODES[2][1], '255'],
  ] as const)('that the child has let go of: %s', (_name, options, read) => {
    const scene = family(options);
    scene.run(0, { kind: 'Write', value: 1 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(1, { kind: 'Splice' });
    scene.run(1, { kind: 'Unmap', count: 2 });
    scene.run(0, { kind: 'Write', value: 255 });
    expect(scene.run(1, { kind: 'DeviceRead' })).toBe(read);
  });
});

describe('private mappings of what is not anonymous', () => {
  test('of the zero page: a write leaves the others zero, a long-term pin gets a page of its own first', () => {
    const scene = family({ windows: [{ backing: Backing.Anonymous }, { backing: Backing.Anonymous }] });
    expect([scene.run(0, { kind: 'Read' }), scene.run(0, { kind: 'Read', window: 1 })]).toEqual(['0', '0']);
    scene.run(0, { kind: 'Write', value: 5 });
    expect([scene.run(0, { kind: 'Read', window: 1 }), copies(scene)]).toEqual(['0', [0, 1, 0]]);
    scene.run(0, { kind: 'PinLongRead', window: 1 });
    scene.run(0, { kind: 'Write', value: 6, window: 1 });
    expect([scene.run(0, { kind: 'DeviceRead' }), copies(scene)]).toEqual(['6', [0, 1, 1]]);
    scene.run(0, { kind: 'PinRead', page: 1, slot: 1 });
    scene.run(0, { kind: 'Write', page: 1, value: 3 });
    expect([scene.run(0, { kind: 'DeviceRead', slot: 1 }), scene.count('pin.stale')]).toEqual(['0', 1]);
  });

  test('of a file: a write copies, a long-term pin unshares, and a shared mapping writes the file', () => {
    const scene = family({ windows: [{ backing: Backing.FilePrivate }, { backing: Backing.FileShared }], file: [4, 0] });
    expect([scene.run(0, { kind: 'Read' }), scene.run(0, { kind: 'Read', window: 1 }), scene.run(0, { kind: 'Read', page: 1 })]).toEqual(['4', '4', '0']);
    scene.run(0, { kind: 'PinLongRead' });
    scene.run(0, { kind: 'Write', value: 5 });
    expect([scene.run(0, { kind: 'DeviceRead' }), scene.run(0, { kind: 'Read', window: 1 }), copies(scene)]).toEqual(['5', '4', [0, 0, 1]]);
    scene.run(0, { kind: 'Write', value: 6, window: 1 });
    scene.run(0, { kind: 'Write', page: 1, value: 8, window: 1 });
    expect([scene.run(0, { kind: 'Read' }), scene.run(0, { kind: 'Read', page: 1 }), scene.run(0, { kind: 'Write', page: 1, value: 9 }), scene.run(0, { kind: 'Read', page: 1, window: 1 })]).toEqual([
      '5', '8', 'OK', '8',
    ]);
  });
});

describe('a page that reclaim takes', () => {
  const swap = { shape: { swapSlots: 2 } } as const;

  test('comes back with its content, and is exclusive as it was', () => {
    const scene = family(swap);
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'SwapOut' });
    expect(scene.world.entry[0] & EntryBit.Present).toBe(0);
    expect([scene.run(0, { kind: 'Read' }), scene.run(0, { kind: 'PinRead' }), copies(scene), scene.count('swap.read')]).toEqual(['7', 'OK', [0, 0, 0], 1]);
  });

  test('stays where it is pinned', () => {
    const scene = family(swap);
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'PinRead' });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'Write', value: 8 });
    expect([scene.run(0, { kind: 'DeviceRead' }), scene.count('swap.write')]).toEqual(['8', 0]);
  });

  test('is shared in swap, too, and copied by who writes first', () => {
    const scene = family(swap);
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'Write', value: 8 });
    expect([scene.run(1, { kind: 'Read' }), scene.run(0, { kind: 'Read' }), copies(scene)]).toEqual(['7', '8', [0, 1, 0]]);
    scene.run(1, { kind: 'Write', value: 9 });
    expect([scene.count('fault.reuse'), copies(scene)]).toEqual([0, [0, 1, 0]]);
  });

  test('that both map goes from both', () => {
    const scene = family(swap);
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'SwapOut' });
    expect([scene.world.entry[0] & EntryBit.Present, scene.world.entry[2] & EntryBit.Present, scene.world.swapCount[0]]).toEqual([0, 0, 2]);
    scene.run(1, { kind: 'Exit' });
    scene.run(0, { kind: 'Write', value: 8 });
    expect([scene.run(0, { kind: 'Read' }), copies(scene), scene.world.swapCount[0]]).toEqual(['8', [0, 0, 0], 0]);
  });
});

describe('a huge page', () => {
  const huge = { shape: { hugeFolios: 2 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] } as const;

  test('in pieces that the other has none of any more is reused', () => {
    const scene = family(huge);
    scene.run(0, { kind: 'Write', value: 1 });
    scene.run(0, { kind: 'SplitPmd' });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(1, { kind: 'Exit' });
    scene.run(0, { kind: 'Write', value: 2 });
    expect([copies(scene), scene.count('fault.reuse')]).toEqual([[0, 0, 0], 1]);
  });

  test('of which one entry is left is still shared, page by page', () => {
    const scene = family(huge);
    scene.run(0, { kind: 'Write', value: 1 });
    scene.run(0, { kind: 'DontNeed', page: 1 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'PinLongRead' });
    scene.run(0, { kind: 'Write', value: 9 });
    expect([scene.run(0, { kind: 'DeviceRead' }), scene.run(1, { kind: 'Read' }), copies(scene)]).toEqual(['9', '1', [0, 0, 1]]);
  });

  test('is collapsed out of small ones, its own where it was shared; not out of pinned ones', () => {
    const scene = family({ shape: { hugeFolios: 2 } });
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 1 });
    scene.run(0, { kind: 'Fork', page: 1 });
    expect(scene.run(0, { kind: 'Collapse' })).toBe('OK');
    expect([refcountOf(scene.world, 16), scene.count('copy.collapse'), scene.run(0, { kind: 'Collapse' })]).toEqual([1, 2, 'EINVAL']);
    scene.run(0, { kind: 'Write', value: 2 });
    expect([scene.run(1, { kind: 'Read' }), copies(scene)]).toEqual(['1', [0, 0, 0]]);
    scene.run(1, { kind: 'PinRead', page: 1 });
    expect([scene.run(1, { kind: 'Collapse' }), scene.run(1, { kind: 'Write', page: 1, value: 4 }), scene.run(1, { kind: 'DeviceRead' })]).toEqual(['EAGAIN', 'OK', '4']);
  });
});
