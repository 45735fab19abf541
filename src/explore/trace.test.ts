/** Traces: shortest ones with the fewest switches, ways through a reduced search written out, and schedules that are replayed. */
import { describe, expect, test } from 'vitest';
import { allPolicies } from '../../test/tools/library.ts';
import { searchCell } from '../../test/tools/searched.ts';
import { smallLitmus } from '../../test/tools/smallLitmus.ts';
import type { SmallLitmus } from '../../test/tools/smallLitmus.ts';
import { LockClass, acquireWrite } from '../model/locks.ts';
import { Flow } from '../model/step.ts';
import { UserError } from '../model/userError.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import type { Check, ConversionPolicy } from '../policies/policy.ts';
import { withStep } from '../policies/wrong/steps.ts';
import { checkLitmus, replaySchedule } from './checkLitmus.ts';
import type { Search } from './search.ts';
import { shortestSteps, tell } from './trace.ts';
import { ALL_REDUCTIONS } from './verdict.ts';
import type { Counterexample } from './verdict.ts';

interface Asked extends SmallLitmus {
  readonly policy?: string | ConversionPolicy;
  readonly check?: Check;
}

function cellOf({ policy = 'sigbus-on-fault', check = 'refcount', ...small }: Asked) {
  const found = typeof policy === 'string' ? allPolicies.find(({ name }) => name === policy) : policy;
  if (found === undefined) throw new Error('no such policy');
  return { litmus: smallLitmus(small), policy: found, check };
}

function traceOf(asked: Asked): Counterexample {
  const { counterexample } = checkLitmus(cellOf(asked));
  if (counterexample === null) throw new Error('nothing was found');
  return counterexample;
}

const findingOf = ({ result }: Search) => result.broken ?? result.stuck ?? result.differs;

/** The trace of the reduced search, as where the search for a shortest one would be too large. */
function writtenOut(asked: Asked): Counterexample {
  const cell = cellOf(asked);
  const reduced = searchCell(cell, { reductions: ALL_REDUCTIONS });
  const finding = findingOf(reduced.found);
  if (finding === undefined) throw new Error('nothing was found');
  const parts = { ...cell, keepResults: false };
  return tell(parts, shortestSteps(parts, reduced, finding, findingOf, 1), finding.rule, finding.what);
}

const withToPrivate = (name: string, run: Parameters<typeof withStep>[2]): ConversionPolicy => ({
  ...sigbusOnFault,
  rules: (options) => ({ ...sigbusOnFault.rules(options), toPrivate: withStep(sigbusOnFault.rules(options).toPrivate, name, run) }),
});

const fault: Asked = { threads: { vcpu: ['to-private 0'], host: ['host read 0'] }, check: 'mapcount' };
const clash: Asked = { before: ['host: host write 0'], threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer short'] }, policy: 'check-before-unmap' };

describe('a counterexample', () => {
  test('is a shortest one, and of these has the fewest switches', () => {
    const { rule, what, schedule, steps } = traceOf(fault);
    expect({ rule, what, schedule, length: steps.length }).toEqual({
      rule: 'no-exposure', what: 'page 0 is private and within reach by (a) a present page-table entry of the host', schedule: 'host*16 vcpu*32 host*2', length: 50,
    });
    expect(steps.slice(-3).map(({ step: name, changes }) => [name, changes])).toEqual([
      ['state.store', ['page 0 becomes private']],
      ['rmap.add', ['mapcount of page 0: 0 -> 1']],
      ['pte.set', ['PTE of page 0 set']],
    ]);
  });

  test('has the acknowledgements that it needs', () => {
    expect(traceOf(clash)).toMatchObject({ rule: 'no-exposure', schedule: 'vcpu*12 host*10 vcpu*12 host@vcpu vcpu*19' });
  });

  test('has the pages that were chosen and the rest that ended', () => {
    expect(traceOf({ world: '{ pages: 2 }', threads: { vcpu: ['to-private any => OK'], host: ['pin 1 as buffer long-term'] } }).schedule).toBe('host*19 vcpu?1 vcpu*30 vcpu! vcpu*2');
  });

  test('is empty where something never happens', () => {
    expect(traceOf({ ...fault, check: 'refcount', more: ['sometimes:', '  - host.1 => SIGSEGV'] })).toMatchObject({ rule: 'sometimes', steps: [], schedule: '' });
  });
});

const found: readonly (readonly [string, Asked])[] = [
  ['an exposure', fault],
  ['an exposure with acknowledgements', clash],
  ['an exposure by one of two threads', { ...fault, threads: { ...fault.threads, host: ['host read 0'], second: ['host read 0'] } }],
  ['an exposure by one of three, and chosen pages', { world: '{ pages: 2 }', threads: { vcpu: ['to-private any'], a: ['pin any as one get', 'unpin one'], b: ['pin any as two get', 'unpin two'], c: ['pin any as three get', 'unpin three'] }, check: 'mapcount' }],
  ['an unexpected result', { threads: { vcpu: ['to-private 0 => OK'], host: ['pin 0 as buffer long-term'] } }],
  ['a result that must never be', { threads: { vcpu: ['to-private 0'], a: ['host read 0'], b: ['host read 0'] }, more: ['never:', '  - vcpu.1 => EAGAIN'] }],
  ['threads that wait for each other', { world: '{ pages: 2 }', threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer get', 'host read 1', 'unpin buffer'] }, policy: 'waits-under-invalidate-lock' }],
  ['a lock out of order', { threads: { vcpu: ['to-private 0'] }, policy: withToPrivate('walk.folios', (world, task) => acquireWrite(world, task, world.mmapLock, 0, LockClass.Mmap)) }],
  ['a count that is wrong', { before: ['vcpu: guest write 0'], threads: { vcpu: ['to-private 0'] }, policy: withToPrivate('walk.folios', (world) => {
    world.refcount[0]++;
    return Flow.Next;
  }) }],
];

describe('a schedule', () => {
  test.each(found)('leads to %s once more, the shortest and the one written out of a reduced search', (_, asked) => {
    const cell = cellOf(asked);
    const shortest = traceOf(asked);
    const longer = writtenOut(asked);
    expect(longer.rule).toBe(shortest.rule);
    expect(longer.steps.length).toBeGreaterThanOrEqual(shortest.steps.length);
    for (const { schedule, steps, rule } of [shortest, longer]) {
      const replayed = replaySchedule({ ...cell, schedule });
      expect(replayed).toMatchObject({ rule, schedule });
      expect(replayed.steps).toEqual(steps);
      expect(replayed.what).not.toBe('');
    }
  });

  test('that ends where nothing is wrong says so', () => {
    expect(replaySchedule({ ...cellOf(fault), schedule: 'host*3 vcpu*2' })).toMatchObject({ rule: '', sentence: '', what: '', steps: { length: 5 } });
    expect(replaySchedule({ ...cellOf(fault), schedule: '' })).toMatchObject({ rule: '', steps: [] });
  });

  test('says who waits where all do', () => {
    const { what } = replaySchedule({ ...cellOf(found[6][1]), schedule: traceOf(found[6][1]).schedule });
    expect(what).toBe('vcpu waits at folio.waitRef, host waits at invalidate.readLock');
  });

  test.each([
    ['nobody*3', '"nobody*3" is no part of a schedule'],
    ['host*x', '"host*x" is no part of a schedule'],
    ['host@', '"host@" is no part of a schedule'],
    ['host!now', '"host!now" is no part of a schedule'],
    ['host*1000000', '"host*1000000" is no part of a schedule'],
    ['host?1', 'the schedule cannot be followed: "host?1" (move 1 of 1) is not possible there'],
    ['host!', 'the schedule cannot be followed: "host!" (move 1 of 1) is not possible there'],
    ['vcpu@host', 'the schedule cannot be followed: "vcpu@host" (move 1 of 1) is not possible there'],
    ['host*27', 'the schedule cannot be followed: "host*27" (move 27 of 27) is not possible there'],
    ['vcpu*7 host*9', 'the schedule cannot be followed: "host*9" (move 13 of 16) is not possible there'],
  ])('"%s" is refused', (schedule, what) => {
    expect(() => replaySchedule({ ...cellOf(fault), schedule })).toThrow(UserError);
    expect(() => replaySchedule({ ...cellOf(fault), schedule })).toThrow(what);
  });
});
