/**
 * The kernel's own selftests of guest_memfd, as litmus files that race with nobody: what each policy does to them.
 *
 * A policy whose contract is that of the in-place conversion series passes all of them. Another may differ, and says why;
 * every divergence is listed here, so that a new one is noticed and none goes away unseen.
 * Source: tools/testing/selftests/kvm/guest_memfd_conversions_test.c and guest_memfd_test.c.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkLitmus } from '../src/explore/checkLitmus.ts';
import { Machine } from '../src/explore/machine.ts';
import { Choice } from '../src/explore/moves.ts';
import { parseLitmus } from '../src/explore/parseLitmus.ts';
import { NO_REDUCTIONS } from '../src/explore/verdict.ts';
import { RegionBit } from '../src/model/stage2.ts';
import { policies } from '../src/policies/index.ts';

const FOLDER = 'litmus/conversion';
const SUFFIX = '.litmus.yaml';
const CONVERSIONS = 'tools/testing/selftests/kvm/guest_memfd_conversions_test.c';
const FILES = 'tools/testing/selftests/kvm/guest_memfd_test.c';

interface Row {
  readonly selftest: string;
  readonly source: string;
  /** Names of the litmus files: each form of the selftest that we have. */
  readonly litmus: readonly string[];
}

/** Each selftest with its forms: flags of the file (none, MMAP, MMAP and INIT_SHARED), the page under test, large folios. */
const rows: readonly Row[] = [
  { selftest: 'init_private', source: CONVERSIONS, litmus: ['cv-1-init-private', 'cv-1-init-private-order-1'] },
  { selftest: 'init_shared', source: CONVERSIONS, litmus: ['cv-2-init-shared', 'cv-2-init-shared-order-1'] },
  {
    selftest: 'indexing',
    source: CONVERSIONS,
    litmus: ['cv-3-indexing-0', 'cv-3-indexing-1', 'cv-3-indexing-2', 'cv-3-indexing-3', 'cv-3-indexing-order-1-0', 'cv-3-indexing-order-1-1'],
  },
  { selftest: 'before_allocation_shared', source: CONVERSIONS, litmus: ['cv-4-before-allocation-shared', 'cv-4-before-allocation-shared-order-1'] },
  { selftest: 'before_allocation_private', source: CONVERSIONS, litmus: ['cv-5-before-allocation-private', 'cv-5-before-allocation-private-order-1'] },
  { selftest: 'truncate', source: CONVERSIONS, litmus: ['cv-6-truncate', 'cv-6-truncate-order-1'] },
  { selftest: 'elevated_refcount', source: CONVERSIONS, litmus: ['elevated-refcount-0', 'elevated-refcount-1', 'elevated-refcount-2', 'elevated-refcount-3'] },
  { selftest: 'forked_accesses', source: CONVERSIONS, litmus: ['forked-accesses'] },
  { selftest: 'mmap_cow', source: FILES, litmus: ['gm-1-mmap-cow-private', 'gm-1-mmap-cow-shared'] },
  { selftest: 'mmap_supported', source: FILES, litmus: ['gm-2-mmap-supported'] },
  { selftest: 'fault_overflow', source: FILES, litmus: ['gm-3-fault-overflow'] },
  { selftest: 'fault_private', source: FILES, litmus: ['gm-4-fault-private'] },
  {
    selftest: 'invalid_punch_hole',
    source: FILES,
    litmus: ['gm-5-invalid-punch-hole-no-mmap', 'gm-5-invalid-punch-hole-private', 'gm-5-invalid-punch-hole-shared'],
  },
  { selftest: 'fallocate', source: FILES, litmus: ['gm-6-fallocate-no-mmap', 'gm-6-fallocate-private', 'gm-6-fallocate-shared'] },
];

/** What no selftest asks: the platform's rule for contents, large folios and large stage-2 leaves. */
const beside = [
  'content-zero', 'content-scramble', 'content-racing-read', 'content-stray-write', 'large-folio-neighbour', 'large-folio-error-offset', 'large-folio-partial-punch',
  'large-leaf-split-and-restored', 'large-leaf-fault-in-flight', 'gigantic-leaf-split-and-restored', 'gigantic-leaf-fault-in-flight',
];

/** By file and policy: the first result that is not the file's. */
const divergences: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'cv-1-init-private': unlike('host write 0 0xA'),
  'cv-1-init-private-order-1': unlike('host write 0 0xA'),
  'cv-2-init-shared': unlike('host write 0 0xC'),
  'cv-2-init-shared-order-1': unlike('host write 0 0xC'),
  'cv-3-indexing-0': unlike('host write 0 0x13'),
  'cv-3-indexing-1': unlike('host write 1 0x23'),
  'cv-3-indexing-2': unlike('host write 2 0x33'),
  'cv-3-indexing-3': unlike('host write 3 0x43'),
  'cv-3-indexing-order-1-0': unlike('host write 0 0x13'),
  'cv-3-indexing-order-1-1': unlike('host write 2 0x23'),
  'cv-4-before-allocation-shared': unlike('host write 0 0xA'),
  'cv-4-before-allocation-shared-order-1': unlike('host write 0 0xA'),
  'cv-6-truncate': unlike('host write 0 0xB'),
  'cv-6-truncate-order-1': unlike('host write 0 0xB'),
  'elevated-refcount-0': refused(0),
  'elevated-refcount-1': refused(1),
  'elevated-refcount-2': refused(2),
  'elevated-refcount-3': refused(3),
  'forked-accesses': unlike('host write 0 0xE'),
  'gm-4-fault-private': {
    'folio-mmapped': '"mmap 0..3" of vcpu ends with EPERM',
    'refuse-mmap': '"mmap 0..3" of vcpu ends with EBUSY',
    'sigsegv-on-fault': '"host write 0 0xAA" of vcpu ends with SIGSEGV',
    'exclusive-pin': '"host write 0 0xAA" of vcpu ends with SIGSEGV',
    'separate-shared-memory': '"host write 0 0xAA" of vcpu ends with OK',
  },
  'content-stray-write': { 'refuse-mmap': '"to-private 0" of vcpu ends with EBUSY at 0' },
  'large-folio-neighbour': { 'refuse-mmap': '"host read 1" of vcpu ends with EBUSY', 'separate-shared-memory': '"guest read 0" of vcpu ends with 0x0' },
  'large-leaf-split-and-restored': { 'separate-shared-memory': '"guest read 0" of vcpu ends with 0x0' },
  'gigantic-leaf-split-and-restored': { 'separate-shared-memory': '"guest read 0" of vcpu ends with 0x0' },
  'large-folio-error-offset': {
    'disallow-gup': '"to-private 0" of vcpu ends with OK',
    'split-4k': '"to-private 0" of vcpu ends with OK',
    'split-4k-lazy': '"to-private 0" of vcpu ends with OK',
    'exclusive-pin': '"to-private 0" of vcpu ends with EBUSY at 0',
    'folio-put-callback': '"to-private 0" of vcpu ends with OK',
    'separate-shared-memory': '"to-private 0" of vcpu ends with OK',
  },
};

/** The host touches a private page: no VMA covers it, none can be had, the signal is another, or it touches a page of another memory. */
function unlike(access: string): Readonly<Record<string, string>> {
  return {
    'folio-mmapped': `"${access}" of vcpu ends with SIGSEGV`,
    'refuse-mmap': `"${access}" of vcpu ends with EBUSY`,
    'sigsegv-on-fault': `"${access}" of vcpu ends with SIGSEGV`,
    'exclusive-pin': `"${access}" of vcpu ends with SIGSEGV`,
    'folio-put-callback': `"${access}" of vcpu ends with SIGSEGV`,
    'separate-shared-memory': `"${access}" of vcpu ends with OK`,
  };
}

/** A long-term pin that the policy does not grant, does not call EAGAIN, or does not mind. */
function refused(page: number): Readonly<Record<string, string>> {
  const pin = `"pin ${page} as buffer long-term" of vcpu ends with EFAULT`;
  const range = '"to-private 0..3" of vcpu ends with';
  return {
    'disallow-gup': pin, 'wait-for-pins': pin, 'migrate-like': pin, 'exclusive-pin': `${range} EBUSY at ${page}`, 'separate-shared-memory': `${range} OK`,
    'folio-put-callback': `${range} EAGAIN at ${page}`,
  };
}

const shipped = policies.filter(({ reference }) => reference === undefined);
const files = [...rows.flatMap(({ litmus }) => litmus), ...beside];

function litmusNamed(name: string) {
  const path = `${FOLDER}/${name}${SUFFIX}`;
  return parseLitmus(readFileSync(path, 'utf8'), path);
}

describe('the selftests of guest_memfd', () => {
  test('are fourteen, each with at least one litmus file, and each such file belongs to one of them', () => {
    expect(rows).toHaveLength(14);
    expect(rows.filter(({ litmus }) => litmus.length === 0)).toEqual([]);
    const found = readdirSync(FOLDER).filter((name) => /^(?:cv|gm|elevated|forked)-.*\.litmus\.yaml$/.test(name));
    expect(found.map((name) => name.slice(0, -SUFFIX.length)).sort()).toEqual(rows.flatMap(({ litmus }) => litmus).sort());
  });

  test.each(rows.flatMap(({ litmus, ...row }) => litmus.map((name) => ({ name, ...row }))))('$name begins with a vCPU, is explored under every policy, and names its selftest $selftest', ({ name, selftest, source }) => {
    const litmus = litmusNamed(name);
    expect(litmus.threads[0]).toMatchObject({ name: 'vcpu', role: 'vcpu', process: 0 });
    expect(litmus.source).toContain(`${source}, test ${selftest}`);
    expect(litmus.policies).toBeUndefined();
    expect(litmus.checks).toEqual(['refcount']);
  });
});

describe.each(files)('%s', (name) => {
  test.each(shipped)('under $name is as the file has it, or differs as listed', (policy) => {
    const listed = divergences[name]?.[policy.name];
    const verdict = checkLitmus({ litmus: litmusNamed(name), policy, check: 'refcount' });
    expect(verdict.counterexample?.what).toBe(listed);
    expect(verdict).toMatchObject({ verdict: listed === undefined ? 'proved' : 'differs', asExpected: true, exhaustive: true, safety: 'proved', liveness: 'proved' });
  });
});

test('a policy that differs says why, and no file expects a difference that is not listed', () => {
  for (const name of files) {
    const litmus = litmusNamed(name);
    const differing = shipped.filter((policy) => litmus.expectation(policy.name, 'refcount')?.verdict === 'differs');
    expect([name, differing.map((policy) => policy.name).sort()]).toEqual([name, Object.keys(divergences[name] ?? {}).sort()]);
    for (const policy of differing) expect(litmus.expectation(policy.name, 'refcount')?.because ?? '').toMatch(/\w+ \w+/);
  }
});

/** Pages of a memory of their own are small: nothing of it is mapped by a large leaf. */
const LARGE_LEAVES = shipped.filter(({ name }) => name !== 'separate-shared-memory');

test.each(LARGE_LEAVES)('a large stage-2 leaf goes when one half of it is shared, and comes back with the first fault after both are private, under $name', (policy) => {
  const litmus = litmusNamed('large-leaf-split-and-restored');
  const machine = new Machine({ litmus, policy, check: 'refcount', reductions: NO_REDUCTIONS, keepResults: false });
  const ended: string[] = [];
  while (machine.hasWork(0)) {
    expect(machine.step(0, Choice.None)).toBe(true);
    if (machine.endedThread !== 0) continue;
    const large = (machine.world.regionState[0] & RegionBit.Leaf) !== 0;
    ended.push(`${litmus.threads[0].operations[machine.endedOperation].text}: ${large ? 'large' : 'small'}`);
  }
  expect(ended).toEqual([
    'guest write 0 0xA: large', 'guest write 1 0xB: large',
    'to-shared 0: small', 'guest read 1: small', 'guest read 0: small', 'guest write 0 0xC: small',
    'to-private 0: small', 'guest read 0: large', 'guest read 1: large',
  ]);
});
