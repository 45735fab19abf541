import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME } from '../memory/frames.ts';
import { Backing, WindowFlag } from '../memory/windows.ts';
import { isPmd } from './pmd.ts';

const sceneOf = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options });
const ofFile = (backing: number): Scene => sceneOf({ windows: [{ backing }], file: [5, 0] });
const prices = (scene: Scene): readonly number[] => [scene.count('host.fault'), scene.count('page.clear'), scene.count('page.copy'), scene.count('pte.set')];
const frameOf = ({ world }: Scene, page: number): number => world.entryTarget[page] - 1;

describe('a fault on anonymous memory where nothing is', () => {
  test('maps the zero page for a read, read-only and counted by nobody', () => {
    const scene = sceneOf();
    expect(scene.run(0, { kind: 'Read' })).toBe('0');
    expect([prices(scene), frameOf(scene, 0), scene.world.entry[0], scene.world.frameRefs[ZERO_FRAME]]).toEqual([[1, 0, 0, 1], ZERO_FRAME, EntryBit.Present, 0]);
  });

  test('maps a page of zeros for a write: exclusive, writable and dirty', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    expect([prices(scene), scene.world.entry[0]]).toEqual([[1, 1, 0, 1], EntryBit.Present | EntryBit.Write | EntryBit.Dirty]);
    const anonymous = FrameBit.Anon | FrameBit.Exclusive;
    expect(scene.world.frameFlags[frameOf(scene, 0)] & anonymous).toBe(anonymous);
  });

  test('maps a huge page for the first write where the VMA wants it, and base pages where a page is there already', () => {
    const huge = (): Scene => sceneOf({ shape: { hugeFolios: 1 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] });
    const fresh = huge();
    fresh.run(0, { kind: 'Write' });
    expect([isPmd(fresh.world, 0, 0), prices(fresh), fresh.run(0, { kind: 'Read', page: 1 }), fresh.count('host.fault')]).toEqual([true, [1, 2, 0, 1], '0', 1]);
    const used = huge();
    used.run(0, { kind: 'Read', page: 1 });
    used.run(0, { kind: 'Write' });
    expect([isPmd(used.world, 0, 0), prices(used)]).toEqual([false, [2, 1, 0, 2]]);
  });
});

describe('a write to the zero page', () => {
  test('is a page that is cleared, and counted as a copy of a write fault', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Read' });
    scene.run(0, { kind: 'Write', value: 7 });
    expect([prices(scene), scene.count('copy.writeFault'), scene.run(0, { kind: 'Read' })]).toEqual([[2, 1, 0, 2], 1, '7']);
  });
});

describe('a fault on a private mapping of a file', () => {
  test('maps the file\'s page for a read, which comes into the page cache where it was not there', () => {
    const scene = ofFile(Backing.FilePrivate);
    expect([scene.run(0, { kind: 'Read' }), scene.run(0, { kind: 'Read', page: 1 })]).toEqual(['5', '0']);
    expect([scene.count('pageCache.lookup'), scene.count('pageCache.insert'), scene.world.frameRefs[frameOf(scene, 0)]]).toEqual([2, 1, 2]);
  });

  test('copies it for a write, and the file keeps what it had', () => {
    const scene = ofFile(Backing.FilePrivate);
    scene.run(0, { kind: 'Write', value: 9 });
    expect([scene.count('copy.writeFault'), scene.world.frameContent[scene.world.cacheFrame[0] - 1], scene.run(0, { kind: 'Read' })]).toEqual([1, 5, '9']);
    scene.run(0, { kind: 'DontNeed' });
    expect(scene.run(0, { kind: 'Read' })).toBe('5');
  });
});

test('a write to a shared mapping of a file goes to the file, without a copy', () => {
  const scene = ofFile(Backing.FileShared);
  scene.run(0, { kind: 'Write', value: 9 });
  expect([scene.count('page.copy'), scene.world.frameContent[scene.world.cacheFrame[0] - 1]]).toEqual([0, 9]);
});

test('two writes that fault on one page at once map it once: the slower one drops its page', () => {
  const scene = sceneOf({ processes: [0, 0] });
  for (const task of [0, 1]) scene.begin(task, { kind: 'Write', value: 7 + task });
  for (let steps = 0; scene.busy(0) || scene.busy(1); steps++) {
    expect(steps).toBeLessThan(100);
    for (const task of [0, 1]) if (scene.busy(task)) scene.step(task);
  }
  const used = scene.world.frameRefs.slice(1).filter((refs) => refs > 0).length;
  expect([prices(scene).slice(0, 2), scene.count('pte.set'), used]).toEqual([[2, 2], 1, 1]);
});
