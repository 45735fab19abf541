import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit, isSwapEntry } from '../memory/entries.ts';
import { FrameBit } from '../memory/frames.ts';

/** A parent (task 0), its child (task 1), and a swap area of two pages. */
const sceneOf = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options, shape: { swapSlots: 2, ...options.shape } });
const frameOf = ({ world }: Scene, entry: number): number => world.entryTarget[entry] - 1;

describe('a page that reclaim takes', () => {
  test('goes to swap with its content, and its frame is free', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    const frame = frameOf(scene, 0);
    scene.run(0, { kind: 'SwapOut' });
    expect([isSwapEntry(scene.world.entry[0]), scene.world.frameRefs[frame], scene.world.swapContent[0], scene.world.swapCount[0]]).toEqual([true, 0, 7, 1]);
    expect([scene.count('swap.write'), scene.count('pte.zap'), scene.count('lock.folio')]).toEqual([1, 1, 1]);
  });

  test('comes back exclusive and writable where it was exclusive, and its slot is free', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'SwapOut' });
    expect((scene.world.entry[0] & EntryBit.Exclusive) !== 0).toBe(true);
    expect(scene.run(0, { kind: 'Read' })).toBe('7');
    expect(scene.world.entry[0] & EntryBit.Write).toBe(EntryBit.Write);
    expect(scene.world.frameFlags[frameOf(scene, 0)] & FrameBit.Exclusive).toBe(FrameBit.Exclusive);
    expect([scene.world.swapCount[0], scene.count('swap.read'), scene.count('page.copy')]).toEqual([0, 1, 0]);
  });

  test('is shared in swap, too, where a fork has shared it: one page for two entries, read once', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'SwapOut' });
    expect([scene.world.swapCount[0], scene.world.entry[0] & EntryBit.Exclusive, scene.count('vma.visit')]).toEqual([2, 0, 2]);
    expect([scene.run(0, { kind: 'Read' }), scene.run(1, { kind: 'Read' }), scene.count('swap.read')]).toEqual(['7', '7', 1]);
    expect(scene.world.entry[0] & EntryBit.Write).toBe(0);
  });

  test('is copied by whoever writes first behind that, and the other keeps it', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(1, { kind: 'Write', value: 9 });
    expect([scene.run(0, { kind: 'Read' }), scene.run(1, { kind: 'Read' }), scene.count('copy.writeFault')]).toEqual(['7', '9', 1]);
  });

  test('goes twice, and is written twice', () => {
    const scene = sceneOf();
    for (const value of [7, 8]) {
      scene.run(0, { kind: 'Write', value });
      scene.run(0, { kind: 'SwapOut' });
    }
    expect([scene.run(0, { kind: 'Read' }), scene.count('swap.write'), scene.count('swap.read')]).toEqual(['8', 2, 2]);
  });

  test('stays where it is pinned: the entry is put back as it was', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'PinRead' });
    const before = scene.world.entry[0];
    scene.run(0, { kind: 'SwapOut' });
    expect([scene.world.entry[0], scene.count('pte.zap'), scene.count('swap.write'), scene.world.swapFrame[0]]).toEqual([before, 1, 0, 0]);
  });

  test('is none where nothing is mapped, where it is the zero page, and where swap is full', () => {
    const scene = sceneOf({ shape: { pages: 4, swapSlots: 2 } });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'Read' });
    scene.run(0, { kind: 'SwapOut' });
    expect([scene.count('pte.zap'), scene.count('lock.folio')]).toEqual([0, 0]);
    for (const page of [1, 2, 3]) scene.run(0, { kind: 'Write', page, value: page });
    for (const page of [1, 2, 3]) scene.run(0, { kind: 'SwapOut', page });
    expect([scene.count('swap.write'), scene.run(0, { kind: 'Read', page: 3 })]).toEqual([2, '3']);
  });

  test('leaves swap with its process', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'DontNeed', count: 2 });
    expect([scene.world.swapCount[0], scene.run(0, { kind: 'Read' })]).toEqual([0, '0']);
  });
});

test('a fault waits for the lock of a page that reclaim is writing, and goes on with it', () => {
  const scene = sceneOf({ processes: [0, 0] });
  scene.run(0, { kind: 'Write', value: 7 });
  scene.begin(0, { kind: 'SwapOut' });
  const stepsUntil = (task: number, is: () => boolean): void => {
    for (let steps = 0; !is(); steps++) {
      expect(steps).toBeLessThan(100);
      scene.step(task);
    }
  };
  stepsUntil(0, () => isSwapEntry(scene.world.entry[0]));
  stepsUntil(0, () => scene.world.table[0] === 0);
  scene.begin(1, { kind: 'Read' });
  while (scene.step(1)) expect(scene.busy(1)).toBe(true);
  stepsUntil(0, () => !scene.busy(0));
  stepsUntil(1, () => !scene.busy(1));
  expect([scene.result(1), scene.count('swap.write'), scene.count('swap.read')]).toEqual(['7', 1, 0]);
});
