import { Gauge } from './gauges.ts';
import { describe, expect, test } from 'vitest';
import { isPrivate, privatePages } from './file.ts';
import { buildHost } from './host.ts';
import type { HostRules } from './host.ts';
import { brokenInvariant } from './invariants.ts';
import type { Shape } from './shape.ts';
import { stage2Maps } from './stage2.ts';
import { populate, setShareability, shareAtStart, startWorld } from './start.ts';
import { end } from './step.ts';
import { inIMmap, inMm, vmaCount } from './windows.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

const rules: HostRules = { toPrivate: [end], toShared: [end] };
const { program } = buildHost(rules, { lazy: false });

const shape: Shape = {
  pages: 4, folioOrder: 1, regionOrder: 1, largeBacking: false, spareFolios: 0, windows: 3, childWindows: 1, mms: 3, cpus: 2, vcpus: 1, tasks: 2,
  slots: 0, slotPages: 0, chunk: 1, lruBatch: 0, initShared: true, lazy: false, broadcastFlush: false, ownerRefs: 0, content: 'none', mmapAllowed: true,
};

function started(changes: Partial<Shape> = {}, vmm: HostRules['vmm'] = {}): World {
  const world = createWorld({ ...shape, ...changes });
  startWorld(world, { ...rules, vmm }, { processOfCpu: [0, 1], windowsPerProcess: 1 });
  return world;
}

const pages = [0, 1, 2, 3];
const covered = (world: World): readonly (readonly number[])[] => [0, 1, 2].map((window) => pages.filter((page) => inMm(world, window, page) && inIMmap(world, window, page)));

describe('a world at its start', () => {
  test('has the whole file mapped in every process but the child that may be forked', () => {
    const world = started();
    expect(covered(world)).toEqual([pages, pages, []]);
    expect([[...world.mm], [...world.windowMm]]).toEqual([[0, 1], [0, 1, 0]]);
  });

  test('has nothing mapped where the policy says so for the file\'s default', () => {
    const mapsAtStart = { private: 'none', shared: 'full' } as const;
    expect(covered(started({ initShared: false }, { mapsAtStart }))).toEqual([[], [], []]);
    expect(covered(started({ initShared: true }, { mapsAtStart }))).toEqual([pages, pages, []]);
  });

  test('has nothing mapped where the file has no MMAP flag', () => {
    expect(covered(started({ mmapAllowed: false }))).toEqual([[], [], []]);
  });

  test.each([true, false])('can have pages that start otherwise (INIT_SHARED: %s)', (initShared) => {
    const world = started({ initShared });
    setShareability(world, 1, !initShared);
    setShareability(world, 2, initShared);
    setShareability(world, 3, !initShared);
    setShareability(world, 3, initShared);
    expect(pages.map((page) => isPrivate(world, page))).toEqual([!initShared, initShared, !initShared, !initShared]);
    expect(privatePages(world)).toBe(initShared ? 1 : 3);
    expect(brokenInvariant(world, program)).toBeUndefined();
  });

  describe('with pages that the guest had shared', () => {
    const mapsAtStart = { private: 'none', shared: 'full' } as const;
    const sharing = (vmm: NonNullable<HostRules['vmm']>, extents: readonly (readonly [number, number])[], changes: Partial<Shape> = {}) => {
      const world = started({ initShared: false, ...changes }, vmm);
      shareAtStart(world, { ...rules, vmm }, extents, 2, 1);
      expect(brokenInvariant(world, program)).toBeUndefined();
      return world;
    };
    const EXTENTS = [[0, 1], [2, 2]] as const;

    test('has them mapped by a VMM that maps what is shared after each request, one VMA for each run of them', () => {
      const world = sharing({ mapsAtStart, afterRequest: { steps: [end] } }, EXTENTS);
      expect(pages.filter((page) => !isPrivate(world, page))).toEqual([0, 2, 3]);
      expect(covered(world)).toEqual([[0, 2, 3], [0, 2, 3], []]);
      expect(vmaCount(world)).toBe(4);
    });
    test('has the whole file mapped in one piece where all of it is shared', () => {
      const vmm = { mapsAtStart, afterRequest: { steps: [end] } };
      expect(sharing(vmm, [[0, 4]]).windowFlags).toEqual(started({ initShared: true }, vmm).windowFlags);
    });
    test('has nothing more mapped by a VMM that maps at its accesses, that has mapped everything, or that may not', () => {
      expect(covered(sharing({ mapsAtStart, remapsOnAccess: true }, EXTENTS))).toEqual([[], [], []]);
      expect(covered(sharing({ afterRequest: { steps: [end] } }, EXTENTS))).toEqual([pages, pages, []]);
      expect(covered(sharing({ mapsAtStart, afterRequest: { steps: [end] } }, EXTENTS, { mmapAllowed: false }))).toEqual([[], [], []]);
    });
  });

  test('has a launch image in the page cache and in stage-2, folio by folio', () => {
    const world = started();
    populate(world, 2);
    populate(world, 3);
    expect(world.meter.gauge[Gauge.pages]).toBe(2);
    expect([...world.refcount]).toEqual([0, 0, 2, 0]);
    expect(pages.map((page) => stage2Maps(world, page))).toEqual([false, false, true, true]);
    expect(brokenInvariant(world, program)).toBeUndefined();
  });

  test.each([
    [false, [true, true, true, true]],
    [true, [true, true, false, false]],
  ])('has one in a gigantic page, which maps all of it but where the guest donates by its first touch (lazy: %s)', (lazy, mapped) => {
    const world = started({ lazy, folioOrder: 2, largeBacking: true, giganticOrder: 2, backingOrder: 2 });
    populate(world, 0);
    expect(pages.map((page) => stage2Maps(world, page))).toEqual(mapped);
    expect(brokenInvariant(world, program)).toBeUndefined();
  });
});
