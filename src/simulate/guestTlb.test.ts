/** What a guest pays at accesses that miss its TLB: closed forms by leaf size, and what a kick takes away. */
import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../test/tools/runScript.ts';
import type { ScriptOptions } from '../../test/tools/runScript.ts';
import { a, scripted } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { Leaf } from '../model/stage2.ts';
import type { LeafKind } from '../model/stage2.ts';
import { policies } from '../policies/index.ts';
import { GuestTlbs, TLB_SETS, TLB_WAYS } from './guestTlb.ts';

const REGION_ORDER = 9;
const GIGANTIC_ORDER = 18;
const REGION_PAGES = 1 << REGION_ORDER;
const GIB_PAGES = 1 << GIGANTIC_ORDER;

const tlbOf = (cpus = 1): GuestTlbs => new GuestTlbs({ cpus, regionOrder: REGION_ORDER, giganticOrder: GIGANTIC_ORDER });

/** Misses of a CPU that touches these pages in order. */
function misses(tlb: GuestTlbs, pages: Iterable<number>, leaf: LeafKind, cpu = 0): number {
  let count = 0;
  for (const page of pages) if (tlb.misses(cpu, page, leaf)) count++;
  return count;
}

function* sequence(count: number, stride = 1, first = 0): Iterable<number> {
  for (let nth = 0; nth < count; nth++) yield first + nth * stride;
}

describe('one pass over 1 GiB', () => {
  test.each([
    ['4 KiB', Leaf.Small, GIB_PAGES],
    ['2 MiB', Leaf.Large, 512],
    ['1 GiB', Leaf.Gigantic, 1],
  ] as const)('misses once a leaf of %s', (_, leaf, expected) => {
    const tlb = tlbOf();
    expect(misses(tlb, sequence(GIB_PAGES), leaf)).toBe(expected);
  });

  test('is had a second time where the leaves fit, and else paid again', () => {
    const tlb = tlbOf();
    misses(tlb, sequence(GIB_PAGES), Leaf.Large);
    expect(misses(tlb, sequence(GIB_PAGES), Leaf.Large)).toBe(0);
    misses(tlb, sequence(GIB_PAGES), Leaf.Small);
    expect(misses(tlb, sequence(GIB_PAGES), Leaf.Small)).toBe(GIB_PAGES);
  });
});

describe('the TLB', () => {
  const entries = TLB_SETS * TLB_WAYS;

  test('has room for so many leaves, and the one more pushes out the oldest of its set', () => {
    const tlb = tlbOf();
    expect(misses(tlb, sequence(entries), Leaf.Small)).toBe(entries);
    expect(misses(tlb, sequence(entries), Leaf.Small)).toBe(0);
    expect(tlb.misses(0, entries, Leaf.Small)).toBe(true);
    expect(misses(tlb, sequence(entries - 1, 1, 1), Leaf.Small)).toBe(0);
    expect(tlb.misses(0, 0, Leaf.Small)).toBe(true);
  });

  test('is shared by leaves of 4 KiB and 2 MiB, of which each is its own', () => {
    const tlb = tlbOf();
    expect([tlb.misses(0, 5 * REGION_PAGES, Leaf.Large), tlb.misses(0, 5, Leaf.Small), tlb.misses(0, 5 * REGION_PAGES, Leaf.Small)]).toEqual([true, true, true]);
    expect([tlb.misses(0, 5 * REGION_PAGES + 1, Leaf.Large), tlb.misses(0, 5, Leaf.Small)]).toEqual([false, false]);
    // Five leaves in one set of four.
    expect(misses(tlb, sequence(3, TLB_SETS, 5 + TLB_SETS), Leaf.Small)).toBe(3);
    expect(tlb.misses(0, 5 * REGION_PAGES, Leaf.Large)).toBe(true);
  });

  test('gives leaves of 1 GiB the same places', () => {
    const tlb = tlbOf();
    misses(tlb, sequence(entries), Leaf.Small);
    expect(misses(tlb, sequence(16, GIB_PAGES), Leaf.Gigantic)).toBe(16);
    expect(misses(tlb, sequence(16, GIB_PAGES, 77), Leaf.Gigantic)).toBe(0);
    // The oldest of sixteen sets are gone.
    expect(misses(tlb, sequence(entries - 16, 1, 16), Leaf.Small)).toBe(0);
    expect(misses(tlb, sequence(16), Leaf.Small)).toBe(16);
  });

  test('tells pages apart that are terabytes apart', () => {
    const tlb = tlbOf();
    const pages = [3, 3 + 2 ** 28, 3 + 2 ** 30, 3 + 2 ** 31];
    for (const leaf of [Leaf.Small, Leaf.Large, Leaf.Gigantic] as const) expect(misses(tlb, pages, leaf)).toBe(pages.length);
  });

  test.each([1, 64, 65, 2048])('is empty after a flush, with %i entries in it, and that of another CPU is not', (held) => {
    const tlb = tlbOf(2);
    for (const cpu of [0, 1]) misses(tlb, sequence(held), Leaf.Small, cpu);
    tlb.flush(0);
    expect(misses(tlb, sequence(held), Leaf.Small, 1)).toBe(0);
    expect(misses(tlb, sequence(held), Leaf.Small)).toBe(held);
    expect(misses(tlb, sequence(held), Leaf.Small)).toBe(0);
    tlb.flush(1);
    expect(misses(tlb, sequence(held), Leaf.Small, 1)).toBe(held);
  });
});

describe('a guest', () => {
  const touch = (first: number, count: number): readonly ScriptedAccess[] => Array.from({ length: count }, (_, nth) => a.guestRead(first + nth));
  const walks = async (script: readonly ScriptedAccess[], options: ScriptOptions) => {
    const counted = counts(await runScript(script, options));
    return { small: counted['guest.tlbMiss4K'] ?? 0, large: counted['guest.tlbMiss2M'] ?? 0, gigantic: counted['guest.tlbMiss1G'] ?? 0 };
  };
  const names = policies.map(({ name }) => name);

  test.each([[0, { small: GIB_PAGES, large: 0, gigantic: 0 }], [9, { small: 0, large: 512, gigantic: 0 }], [18, { small: 0, large: 0, gigantic: 1 }]] as const)(
    'that passes once over 1 GiB in folios of order %i walks the tables once a leaf, behind its faults too',
    async (folioOrder, expected) => {
      expect(await walks(touch(0, GIB_PAGES), { pages: GIB_PAGES, folioOrder })).toEqual(expected);
    },
  );

  /** The measure that ignores requests, and the policy whose private memory comes page by page. */
  const others: ReadonlySet<string> = new Set(['null', 'separate-shared-memory']);

  test.each(names.filter((name) => !others.has(name)))('walks to 4 KiB leaves once a page of its region is shared, under %s', async (policy) => {
    const pages = 2 * REGION_PAGES;
    const before = touch(0, pages);
    const region = touch(0, REGION_PAGES);
    expect(await walks(before, { policy, pages, folioOrder: 9 })).toEqual({ small: 0, large: 2, gigantic: 0 });
    // The kick takes the other region's translation, too.
    expect(await walks([...before, a.toShared(7), ...region, ...touch(REGION_PAGES, REGION_PAGES)], { policy, pages, folioOrder: 9 })).toEqual({ small: REGION_PAGES, large: 3, gigantic: 0 });
    // Private again, the region waits for a fault: the pages before that one still have their small leaves.
    const again = [...before, a.toShared(7), ...region, a.toPrivate(7), ...touch(0, 7), ...region];
    expect(await walks(again, { policy, pages, folioOrder: 9 })).toEqual({ small: REGION_PAGES + 7, large: 3, gigantic: 0 });
  });

  test('walks to 4 KiB leaves all the time where private memory comes page by page', async () => {
    expect(await walks(touch(0, REGION_PAGES), { policy: 'separate-shared-memory', pages: REGION_PAGES, folioOrder: 9 })).toEqual({ small: REGION_PAGES, large: 0, gigantic: 0 });
  });

  test('loses nothing by a conversion of what stage-2 does not map', async () => {
    expect(await walks([...touch(0, 4), a.toShared(9), ...touch(0, 4)], { pages: 16 })).toEqual({ small: 4, large: 0, gigantic: 0 });
    expect(await walks([...touch(0, 4), a.toShared(3), ...touch(0, 3)], { pages: 16 })).toEqual({ small: 7, large: 0, gigantic: 0 });
  });

  test('has misses that do not depend on the other vCPUs, in number and in order', async () => {
    const scripts = [touch(0, 3000), [...touch(100, 2500), ...touch(0, 200)], [...touch(2900, 100), ...touch(2900, 100)]];
    const together = counts(await runScript(scripted({ actors: scripts.map((accesses) => ({ accesses })) }), { pages: 4096 }));
    const alone = await Promise.all(scripts.map((script) => walks(script, { pages: 4096 })));
    expect(together['guest.tlbMiss4K']).toBe(alone.reduce((sum, { small }) => sum + small, 0));
    expect(alone.map(({ small }) => small)).toEqual([3000, 2700, 100]);
  });

  test('pays the same whether hits are taken in a burst or step by step, with run-ahead and without', async () => {
    const script = scripted({
      actors: [
        { accesses: [...touch(0, 700), a.toShared(5), ...touch(0, 700), a.toPrivate(5), ...touch(0, 700)] },
        { accesses: [...touch(300, 700), ...touch(0, 700), ...touch(512, 100)] },
        { role: 'vmm' as const, accesses: [a.hostRead(5), a.hostRead(5), a.hostWrite(5)] },
      ],
    });
    const runs = await Promise.all([{}, { runAhead: false }, { onStep: () => undefined }].map((how) => runScript(script, { pages: 1024, folioOrder: 9, ...how })));
    const [first, ...others] = runs.map(({ tally }) => ({ virtualNs: tally.virtualNs, counted: [...tally.operations] }));
    for (const other of others) expect(other).toEqual(first);
  });
});
