/** Verdicts as a matrix, as a list, and against a record. */
import { describe, expect, test } from 'vitest';
import type { Counterexample, Verdict } from '../explore/verdict.ts';
import { formatVerdict, formatVerdictDifference, formatVerdicts } from './verdictMatrix.ts';

const world = '2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0';

const verdictOf = (changed: Partial<Verdict>): Verdict => ({
  family: 'conversion', litmus: 'pin', policy: 'sigbus-on-fault', check: 'refcount', verdict: 'proved', safety: 'proved', liveness: 'proved', world,
  exhaustive: true, bound: null, states: 781, transitions: 1234, depth: 60, outcomes: null, counterexample: null, expected: null, because: null, asExpected: null,
  ...changed,
});

const counterexampleOf = (steps: number, what = 'page 0 is private and within reach by (a) a present PTE'): Counterexample => ({
  rule: 'no-exposure', sentence: 'nothing reaches a private page', what, why: 'it can take down the machine', threads: ['vcpu', 'host'],
  steps: Array.from({ length: steps }, () => ({ thread: 0, step: 'x', changes: [], locks: [] })), schedule: `vcpu*${steps}`,
});

const broken = (steps: number, changed: Partial<Verdict> = {}): Partial<Verdict> => ({ verdict: 'broken', safety: 'broken', counterexample: counterexampleOf(steps), ...changed });

const FIVE = ['sigbus-on-fault', 'refuse-mmap', 'disallow-gup', 'folio-mmapped', 'split-4k'] as const;

/** Two files under five policies; two of these have weaker checks. */
const library: readonly Verdict[] = ['gup-fast-against-to-private', 'host-fault-in-flight'].flatMap((litmus) =>
  FIVE.flatMap((policy) => [
    verdictOf({ litmus, policy, check: policy === 'disallow-gup' ? null : 'refcount', expected: 'proved', asExpected: true, ...(policy === 'refuse-mmap' ? { verdict: 'differs' } : {}) }),
    ...(policy === 'sigbus-on-fault' || policy === 'split-4k'
      ? [
          verdictOf({ litmus, policy, check: 'mapcount', ...broken(48), expected: 'broken', asExpected: true }),
          verdictOf({ litmus, policy, check: 'mapped-or-pinned', ...(litmus.startsWith('gup') && policy === 'split-4k' ? broken(31) : {}) }),
        ]
      : []),
  ]),
);

test('files of two families have a matrix each, under its name', () => {
  const two = [verdictOf({ litmus: 'a' }), verdictOf({ litmus: 'b', verdict: 'refuses' }), verdictOf({ family: 'sums', litmus: 'c', policy: 'torn', check: null, ...broken(4) })];
  const text = formatVerdicts(two, { format: 'table' });
  expect(text.split('\n').filter((line) => line.startsWith('family'))).toEqual(['family conversion', 'family sums']);
  expect(text.indexOf('torn')).toBeGreaterThan(text.indexOf('family sums'));
  expect(text).toContain('refuses: safe, and no conversion ever succeeds');
  expect(formatVerdicts(two, { format: 'md' })).toContain('### family sums');
});

describe('the matrix', () => {
  test('has a row a file and a column a policy, and what weaker checks change', () => {
    expect(formatVerdicts(library, { format: 'table' })).toMatchInlineSnapshot(`
      "------------------------------------------------------------------------------------------------
      litmus                       sigbus-on-fault  refuse-mmap  disallow-gup  folio-mmapped  split-4k
      ------------------------------------------------------------------------------------------------
      gup-fast-against-to-private  proved           differs      proved        proved         proved
      host-fault-in-flight         proved           differs      proved        proved         proved
      ------------------------------------------------------------------------------------------------

      broken under mapcount
      ---------------------------------------------------------
      litmus                       sigbus-on-fault  split-4k
      ---------------------------------------------------------
      gup-fast-against-to-private  broken (48)      broken (48)
      host-fault-in-flight         broken (48)      broken (48)
      ---------------------------------------------------------

      broken under mapped-or-pinned
      ---------------------------------------------------------
      litmus                       sigbus-on-fault  split-4k
      ---------------------------------------------------------
      gup-fast-against-to-private  =                broken (31)
      ---------------------------------------------------------

      18 cells, 14.1k states, 22.2k transitions; exhaustive; sequentially consistent
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0
      proved: every sentence holds in every interleaving; (31): steps of the shortest counterexample; =: as under refcount
      "
    `);
  });

  test('marks what is not as expected, and says why below', () => {
    const cells = [
      verdictOf({ ...broken(31), expected: 'proved', asExpected: false }),
      verdictOf({ policy: 'split-4k', verdict: 'stuck', liveness: 'stuck', counterexample: counterexampleOf(12, 'vcpu waits for invalidate_lock, which host holds'), expected: 'stuck', asExpected: true }),
      verdictOf({ litmus: 'fork', verdict: 'refuses', expected: 'differs', because: 'fork copies no entries', asExpected: false }),
      verdictOf({ litmus: 'fork', policy: 'lazy', verdict: 'bounded', exhaustive: false, bound: 1000, states: 1001, expected: 'proved', asExpected: false }),
    ];
    expect(formatVerdicts(cells, { format: 'table' })).toMatchInlineSnapshot(`
      "---------------------------------------------
      litmus  sigbus-on-fault  split-4k    lazy
      ---------------------------------------------
      pin     broken (31)!     stuck (12)  -
      fork    refuses!         -           bounded!
      ---------------------------------------------

      3 not as expected:
      - pin under sigbus-on-fault, check refcount: expected proved; found broken (page 0 is private and within reach by (a) a
        present PTE)
      - fork under sigbus-on-fault, check refcount: expected differs, because fork copies no entries; found refuses
      - fork under lazy, check refcount: expected proved; found bounded

      4 cells, 3.34k states, 4.94k transitions; exhaustive but for 1 bounded to 1000 states; sequentially consistent
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0
      refuses: safe, and no conversion ever succeeds; (31): steps of the shortest counterexample; !: not as expected
      "
    `);
  });

  test('is a table of Markdown that reads without a renderer', () => {
    expect(formatVerdicts(library, { format: 'md' })).toMatchInlineSnapshot(`
      "| litmus                      | sigbus-on-fault | refuse-mmap | disallow-gup | folio-mmapped | split-4k |
      | --------------------------- | --------------- | ----------- | ------------ | ------------- | -------- |
      | gup-fast-against-to-private | proved          | differs     | proved       | proved        | proved   |
      | host-fault-in-flight        | proved          | differs     | proved       | proved        | proved   |

      **broken under mapcount**

      | litmus                      | sigbus-on-fault | split-4k    |
      | --------------------------- | --------------- | ----------- |
      | gup-fast-against-to-private | broken (48)     | broken (48) |
      | host-fault-in-flight        | broken (48)     | broken (48) |

      **broken under mapped-or-pinned**

      | litmus                      | sigbus-on-fault | split-4k    |
      | --------------------------- | --------------- | ----------- |
      | gup-fast-against-to-private | =               | broken (31) |

      - 18 cells, 14.1k states, 22.2k transitions; exhaustive; sequentially consistent
      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0
      - proved: every sentence holds in every interleaving; (31): steps of the shortest counterexample; =: as under refcount
      "
    `);
  });

  test('is the verdicts themselves as JSON', () => expect(JSON.parse(formatVerdicts(library, { format: 'json' }))).toEqual(library));

  test('shows the only check that was explored as if it were the main one', () => {
    const cells = ['a', 'b'].map((litmus) => verdictOf({ litmus, check: 'mapcount', ...broken(9) }));
    expect(formatVerdicts(cells, { format: 'table' }).split('\n').slice(3, 5)).toEqual(['a       broken (9)', 'b       broken (9)']);
  });

  test('fits in 120 columns, whatever the names: many policies stand below each other', () => {
    const wrong = ['check-before-unmap', 'store-before-unmap', 'unmap-without-flush', 'forgets-own-reference', 'folio-mmapped-without-dance', 'no-notifier'];
    const litmus = 'a-file-whose-name-says-all-there-is-to-say-about-what-it-asks-of-a-policy';
    const cells = [litmus, 'fork'].flatMap((name) => [...FIVE, ...wrong].map((policy) => verdictOf({ litmus: name, policy, ...broken(123), expected: 'proved', asExpected: false })));
    const text = formatVerdicts(cells, { format: 'table' });
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([]);
    expect(text.split('\n').slice(0, 18).join('\n')).toMatchInlineSnapshot(`
      "------------------------------------------------------------------------------------------------------------------------
      litmus                                       sigbus-on-fault  refuse-mmap    disallow-gup   folio-mmapped  split-4k
      ------------------------------------------------------------------------------------------------------------------------
      a-file-whose-name-says-all-there-is-to-say-  broken (123)!    broken (123)!  broken (123)!  broken (123)!  broken (123)!
        about-what-it-asks-of-a-policy
      fork                                         broken (123)!    broken (123)!  broken (123)!  broken (123)!  broken (123)!
      ------------------------------------------------------------------------------------------------------------------------

      ------------------------------------------------------------------------------------------------------------------------
      litmus                                       check-before-  store-before-  unmap-without-  forgets-own-   folio-mmapped-
                                                   unmap          unmap          flush           reference      without-dance
      ------------------------------------------------------------------------------------------------------------------------
      a-file-whose-name-says-all-there-is-to-say-  broken (123)!  broken (123)!  broken (123)!   broken (123)!  broken (123)!
        about-what-it-asks-of-a-policy
      fork                                         broken (123)!  broken (123)!  broken (123)!   broken (123)!  broken (123)!
      ------------------------------------------------------------------------------------------------------------------------

      ----------------------------------------------------------"
    `);
  });

  test('of nothing says so', () => expect(formatVerdicts([], { format: 'table' })).toBe('no cell was explored\n'));
});

describe('a few cells of one file', () => {
  const cells = [
    verdictOf({ outcomes: ['EAGAIN | OK', 'OK | EFAULT'], expected: 'proved', asExpected: true }),
    verdictOf({ check: 'mapcount', ...broken(1), expected: 'proved', because: 'nothing is mapped', asExpected: false }),
    verdictOf({ policy: 'lazy', check: null, verdict: 'bounded', exhaustive: false, bound: 1000, states: 1001 }),
  ];

  test('are a list with world, extent, figures and outcomes', () => {
    expect(formatVerdicts(cells, { format: 'table' })).toMatchInlineSnapshot(`
      "pin under sigbus-on-fault, check refcount: proved
        world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
        exhaustive: 781 states, 1234 transitions, depth 60
        outcomes: EAGAIN | OK; OK | EFAULT
        as expected

      pin under sigbus-on-fault, check mapcount: broken after 1 step
        world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
        exhaustive up to the finding: 781 states, 1234 transitions, depth 60
        NOT AS EXPECTED: proved was expected, because nothing is mapped

      pin under lazy: bounded
        world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
        bounded to 1000 states: 1001 states, 1234 transitions, depth 60
      "
    `);
  });

  test('are a list in Markdown too', () => expect(formatVerdicts(cells, { format: 'md' })).toMatchInlineSnapshot(`
    "- pin under sigbus-on-fault, check refcount: proved
      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
      - exhaustive: 781 states, 1234 transitions, depth 60
      - outcomes: EAGAIN | OK; OK | EFAULT
      - as expected
    - pin under sigbus-on-fault, check mapcount: broken after 1 step
      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
      - exhaustive up to the finding: 781 states, 1234 transitions, depth 60
      - NOT AS EXPECTED: proved was expected, because nothing is mapped
    - pin under lazy: bounded
      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; sequentially consistent
      - bounded to 1000 states: 1001 states, 1234 transitions, depth 60
    "
  `));

  test('each say the world, sequential consistency, and how far they were explored', () => {
    for (const verdict of [...cells, ...library]) {
      expect(formatVerdict(verdict)).toContain(`world: ${world}; sequentially consistent`);
      expect(formatVerdict(verdict)).toMatch(verdict.exhaustive ? /^ {2}exhaustive(?: up to the finding)?: 781 states/m : /^ {2}bounded to 1000 states: 1001 states/m);
    }
  });
});

describe('a run against a record', () => {
  test('that is the same says nothing', () => expect(formatVerdictDifference(library, library)).toBe(''));

  test('tells verdicts, figures, and cells that only one of them has', () => {
    const recorded = [verdictOf({}), verdictOf({ check: 'mapcount' }), verdictOf({ litmus: 'fork' }), verdictOf({ litmus: 'gone' })];
    const found = [verdictOf({}), verdictOf({ check: 'mapcount', ...broken(31) }), verdictOf({ litmus: 'fork', states: 815, transitions: 1300 }), verdictOf({ litmus: 'new', policy: 'lazy', check: null })];
    expect(formatVerdictDifference(recorded, found)).toMatchInlineSnapshot(`
      "4 of 5 cells differ from the record:
      - pin under sigbus-on-fault, check mapcount: recorded proved, found broken
      - fork under sigbus-on-fault, check refcount: states 781 -> 815, transitions 1234 -> 1300
      - gone under sigbus-on-fault, check refcount: proved in the record, not explored
      - new under lazy: found proved, not in the record
      "
    `);
  });
});
