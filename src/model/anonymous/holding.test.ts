import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { isStale, seenThrough } from './holding.ts';

const sceneOf = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options, shape: { swapSlots: 2, ...options.shape } });
const told = (scene: Scene): readonly number[] => [scene.count('pin.stale'), scene.count('pin.lost'), scene.count('get.stale'), scene.count('unpin.notExclusive')];

/** A page that a fork has shared, referred to by what ignores that, and written by its process. */
function parted(kind: 'PinRead' | 'PinLongRead' | 'Splice'): Scene {
  const scene = sceneOf({ rules: { onShared: 'pin' } });
  scene.run(0, { kind: 'Write', value: 7 });
  scene.run(0, { kind: 'Fork', page: 1 });
  scene.run(0, { kind, slot: 1 });
  scene.run(0, { kind: 'Write', value: 9 });
  return scene;
}

describe('what a process sees', () => {
  test('is nothing, the page, or what is in swap', () => {
    const scene = sceneOf();
    expect(seenThrough(scene.world, 0, 0)).toBe(-1);
    scene.run(0, { kind: 'Write', value: 7 });
    expect(seenThrough(scene.world, 0, 0)).toBe(7);
    scene.run(0, { kind: 'SwapOut' });
    expect(seenThrough(scene.world, 0, 0)).toBe(7);
  });
});

describe('a device that reads', () => {
  test('reads what its process sees, and that is work: a page each', () => {
    const scene = sceneOf();
    for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
    scene.run(0, { kind: 'PinRead', count: 2 });
    scene.clearCounts();
    expect(scene.run(0, { kind: 'DeviceRead' })).toBe('7');
    expect([scene.count('device.access'), scene.count('work.done'), told(scene)]).toEqual([2, 2, [0, 0, 0, 0]]);
  });

  test('is told apart where the page was replaced: by a pin it is stale, by a get it may be', () => {
    for (const [kind, wanted] of [['PinLongRead', [1, 0, 0, 1]], ['PinRead', [1, 0, 0, 1]], ['Splice', [0, 0, 1, 0]]] as const) {
      const scene = parted(kind);
      expect(isStale(scene.world, 1, 0)).toBe(true);
      expect(scene.run(0, { kind: 'DeviceRead', slot: 1 })).toBe('7');
      scene.run(0, { kind: 'Unpin', slot: 1 });
      expect(told(scene)).toEqual(wanted);
    }
  });

  test('is not compared where the process gave the range up, and reads nothing where the pin was refused', () => {
    const scene = parted('PinRead');
    scene.run(0, { kind: 'DontNeed', count: 2 });
    scene.run(0, { kind: 'DeviceRead', slot: 1 });
    expect([isStale(scene.world, 1, 0), told(scene)]).toEqual([false, [0, 0, 0, 0]]);
    scene.run(0, { kind: 'DeviceRead', slot: 0 });
    expect(scene.count('device.access')).toBe(1);
  });
});

describe('a device that writes', () => {
  test('is seen by the process through a pin for writing, also behind a fork', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'PinWrite' });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'DeviceWrite', value: 5 });
    expect([scene.run(0, { kind: 'Read' }), scene.run(1, { kind: 'Read' }), told(scene)]).toEqual(['5', '0', [0, 0, 0, 0]]);
  });

  test('loses what it writes where the page was replaced', () => {
    const scene = parted('PinRead');
    scene.run(0, { kind: 'DeviceWrite', slot: 1, value: 5 });
    expect([scene.run(0, { kind: 'Read' }), scene.count('pin.lost')]).toEqual(['9', 1]);
  });
});

test('an unpin gives all references back, and the slot is empty', () => {
  const scene = sceneOf();
  for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 });
  scene.run(0, { kind: 'PinLongWrite', count: 2 });
  scene.clearCounts();
  scene.run(0, { kind: 'Unpin' });
  expect([scene.count('gup.release'), scene.world.slotCount[0], scene.world.slotKind[0], scene.world.frameRefs[scene.world.entryTarget[0] - 1]]).toEqual([2, 0, 0, 1]);
});
