import { describe, expect, test } from 'vitest';
import { Machine } from '../../../test/tools/litmusMachine.ts';
import { counts, policyNamed, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { ERRNOS } from '../../model/errno.ts';
import { isPrivate } from '../../model/file.ts';
import { FOLIO_BATCH } from './in-place.ts';

const policy = 'in-place';
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const touched = (pages: number): readonly ScriptedAccess[] => [a.toShared(0, pages), ...range(pages).map((page) => a.hostRead(page))];

describe('in-place', () => {
  describe('a range with one pinned page', () => {
    const pages = 8;
    const pinned = 5;
    const machine = new Machine({ policy: policyNamed(policy), threads: [{ accesses: [] }], shape: { pages, slotPages: 1, slots: 1 } });
    const { world } = machine;
    for (const page of range(pages)) machine.runAlone(0, a.hostWrite(page));
    machine.runAlone(0, a.pinLong(0, pinned));
    const result = machine.runAlone(0, a.toPrivate(0, pages));

    test('is refused with EAGAIN and the offset of that page', () => {
      expect([result, ERRNOS[world.meter.convertErrno], world.meter.errorPage]).toEqual(['timed-out', 'EAGAIN', pinned]);
    });

    test('changes no attribute, and leaves no entry of the host', () => {
      expect(range(pages).filter((page) => isPrivate(world, page))).toEqual([]);
      expect([...world.entry.subarray(0, pages)]).toEqual(range(pages).map(() => 0));
      expect(range(pages).map((page) => world.refcount[page])).toEqual(range(pages).map((page) => (page === pinned ? 1 + 1024 : 1)));
    });

    test('is converted whole once the pin has gone', () => {
      machine.runAlone(0, a.unpin(0));
      expect(machine.runAlone(0, a.toPrivate(0, pages))).toBe('OK');
      expect(range(pages).filter((page) => isPrivate(world, page))).toEqual(range(pages));
    });
  });

  test.each([1, FOLIO_BATCH, FOLIO_BATCH + 1, 512, 600])('a request for %i pages that is granted is charged as by sigbus-on-fault', async (pages) => {
    // The last page is in an LRU batch for certain; after its conversion none is.
    const script = [...touched(pages), a.toPrivate(pages - 1), a.toPrivate(0, pages)];
    expect(counts(await runScript(script, { policy }))).toEqual(counts(await runScript(script)));
  });

  test.each([
    { bad: 0, lookups: 31 },
    { bad: 30, lookups: 31 },
    { bad: 31, lookups: 62 },
    { bad: 495, lookups: 496 },
    { bad: 496, lookups: 512 },
    { bad: 511, lookups: 512 },
  ])('a refusal at page $bad of 512 has looked up $lookups folios, the batches up to it, and not the range', async ({ bad, lookups }) => {
    const { tally, notes } = await runScript([...touched(512), a.pinLong(0, bad), a.toPrivate(0, 512)], { policy });
    const counted = counts({ tally, notes });
    const attempts = tally.conversions.toPrivate.retries + 1;
    expect(tally.conversions.toPrivate.timedOut).toBe(1);
    expect(counted['pageCache.lookup']).toBe(attempts * lookups);
    expect(counted['refused.ownPin']).toBe(attempts);
    expect(counted['state.store']).toBe(1); // the to-shared
  });

  test('the LRU batches are drained once a call, where a count is too high, and then one batch is read again and not the range', async () => {
    const script = [...touched(512), a.toPrivate(0, 512)];
    const [own, other] = [counts(await runScript(script, { policy })), counts(await runScript(script))];
    expect([own['lru.drainWork'], other['lru.drainWork']]).toEqual([1, 1]);
    // 512 are 16 full batches of the CPU, and 16 pages that still are in one.
    expect(own['folio.readRef']).toBe(16 * 31 + 1 + 16);
    expect(other['folio.readRef']).toBe(16 * 31 + 1 + 512);
    // The 32nd folio empties the batch of the 31 before it.
    expect(counts(await runScript([...touched(32), a.toPrivate(0, 31)], { policy }))['lru.drainWork']).toBeUndefined();
  });
});
