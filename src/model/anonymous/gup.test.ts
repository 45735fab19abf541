import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { acknowledgeFlush, canAcknowledge } from '../crossCalls.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';
import { SlotKind } from '../memory/slots.ts';
import { Backing } from '../memory/windows.ts';
import { TaskFlag } from '../tasks.ts';
import { slotKindOf } from './gup.ts';
import { AnonymousAccess, AnonymousFlag } from './kinds.ts';

const sceneOf = (options: Partial<SceneOptions> = {}): Scene => anonymousScene({ processes: [0, 1], ...options });
const refsOf = ({ world }: Scene, page: number): number => world.frameRefs[world.entryTarget[page] - 1];
const ways = (scene: Scene): readonly number[] => [scene.count('gup.fast'), scene.count('gup.slow'), scene.count('gup.grab'), scene.count('gup.undo')];

/** Both pages are written: mapped, and the process's alone. */
function written(options: Partial<SceneOptions> = {}): Scene {
  const scene = sceneOf(options);
  for (const page of [0, 1]) scene.run(0, { kind: 'Write', page, value: 7 + page });
  scene.clearCounts();
  return scene;
}

describe('references on two pages', () => {
  test('are taken by the fast path where both are mapped: one look and one grab a page, a pin each', () => {
    const scene = written();
    expect(scene.run(0, { kind: 'PinRead', count: 2 })).toBe('OK');
    expect([ways(scene), scene.count('irq.toggle'), scene.count('lock.mmap'), scene.count('pin.done')]).toEqual([[2, 0, 2, 0], 1, 0, 2]);
    expect([refsOf(scene, 0), refsOf(scene, 1), scene.world.mmHasPinned[0]]).toEqual([1 + GUP_PIN_COUNTING_BIAS, 1 + GUP_PIN_COUNTING_BIAS, 1]);
  });

  test('are taken by the slow path where it is asked for, with the lock of the table for each', () => {
    const scene = written();
    scene.run(0, { kind: 'PinRead', count: 2, flags: AnonymousFlag.SlowOnly });
    expect([ways(scene), scene.count('lock.mmap'), scene.count('lock.pageTable')]).toEqual([[0, 2, 2, 0], 1, 2]);
  });

  test('are one each for a get, which is no pin', () => {
    const scene = written();
    scene.run(0, { kind: 'Splice', count: 2 });
    expect([refsOf(scene, 0), refsOf(scene, 1), scene.world.mmHasPinned[0], scene.world.slotKind[0]]).toEqual([2, 2, 0, SlotKind.Get]);
  });

  test('go back all where the fast path alone is allowed and gets one of them', () => {
    const scene = sceneOf();
    scene.run(0, { kind: 'Write', value: 7 });
    scene.clearCounts();
    expect(scene.run(0, { kind: 'PinRead', count: 2, flags: AnonymousFlag.FastOnly })).toBe('EFAULT');
    expect([ways(scene), scene.count('gup.release'), scene.count('pin.failed'), refsOf(scene, 0), scene.world.slotKind[0]]).toEqual([[2, 0, 1, 0], 1, 1, 1, SlotKind.Refused]);
  });

  test('fault in what is not there: a pin for writing a page, one for reading the zero page', () => {
    const writes = sceneOf();
    writes.run(0, { kind: 'PinWrite', count: 2 });
    expect([writes.count('page.clear'), writes.count('pin.done'), refsOf(writes, 0)]).toEqual([2, 2, 1 + GUP_PIN_COUNTING_BIAS]);
    const reads = sceneOf();
    reads.run(0, { kind: 'PinRead', count: 2 });
    expect([reads.count('page.clear'), reads.count('pin.done')]).toEqual([0, 2]);
  });

  test('end at the end of the memory', () => {
    const scene = written();
    expect(scene.run(0, { kind: 'PinRead', page: 1, count: 2 })).toBe('EFAULT');
    expect(refsOf(scene, 1)).toBe(1);
  });
});

describe('what a pin for reading of a page that is mapped read-only needs first', () => {
  const shared = (rules?: SceneOptions['rules']): Scene => {
    const scene = written(rules === undefined ? {} : { rules });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.clearCounts();
    return scene;
  };

  test('is an unshare: the fast path gives its reference back, the slow one faults', () => {
    const scene = shared();
    scene.run(0, { kind: 'PinRead' });
    expect([ways(scene), scene.count('copy.unshare')]).toEqual([[1, 1, 2, 1], 1]);
  });

  test('is nothing for a get, or where whatever is mapped is pinned', () => {
    const get = shared();
    get.run(0, { kind: 'Splice' });
    const pin = shared({ onShared: 'pin' });
    pin.run(0, { kind: 'PinRead' });
    expect([ways(get), ways(pin), get.count('page.copy') + pin.count('page.copy')]).toEqual([[1, 0, 1, 0], [1, 0, 1, 0], 0]);
  });

  test('is a copy for a pin for writing, which is a write fault', () => {
    const scene = shared();
    scene.run(0, { kind: 'PinWrite' });
    expect([scene.count('copy.writeFault'), scene.count('copy.unshare')]).toEqual([1, 0]);
  });

  test('is a copy of a page of a file for a long-term pin alone', () => {
    const ofFile = (kind: 'PinRead' | 'PinLongRead'): number => {
      const scene = sceneOf({ windows: [{ backing: Backing.FilePrivate }], file: [5, 6] });
      scene.run(0, { kind: 'Read' });
      scene.run(0, { kind });
      return scene.count('copy.unshare');
    };
    expect([ofFile('PinRead'), ofFile('PinLongRead')]).toEqual([0, 1]);
  });
});

test('the fast path gives back what it took where a fork was at work meanwhile, and the pin is unshared', () => {
  const scene = written({ processes: [0, 0, 1] });
  scene.begin(0, { kind: 'PinRead' });
  while (scene.count('gup.grab') === 0) scene.step(0);
  expect(scene.world.flags[0] & TaskFlag.IrqOff).toBe(TaskFlag.IrqOff);
  scene.begin(1, { kind: 'Fork', page: 1 });
  // The fork's flush waits for the CPU whose interrupts are off.
  while (scene.step(1)) expect(scene.busy(1)).toBe(true);
  for (let steps = 0; scene.busy(0) || scene.busy(1); steps++) {
    expect(steps).toBeLessThan(100);
    if (canAcknowledge(scene.world, 1, 0)) acknowledgeFlush(scene.world, 1, 0);
    for (const task of [0, 1]) if (scene.busy(task)) scene.step(task);
  }
  expect([scene.result(0), scene.world.slotCount[0], scene.count('pin.done')]).toEqual(['OK', 1, 1]);
  scene.run(0, { kind: 'Write', value: 9 });
  expect([scene.run(0, { kind: 'DeviceRead' }), scene.count('pin.stale')]).toEqual(['9', 0]);
});

test('a slot is held as the kind of its access says', () => {
  const kinds = [AnonymousAccess.PinRead, AnonymousAccess.PinWrite, AnonymousAccess.PinLongRead, AnonymousAccess.PinLongWrite, AnonymousAccess.Splice];
  expect(kinds.map(slotKindOf)).toEqual([SlotKind.Pin, SlotKind.Pin, SlotKind.LongTerm, SlotKind.LongTerm, SlotKind.Get]);
});
