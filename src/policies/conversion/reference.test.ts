import { describe, expect, test } from 'vitest';
import { counts, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import { PHASES } from '../../model/operations.ts';

const script = [a.toShared(0, 2), a.guestRead(0), a.hostWrite(0, 0), a.hostWrite(0, 1), a.toPrivate(0, 2)];

describe('null', () => {
  test('does nothing for a request: everything stays shared and mapped, and no conversion is counted', async () => {
    for (const conversion of ['explicit', 'lazy'] as const) {
      const { tally } = await runScript([...script, a.guestWrite(0), a.hostRead(0)], { policy: 'null', vmas: 2, conversion });
      expect(tally.conversions.toPrivate).toMatchObject({ requested: 0, succeeded: 0, pages: 0 });
      expect(tally.latencyNs.toPrivate.count).toBe(0);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'access.done': 7, 'host.access': 3 });
      expect(counts({ tally, notes: [] })['state.store']).toBeUndefined();
    }
  });
});

describe('lower-bound', () => {
  const policy = 'lower-bound';

  test('pays the exit, the store, one flush an mm that has an entry, the zap of a present leaf, and nothing else', async () => {
    const { tally } = await runScript(script, { policy, vmas: 2 });
    const { phasesNs } = tally.conversions.toPrivate;
    // vm.exit; tlb.flush and tlb.flushEntry; stage2.zap; state.store
    expect(Object.fromEntries(PHASES.map((phase, index) => [phase, phasesNs[index]]).filter(([, ns]) => ns !== 0))).toEqual({ exit: 1, tlb: 2, stage2: 1, bookkeeping: 1 });
    expect(tally.latencyNs.toPrivate.totalNs).toBe(5);
  });

  test('with nothing mapped there is nothing to flush or zap', async () => {
    const { tally } = await runScript([a.toShared(0), a.toPrivate(0)], { policy });
    expect(tally.latencyNs.toPrivate.totalNs).toBe(2);
    expect(tally.latencyNs.toShared.totalNs).toBe(2);
  });

  test('refuses nothing and waits for nobody: a pin becomes an exposure', async () => {
    const { tally } = await runScript([a.toShared(0), a.pinLong(0, 0), a.toPrivate(0), a.device(0)], { policy });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, retries: 0 });
    expect(counts({ tally, notes: [] })).toMatchObject({ 'access.exposed': 1, 'access.rogue': 1 });
  });

  test('no policy that keeps the safety property is faster than it on the same requests', async () => {
    const bound = await runScript(script, { policy, vmas: 2 });
    for (const name of ['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k']) {
      const { tally } = await runScript(script, { policy: name, vmas: 2 });
      for (const direction of ['toPrivate', 'toShared'] as const) {
        expect(tally.latencyNs[direction].totalNs).toBeGreaterThanOrEqual(bound.tally.latencyNs[direction].totalNs);
      }
    }
  });

  test('in a lazy run a donation is the bare change too', async () => {
    const { tally } = await runScript([a.hostWrite(0), a.guestWrite(0), a.hostRead(0)], { policy, conversion: 'lazy' });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1 });
    expect(counts({ tally, notes: [] })).toMatchObject({ 'tlb.flush': 1, 'signal.SIGBUS': 1 });
  });
});
