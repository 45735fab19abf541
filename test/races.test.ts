/**
 * What only exploration can show: every interleaving of small programs, with all outcomes and all states counted.
 *
 * An outcome is the results of each thread, in the order of the threads of the race (test/tools/races.ts); the converter
 * is the first. A refused request ends as `timed-out` where it would try again (EAGAIN), as `gave-up` where it would not.
 */
import { describe, expect, test } from 'vitest';
import { PageBit, isPrivate } from '../src/model/file.ts';
import { sigbusOnFault } from '../src/policies/conversion/sigbus-on-fault.ts';
import { RegionBit } from '../src/model/stage2.ts';
import { CHECKS } from '../src/policies/policy.ts';
import type { Check } from '../src/policies/policy.ts';
import type { World } from '../src/model/world.ts';
import { explore } from './tools/explorer.ts';
import { races } from './tools/races.ts';
import type { Race } from './tools/races.ts';
import { policyNamed } from './tools/runScript.ts';
import { checkBeforeUnmap, folioMmappedWithoutDance, storeBeforeUnmap, withoutStep } from './tools/wrongPolicies.ts';

const policy = sigbusOnFault;
const broadcast = { broadcastFlush: true };

describe('GUP-fast against a conversion under sigbus-on-fault', () => {
  test('never leaves the page private and pinned: one of the two is refused', () => {
    const { counterexample, outcomes, states } = explore({ policy, ...races.pin });
    expect(counterexample).toBeUndefined();
    expect(outcomes).toEqual(['OK | EFAULT', 'timed-out | OK']);
    expect(states).toBe(781);
  });

  test('nor does it where flushes are broadcast and wait for no interrupt', () => {
    const { counterexample, outcomes, states } = explore({ policy, ...races.pin, shape: broadcast });
    expect(counterexample).toBeUndefined();
    expect(outcomes).toEqual(['OK | EFAULT', 'timed-out | OK']);
    expect(states).toBe(1171);
  });

  test('breaks a policy that reads the count before it unmaps; with interrupts the acknowledgement comes after the pin', () => {
    const { counterexample } = explore({ policy: checkBeforeUnmap, ...races.pin });
    expect(counterexample?.what).toBe('exposure');
    expect(counterexample?.schedule).toBe('0 to ptl.lock, 1 to pte.reread, 0 to tlb.send, 1 to ack(0), 0 to state.store');
    // The pin is whole before the entry is cleared; interrupts go on again, and only then the flush ends.
    expect(counterexample?.trace.filter((line) => /readRef|[01] pte\.|irq|ack|store/.test(line))).toEqual([
      '0 folio.readRef', '1 irq.off', '1 pte.read', '1 pte.reread', '0 pte.clear', '1 irq.on', '1 ack(0)', '0 state.store',
    ]);
  });

  test('breaks it under broadcast flushes too, with interrupts still off at the commit', () => {
    const { counterexample } = explore({ policy: checkBeforeUnmap, ...races.pin, shape: broadcast });
    expect(counterexample?.schedule).toBe('0 to ptl.lock, 1 to pte.reread, 0 to state.store');
  });

  test('is seen by mapped-or-pinned where the user takes FOLL_PIN, and not where it takes FOLL_GET', () => {
    expect(explore({ policy, check: 'mapped-or-pinned', ...races.pin })).toMatchObject({ outcomes: ['OK | EFAULT', 'timed-out | OK'], states: 796 });
    const { counterexample } = explore({ policy, check: 'mapped-or-pinned', ...races.splice });
    expect(counterexample?.what).toBe('exposure');
    expect(counterexample?.schedule).toBe('0 to ptl.lock, 1 to pte.reread, 0 to tlb.send, 1 to ack(0), 0 to state.store');
  });

  test('has transient references that refuse a conversion only where flushes do not wait for interrupts', () => {
    // disallow-gup drops every reference again: with interrupt flushes it is gone before the count is read.
    const disallowGup = policyNamed('disallow-gup');
    expect(explore({ policy: disallowGup, ...races.splice }).outcomes).toEqual(['OK | EFAULT']);
    expect(explore({ policy: disallowGup, ...races.splice, shape: broadcast }).outcomes).toEqual(['OK | EFAULT', 'timed-out | EFAULT']);
  });
});

describe('a host fault in flight against a conversion under sigbus-on-fault', () => {
  test('is closed by the reference that the fault holds', () => {
    const { counterexample, outcomes, states } = explore({ policy, ...races.fault });
    expect(counterexample).toBeUndefined();
    expect(outcomes).toEqual(['OK | OK', 'OK | SIGBUS', 'timed-out | OK']);
    expect(states).toBe(815);
  });

  test('breaks the mapcount check: nothing is mapped yet, and then the entry comes', () => {
    const { counterexample } = explore({ policy, check: 'mapcount', ...races.fault });
    expect(counterexample?.what).toBe('exposure');
    expect(counterexample?.schedule).toBe('0 to ioctl.enter, 1 to invalidate.readUnlock, 0 to state.store, 1 to pte.set');
    expect(counterexample?.trace.filter((line) => /state\.|lookupGet|invalidate|Mapcount|zap\.table| pte\./.test(line))).toEqual([
      // The fault looks the state up, takes its reference and drops invalidate_lock ...
      '1 pte.readNone', '1 invalidate.readLock', '1 state.read', '1 folio.lookupGet', '1 invalidate.readUnlock',
      // ... the conversion finds no page table to zap and a mapcount of zero ...
      '0 invalidate.writeLock', '0 state.readRange', '0 state.prealloc', '0 zap.table', '0 folio.lookupGet', '0 folio.readMapcount', '0 state.store',
      // ... and the entry is set over a private page.
      '1 pte.recheckNone', '1 pte.set',
    ]);
  });
});

describe('munmap against a conversion under sigbus-on-fault', () => {
  test('keeps the reference of a clean entry until the flush is over: the count sees the stale TLB entry of the reader', () => {
    const { counterexample, outcomes, states } = explore({ policy, ...races.munmapClean });
    expect(counterexample).toBeUndefined();
    expect(outcomes).toEqual(['OK | OK | OK', 'OK | OK | SIGBUS', 'OK | OK | SIGSEGV', 'timed-out | OK | OK', 'timed-out | OK | SIGSEGV']);
    expect(states).toBe(7342);
  });

  test.each(['mapcount', 'mapped-or-pinned'] as const)('breaks %s: the mapping count of a clean entry drops before the flush', (check) => {
    const { counterexample } = explore({ policy, check, ...races.munmapClean });
    expect(counterexample?.what).toBe('exposure');
    expect(counterexample?.schedule).toBe('0 to walk.folios, 1 to iMmap.remove, 0 to state.store');
  });

  test.each(CHECKS)('has no such window where the entry is dirty: %s is safe', (check) => {
    expect(explore({ policy, check, ...races.munmapDirty }).counterexample).toBeUndefined();
  });

  test('shows the kernel side of folio-mmapped what it cannot see: the VMA is gone from i_mmap before the flush', () => {
    // The VMM's own dance waits for mmap_lock and with it for the flush; a VMM without it relies on the kernel alone.
    const { counterexample } = explore({ policy: folioMmappedWithoutDance, check: 'mapcount', ...races.munmapClean });
    expect(counterexample?.schedule).toBe('0 to walk.folios, 1 to iMmap.remove, 0 to state.store');
    expect(explore({ policy: folioMmappedWithoutDance, check: 'mapcount', ...races.munmapDirty }).counterexample).toBeUndefined();
    expect(explore({ policy: folioMmappedWithoutDance, check: 'refcount', ...races.munmapClean }).counterexample).toBeUndefined();
    expect(explore({ policy: policyNamed('folio-mmapped'), check: 'mapcount', ...races.munmapClean }).counterexample).toBeUndefined();
  });
});

/* ---- every policy ---- */

/** All outcomes of a race under each policy that keeps the property: safe, no deadlock, no way into a corner, locks in order. */
type Outcomes = Readonly<Record<string, readonly string[]>>;

const expected: Readonly<Record<string, Outcomes>> = {
  threeActors: {
    'sigbus-on-fault': ['OK | OK | EFAULT', 'OK | SIGBUS | EFAULT', 'timed-out | OK | OK'],
    'folio-mmapped': ['OK | OK | EFAULT', 'OK | SIGSEGV | EFAULT', 'timed-out | OK | OK', 'timed-out | SIGSEGV | OK'],
    'disallow-gup': ['OK | OK | EFAULT', 'OK | OK | OK', 'OK | SIGBUS | EFAULT', 'OK | SIGBUS | OK'],
    'split-4k': ['OK | OK | EFAULT', 'OK | SIGBUS | EFAULT', 'timed-out | OK | OK'],
  },
  mmap: {
    'sigbus-on-fault': ['OK | OK OK', 'OK | OK SIGBUS', 'timed-out | OK OK'],
    // The file's hook refuses a mapping over a private page; one that it let pass before the commit ends in SIGBUS.
    'folio-mmapped': ['OK | EPERM SIGSEGV', 'OK | OK OK', 'OK | OK SIGBUS', 'OK | OK SIGSEGV', 'timed-out | OK OK'],
    'refuse-mmap': ['OK | EBUSY EBUSY', 'OK | OK EBUSY', 'OK | OK OK', 'OK | OK SIGBUS', 'OK | OK SIGSEGV', 'gave-up | OK OK'],
  },
  pin: {
    'folio-mmapped': ['OK | EFAULT', 'timed-out | OK'],
    'refuse-mmap': ['OK | EBUSY', 'OK | EFAULT', 'gave-up | OK', 'timed-out | OK'],
    'disallow-gup': ['OK | EFAULT', 'OK | OK'],
    'split-4k': ['OK | EFAULT', 'timed-out | OK'],
  },
  fault: {
    'folio-mmapped': ['OK | OK', 'OK | SIGSEGV'],
    'refuse-mmap': ['OK | EBUSY', 'OK | OK', 'OK | SIGBUS', 'OK | SIGSEGV', 'gave-up | OK'],
  },
  thereAndBack: {
    'sigbus-on-fault': ['OK OK | OK OK', 'OK OK | OK SIGBUS', 'OK OK | SIGBUS OK', 'OK OK | SIGBUS SIGBUS'],
    'folio-mmapped': ['OK OK | OK OK', 'OK OK | OK SIGSEGV', 'OK OK | SIGSEGV OK', 'OK OK | SIGSEGV SIGSEGV'],
  },
  twoConversions: {
    'sigbus-on-fault': ['OK OK | OK'],
    // One VMM thread maps the folio again between the other's munmap and its ioctl: EPERM, and the dance is done again until the time is up.
    'folio-mmapped': ['OK OK | OK', 'OK OK | timed-out'],
  },
  guestFault: {
    'sigbus-on-fault': ['OK | OK', 'timed-out | OK'],
    'folio-mmapped': ['OK | OK', 'timed-out | OK'],
  },
  fork: {
    'sigbus-on-fault': ['OK | OK', 'timed-out | OK'],
    'folio-mmapped': ['OK | OK', 'timed-out | OK'],
    'refuse-mmap': ['OK | OK', 'gave-up | OK', 'timed-out | OK'],
  },
  io: {
    'sigbus-on-fault': ['OK | EFAULT', 'OK | OK', 'timed-out | OK'],
    'disallow-gup': ['OK | EFAULT', 'OK | OK'],
  },
  twoFaults: {
    'sigbus-on-fault': ['OK | OK | OK', 'OK | OK | SIGBUS', 'OK | SIGBUS | OK', 'OK | SIGBUS | SIGBUS', 'timed-out | OK | OK'],
  },
  punchPinned: {
    'sigbus-on-fault': ['OK | OK OK | OK'],
    'disallow-gup': ['OK | OK OK | OK'],
  },
  punchFaulted: {
    'sigbus-on-fault': ['OK | OK | OK'],
  },
};

const rows = Object.entries(expected).flatMap(([race, byPolicy]) => Object.entries(byPolicy).map(([name, outcomes]) => ({ race: race as keyof typeof races, name, outcomes })));

describe('every policy, in every interleaving, with the refcount check', () => {
  test.each(rows)('$race under $name ends in one of its outcomes, and nowhere else', ({ race, name, outcomes }) => {
    const found = explore({ policy: policyNamed(name), ...races[race] });
    expect(found.counterexample).toBeUndefined();
    expect(found.outcomes).toEqual(outcomes);
  });

  test.each(['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup'])('%s holds with folios of order 1 and with broadcast flushes', (name) => {
    for (const race of [races.pinAndUnpin, races.splice, races.thereAndBack, races.guestFault, races.punchFaulted, races.copy]) {
      for (const shape of [{ folioOrder: 1 }, broadcast]) expect(explore({ policy: policyNamed(name), ...race, shape }).counterexample).toBeUndefined();
    }
  });

  test.each(['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'split-4k'])('%s holds in lazy runs with LRU batches, with one retry', (name) => {
    for (const race of [races.pinAndUnpin, races.donation, races.guestFault, races.twoConversions]) {
      expect(explore({ policy: policyNamed(name), ...race, shape: { lazy: true, lruBatch: 1 }, retries: 1 }).counterexample).toBeUndefined();
    }
  });
});

describe('a large stage-2 leaf', () => {
  const leaves = ({ pageState, regionState }: World): string => `${regionState[0] & RegionBit.Leaf ? 'large, ' : ''}${[...pageState].filter((state) => state & PageBit.Leaf).length} small`;

  test.each(['sigbus-on-fault', 'split-4k'])('is split where a part of its region changes side, and comes back where the region is one again: %s', (name) => {
    const { counterexample, outcomes } = explore({ policy: policyNamed(name), ...races.largeLeaf, shape: { largeBacking: true }, observe: leaves });
    expect(counterexample).toBeUndefined();
    // Page 0 keeps a small leaf of what was split; a fault after the request makes one leaf of it and its neighbour.
    expect(outcomes).toEqual(['OK OK | OK OK | 1 small', 'OK OK | OK OK | large, 0 small']);
  });
});

describe('a punched page that somebody holds', () => {
  test('lives on as an orphan: the pin is released later, and the new folio is shared with nobody', () => {
    const frames = ({ refcount, dataRefs, shape: { pages } }: World): string =>
      `references ${refcount.slice(0, pages).join(' ')} + ${refcount.slice(pages).join(' ')}, data ${dataRefs.join(' ')}`;
    const { counterexample, outcomes } = explore({ policy, ...races.punchPinned, observe: frames });
    expect(counterexample).toBeUndefined();
    // Page 0 is there and mapped, or it is not there: whatever the orphan was, nothing of it is left.
    expect(outcomes).toEqual(['OK | OK OK | OK | references 0 0 + 0 0, data 0 0 0 0', 'OK | OK OK | OK | references 2 0 + 0 0, data 1 0 0 0']);
  });

  test('is not confused with the folio that follows it where a grab of GUP-fast outlives the punch', () => {
    expect(explore({ policy, ...races.punchPinned, shape: broadcast }).counterexample).toBeUndefined();
  });
});

/* ---- that the explorer notices ---- */

describe('what is wrong on purpose', () => {
  test('a commit before the unmapping is caught at once', () => {
    const { counterexample } = explore({ policy: storeBeforeUnmap, ...races.pin });
    expect(counterexample?.what).toBe('exposure');
    expect(counterexample?.schedule).toBe('0 to state.store');
  });

  test('the loss of a step of to-private is noticed, but for four that only save time or speak to the guest', () => {
    const final = (world: World): string =>
      Array.from(world.pageState, (state, page) => `${isPrivate(world, page) ? 'private' : 'shared'}${state & PageBit.Leaf ? ' guest' : ''}`).join(', ');
    const shape = { lruBatch: 1 };
    const suite: readonly (Race & { readonly check?: Check })[] = [
      races.pin, races.fault, races.guestFault, races.thereAndBack, races.munmapAloneDirty, races.longTermPin, races.twoConversions, races.mappedTwice, races.neighbourPinned,
      // The count of a fault in flight hides what mmu_lock is for.
      { ...races.guestFault, check: 'mapcount' },
    ];
    const right = suite.map((race) => explore({ policy, ...race, shape, observe: final }));
    expect(right.map(({ counterexample }) => counterexample)).toEqual(suite.map(() => undefined));
    const noticed = (name: string): boolean =>
      suite.some((race, nth) => {
        const { counterexample, outcomes } = explore({ policy: withoutStep(name), ...race, shape, observe: final });
        return counterexample !== undefined || outcomes.join() !== right[nth].outcomes.join();
      });
    const labels = /^(to |end$|notifier\.end|gather\.done|check\.done)/;
    const names = new Set(policy.rules({ check: 'refcount' }).toPrivate.map(({ name }) => name).filter((name) => !labels.test(name)));
    // Without `dirty` every zap flushes under the page-table lock, as if its entries were dirty. The guest's TLB, which
    // a kick flushes, is not modelled.
    expect([...names].filter((name) => !noticed(name))).toEqual(['state.readRange', 'state.prealloc', 'dirty', 'kick.send']);
  });
});
