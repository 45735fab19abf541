import { describe, expect, test } from 'vitest';
import { anonymousScene } from '../../../test/tools/anonymousScene.ts';
import type { Scene, SceneOptions } from '../../../test/tools/anonymousScene.ts';
import { EntryBit, TableBit } from '../memory/entries.ts';
import { FrameBit } from '../memory/frames.ts';
import { Backing, WindowFlag } from '../memory/windows.ts';
import { ANONYMOUS_INVARIANTS, brokenAnonymous, recountReferences } from './invariants.ts';
import type { AnonymousWorld } from './world.ts';

/** A page that is written, and pinned for reading; entry 0 is the parent's, entry 2 the child's. */
function pinned(options: Partial<SceneOptions> = {}): Scene {
  const scene = anonymousScene({ processes: [0, 1], ...options });
  scene.run(0, { kind: 'Write', value: 7 });
  scene.run(0, { kind: 'PinRead' });
  return scene;
}

/** What a world says that is changed by hand. */
function told({ world }: Scene, change: (world: AnonymousWorld) => void): { readonly name: string; readonly how: string } | undefined {
  change(world);
  return brokenAnonymous(world);
}

const HUGE = { shape: { hugeFolios: 2 }, windows: [{ backing: Backing.Anonymous, flags: WindowFlag.Huge }] };

describe('the sentences of the family', () => {
  test('hold of a page that is pinned, shared by a fork, and given up', () => {
    const scene = pinned();
    expect(brokenAnonymous(scene.world)).toBeUndefined();
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'DontNeed', count: 2 });
    expect(brokenAnonymous(scene.world)).toBeUndefined();
  });

  test('have names of their own, in the order of a reader\'s interest', () => {
    expect(ANONYMOUS_INVARIANTS.map(({ name }) => name)).toEqual(['pin-is-the-page', 'pinned-is-exclusive', 'exclusive-once', 'writable-is-exclusive', 'references-counted', 'mappings-counted']);
  });

  test('name a pin whose page is mapped no longer', () => {
    const scene = anonymousScene({ processes: [0, 1], rules: { onShared: 'pin' } });
    scene.run(0, { kind: 'Write', value: 7 });
    scene.run(0, { kind: 'Fork', page: 1 });
    scene.run(0, { kind: 'PinRead' });
    expect(brokenAnonymous(scene.world)?.name).toBe('pinned-is-exclusive');
    scene.run(0, { kind: 'Write', value: 9 });
    expect(brokenAnonymous(scene.world)).toEqual({ name: 'pin-is-the-page', how: 'page 0 is frame 2, and the pin holds frame 1' });
  });

  test('name a pinned page that is not its mapping\'s alone', () => {
    const broken = told(pinned(), ({ entry, frameFlags }) => {
      entry[0] &= ~EntryBit.Write;
      frameFlags[1] &= ~FrameBit.Exclusive;
    });
    expect(broken).toEqual({ name: 'pinned-is-exclusive', how: 'frame 1 of page 0 is pinned, and not its mapping\'s alone' });
  });

  test('name an exclusive page that is mapped twice', () => {
    const broken = told(pinned(), ({ entry, entryTarget }) => {
      entry[2] = EntryBit.Present;
      entryTarget[2] = 2;
    });
    expect(broken).toEqual({ name: 'exclusive-once', how: 'frame 1 is exclusive, and mapped twice' });
  });

  test('name a shared page that may be written, but not while its table is locked', () => {
    const change = (bits: number) => ({ frameFlags, slotWindow, table }: AnonymousWorld): void => {
      slotWindow[0] = 0;
      frameFlags[1] &= ~FrameBit.Exclusive;
      table[0] |= bits;
    };
    expect(told(pinned(), change(0))).toEqual({ name: 'writable-is-exclusive', how: 'page 0 of window 0 may be written, and frame 1 is shared' });
    expect(told(pinned(), change(TableBit.Locked))).toBeUndefined();
  });

  test('name a count that is wrong, and a free frame that is not clean', () => {
    expect(told(pinned(), ({ frameRefs }) => void frameRefs[1]--)).toEqual({ name: 'references-counted', how: 'frame 1 counts 1024 references, and 1025 are held' });
    expect(told(pinned(), ({ frameFlags }) => void (frameFlags[5] = FrameBit.Dirty))).toEqual({ name: 'references-counted', how: 'frame 5 is free, and has mappings or flags' });
  });

  test('name a huge folio with more mappings than it counts', () => {
    const scene = pinned(HUGE);
    expect(brokenAnonymous(scene.world)).toBeUndefined();
    expect(told(scene, ({ hugeMaps }) => void (hugeMaps[0] = 0))).toEqual({ name: 'mappings-counted', how: 'huge folio 0 counts 0 mappings, and has 1' });
  });
});

test('references are counted again from who holds them: a mapping, a pin, a pipe, and swap', () => {
  const scene = pinned({ shape: { swapSlots: 2 } });
  scene.run(0, { kind: 'Splice', slot: 1 });
  expect(recountReferences(scene.world)[1]).toBe(1 + 1024 + 1);
  scene.run(0, { kind: 'Unpin' });
  scene.run(0, { kind: 'SwapOut' });
  // The pipe keeps the page in the swap cache.
  expect([recountReferences(scene.world)[1], scene.world.frameRefs[1], scene.world.swapFrame[0]]).toEqual([2, 2, 2]);
});
