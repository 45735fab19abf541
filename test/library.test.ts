/**
 * The library of litmus files: what each of them is made of, and the known answers of the debate that it has to give.
 *
 * That every file gives the verdict which it expects, under every policy and check, is asked of the program itself
 * (test/explore.test.ts). Here: which expectations there have to be, so that a file cannot be bent to what the explorer says.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkLitmus } from '../src/explore/checkLitmus.ts';
import type { Litmus, VerdictName } from '../src/explore/litmus.ts';
import { parseLitmus } from '../src/explore/parseLitmus.ts';
import { policies } from '../src/policies/index.ts';
import { CHECKS } from '../src/policies/policy.ts';
import type { Check, ConversionPolicy } from '../src/policies/policy.ts';
import { wrongPolicies } from '../src/policies/wrong/index.ts';
import { Access } from '../src/workloads/workload.ts';

const FOLDER = 'litmus/conversion';
const SUFFIX = '.litmus.yaml';

const names = readdirSync(FOLDER).map((file) => file.slice(0, -SUFFIX.length)).sort();
const textOf = (name: string): string => readFileSync(`${FOLDER}/${name}${SUFFIX}`, 'utf8');
const litmusNamed = (name: string): Litmus => parseLitmus(textOf(name), `${FOLDER}/${name}${SUFFIX}`);
const library = names.map(litmusNamed);

const shipped = policies.filter(({ reference }) => reference === undefined);
const known = [...policies, ...wrongPolicies];
const policyNamed = (name: string): ConversionPolicy => known.find((policy) => policy.name === name) ?? expect.unreachable(`no policy ${name}`);

interface Cell {
  readonly litmus: Litmus;
  readonly policy: ConversionPolicy;
  /** undefined: the policy has none. */
  readonly check: Check | undefined;
  readonly verdict: VerdictName | undefined;
}

/** The cells that a run of the library explores. */
const cells: readonly Cell[] = library.flatMap((litmus) =>
  (litmus.policies?.map(policyNamed) ?? shipped).flatMap((policy) =>
    (policy.checks.length === 0 ? [undefined] : (litmus.checks ?? CHECKS).filter((check) => policy.checks.includes(check)))
      .map((check) => ({ litmus, policy, check, verdict: litmus.expectation(policy.name, check)?.verdict })),
  ),
);

const isShipped = (policy: ConversionPolicy): boolean => shipped.includes(policy);

describe('each file of the library', () => {
  test.each(names)('%s is named as its file, asks a question, and names a source that anybody can look up', (name) => {
    const { name: own, question, source } = litmusNamed(name);
    expect(own).toBe(name);
    expect(question).toMatch(/\w.*[?.]$/);
    // A file of the kernel or its documentation, a mail with author and date, a series.
    expect(source).toMatch(/\b[\w/-]+\/[\w.-]+\.(?:c|h|rst)\b|by [A-Z][\w ]+, \d{1,2} [A-Z][a-z]{2} 20\d\d|series (?:of|for) guest_memfd/);
  });

  test('expects something of every cell that a run explores, and is explored under a policy and a check that there are', () => {
    expect(cells.filter(({ verdict }) => verdict === undefined).map(({ litmus, policy, check }) => `${litmus.name} ${policy.name}/${check}`)).toEqual([]);
    expect(library.filter((litmus) => !cells.some((cell) => cell.litmus === litmus)).map(({ name }) => name)).toEqual([]);
  });
});

/* ---- what the debate knows ---- */

/** "policy, policy" by file: where a check is expected to break. Cells of shipped policies. */
function brokenUnder(check: Check | undefined): Readonly<Record<string, string>> {
  const byFile: Record<string, string> = {};
  for (const { litmus, policy, check: other, verdict } of cells) {
    if (other !== check || verdict !== 'broken' || !isShipped(policy)) continue;
    byFile[litmus.name] = byFile[litmus.name] === undefined ? policy.name : `${byFile[litmus.name]}, ${policy.name}`;
  }
  return byFile;
}

/** Of the shipped policies that take the weaker checks, in their order, those without some. */
const allBut = (...without: readonly string[]): string =>
  shipped.filter(({ name, checks }) => checks.includes('mapcount') && !without.includes(name)).map(({ name }) => name).join(', ');
const ALL = allBut();
const WITH_GUP = allBut('disallow-gup');
const WITH_LONG_TERM_GUP = allBut('disallow-gup', 'wait-for-pins');
/** The kernel unmaps and goes on, with faults in flight. Where the VMM unmaps they keep its munmap waiting; wait-for-pins waits for them itself. */
const UNMAPPED_BY_KERNEL = allBut('folio-mmapped', 'refuse-mmap', 'wait-for-pins');
/** The same where a PMD may map the page: of a large folio. */
const MAPPED_BY_PMD = allBut('folio-mmapped', 'refuse-mmap', 'wait-for-pins', 'split-4k', 'split-4k-lazy');

describe('under the refcount', () => {
  test('no sentence breaks for any policy that ships, in any file', () => {
    expect(brokenUnder('refcount')).toEqual({});
    expect(cells.filter(({ policy, check }) => isShipped(policy) && check === 'refcount').length).toBeGreaterThan(300);
  });

  test('what gets stuck, without a limit to patience, is who waits for what nobody drops, or keeps what is needed to drop it', () => {
    const stuck = cells.filter(({ policy, verdict }) => isShipped(policy) && verdict === 'stuck');
    expect(stuck.filter(({ litmus }) => litmus.world.patience !== Infinity)).toEqual([]);
    expect(stuck.map(({ litmus, policy }) => `${litmus.name} ${policy.name}`)).toEqual([
      'pin-holder-faults-before-unpin wait-for-pins',
      'pipe-is-never-read-forever sigbus-on-fault', 'pipe-is-never-read-forever wait-for-pins', 'pipe-is-never-read-forever migrate-like', 'pipe-is-never-read-forever folio-put-callback',
      ...shipped.filter(({ name }) => name !== 'disallow-gup' && name !== 'separate-shared-memory').map(({ name }) => `vmm-waits-while-it-holds ${name}`),
    ]);
  });
});

test('an exclusive pin, in place of a check, is broken by gets and by secondary MMUs, and by no pin', () => {
  expect(brokenUnder(undefined)).toEqual({
    'exclusive-pin-and-get': 'exclusive-pin',
    'gup-fast-get': 'exclusive-pin',
    'gup-fast-get-broadcast': 'exclusive-pin',
    'lazy-donation': 'exclusive-pin',
    'secondary-mmu': 'exclusive-pin',
    'vmsplice-outlives-munmap': 'exclusive-pin',
  });
});

test('the mapcount breaks by pins, by gets, by faults in flight and by what a munmap has not flushed yet', () => {
  expect(brokenUnder('mapcount')).toEqual({
    // A pin, or a get, is no mapping.
    'fixed-buffer-outlives-munmap': WITH_LONG_TERM_GUP,
    'gup-fast-get': WITH_GUP,
    'gup-fast-get-broadcast': WITH_GUP,
    'gup-fast-pin': WITH_GUP,
    'gup-fast-pin-broadcast': WITH_GUP,
    'gup-slow-long-term': WITH_LONG_TERM_GUP,
    'io-in-flight': WITH_GUP,
    'large-folio-pin': WITH_GUP,
    'lazy-donation': WITH_GUP,
    'pmd-gup-fast': WITH_GUP,
    'there-and-back-gup-fast': 'sigbus-on-fault, folio-mmapped, split-4k, split-4k-lazy, wait-for-pins, in-place',
    'vmsplice-outlives-munmap': WITH_GUP,
    // A fault in flight is none yet.
    'host-fault-in-flight': UNMAPPED_BY_KERNEL,
    'mmap-race': UNMAPPED_BY_KERNEL,
    'pmd-fault-in-flight': MAPPED_BY_PMD,
    'pmd-munmap-part': MAPPED_BY_PMD,
    'two-host-faults': UNMAPPED_BY_KERNEL,
    'merge-against-host-fault': 'split-4k-lazy',
    // A cleared entry is none any more.
    'fork-race': ALL,
    'munmap-clean': allBut('folio-mmapped'),
    'munmap-dirty': 'refuse-mmap',
    'pmd-munmap-dirty': 'sigbus-on-fault, refuse-mmap, disallow-gup, wait-for-pins, sigsegv-on-fault, in-place',
  });
});

test('mapped-or-pinned sees the pins among them, and nothing else', () => {
  expect(brokenUnder('mapped-or-pinned')).toEqual({
    'gup-fast-get': WITH_GUP,
    'gup-fast-get-broadcast': WITH_GUP,
    'lazy-donation': WITH_GUP,
    'vmsplice-outlives-munmap': WITH_GUP,
    'host-fault-in-flight': UNMAPPED_BY_KERNEL,
    'mmap-race': UNMAPPED_BY_KERNEL,
    'pmd-fault-in-flight': MAPPED_BY_PMD,
    'pmd-munmap-part': MAPPED_BY_PMD,
    'two-host-faults': UNMAPPED_BY_KERNEL,
    'merge-against-host-fault': 'split-4k-lazy',
    'fork-race': ALL,
    'munmap-clean': allBut('folio-mmapped'),
    'munmap-dirty': 'refuse-mmap',
    'pmd-munmap-dirty': 'sigbus-on-fault, refuse-mmap, disallow-gup, wait-for-pins, sigsegv-on-fault, in-place',
  });
});

/* ---- that a verdict of `proved` is about something ---- */

const convertsWithoutSaying = ({ threads }: Litmus): boolean =>
  threads.some(({ operations }) => operations.some(({ kind, expected }) => kind === Access.ToPrivate && expected === undefined));

test('a race with a conversion says that it can succeed, by a fact or by its outcomes, wherever it is expected to be proved', () => {
  const silent = cells.filter(({ litmus, policy, check, verdict }) => {
    if (verdict !== 'proved' || !convertsWithoutSaying(litmus)) return false;
    const byFact = litmus.sometimes.some(({ thread, operation, result }) => {
      const { kind } = litmus.threads[thread].operations[operation];
      return kind === Access.ToPrivate && result.errno === 'OK';
    });
    return !byFact && litmus.outcomes(policy.name, check)?.some((outcome) => succeedsIn(litmus, outcome)) !== true;
  });
  // The reference protocol is about size: no results are kept in its states.
  expect([...new Set(silent.map(({ litmus }) => litmus.name))]).toEqual(['reference-protocol']);
});

/** Whether a to-private has the result OK in a final outcome. */
function succeedsIn({ threads }: Litmus, outcome: string): boolean {
  const results = outcome.split(' | ').map((thread) => thread.split(' '));
  return threads.some(({ operations }, thread) => operations.some(({ kind }, nth) => kind === Access.ToPrivate && results[thread][nth] === 'OK'));
}

test.each(shipped.flatMap((policy) => policy.checks.map((check) => ({ policy, check, name: policy.name }))))('$name converts a mapped page under the check $check', ({ policy, check }) => {
  const litmus = litmusNamed('mapped-page');
  const { verdict, outcomes } = checkLitmus({ litmus, policy, check });
  expect(verdict).toBe('proved');
  expect(outcomes?.filter((outcome) => succeedsIn(litmus, outcome))).not.toEqual([]);
});

/* ---- policies that are wrong on purpose ---- */

interface Caught {
  readonly policy: string;
  readonly by: string;
  readonly check: Check;
  readonly verdict: VerdictName;
  readonly what: string | undefined;
}

const caught: readonly Caught[] = [
  { policy: 'check-before-unmap', by: 'planted-race', check: 'refcount', verdict: 'broken', what: 'page 0 is private and within reach by (c) a reference whose holder may touch the data' },
  { policy: 'store-before-unmap', by: 'mapped-page', check: 'refcount', verdict: 'broken', what: 'page 0 is private and within reach by (a) a present page-table entry of the host' },
  { policy: 'unmap-without-flush', by: 'mapped-page', check: 'refcount', verdict: 'broken', what: 'page 0 is private and within reach by (b) a stale TLB entry that has not been flushed' },
  { policy: 'forgets-own-reference', by: 'mapped-page', check: 'refcount', verdict: 'refuses', what: undefined },
  { policy: 'no-notifier', by: 'secondary-mmu', check: 'refcount', verdict: 'broken', what: 'page 0 is private and within reach by (f) an entry of a secondary MMU' },
  { policy: 'waits-under-invalidate-lock', by: 'pin-holder-faults-before-unpin', check: 'refcount', verdict: 'stuck', what: 'vcpu waits at folio.waitRef, host waits at invalidate.readLock' },
  { policy: 'folio-mmapped-without-dance', by: 'munmap-after-i-mmap', check: 'mapcount', verdict: 'broken', what: 'page 0 is private and within reach by (b) a stale TLB entry that has not been flushed' },
  { policy: 'count-before-type', by: 'last-put-against-callback', check: 'refcount', verdict: 'stuck', what: 'vcpu waits at drained.wait' },
];

describe('a policy that is wrong on purpose', () => {
  test('has a mistake and a file that catches it, named in its header; none is among those that ship', () => {
    expect(caught.map(({ policy }) => policy)).toEqual(wrongPolicies.map(({ name }) => name));
    for (const { policy, by } of caught) {
      const header = readFileSync(`src/policies/wrong/${policy}.ts`, 'utf8').split('*/')[0];
      expect(header).toContain(`${policy}, wrong on purpose: `);
      expect(header).toContain('What is wrong: ');
      expect(header).toContain(`Caught by ${FOLDER}/${by}${SUFFIX}`);
    }
    expect(policies.filter((policy) => wrongPolicies.includes(policy))).toEqual([]);
  });

  test.each(caught)('$policy is caught by $by: $verdict', ({ policy, by, check, verdict, what }) => {
    const litmus = litmusNamed(by);
    expect(litmus.policies).toContain(policy);
    const found = checkLitmus({ litmus, policy: policyNamed(policy), check });
    expect(found).toMatchObject({ verdict, asExpected: true });
    expect(found.counterexample?.what).toBe(what);
  });

  test.each(caught)('$by is proved for a policy without the mistake of $policy', ({ by, policy }) => {
    const litmus = litmusNamed(by);
    const right = policy === 'folio-mmapped-without-dance' ? policyNamed('folio-mmapped') : policyNamed('sigbus-on-fault');
    // Outcomes are stated for the policies of the file; here it is the sentences that count.
    expect(checkLitmus({ litmus: { ...litmus, outcomes: () => undefined, sometimes: [] }, policy: right, check: 'refcount' }).verdict).toBe('proved');
  });
});
