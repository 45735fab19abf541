import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { isPmd } from './pmd.ts';

/** Two pages of one region, both written; there is room for huge folios. */
function written(options: Partial<SceneOptions> = {}): Scene {
  const scene = anonymousScene({ processes: [0, 1], ...options, shape: { hugeFolios: 2, swapSlots: 2, ...options.shape } });
  for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 5 + page });
  scene.clearCounts();
  return scene;
}

const values = (scene: Scene, task: number): readonly string[] => [0, 1].map((page) => scene.run(task, { kind: 'Read', page }));

describe('a region that is collapsed', () => {
  test('is one huge page with the same content, for a copy a page and one entry', () => {
    const scene = written();
    expect(scene.run(0, { kind: 'Collapse' })).toBe('OK');
    expect([isPmd(scene.world, 0, 0), scene.count('copy.collapse'), scene.count('page.copy'), scene.count('pte.zap'), scene.count('pte.set')]).toEqual([true, 2, 2, 1, 1]);
    expect([values(scene, 0), scene.world.frameRefs[1], scene.world.frameRefs[2]]).toEqual([['5', '6'], 0, 0]);
  });

  test('leaves to others what they share', () => {
    const scene = written();
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'Collapse' });
    scene.run(0, { kind: 'Write', value: 9 });
    expect([values(scene, 0), values(scene, 1), scene.count('copy.writeFault')]).toEqual([['9', '6'], ['5', '6'], 0]);
  });

  test.each<readonly [string, string, (scene: Scene) => string]>([
    ['a page of it is pinned', 'EAGAIN', (scene: Scene) => scene.run(0, { kind: 'PinRead', page: 1 })],
    ['a page of it is in swap', 'EINVAL', (scene: Scene) => scene.run(0, { kind: 'SwapOut', page: 1 })],
    ['nothing of it is there, which is no mistake', 'OK', (scene: Scene) => scene.run(0, { kind: 'DontNeed', count: 2 })],
  ])('stays as it was where %s', (_why, result, before) => {
    const scene = written();
    before(scene);
    expect(scene.run(0, { kind: 'Collapse' })).toBe(result);
    expect([isPmd(scene.world, 0, 0), scene.count('copy.collapse'), scene.world.hugeUsed[0]]).toEqual([false, 0, 0]);
  });

  test('is written as before where the collapse has failed', () => {
    const scene = written();
    scene.run(0, { kind: 'PinRead', page: 1 });
    scene.run(0, { kind: 'Collapse' });
    scene.run(0, { kind: 'Write', page: 1, value: 9 });
    expect([scene.run(0, { kind: 'DeviceRead' }), values(scene, 0), scene.count('pin.stale')]).toEqual(['9', ['5', '9'], 0]);
  });

  test('is refused where there is no huge folio', () => {
    expect(written({ shape: { hugeFolios: 0 } }).run(0, { kind: 'Collapse' })).toBe('ENOMEM');
  });
});

test('a PMD that is split is a page table of the same folio: no copy, and each page goes by itself', () => {
  const scene = written();
  scene.run(0, { kind: 'Collapse' });
  scene.clearCounts();
  scene.run(0, { kind: 'SplitPmd' });
  expect([isPmd(scene.world, 0, 0), scene.count('pmd.split'), scene.count('page.copy'), values(scene, 0)]).toEqual([false, 1, 0, ['5', '6']]);
  scene.run(0, { kind: 'SplitPmd' });
  expect(scene.count('pmd.split')).toBe(1);
  scene.run(0, { kind: 'DontNeed' });
  expect(values(scene, 0)).toEqual(['0', '6']);
});
