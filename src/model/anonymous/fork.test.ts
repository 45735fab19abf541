import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit, isSwapEntry } from '../memory/entries.ts';
import { FrameBit } from '../memory/frames.ts';
import { MmState } from '../memory/processes.ts';
import { Backing } from '../memory/windows.ts';

const PAGES = 4;
const sceneOf = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options, shape: { pages: PAGES, swapSlots: 2, ...options.shape } });
const prices = (scene: Scene): readonly number[] => [scene.count('fork.pte'), scene.count('page.copy'), scene.count('lock.pageTable'), scene.count('tlb.flush')];

describe('a fork', () => {
  test('copies each entry that is there under the lock of its table, flushes once, and copies no page', () => {
    const scene = sceneOf();
    for (const page of [0, 1, 2]) scene.run(0, { kind: 'Write', page, value: 1 + page });
    scene.clearCounts();
    scene.run(0, { kind: 'Fork', page: 1 });
    expect([prices(scene), scene.count('fork'), scene.count('fork.vma'), scene.world.mmState[1]]).toEqual([[3, 0, 2, 1], 1, 1, MmState.Alive]);
    const { entry, entryTarget, frameFlags, frameMaps, mmForkSequence } = scene.world;
    expect([entry[0] & EntryBit.Write, entry[PAGES] & EntryBit.Write, entryTarget[0] === entryTarget[PAGES]]).toEqual([0, 0, true]);
    expect([frameFlags[1] & FrameBit.Exclusive, frameMaps[1], mmForkSequence[0]]).toEqual([0, 2, 2]);
  });

  test('copies what is pinned for the child, and leaves it to the parent as it was: writable, and its alone', () => {
    const scene = sceneOf();
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 1 + page });
    scene.run(0, { kind: 'PinRead' });
    scene.clearCounts();
    scene.run(0, { kind: 'Fork', page: 1 });
    expect([prices(scene), scene.count('copy.fork')]).toEqual([[2, 1, 2, 1], 1]);
    expect([scene.world.entry[0] & EntryBit.Write, scene.world.entry[1] & EntryBit.Write]).toEqual([EntryBit.Write, 0]);
  });

  test('takes 1024 references for a pin only where the process has ever pinned', () => {
    for (const [hasPinned, copies] of [[0, 0], [1, 1]]) {
      const scene = sceneOf();
      scene.run(0, { kind: 'Write', value: 7 });
      scene.world.frameRefs[1] += 1024;
      scene.world.mmHasPinned[0] = hasPinned;
      expect(() => scene.run(0, { kind: 'Fork', page: 1 })).toThrow('references-counted');
      expect(scene.count('copy.fork')).toBe(copies);
    }
  });

  test('shares a swap entry, which is nobody\'s alone from then on', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'Fork', page: 1 });
    expect([isSwapEntry(scene.world.entry[PAGES]), scene.world.swapCount[0], scene.world.entry[0] & EntryBit.Exclusive]).toEqual([true, 2, 0]);
    expect([scene.run(1, { kind: 'Read' }), scene.run(0, { kind: 'Read' })]).toEqual(['7', '7']);
  });

  test('copies the zero page and pages of a private file by their entries, and leaves a shared file to faults', () => {
    const forked = (backing: number): Scene => {
      const scene = sceneOf({ windows: [{ backing }], ...(backing === Backing.Anonymous ? {} : { file: [5, 6, 7, 8] }) });
      scene.run(0, { kind: 'Read' });
      scene.clearCounts();
      scene.run(0, { kind: 'Fork', page: 1 });
      return scene;
    };
    expect([Backing.Anonymous, Backing.FilePrivate, Backing.FileShared].map((backing) => forked(backing).count('fork.pte'))).toEqual([1, 1, 0]);
    expect(forked(Backing.FileShared).run(1, { kind: 'Read', page: 1 })).toBe('6');
  });

  test('of the same process waits until the one before it is gone', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.begin(0, { kind: 'Fork', page: 1 });
    // Behind the step that waits for nothing: the parent is alive.
    expect([scene.step(0), scene.step(0)]).toEqual([true, false]);
    scene.run(1, { kind: 'Exit' });
    expect(scene.step(0)).toBe(true);
  });
});
