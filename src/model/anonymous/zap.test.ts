import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit } from '../memory/entries.ts';
import { MmState } from '../memory/processes.ts';
import { Backing, WindowFlag } from '../memory/windows.ts';
import { DEPTH_MAX } from '../step.ts';

const PAGES = 4;

/** Four pages behind two page tables, all written; a child (task 1) is not born yet. */
function written(options: Partial<SceneOptions> = {}): Scene {
  const scene = anonymousScene({ processes: [0, 1], ...options, shape: { pages: PAGES, ...options.shape } });
  for (let page = 0; page < PAGES; page++) scene.run(0, { kind: 'Write', page, value: 1 + page });
  scene.clearCounts();
  return scene;
}

const used = ({ world }: Scene): number => world.frameRefs.slice(1).reduce((sum, refs) => sum + (refs > 0 ? 1 : 0), 0);
const prices = (scene: Scene): readonly number[] => [scene.count('pte.zap'), scene.count('tlb.flush'), scene.count('folio.put'), scene.count('lock.pageTable')];

describe('a range that its process gives up', () => {
  test('costs a zap and a put a page, a lock a page table, and one flush', () => {
    const scene = written();
    scene.run(0, { kind: 'DontNeed', page: 1, count: 3 });
    expect([prices(scene), used(scene)]).toEqual([[3, 1, 3, 2], 1]);
  });

  test('is zeros again behind MADV_DONTNEED, and nothing at all behind munmap', () => {
    const scene = written();
    scene.run(0, { kind: 'DontNeed', count: 2 });
    scene.run(0, { kind: 'Unmap', page: 2, count: 2 });
    expect([0, 1, 2, 3].map((page) => scene.run(0, { kind: 'Read', page }))).toEqual(['0', '0', 'SIGSEGV', 'SIGSEGV']);
    expect([scene.count('signal'), used(scene)]).toEqual([2, 0]);
  });

  test('is kept by who pins it until it is unpinned', () => {
    const scene = written();
    scene.run(0, { kind: 'PinRead', count: 2 });
    scene.run(0, { kind: 'Unmap', count: PAGES });
    expect([scene.run(0, { kind: 'DeviceRead' }), used(scene), scene.count('pin.stale')]).toEqual(['1', 2, 0]);
    scene.run(0, { kind: 'Unpin' });
    expect(used(scene)).toBe(0);
  });

  test('takes a PMD as a whole, or to pieces where it covers a part of it', () => {
    const huge = (count: number): Scene => {
      const scene = written({ shape: { hugeFolios: 3 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] });
      scene.run(0, { kind: 'DontNeed', count });
      return scene;
    };
    const [whole, part] = [huge(2), huge(1)];
    expect([whole.count('pte.zap'), whole.count('pmd.split'), part.count('pte.zap'), part.count('pmd.split')]).toEqual([1, 0, 1, 1]);
    expect([part.run(0, { kind: 'Read' }), part.run(0, { kind: 'Read', page: 1 })]).toEqual(['0', '2']);
  });
});

describe('a range that is given up under GUP-fast', () => {
  const nameOf = ({ world, host }: Scene, task: number): string => host.program.names[world.pc[task * DEPTH_MAX + world.depth[task]]];
  const until = (scene: Scene, task: number, name: string): void => {
    for (let steps = 0; nameOf(scene, task) !== name; steps++) expect(scene.step(task) && steps < 100).toBe(true);
  };
  const finish = (scene: Scene, task: number): void => {
    while (scene.busy(task)) expect(scene.step(task)).toBe(true);
  };
  /** Task 0 pins page 0, and stops before a step; task 1, a thread of the same process, gives the page up meanwhile, and writes it anew. */
  const race = (stop: string, options: Partial<SceneOptions> = {}): Scene => {
    const scene = written({ processes: [0, 0], ...options, shape: { broadcastFlush: true, ...options.shape } });
    scene.begin(0, { kind: 'PinLongRead' });
    until(scene, 0, stop);
    scene.begin(1, { kind: 'DontNeed', count: 2 });
    finish(scene, 1);
    finish(scene, 0);
    scene.run(1, { kind: 'Write', value: 9 });
    return scene;
  };
  const outcome = (scene: Scene): readonly unknown[] => [scene.result(0), scene.count('gup.slow'), scene.run(0, { kind: 'DeviceRead' }), scene.count('pin.stale')];
  const huge = { shape: { hugeFolios: 4 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] };

  test.each([['base pages', {}], ['a PMD', huge]])('is not compared where the pin keeps the page that it had: %s', (_name, options) => {
    const scene = race('page.isExclusive', options);
    expect([outcome(scene), scene.world.slotWindow[0]]).toEqual([['OK', 0, '1', 0], 0]);
  });

  test.each([['base pages', {}], ['a PMD', huge]])('is compared where the pin drops it, and takes the page that is there then: %s', (_name, options) => {
    const scene = race('pte.reread', options);
    expect([outcome(scene), scene.world.slotWindow[0]]).toEqual([['OK', 1, '9', 0], 1]);
  });

  test('is not compared where all of the pin comes between what the process says and what becomes of its entries', () => {
    const scene = written({ processes: [0, 0], shape: { broadcastFlush: true } });
    scene.begin(1, { kind: 'DontNeed' });
    until(scene, 1, 'pte.clear');
    expect([scene.run(0, { kind: 'PinRead' }), scene.world.slotWindow[0]]).toEqual(['OK', 1]);
    finish(scene, 1);
    expect(scene.world.slotWindow[0]).toBe(0);
  });
});

describe('a range of hugetlb', () => {
  const hugetlb = (): Scene => written({ shape: { hugeFolios: 6 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Hugetlb }] });
  const contents = (scene: Scene): readonly string[] => [0, 1, 2, 3].map((page) => scene.run(0, { kind: 'Read', page }));

  test.each(['Unmap', 'ProtectRead', 'ProtectWrite'] as const)('begins and ends where a folio does, or %s changes nothing', (kind) => {
    const scene = hugetlb();
    const ranges = [[0, 1], [1, 1], [1, 3], [0, 3], [2, 1]] as const;
    expect(ranges.map(([page, count]) => scene.run(0, { kind, page, count }))).toEqual(ranges.map(() => 'EINVAL'));
    expect([contents(scene), scene.count('tlb.flush'), scene.count('pmd.split'), scene.run(0, { kind: 'Write', page: 3, value: 4 })]).toEqual([['1', '2', '3', '4'], 0, 0, 'OK']);
  });

  test('is unmapped whole, also where it begins in what is unmapped already', () => {
    const scene = hugetlb();
    expect([scene.run(0, { kind: 'Unmap', count: 2 }), scene.run(0, { kind: 'Unmap', page: 1, count: 3 }), contents(scene), used(scene)]).toEqual(['OK', 'OK', ['SIGSEGV', 'SIGSEGV', 'SIGSEGV', 'SIGSEGV'], 0]);
  });

  test('begins where a folio does for MADV_DONTNEED, which gives up no part of the last one', () => {
    const scene = hugetlb();
    expect([scene.run(0, { kind: 'DontNeed', page: 1, count: 3 }), scene.run(0, { kind: 'DontNeed' }), scene.count('tlb.flush'), contents(scene)]).toEqual(['EINVAL', 'OK', 0, ['1', '2', '3', '4']]);
    expect([scene.run(0, { kind: 'DontNeed', count: 3 }), scene.count('pte.zap'), contents(scene)]).toEqual(['OK', 1, ['0', '0', '3', '4']]);
  });
});

describe('mprotect', () => {
  test('takes the right to write from each entry, with one flush; giving it back touches none, and the next write asks', () => {
    const scene = written();
    scene.run(0, { kind: 'ProtectRead', count: PAGES });
    expect([scene.count('pte.protect'), scene.count('tlb.flush'), scene.world.entry[0] & EntryBit.Write]).toEqual([PAGES, 1, 0]);
    expect(scene.run(0, { kind: 'Write' })).toBe('SIGSEGV');
    scene.run(0, { kind: 'ProtectWrite', count: PAGES });
    expect([scene.count('pte.protect'), scene.count('tlb.flush')]).toEqual([PAGES, 1]);
    expect([scene.run(0, { kind: 'Write' }), scene.count('fault.reuse'), scene.count('page.copy')]).toEqual(['OK', 1, 0]);
  });
});

describe('the exit of a child', () => {
  test('gives back what it shares and what is its own, and it can be born again', () => {
    const scene = written();
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(1, { kind: 'Write', value: 9 });
    expect(used(scene)).toBe(PAGES + 1);
    scene.run(1, { kind: 'Exit' });
    expect([used(scene), scene.world.mmState[1]]).toEqual([PAGES, MmState.None]);
    scene.run(0, { kind: 'Fork', page: 1 });
    expect(scene.run(1, { kind: 'Read' })).toBe('1');
  });
});
