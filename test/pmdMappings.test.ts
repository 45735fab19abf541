/**
 * PMDs of the host: what one entry for 2 MiB costs and saves, in closed forms; and that nothing is counted wrong in any interleaving
 * of litmuses drawn at random.
 */
import { assert, constantFrom, nat, pre, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryBit, TableBit } from '../src/model/entries.ts';
import { Gauge } from '../src/model/gauges.ts';
import type { OperationName } from '../src/model/operations.ts';
import { UserError } from '../src/model/userError.ts';
import type { World } from '../src/model/world.ts';
import { allPolicies } from './tools/library.ts';
import { randomPmdLitmus, readRandom, textOf } from './tools/randomLitmus.ts';
import { counts, runScript } from './tools/runScript.ts';
import type { ScriptOptions } from './tools/runScript.ts';
import { a, scripted } from './tools/scripted.ts';
import type { ScriptedAccess } from './tools/scripted.ts';
import { searchCell } from './tools/searched.ts';
import type { Cell } from './tools/searched.ts';

const FOLIO = 512;
const large = { folioOrder: 9, pages: 2 * FOLIO } as const;
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, page) => page);

/** All of the first folio shared, then mapped by a touch: with one PMD. */
const mappedByPmd = (write = false): readonly ScriptedAccess[] => [a.toShared(0, FOLIO), write ? a.hostWrite(7) : a.hostRead(7)];
/** The same, page by page: the first touch comes while one page is private yet, and a page table stays. */
const mappedByPtes: readonly ScriptedAccess[] = [a.toShared(1, FOLIO - 1), a.hostRead(1), a.toShared(0), ...range(FOLIO).map((page) => a.hostRead(page))];
const touchAllBut = (page: number): readonly ScriptedAccess[] => range(FOLIO).filter((other) => other !== page).map((other) => a.hostRead(other));

interface After {
  readonly world: World;
  readonly counted: Partial<Record<OperationName, number>>;
}

/** The world at the end of a script, and what was counted. */
async function after(script: Parameters<typeof runScript>[0], options: ScriptOptions = {}): Promise<After> {
  const seen: World[] = [];
  const outcome = await runScript(script, { ...large, onStep: (world) => (seen[0] = world), ...options });
  return { world: seen[0], counted: counts(outcome) };
}

/** What the second part of a script adds to the counts of the first. */
async function added(before: readonly ScriptedAccess[], then: readonly ScriptedAccess[], options: ScriptOptions): Promise<Partial<Record<OperationName, number>>> {
  const first = (await after(before, options)).counted as Record<string, number>;
  const { counted } = await after([...before, ...then], options);
  return Object.fromEntries(Object.entries(counted).map(([name, count]) => [name, count - (first[name] ?? 0)]).filter(([, count]) => count !== 0));
}

/** Policies that unmap a folio in the kernel when a page of it is converted, and leave it in one piece. */
const UNMAPS = ['sigbus-on-fault', 'disallow-gup', 'wait-for-pins', 'sigsegv-on-fault', 'in-place'] as const;

describe('a conversion of 4 KiB in a folio of 2 MiB costs', () => {
  describe.each(UNMAPS)('under %s', (policy) => {
    test('512 zaps and 511 refaults where the folio is mapped page by page', async () => {
      const cost = await added(mappedByPtes, [a.toPrivate(5), ...touchAllBut(5)], { policy });
      expect(cost).toMatchObject({ 'pte.check': 512, 'pte.zap': 512, 'pte.zapNeighbour': 511, 'fault.neighbour': 511, 'host.fault': 511, 'pte.set': 511, 'tlb.flush': 1 });
    });

    test.each([['clean', false], ['dirty', true]])('1 zap and 511 refaults page by page where a PMD maps it, %s', async (_, write) => {
      const cost = await added(mappedByPmd(write), [a.toPrivate(5), ...touchAllBut(5)], { policy });
      expect(cost).toMatchObject({ 'pte.check': 1, 'pte.zap': 1, 'fault.neighbour': 511, 'host.fault': 511, 'pte.set': 511, 'tlb.flush': 1 });
      // An entry that maps the page itself is no neighbour's.
      expect(cost['pte.zapNeighbour']).toBeUndefined();
    });
  });

  test('512 zaps and no refault under migrate-like, which maps PTEs again; a PMD it drops', async () => {
    const policy = 'migrate-like';
    const byPtes = await added(mappedByPtes, [a.toPrivate(5), ...touchAllBut(5)], { policy });
    expect(byPtes).toMatchObject({ 'pte.zap': 512, 'pte.set': 511 });
    expect(byPtes['fault.neighbour']).toBeUndefined();
    expect(await added(mappedByPmd(), [a.toPrivate(5), ...touchAllBut(5)], { policy })).toMatchObject({ 'pte.zap': 1, 'fault.neighbour': 511, 'pte.set': 511 });
  });

  test('1 zap and no refault under split-4k: its small folios are never mapped by a PMD', async () => {
    const script = [a.toShared(0, FOLIO), ...range(FOLIO).map((page) => a.hostRead(page))];
    const cost = await added(script, [a.toPrivate(5), ...touchAllBut(5)], { policy: 'split-4k' });
    expect(cost).toMatchObject({ 'pte.zap': 1, 'tlb.flush': 1, 'tlb.flushEntry': 1 });
    expect([cost['fault.neighbour'], cost['host.fault']]).toEqual([undefined, undefined]);
  });

  test('1 zap by the VMM of folio-mmapped, and 511 faults of what it has mapped again', async () => {
    expect(await added(mappedByPmd(), [a.toPrivate(5), ...touchAllBut(5)], { policy: 'folio-mmapped' })).toMatchObject({ 'pte.zap': 1, 'host.fault': 511, 'pte.set': 511 });
  });

  test('a flush and no refault as the lower bound, which leaves the other pages mapped', async () => {
    const cost = await added(mappedByPmd(), [a.toPrivate(5), ...touchAllBut(5)], { policy: 'lower-bound' });
    expect(cost).toMatchObject({ 'tlb.flush': 1, 'host.access': 511 });
    expect([cost['pte.zap'], cost['host.fault']]).toEqual([undefined, undefined]);
    const { world } = await after([...mappedByPmd(), a.toPrivate(5)], { policy: 'lower-bound' });
    expect([world.refcount[0], world.largeMapcount[0], world.mapcount[4], world.mapcount[5], world.meter.gauge[Gauge.tables]]).toEqual([FOLIO + 511, 511, 1, 0, 1]);
  });
});

describe('a PMD', () => {
  test('is one fault, one entry, one reference and one mapping for 512 pages, and needs no page table', async () => {
    const { world, counted } = await after([a.toShared(0, FOLIO), ...range(FOLIO).map((page) => a.hostWrite(page))]);
    expect(counted).toMatchObject({ 'host.fault': 1, 'pte.set': 1, 'host.access': 512 });
    expect([world.refcount[0], world.largeMapcount[0], world.mapcount[0], world.mapcount[511]]).toEqual([FOLIO + 1, 1, 0, 0]);
    expect([world.dataRefs[0], world.dataRefs[511]]).toEqual([1, 1]);
    expect(world.meter.gauge[Gauge.tables]).toBe(0);
    expect([world.table[0], world.entry[511] & EntryBit.Present]).toEqual([TableBit.Pmd, EntryBit.Present]);
  });

  test('is not for a folio of which a page is private, nor for a region that has a page table', async () => {
    const { world } = await after([a.toShared(0, FOLIO - 1), a.hostRead(0)]);
    expect([world.refcount[0], world.mapcount[0], world.meter.gauge[Gauge.tables]]).toEqual([FOLIO + 1, 1, 1]);
    const stays = await after([a.toShared(0, FOLIO - 1), a.hostRead(0), a.toShared(FOLIO - 1), a.hostRead(1)]);
    expect([stays.world.mapcount[1], stays.world.table[0]]).toEqual([1, TableBit.Allocated]);
  });

  test('comes back after a page went to private and back, unless a page was touched meanwhile', async () => {
    const there = [...mappedByPmd(), a.toPrivate(5)];
    const back = await after([...there, a.toShared(5), a.hostRead(9)]);
    expect([back.world.table[0], back.counted['pte.set'], back.counted['fault.neighbour']]).toEqual([TableBit.Pmd, 2, 1]);
    const touched = await after([...there, a.hostRead(9), a.toShared(5), a.hostRead(5)]);
    expect([touched.world.table[0], touched.world.mapcount[5], touched.world.mapcount[9]]).toEqual([TableBit.Allocated, 1, 1]);
  });

  test('is not for a mapping that covers a part of the region', async () => {
    const { world } = await after([a.toShared(0, 2 * FOLIO), a.unmap(FOLIO + 3), a.hostRead(0), a.hostRead(FOLIO)]);
    expect([world.table[0], world.table[1]]).toEqual([TableBit.Pmd, TableBit.Allocated]);
  });

  test('of a process is one of its own: two of them are two mappings, two zaps and two flushes', async () => {
    const actors = [
      { role: 'vcpu', accesses: [a.toShared(0, FOLIO), { ...a.toPrivate(5), atNs: 1_000_000_000 }] },
      { role: 'vmm', process: 0, accesses: [{ ...a.hostRead(1), atNs: 500_000_000 }] },
      { role: 'vmm', process: 1, accesses: [{ ...a.hostWrite(2), atNs: 500_000_000 }] },
    ] as const;
    const { world, counted } = await after(scripted({ actors }), { processes: 2 });
    expect(counted).toMatchObject({ 'host.fault': 2, 'pte.set': 2, 'pte.zap': 2, 'tlb.flush': 2, 'vma.visit': 2 });
    expect([world.refcount[0], world.largeMapcount[0]]).toEqual([FOLIO, 0]);
  });

  test('is not copied by fork: the child faults its own, and its exit leaves the parent\'s', async () => {
    const { world, counted } = await after([...mappedByPmd(), a.fork(3)]);
    expect(counted).toMatchObject({ 'host.fault': 2, 'pte.set': 2, 'pte.zap': 1, 'host.access': 2 });
    expect([world.refcount[0], world.largeMapcount[0], world.table[0]]).toEqual([FOLIO + 1, 1, TableBit.Pmd]);
  });

  test.each([['clean', false], ['dirty', true]])('is one zap and one flush for a munmap of the file, %s', async (_, write) => {
    const { world, counted } = await after([...mappedByPmd(write), a.unmap(0, 2 * FOLIO)]);
    expect(counted).toMatchObject({ 'pte.check': 1, 'pte.zap': 1, 'tlb.flush': 1 });
    expect([world.refcount[0], world.largeMapcount[0], world.dataRefs[9], world.table[0], world.entry[9]]).toEqual([FOLIO, 0, 0, 0, 0]);
  });

  test('goes as a whole with a munmap of a part; what is left faults page by page', async () => {
    const { world, counted } = await after([...mappedByPmd(true), a.unmap(100, 3), a.hostRead(99), a.hostRead(103), a.hostRead(100)]);
    expect(counted).toMatchObject({ 'pte.zap': 1, 'tlb.flush': 1, 'host.fault': 4, 'pte.set': 3, 'signal.SIGSEGV': 1 });
    expect(counted['fault.neighbour']).toBeUndefined();
    expect([world.refcount[0], world.largeMapcount[0], world.table[0]]).toEqual([FOLIO + 2, 2, TableBit.Allocated]);
  });

  test('may follow where the page table went with the last VMA over it', async () => {
    const { world } = await after([a.toShared(0, FOLIO - 1), a.hostRead(0), a.unmap(0, FOLIO), a.map(0, FOLIO), a.toShared(FOLIO - 1), a.hostRead(0)]);
    expect([world.table[0], world.meter.gauge[Gauge.tables]]).toEqual([TableBit.Pmd, 0]);
  });

  test('is a way for pins: of the page itself and of its neighbours they refuse apart', async () => {
    for (const page of [76, 77]) {
      const { world, counted } = await after([...mappedByPmd(), a.pinShort(0, 77), a.toPrivate(page)]);
      expect(counted[page === 77 ? 'refused.ownPin' : 'refused.neighbourPin']).toBeGreaterThan(0);
      expect(counted[page === 77 ? 'refused.neighbourPin' : 'refused.ownPin']).toBeUndefined();
      expect([world.refcount[0], world.pincount[0], world.largeMapcount[0]]).toEqual([FOLIO + 1, 1, 0]);
    }
  });

  test('is read once, and grabbed once, by GUP-fast, however many of its pages it pins', async () => {
    expect(await added(mappedByPmd(), [a.pinShort(0, 16, 64)], {})).toMatchObject({ 'gup.fast': 1, 'gup.grab': 1 });
    expect(await added(mappedByPtes, [a.pinShort(0, 16, 64)], {})).toMatchObject({ 'gup.fast': 64, 'gup.grab': 64 });
  });

  test('is zapped by a hole and by the last close', async () => {
    for (const last of [a.punch(0, FOLIO), a.close()]) {
      const { world, counted } = await after([...mappedByPmd(), ...(last.count === undefined ? [a.unmap(0, 2 * FOLIO)] : []), last]);
      expect(counted).toMatchObject({ 'pte.zap': 1, 'folio.free': 1 });
      expect([world.refcount[0], world.table[0]]).toEqual([0, 0]);
    }
  });
});

describe('in every interleaving of litmuses that are drawn at random', () => {
  test('the counts are those of PMDs and PTEs', () => {
    let searches = 0;
    assert(
      property(randomPmdLitmus, nat(allPolicies.length - 1), constantFrom('refcount', 'refcount', 'mapped-or-pinned', 'mapcount'), (random, policy, check) => {
        const text = textOf(random);
        const litmus = readRandom(text);
        pre(litmus !== undefined);
        const cell: Cell = { litmus, policy: allPolicies[policy], check };
        const broken = brokenIn(cell);
        pre(broken !== 'not searched');
        searches++;
        // What weak checks and policies that are wrong on purpose break is safety, and no count.
        expect(broken, `under ${cell.policy.name}/${check}:\n${text}`).toMatch(/^(none|no-exposure|no-rogue-access)$/);
      }),
      { seed: 1, numRuns: 150 },
    );
    expect(searches).toBeGreaterThanOrEqual(150);
  }, 120_000);

  function brokenIn(cell: Cell): string {
    try {
      return searchCell(cell, { statesMax: 3_000 }).found.result.broken?.rule ?? 'none';
    } catch (error) {
      if (error instanceof UserError) return 'not searched';
      throw error;
    }
  }
});
