import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import type { ScriptOptions } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { vmemmapGivenBack } from '../../model/backing.ts';
import { PageBit } from '../../model/file.ts';
import { GAUGES } from '../../model/gauges.ts';
import { recountGauges } from '../../model/recount.ts';
import type { World } from '../../model/world.ts';

const policy = 'split-4k-lazy';
const large = { policy, folioOrder: 9, pages: 1024 } as const;
const gigantic = { policy, folioOrder: 18, pages: 1 << 18 } as const;
const pages = (first: number, after: number): readonly number[] => Array.from({ length: after - first }, (_, at) => first + at);

/** Runs the script; what was counted, and the world as it stands at the end. */
async function after(script: readonly ScriptedAccess[], options: ScriptOptions) {
  const seen: World[] = [];
  const { tally, notes } = await runScript(script, { ...options, onStep: (world) => (seen[0] = world) });
  return { tally, counted: counts({ tally, notes }), world: seen[0] };
}

describe('split-4k-lazy', () => {
  describe('splits a large page', () => {
    test('with its first shared page: one freeze, and each 4 KiB folio once', async () => {
      const { counted, world } = await after([a.guestWrite(0), a.toShared(5), a.toShared(6), a.toShared(7, 3)], large);
      expect([counted['folio.split'], counted['folio.freeze'], counted['folio.merge']]).toEqual([512, 1, undefined]);
      expect([...world.folioSplit.subarray(0, 2)]).toEqual([1, 0]);
      expect(pages(0, 513).map((page) => world.refcount[page])).toEqual([...pages(0, 512).map(() => 1), 0]);
    });

    test('each one that the range overlaps, and no other', async () => {
      const { counted, world } = await after([...[0, 512, 1024, 1536].map((page) => a.guestWrite(page)), a.toShared(1023, 2)], { ...large, pages: 2048 });
      expect(counted['folio.split']).toBe(2 * 512);
      expect([...world.folioSplit.subarray(0, 4)]).toEqual([0, 1, 1, 0]);
    });

    test('as it comes from the pool where a page of the range is shared already, and leaves it whole where none is', async () => {
      const { counted, world } = await after([a.toShared(5), a.guestWrite(0), a.guestWrite(512)], large);
      expect([counted['folio.split'], counted['page.clear'], counted['folio.freeze']]).toEqual([512, 1024, undefined]);
      expect([...world.folioSplit.subarray(0, 2)]).toEqual([1, 0]);
    });
  });

  describe('merges it', () => {
    test('with the conversion of its last shared page, and not before', async () => {
      const script = [a.guestWrite(0), a.toShared(0, 512), ...pages(0, 511).map((page) => a.toPrivate(page))];
      const before = await after(script, large);
      expect(before.counted['folio.merge']).toBeUndefined();
      const { counted, world } = await after([...script, a.toPrivate(511)], large);
      expect([counted['folio.merge'], counted['folio.freeze']]).toEqual([512, 1 + 512]);
      expect([world.folioSplit[0], world.refcount[0], world.refcount[1], world.pageState[1] & PageBit.Present]).toEqual([0, 512, 0, 0]);
    });

    test('and the guest has its large leaf again with its next fault', async () => {
      const { tally } = await after([a.guestWrite(0), a.toShared(5), a.toPrivate(5), a.guestWrite(5)], large);
      expect(tally.memory).toMatchObject({ stage2Leaves2M: 1, stage2Leaves4K: 0 });
    });

    test('not while another page of it is pinned, at whatever distance; that is no refusal; the next conversion in it after the unpin does', async () => {
      const pinned = [a.guestWrite(0), a.toShared(0, 1 << 18), a.pinLong(0, 200_000), a.toPrivate(0, 200_000), a.toPrivate(200_001, 62_143)];
      const kept = await after(pinned, gigantic);
      expect(kept.tally.conversions.toPrivate).toMatchObject({ requested: 2, succeeded: 2, retries: 0 });
      expect([kept.counted['folio.merge'], kept.world.folioSplit[0]]).toEqual([undefined, 1]);
      // Its own page is refused as long as the pin lasts, and is what the merge waits for.
      const { tally, counted, world } = await after([...pinned, a.toPrivate(200_000), a.unpin(0), a.toPrivate(200_000)], gigantic);
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 4, succeeded: 3, timedOut: 1 });
      expect([counted['folio.merge'], world.folioSplit[0]]).toEqual([1 << 18, 0]);
    });

    test('never where a piece was punched out, until all are', async () => {
      const script = [a.guestWrite(0), a.toShared(0, 4), a.punch(2), a.toPrivate(0, 4)];
      const one = await after(script, large);
      expect([one.counted['folio.merge'], one.counted['folio.freeze'], one.world.folioSplit[0]]).toEqual([undefined, 1, 1]);
      const all = await after([...script, a.punch(0, 512), a.guestWrite(0)], large);
      expect([all.world.folioSplit[0], all.world.refcount[0]]).toEqual([0, 512]);
    });
  });

  test('where a reference is in the way of a merge all pieces are thawed, and the next conversion in the range tries again', async () => {
    // The weakest check lets a pinned page turn private once it is unmapped; the merge does not.
    const script = [a.guestWrite(0), a.toShared(0, 2), a.hostWrite(1), a.pinLong(0, 1), a.toPrivate(0, 2)];
    const { counted, world } = await after(script, { ...large, check: 'mapcount' });
    expect([counted['folio.freeze'], counted['folio.merge']]).toEqual([1 + 2, undefined]);
    expect([world.refcount[0], world.refcount[1], world.refcount[2]]).toEqual([1, 1 + 1024, 1]);
    const again = await after([...script, a.unpin(0), a.toShared(0), a.toPrivate(0)], { ...large, check: 'mapcount' });
    expect([again.counted['folio.merge'], again.world.folioSplit[0]]).toEqual([512, 0]);
  });

  test('a pin on one page of 2 MiB refuses that page, and only that one', async () => {
    const { tally } = await after([a.toShared(0, 512), a.pinLong(0, 77), ...pages(0, 512).map((page) => a.toPrivate(page))], large);
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 512, succeeded: 511, timedOut: 1 });
  });

  test('to convert 4 KiB of a split range that is mapped page by page costs one zap and no refault of a neighbour', async () => {
    const touchAll = pages(0, 512).map((page) => a.hostRead(page));
    const { counted } = await after([a.toShared(0, 512), ...touchAll, a.toPrivate(5), ...touchAll], large);
    expect([counted['pte.zap'], counted['pte.zapNeighbour'], counted['fault.neighbour']]).toEqual([1, undefined, undefined]);
  });

  test('a hole of one page takes one piece, and who holds it keeps an orphan of one page', async () => {
    const { counted, world, tally } = await after([a.toShared(0, 8), a.hostWrite(3), a.hostWrite(4), a.pinLong(0, 3, 2), a.punch(3), a.punch(4), a.hostWrite(3), a.toPrivate(3), a.unpin(0)], large);
    expect([counted['pageCache.remove'], counted['pageCache.insert'], counted['folio.free']]).toEqual([2, 512 + 1, 2]);
    expect(tally.conversions.toPrivate.succeeded).toBe(1);
    expect([world.refcount[3], world.refcount[4], ...world.folioSplit]).toEqual([1, 0, 1, ...world.folioSplit.subarray(1).map(() => 0)]);
  });

  test('with 4 KiB memory it does what in-place does', async () => {
    for (const conversion of ['explicit', 'lazy'] as const) {
      const script = [a.toShared(0, 4), a.hostWrite(0), a.hostRead(1), a.guestWrite(9), a.io(2, 2, 30_000), a.toPrivate(0, 4), a.hostRead(0), a.punch(0, 2), a.guestWrite(0)];
      const split = await runScript(script, { policy, conversion });
      expect(counts(split)).toEqual(counts(await runScript(script, { policy: 'in-place', conversion })));
    }
  });
});

describe('a large page in pieces', () => {
  test('is timed from its split to its merge, which is at least as long as the pin that was in the way', async () => {
    const script = [a.guestWrite(0), a.toShared(0, 2), a.pinLong(0, 1), a.toPrivate(0), a.toPrivate(1), a.unpin(0), a.toPrivate(1)];
    const { tally } = await after(script, large);
    expect(tally.latencyNs.reconstruct.count).toBe(1);
    // The request for the pinned page was given up after its 100 ms.
    expect(tally.latencyNs.reconstruct.totalNs).toBeGreaterThan(100_000_000);
    expect(tally.largePages).toEqual({ inPieces: 0, heldApart: 0 });
  });

  test('is counted at the end, and apart where a buffer holds a piece; of split-4k all are in pieces', async () => {
    const script = [a.guestWrite(0), a.guestWrite(512), a.toShared(0), a.toShared(512, 2), a.pinLong(0, 513)];
    const largePages = async (policyName: string) => (await after(script, { ...large, policy: policyName, pages: 2048 })).tally.largePages;
    expect(await largePages(policy)).toEqual({ inPieces: 2, heldApart: 1 });
    expect(await largePages('split-4k')).toEqual({ inPieces: 2, heldApart: 1 });
    expect(await largePages('sigbus-on-fault')).toEqual({ inPieces: 0, heldApart: 0 });
  });
});

describe('the vmemmap optimisation', () => {
  test('gives back 7 of 8 pages of struct pages at 2 MiB, 4095 of 4096 at 1 GiB, and none where there is one', () => {
    expect([0, 6, 7, 9, 18].map(vmemmapGivenBack)).toEqual([0, 0, 1, 7, 4095]);
  });

  const PAGE = 4096;

  test.each([
    { what: 'of 2 MiB', options: large, vmemmap: 8 },
    { what: 'of 1 GiB', options: gigantic, vmemmap: 4096 },
  ])('is kept by a large page $what in one piece, lost while it is in pieces, and back after the merge', async ({ options, vmemmap }) => {
    const bytes = async (...script: readonly ScriptedAccess[]): Promise<readonly number[]> => {
      const { memory } = (await runScript([a.guestWrite(0), ...script], options)).tally;
      return [memory.vmemmapBytes, memory.vmemmapHvoEndBytes];
    };
    expect(await bytes()).toEqual([vmemmap * PAGE, PAGE]);
    expect(await bytes(a.toShared(5))).toEqual([vmemmap * PAGE, vmemmap * PAGE]);
    expect(await bytes(a.toShared(5), a.toPrivate(5))).toEqual([vmemmap * PAGE, PAGE]);
    const eager = (await runScript([a.guestWrite(0)], { ...options, policy: 'split-4k' })).tally.memory;
    expect([eager.vmemmapBytes, eager.vmemmapHvoEndBytes]).toEqual([vmemmap * PAGE, vmemmap * PAGE]);
  });

  test('is undone and done at 1 GiB, page by page of 4095, with one flush each; 2 MiB pages do not have it', async () => {
    const script = [a.guestWrite(0), a.toShared(5), a.toPrivate(5)];
    const vmemmap = async (options: ScriptOptions) => {
      const { counted } = await after(script, options);
      return [counted['vmemmap.restore'], counted['vmemmap.optimise'], counted['vmemmap.flush']];
    };
    expect(await vmemmap(gigantic)).toEqual([4095, 4095, 2]);
    expect(await vmemmap({ ...gigantic, policy: 'split-4k' })).toEqual([4095, undefined, 1]);
    expect(await vmemmap(large)).toEqual([undefined, undefined, undefined]);
  });
});

test('at 1 GiB the gauges agree with the world in the middle of splits and merges', async () => {
  const complaints: string[] = [];
  let steps = 0;
  const onStep = (world: World): void => {
    if (steps++ % 211 !== 0) return;
    const counted = recountGauges(world);
    for (const [at, name] of GAUGES.entries()) if (world.meter.gauge[at] !== counted[at]) complaints.push(`step ${steps}: ${name} says ${world.meter.gauge[at]}, there are ${counted[at]}`);
  };
  await runScript([a.guestWrite(0), a.toShared(5), a.hostWrite(5), a.toPrivate(5), a.punch(0, 1 << 18), a.guestWrite(9), a.toShared(1000, 3), a.punch(7)], { ...gigantic, onStep });
  expect(steps).toBeGreaterThan(2000);
  expect(complaints).toEqual([]);
});
