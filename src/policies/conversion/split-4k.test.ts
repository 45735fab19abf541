import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';

const policy = 'split-4k';
const large = { policy, folioOrder: 9, pages: 1024 } as const;
const pages = (first: number, after: number): readonly number[] => Array.from({ length: after - first }, (_, at) => first + at);

describe('split-4k', () => {
  test('a pin on one page of 2 MiB refuses that page, and only that one', async () => {
    for (const page of [76, 77, 78, 511]) {
      const { tally } = await runScript([a.toShared(0, 1024), a.pinLong(0, 77), a.toPrivate(page)], large);
      expect(tally.conversions.toPrivate.succeeded).toBe(page === 77 ? 0 : 1);
      expect(counts({ tally, notes: [] })['refused.neighbourPin']).toBeUndefined();
    }
    const { tally } = await runScript([a.toShared(0, 512), a.pinLong(0, 77), ...pages(0, 512).map((page) => a.toPrivate(page))], large);
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 512, succeeded: 511, timedOut: 1 });
  });

  test('to convert 4 KiB of a region that is mapped page by page costs one zap and no refault of a neighbour', async () => {
    const touchAll = pages(0, 512).map((page) => a.hostRead(page));
    const counted = counts(await runScript([a.toShared(0, 512), ...touchAll, a.toPrivate(5), ...touchAll], large));
    expect(counted['pte.zap']).toBe(1);
    expect(counted['pte.zapNeighbour']).toBeUndefined();
    expect(counted['fault.neighbour']).toBeUndefined();
    expect(counted['host.fault']).toBe(512 + 1); // and the SIGBUS of the converted page
  });

  test('the extra reference that keeps a folio unmovable is no user: it refuses nothing', async () => {
    const { tally } = await runScript([a.toShared(0), a.hostWrite(0), a.toPrivate(0)], large);
    expect(tally.conversions.toPrivate).toMatchObject({ succeeded: 1, retries: 0 });
  });

  test('a region is split once, as its first page is touched: 512 splits', async () => {
    const counted = counts(await runScript([a.toShared(0, 2), a.hostRead(0), a.hostRead(1), a.guestWrite(600), a.guestWrite(0)], large));
    expect(counted['folio.split']).toBe(2 * 512);
  });

  test('stage-2 uses a large leaf while the whole region is of one kind, and 512 small ones after a part changed', async () => {
    const whole = await runScript([a.guestWrite(0), a.guestWrite(511)], large);
    expect(whole.tally.memory).toMatchObject({ stage2Leaves2M: 1, stage2Leaves4K: 0, hugeCoverage: 1 });
    const { tally } = await runScript([a.guestWrite(0), a.toShared(5)], large);
    expect(tally.memory).toMatchObject({ stage2Leaves2M: 0, stage2Leaves4K: 511 });
    expect(counts({ tally, notes: [] })).toMatchObject({ 'stage2.split': 1, 'stage2.zap': 1 });
  });

  test('with 4 KiB memory it does what sigbus-on-fault does', async () => {
    for (const conversion of ['explicit', 'lazy'] as const) {
      const script = [a.toShared(0, 4), a.hostWrite(0), a.hostRead(1), a.guestWrite(9), a.io(2, 2, 30_000), a.toPrivate(0, 4), a.hostRead(0), a.punch(0, 2), a.guestWrite(0)];
      const split = await runScript(script, { policy, conversion });
      expect(counts(split)).toEqual(counts(await runScript(script, { policy: 'sigbus-on-fault', conversion })));
    }
  });

  test('a donation in a lazy run asks for one page of the region, whoever uses its neighbours', async () => {
    const { tally } = await runScript([a.hostRead(0), a.pinLong(0, 1), a.guestWrite(0)], { ...large, conversion: 'lazy' });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, pages: 1 });
  });
});
