import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit } from '../memory/entries.ts';

/** A page that a fork has shared; entry 0 is the parent's. */
function shared(options: Partial<SceneOptions> = {}): Scene {
  const scene = anonymousScene({ processes: [0, 1], ...options });
  scene.run(0, { kind: 'Write', value: 7 });
  scene.run(0, { kind: 'Fork', page: 1 });
  scene.clearCounts();
  return scene;
}

const prices = (scene: Scene): readonly number[] => [scene.count('fault.reuse'), scene.count('folio.readRef'), scene.count('page.copy'), scene.count('tlb.flush')];

describe('a write to a page that is mapped read-only', () => {
  test('copies it while another process has it, behind a flush of the old entry', () => {
    const scene = shared();
    scene.run(0, { kind: 'Write', value: 9 });
    expect([prices(scene), scene.count('pte.zap'), scene.count('pte.set'), scene.run(1, { kind: 'Read' })]).toEqual([[0, 1, 1, 1], 1, 1, '7']);
  });

  test('reuses it, and makes it exclusive, where the other has gone', () => {
    const scene = shared();
    scene.run(1, { kind: 'Exit' });
    scene.clearCounts();
    scene.run(0, { kind: 'Write', value: 9 });
    expect([prices(scene), scene.count('pte.protect')]).toEqual([[1, 1, 0, 0], 1]);
  });

  test('reuses an exclusive page without a look at its counts', () => {
    const scene = anonymousScene({ processes: [0, 1] });
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'PinRead' });
    for (const kind of ['ProtectRead', 'ProtectWrite'] as const) scene.run(0, { kind });
    scene.clearCounts();
    scene.run(0, { kind: 'Write', value: 9 });
    expect([prices(scene), scene.run(0, { kind: 'DeviceRead' })]).toEqual([[1, 0, 0, 0], '9']);
  });

  test('copies where anybody else has a reference, though no other process maps it', () => {
    const scene = shared();
    scene.run(0, { kind: 'Splice' });
    scene.run(1, { kind: 'Exit' });
    scene.clearCounts();
    scene.run(0, { kind: 'Write', value: 9 });
    expect([prices(scene), scene.run(0, { kind: 'DeviceRead' }), scene.count('get.stale')]).toEqual([[0, 1, 1, 1], '7', 1]);
  });

  test('reuses a page in the swap cache whose slot no entry names any more', () => {
    const scene = shared({ shape: { swapSlots: 2 } });
    scene.run(0, { kind: 'SwapOut' });
    scene.run(0, { kind: 'Read' });
    scene.run(1, { kind: 'Exit' });
    scene.clearCounts();
    scene.run(0, { kind: 'Write', value: 9 });
    expect([scene.count('page.copy'), scene.run(0, { kind: 'Read' }), scene.world.swapFrame[0]]).toEqual([0, '9', 0]);
  });
});

describe('an unshare', () => {
  test('copies as a write does, and leaves the copy read-only', () => {
    const scene = shared();
    scene.run(0, { kind: 'PinRead' });
    expect([prices(scene), scene.world.entry[0], scene.count('copy.unshare')]).toEqual([[0, 1, 1, 1], EntryBit.Present, 1]);
  });

  test('reuses where the other has gone, and leaves it read-only, too', () => {
    const scene = shared();
    scene.run(1, { kind: 'Exit' });
    scene.clearCounts();
    scene.run(0, { kind: 'PinRead' });
    expect([prices(scene), scene.world.entry[0] & EntryBit.Write, scene.count('pte.protect')]).toEqual([[1, 1, 0, 0], 0, 0]);
  });
});
