/** The search on litmuses so small that everything about them can be counted by hand, and everything that it can find. */
import { array, assert, boolean, integer, nat, pre, property, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomLitmus, readRandom, textOf } from '../../test/tools/randomLitmus.ts';
import { allPolicies, shippedPolicies } from '../../test/tools/library.ts';
import { searchCell } from '../../test/tools/searched.ts';
import { smallLitmus } from '../../test/tools/smallLitmus.ts';
import type { SmallLitmus } from '../../test/tools/smallLitmus.ts';
import { LockClass, acquireWrite, lockId, waitFor } from '../model/locks.ts';
import { Op } from '../model/operations.ts';
import { Flow, acquire, steady, step } from '../model/step.ts';
import type { Step } from '../model/step.ts';
import { UserError } from '../model/userError.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../policies/conversion/sigbus-on-fault.ts';
import type { Check, ConversionPolicy } from '../policies/policy.ts';
import { withStep } from '../policies/wrong/steps.ts';
import { checkLitmus } from './checkLitmus.ts';
import { Machine } from './machine.ts';
import { AT_END, NO_LATER, cornersLeadOn, search } from './search.ts';
import type { Corner, SearchResult } from './search.ts';
import { ALL_REDUCTIONS, NO_REDUCTIONS } from './verdict.ts';
import type { Reductions } from './verdict.ts';

function policyNamed(name: string): ConversionPolicy {
  const found = allPolicies.find((policy) => policy.name === name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

interface Asked extends SmallLitmus {
  readonly policy?: ConversionPolicy;
  readonly check?: Check;
  readonly reductions?: Reductions;
  readonly suspicious?: boolean;
  readonly statesMax?: number;
}

function searchSmall({ policy = sigbusOnFault, check = 'refcount', reductions = NO_REDUCTIONS, suspicious = false, statesMax = Infinity, ...small }: Asked): SearchResult {
  const machine = new Machine({ litmus: smallLitmus(small), policy, check, reductions, keepResults: true });
  return search({ machine, reductions, statesMax, suspicious }).result;
}

const judge = ({ policy = sigbusOnFault, check = 'refcount', statesMax = 1_000_000, ...small }: Asked) => checkLitmus({ litmus: smallLitmus(small), policy, check, statesMax });

/** `sigbus-on-fault` with other steps to private. */
const withToPrivate = (change: (steps: readonly Step[]) => readonly Step[]): ConversionPolicy => ({
  ...sigbusOnFault,
  name: 'changed',
  rules: (options) => ({ ...sigbusOnFault.rules(options), toPrivate: change(unmapThenCheckSteps(options)) }),
});

describe('the states of a litmus', () => {
  test('with one thread are a chain: the 26 steps of a first host read', () => {
    expect(searchSmall({ threads: { host: ['host read 0'] } })).toEqual({
      states: 27, transitions: 26, depth: 26, exhaustive: true, outcomes: ['OK'], seen: [], converts: true,
    });
  });

  test('are one more for each hit that follows', () => {
    expect(searchSmall({ threads: { host: ['host read 0', 'host write 0', 'host read 0'] } })).toMatchObject({ states: 29, transitions: 28, depth: 28 });
  });

  test('are all pairs where two threads take two hits each', () => {
    const hits = { before: ['a: host write 0', 'b: host read 0'], threads: { a: ['host read 0', 'host read 0'], b: ['host write 0', 'host read 0'] } };
    // 3 x 3 states, and 2 x 3 moves of either thread.
    expect(searchSmall(hits)).toMatchObject({ states: 9, transitions: 12, depth: 4, outcomes: ['OK OK | OK OK'] });
  });

  test('are fewer where threads are interchangeable: the unordered pairs', () => {
    const twins = { before: ['main: host write 0'], threads: { a: ['host read 0', 'host read 0'], b: ['host read 0', 'host read 0'], main: ['host read 0'] } };
    const symmetry = { ...NO_REDUCTIONS, symmetry: true };
    const states = [NO_REDUCTIONS, symmetry].map((reductions) => searchCell({ litmus: smallLitmus(twins), policy: sigbusOnFault, check: 'refcount' }, { reductions }).found.result.states);
    // 3 x 3 pairs, of which 6 are unordered, and the main thread before or after its read.
    expect(states).toEqual([18, 12]);
  });

  test('are two, and one move, where all steps are joined', () => {
    // Everything from the lock on the file to the store is one thread's own.
    expect(searchSmall({ world: '{ pages: 1, start: private }', threads: { vcpu: ['to-private 0'] }, reductions: ALL_REDUCTIONS })).toMatchObject({ states: 2, transitions: 1, depth: 1, outcomes: ['OK'] });
  });

  test('have a move for each page of `any`', () => {
    const { states, transitions } = searchSmall({ world: '{ pages: 4, region-order: 2 }', before: ['host: host read 0', 'host: host read 1', 'host: host read 2', 'host: host read 3'], threads: { host: ['host read any'] } });
    // The four ends differ in nothing.
    expect({ states, transitions }).toEqual({ states: 2, transitions: 4 });
  });

  test('are not more than asked for, and then nothing is said', () => {
    expect(judge({ threads: { host: ['host read 0'] }, statesMax: 8 })).toMatchObject({ verdict: 'proved', states: 8, bound: null });
    expect(judge({ threads: { host: ['host read 0'] }, statesMax: 7 })).toMatchObject({ verdict: 'bounded', safety: 'unknown', liveness: 'unknown', exhaustive: false, bound: 7 });
  });
});

describe('a conversion that cannot end', () => {
  const waits = policyNamed('waits-under-invalidate-lock');
  const pinned = ['pin 0 as buffer get', 'host read 1', 'unpin buffer'];

  test('is stuck where two threads wait for each other, and says who waits where', () => {
    const { stuck, exhaustive } = searchSmall({ world: '{ pages: 2 }', threads: { vcpu: ['to-private 0'], host: pinned }, policy: waits });
    expect(stuck).toMatchObject({ rule: 'nobody-stuck', what: 'vcpu waits at folio.waitRef, host waits at invalidate.readLock', move: -1 });
    expect(exhaustive).toBe(false);
    expect(judge({ world: '{ pages: 2 }', threads: { vcpu: ['to-private 0'], host: pinned }, policy: waits })).toMatchObject({
      verdict: 'stuck', safety: 'unknown', liveness: 'stuck', counterexample: { rule: 'nobody-stuck', what: 'vcpu waits at folio.waitRef, host waits at invalidate.readLock' },
    });
  });

  test('is stuck where a VMM without an end to its patience meets a pin that nobody drops', () => {
    const forever = { world: '{ pages: 1, patience: forever }', threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer long-term'] } };
    expect(searchSmall(forever).stuck).toMatchObject({ rule: 'end-reachable' });
    expect(judge(forever)).toMatchObject({ verdict: 'stuck', liveness: 'stuck', counterexample: { rule: 'end-reachable' } });
  });

  test('is not where the pin is dropped in the end, or where patience ends', () => {
    const dropped = { world: '{ pages: 1, patience: forever }', threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer long-term', 'unpin buffer'] } };
    expect(searchSmall(dropped)).toMatchObject({ exhaustive: true, outcomes: ['OK | EFAULT OK', 'OK | OK OK'] });
    expect(judge(dropped)).toMatchObject({ verdict: 'proved', liveness: 'proved' });
    expect(judge({ ...dropped, world: '{ pages: 1, patience: 7 }', threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer long-term'] } })).toMatchObject({ verdict: 'proved' });
  });
});

describe('a verdict', () => {
  const conversion = { threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer short fast'] }, before: ['host: host write 0'] };

  test('is refuses where no to-private ever succeeds', () => {
    expect(judge({ ...conversion, policy: policyNamed('forgets-own-reference') })).toMatchObject({ verdict: 'refuses', safety: 'proved', counterexample: null });
  });

  test('is not refuses where the file expects the refusal, or asks for no conversion', () => {
    const refused = { before: ['vcpu: host write 0'], threads: { vcpu: ['to-private 0 => EAGAIN'] } };
    expect(judge({ ...refused, policy: policyNamed('forgets-own-reference') })).toMatchObject({ verdict: 'proved' });
    expect(judge({ threads: { host: ['host read 0'] } })).toMatchObject({ verdict: 'proved' });
  });

  test.each([
    ['expected', { ...conversion, threads: { ...conversion.threads, vcpu: ['to-private 0 => OK'] } }, '"to-private 0" of vcpu ends with EAGAIN at 0'],
    ['never', { ...conversion, more: ['never:', '  - host.1 => EFAULT'] }, '"pin 0 as buffer short fast" of host ends with EFAULT'],
    ['sometimes', { ...conversion, more: ['sometimes:', '  - vcpu.1 => OK', '  - host.1 => SIGBUS'] }, '"host.1 => SIGBUS" (small.litmus.yaml:16) never happens'],
    ['outcomes', { ...conversion, more: ['outcomes:', '  - OK | EFAULT'] }, '"EAGAIN | OK" is an outcome that the file does not have'],
    ['outcomes', { ...conversion, more: ['outcomes:', '  - OK | EFAULT', '  - EAGAIN | OK', '  - OK | OK'] }, '"OK | OK" never comes'],
  ])('is differs by `%s`', (rule, small, what) => {
    expect(judge(small)).toMatchObject({ verdict: 'differs', safety: 'proved', liveness: 'proved', counterexample: { rule, what } });
  });

  test('is proved where the same things are as the file says', () => {
    const more = ['sometimes:', '  - vcpu.1 => OK', '  - vcpu.1 => EAGAIN at 0', 'never:', '  - host.1 => SIGBUS', 'outcomes:', '  - OK | EFAULT', '  - EAGAIN | OK'];
    expect(judge({ ...conversion, more })).toMatchObject({ verdict: 'proved', outcomes: ['EAGAIN | OK', 'OK | EFAULT'], counterexample: null, asExpected: true });
  });

  test('is differs before it is bounded: what was seen was seen', () => {
    const differs = { threads: { host: ['host read 0 => SIGBUS', 'host read 0', 'host read 0', 'host read 0', 'host read 0', 'host read 0', 'host read 0'] } };
    expect(judge({ ...differs, statesMax: 9 })).toMatchObject({ verdict: 'differs', exhaustive: false, safety: 'unknown' });
  });
});

describe('a step', () => {
  const one = { threads: { vcpu: ['to-private 0'] } };

  test('that takes a lock out of order breaks lock-order', () => {
    const lockMmap = acquire('mmap.last', (world, task) => acquireWrite(world, task, world.mmapLock, 0, LockClass.Mmap));
    const policy = withToPrivate((steps) => steps.toSpliced(1, 0, lockMmap));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ rule: 'lock-order', what: 'lock order: task 0 takes class 0 while it holds 10' });
    expect(judge({ ...one, policy })).toMatchObject({ verdict: 'broken', safety: 'broken', liveness: 'unknown', counterexample: { rule: 'lock-order', schedule: 'vcpu*7' } });
  });

  test('that drops a reference which nobody holds breaks kernel-arithmetic', () => {
    const policy = withToPrivate((steps) => withStep(steps, 'walk.folios', (world) => {
      if (--world.refcount[0] < 0) throw new Error('refcount of frame 0 fell to -1');
      return Flow.Next;
    }));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ rule: 'kernel-arithmetic', what: 'refcount of frame 0 fell to -1' });
  });

  test('that forgets a reference breaks the conservation of references', () => {
    const policy = withToPrivate((steps) => withStep(steps, 'check.done', (world) => {
      world.refcount[0]++;
      return Flow.Next;
    }));
    expect(searchSmall({ ...one, before: ['vcpu: guest write 0'], policy }).broken).toMatchObject({ rule: 'F1', what: 'refcount of frame 0 is 2, counted 1' });
  });

  test('that waits against its mark is told', () => {
    const never = steady('never', (world) => waitFor(world, lockId(LockClass.Mmap, 0)));
    const policy = withToPrivate((steps) => steps.toSpliced(1, 0, never));
    for (const reductions of [NO_REDUCTIONS, ALL_REDUCTIONS]) {
      expect(searchSmall({ ...one, policy, reductions }).broken).toMatchObject({ rule: 'kernel-arithmetic', what: 'toPrivate.never waits, and its mark says that it never does' });
    }
  });

  test('of a host thread that converts kicks the vCPU, and waits for it', () => {
    const kicked = { before: ['vcpu: guest write 0'], threads: { vcpu: ['host read 0'], host: ['to-private 0'] } };
    const outcomes = ['OK | OK', 'OK | EAGAIN', 'SIGBUS | OK'].sort();
    for (const reductions of [NO_REDUCTIONS, ALL_REDUCTIONS]) expect(searchSmall({ ...kicked, reductions })).toMatchObject({ exhaustive: true, outcomes });
  });
});

describe('a suspicious search', () => {
  const one = { threads: { vcpu: ['to-private 0'] }, suspicious: true };

  test('finds nothing in a right policy', () => {
    expect(searchSmall(one)).toMatchObject({ exhaustive: true, outcomes: ['OK'] });
  });

  test('finds a step that changes something and then waits', () => {
    const policy = withToPrivate((steps) => steps.toSpliced(1, 0, step('rude', (world, task) => {
      world.cursor[task] = 1;
      return waitFor(world, lockId(LockClass.Mmap, 0));
    })));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ rule: 'kernel-arithmetic', what: 'a step that must wait changed the state' });
  });

  test('finds a step that remembers something outside of the world', () => {
    let times = 0;
    const policy = withToPrivate((steps) => withStep(steps, 'walk.folios', (world, task) => {
      world.walkEnd[task] = times++ % 2;
      return Flow.Next;
    }));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ rule: 'kernel-arithmetic', what: 'the same step on the same state did something else' });
  });

  test('finds a step that charges otherwise each time', () => {
    let times = 0;
    const policy = withToPrivate((steps) => withStep(steps, 'state.prealloc', (world) => {
      if (times++ % 2 === 0) world.meter.charge(Op['state.prealloc']);
      return Flow.Next;
    }));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ what: 'the same step on the same state did something else' });
  });

  test('finds a value beyond the maximum of its column', () => {
    const policy = withToPrivate((steps) => withStep(steps, 'state.prealloc', (world, task) => {
      world.attempts[task] = 8;
      return Flow.Next;
    }));
    expect(searchSmall({ ...one, policy }).broken).toMatchObject({ what: 'a state does not fit the maxima of its columns' });
  });
});

/* ---- liveness by corners ---- */

describe('corners', () => {
  /** What a search would note of a graph whose states are numbered in the order of their coming. */
  function noted(edges: readonly (readonly number[])[], ends: ReadonlySet<number>): { readonly corners: readonly Corner[]; readonly latestOf: { get(row: number): number } } {
    const latest = edges.map((targets, row) => (ends.has(row) ? AT_END : Math.max(...targets) > row ? Math.max(...targets) : NO_LATER));
    const corners = edges.flatMap((targets, row) => (latest[row] === NO_LATER ? [{ row, targets }] : []));
    return { corners, latestOf: { get: (row) => latest[row] } };
  }

  const allReachEnds = (edges: readonly (readonly number[])[], ends: ReadonlySet<number>): boolean => {
    const good = new Set(ends);
    for (let before = -1; before !== good.size; ) {
      before = good.size;
      for (const [row, targets] of edges.entries()) if (targets.some((target) => good.has(target))) good.add(row);
    }
    return good.size === edges.length;
  };

  test('lead on in no graph in which a state has no way to an end', () => {
    const graph = integer({ min: 1, max: 12 }).chain((count) =>
      tuple(array(array(nat(count - 1), { minLength: 1, maxLength: 3 }), { minLength: count, maxLength: count }), array(nat(count - 1), { maxLength: 3 })));
    let led = 0;
    assert(
      property(graph, ([edges, ends]) => {
        const { corners, latestOf } = noted(edges, new Set(ends));
        if (!cornersLeadOn(corners, latestOf)) return;
        led++;
        expect(allReachEnds(edges, new Set(ends))).toBe(true);
      }),
      { seed: 1, numRuns: 2000 },
    );
    // The property was asked often enough.
    expect(led).toBeGreaterThan(500);
  });

  test('say of random litmuses what the slow passes say', () => {
    const verdicts = new Map<string, number>();
    assert(
      property(randomLitmus, nat(shippedPolicies.length - 1), boolean(), boolean(), (random, policy, reduced, holds) => {
        // A buffer that is never dropped is what keeps a conversion from its end.
        const threads = random.threads.map((thread) => (thread.role === 'host' && holds ? { ...thread, operations: ['pin 0 as BUFFER long-term'] } : thread));
        const litmus = readRandom(textOf({ ...random, threads, world: { ...random.world, patience: 'forever' } }));
        pre(litmus !== undefined);
        const reductions = reduced ? ALL_REDUCTIONS : NO_REDUCTIONS;
        const [fast, slow] = [false, true].map((slowLiveness) => {
          const machine = machineOf({ litmus, policy: shippedPolicies[policy], check: 'refcount', reductions, keepResults: false });
          return machine && search({ machine, reductions, statesMax: 1_500, slowLiveness }).result;
        });
        pre(fast !== undefined);
        expect(fast, textOf(random)).toEqual(slow);
        const verdict = fast.stuck?.rule ?? (fast.exhaustive ? 'proved' : 'other');
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      }),
      { seed: 1, numRuns: 60 },
    );
    expect([...verdicts.keys()]).toEqual(expect.arrayContaining(['proved', 'end-reachable']));
  }, 120_000);
});

/** undefined where the policy does not do what comes before. */
function machineOf(options: ConstructorParameters<typeof Machine>[0]): Machine | undefined {
  try {
    return new Machine(options);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
