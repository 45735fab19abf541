import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dmaTrace, play, touchTrace } from '../../../test/support/traceFiles.ts';

interface Transfer {
  readonly fields: string;
  readonly page: number;
  readonly count: number;
}

/** A valid history: buffers anywhere in the pool (pages 32 to 47) for originals in pages 0 to 15, some still mapped at the end. */
const history = fc
  .array(
    fc.record({
      unmaps: fc.boolean(),
      pick: fc.nat(),
      slot: fc.nat({ max: 27 }),
      bytes: fc.integer({ min: 1, max: 8192 }),
      direction: fc.constantFrom('to-device', 'from-device', 'bidirectional'),
      original: fc.nat({ max: 13 }),
      originalCount: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 60 },
  )
  .map((events) => {
    const live = new Map<number, Transfer>();
    const records: string[] = [];
    for (const [tNs, { unmaps, pick, slot, bytes, direction, original, originalCount }] of events.entries()) {
      const gone = [...live][pick % Math.max(1, live.size)];
      if (gone !== undefined && (unmaps || live.has(slot))) {
        live.delete(gone[0]);
        records.push(`${tNs},dma,dma-unmap,${gone[1].fields}`);
      } else if (!live.has(slot)) {
        const offset = (slot % 2) * 2048;
        const fields = `${32 + (slot >> 1)},${Math.ceil((offset + bytes) / 4096)},${offset},${bytes},d,${direction},${original},${originalCount}`;
        live.set(slot, { fields, page: original, count: originalCount });
        records.push(`${tNs},dma,dma-map,${fields}`);
      }
    }
    return { dma: dmaTrace(records), maps: records.filter((record) => record.includes('dma-map')).length, live: [...live.values()] };
  });

/** Does the driver's stream to plain sets, and insists that each access is one that a well-behaved guest and VMM would do. */
function replay(stream: readonly string[]) {
  const shared = new Set<number>();
  const pins = new Map<string, readonly number[]>();
  let pinned = 0;
  for (const access of stream) {
    const must = (holds: boolean, rule: string) => {
      if (!holds) throw new Error(`${access} where ${rule} does not hold, in ${stream.join(', ')}`);
    };
    const match = /^(\w+)(?: (\d+)\+(\d+))?(?: slot (\d+))?$/.exec(access);
    const [, kind, first, count, slot] = match ?? [];
    const pages = Array.from({ length: Number(count ?? 0) }, (_, i) => Number(first) + i);
    switch (kind) {
      case 'ToShared':
        must(!pages.some((page) => shared.has(page)), '"no page is shared"');
        for (const page of pages) shared.add(page);
        break;
      case 'ToPrivate':
        must(pages.every((page) => shared.has(page)), '"every page is shared"');
        must(![...pins.values()].flat().some((page) => pages.includes(page)), '"no page is pinned"');
        for (const page of pages) shared.delete(page);
        break;
      case 'PinShort':
        must(pages.every((page) => shared.has(page)), '"every page is shared"');
        must(!pins.has(slot), '"the slot is free"');
        pins.set(slot, pages);
        pinned++;
        break;
      case 'Unpin':
        must(pins.delete(slot), '"the slot is held"');
        break;
      case 'Copy':
        must(pages.every((page) => shared.has(page)), '"every page is shared"');
        break;
      default:
        must(false, '"a driver does it"');
    }
  }
  return { shared: [...shared].sort((a, b) => a - b), pinned, stillPinned: pins.size };
}

const pool = Array.from({ length: 16 }, (_, i) => 32 + i);
const touches = touchTrace([]);

describe('whatever the guest maps and unmaps', () => {
  test('a pool stays shared, and each transfer is one pin of pages in it', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ dma, maps, live }) => {
        const { streams } = await play({ touches, dma });
        expect(replay(streams.driver)).toEqual({ shared: maps > 0 ? pool : [], pinned: maps, stillPinned: live.length });
      }),
    );
  });
  test('without a pool a page is shared exactly while a transfer uses it, and never taken back under a pin', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ dma, maps, live }) => {
        const used = new Set(live.flatMap(({ page, count }) => Array.from({ length: count }, (_, i) => page + i)));
        const { streams } = await play({ touches, dma }, { dma: 'direct' });
        expect(replay(streams.driver)).toEqual({ shared: [...used].sort((a, b) => a - b), pinned: maps, stillPinned: live.length });
      }),
    );
  });
  test('buffered I/O converts the same, pins nothing, and copies only what is shared', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom('pool' as const, 'direct' as const), async ({ dma }, mode) => {
        const direct = await play({ touches, dma }, { dma: mode });
        const buffered = await play({ touches, dma }, { dma: mode, io: 'buffered' });
        expect(replay(buffered.streams.driver)).toEqual({ ...replay(direct.streams.driver), pinned: 0, stillPinned: 0 });
        const requests = (stream: readonly string[]) => stream.filter((access) => access.startsWith('To'));
        expect(requests(buffered.streams.driver)).toEqual(requests(direct.streams.driver));
      }),
    );
  });
});
