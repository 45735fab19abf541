import { expect, test } from 'vitest';
import type { BackingName } from './backing.ts';
import { MIXED_KINDS, mixedCalls, mixedSequence } from './mixed.ts';
import type { Place } from './points.ts';
import { namedCounts, predict } from './predict.ts';

const PLACE: Place = { operation: 'mixed', pages: 64, vmas: 3, processes: 1, touched: true, dirty: true, cpus: 1 };

function countsOf(place: Place, backing: BackingName): Readonly<Record<string, number>> {
  const prediction = predict(place, backing);
  if (prediction === null) throw new Error('the model has sequences');
  return namedCounts(prediction);
}

test('a sequence is that of its place, stays inside of its file, and has all kinds', () => {
  expect(mixedSequence(PLACE)).toEqual(mixedSequence(PLACE));
  expect(mixedSequence({ ...PLACE, dirty: false })).not.toEqual(mixedSequence(PLACE));
  for (const { page, count, window } of mixedSequence(PLACE)) expect(page + count <= 64 && count > 0 && window < 3).toBe(true);
  expect(new Set(mixedSequence(PLACE).map(({ kind }) => kind))).toEqual(new Set(MIXED_KINDS.filter((kind) => kind !== 'fork')));
  expect(new Set(mixedSequence({ ...PLACE, operation: 'mixed.forks' }).map(({ kind }) => kind))).toEqual(new Set(MIXED_KINDS));
});

test('the calls of a sequence are those into libc: loads and stores are none, a pin is two', () => {
  const one = { page: 0, count: 1, window: 0 };
  expect(mixedCalls([{ kind: 'touch', ...one }, { kind: 'pin', ...one }, { kind: 'zap', ...one }])).toBe(3);
});

test('each fork of a sequence copies its mappings, whether forks came before it or not', () => {
  const place: Place = { ...PLACE, operation: 'mixed.forks' };
  const forks = mixedSequence(place).filter(({ kind }) => kind === 'fork').length;
  const prediction = predict(place, 'guest_memfd');
  if (prediction === null) throw new Error('the model has sequences');
  expect(forks).toBeGreaterThan(1);
  expect(namedCounts(prediction)).toMatchObject({ fork: forks, 'fork.vma': forks * PLACE.vmas });
});

test('the model does what the sequence says: a hole for each hole, and what goes around each call once', () => {
  const steps = mixedSequence(PLACE);
  const counts = countsOf(PLACE, 'guest_memfd');
  const times = (kind: string): number => steps.filter((step) => step.kind === kind).length;
  expect(counts.syscall).toBe(times('populate') + times('zap') + times('punch') + times('pin'));
  expect((counts['call.punch'] ?? 0) + (counts['call.punch.empty'] ?? 0)).toBe(times('punch'));
  expect((counts['call.gup.pin'] ?? 0) + (counts['call.gup.pin.faulting'] ?? 0)).toBe(times('pin'));
  expect(counts['call.gup.unpin']).toBe(times('pin'));
  expect(counts['call.zap']).toBe(times('zap'));
});

test('of a memfd a sequence that reads maps around: it faults less often, sets more entries, and makes as many pages', () => {
  const around = countsOf({ ...PLACE, dirty: false }, 'memfd');
  const alone = countsOf({ ...PLACE, dirty: false }, 'guest_memfd');
  expect(around['host.fault']).toBeLessThan(alone['host.fault']);
  expect(around['pte.set']).toBeGreaterThan(alone['pte.set']);
  expect(around['folio.alloc']).toBe(alone['folio.alloc']);
  expect(countsOf(PLACE, 'memfd')['host.fault']).toBe(countsOf(PLACE, 'guest_memfd')['host.fault']);
});
